"""The service describes itself, from the routes it serves."""

import json
from xml.etree import ElementTree as ET

import pytest
from aiohttp import web

from imaging.dicomweb.capabilities import CapabilitiesDoor, UndescribedRoute
from imaging.dicomweb.transactions import TRANSACTIONS
from kernel.web import permit
from tests.imaging.web_door import WebDoor

WADL = "application/vnd.sun.wadl+xml"
SENT = {"Accept": WADL, "Accept-Encoding": "identity"}
_N = "{http://wadl.dev.java.net/2009/02}"


@pytest.mark.parametrize("path", ["", "/"])
@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
async def test_the_root_tells_every_resource_as_a_tree(
    door: WebDoor, method: str, path: str
) -> None:
    async with door.client.request(method, door.url + path, headers=SENT) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, WADL)
        root = ET.fromstring(await answer.read())  # noqa: S314  # our own
    (top,) = root
    assert top.get("base") == f"{door.url}/"
    found = {
        (method.get("name"), path): method.get("id")
        for path, resource in _walk(top, "")
        for method in resource.findall(f"{_N}method")
    }
    assert found["GET", "/studies/{study}/series/{series}/instances/{instance}"] == (
        "RetrieveInstance"
    )
    served = {
        (method, path.replace(":.+}", "}")): told.id
        for (method, path), told in TRANSACTIONS.items()
    }
    assert found == served


def _walk(node: ET.Element, above: str) -> list[tuple[str, ET.Element]]:
    found = []
    for child in node.findall(f"{_N}resource"):
        path = f"{above}/{child.get('path')}"
        found += [(path, child), *_walk(child, path)]
    return found


async def test_the_same_can_be_had_as_json(door: WebDoor) -> None:
    status, headers, body = await door.get("", "application/json", Accept_Encoding="identity")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    told = json.loads(body)
    rows = {(row["method"], row["path"]): row for row in told["transactions"]}
    search = rows["GET", "/studies"]
    assert search["id"] == "SearchForStudies"
    assert {"limit", "offset", "fuzzymatching", "emptyvaluematching"} <= {*search["parameters"]}
    assert rows["POST", "/studies"]["takes"][0] == 'multipart/related; type="application/dicom"'
    assert (await door.get("", "text/html"))[0] == 406


def test_a_route_nobody_described_keeps_the_door_shut() -> None:
    @permit()
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response()

    with pytest.raises(UndescribedRoute):
        CapabilitiesDoor([web.get("/dicom-web/studies/{study}/new", handler)])
    CapabilitiesDoor([web.get("/api/v1/elsewhere", handler)])
