"""Pages of another origin read DICOMweb only where a setting names them."""

from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.http.errors import errors
from gateway.http.limits import add_headers
from imaging.dicomweb.cors import Cors
from kernel.errors import Missing

VIEWER, STRANGER = "https://viewer.example", "https://evil.example"
Client = TestClient[web.Request, web.Application]


async def hello(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="hello", headers={"Vary": "Accept"})


async def nothing(_request: web.Request) -> web.StreamResponse:
    raise Missing


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    cors = Cors([VIEWER])
    app = web.Application(middlewares=[errors])
    app.add_routes(
        [
            web.get("/dicom-web/studies", hello),
            web.get("/dicom-web/missing", nothing),
            web.get("/api/v1/studies", hello),
            *cors.routes(),
        ]
    )
    app.on_response_prepare.append(cors.add_headers)
    app.on_response_prepare.append(add_headers)
    async with TestClient(TestServer(app, host="127.0.0.1")) as opened:
        yield opened


async def test_a_named_origin_may_read_answers_and_refusals(client: Client) -> None:
    for path, status in (("/dicom-web/studies", 200), ("/dicom-web/missing", 404)):
        answer = await client.get(path, headers={"Origin": VIEWER})
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == VIEWER
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_preflight_needs_no_sign_in_and_says_what_may_be_sent(client: Client) -> None:
    answer = await client.options(
        "/dicom-web/studies/1.2/series",
        headers={"Origin": VIEWER, "Access-Control-Request-Method": "GET"},
    )
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == VIEWER
    for name in ("Authorization", "Accept", "Range"):
        assert name in answer.headers["Access-Control-Allow-Headers"]


async def test_any_other_origin_may_read_nothing(client: Client) -> None:
    for origin in (STRANGER, "null", "", VIEWER + ".evil.example", VIEWER.upper()):
        answer = await client.get("/dicom-web/studies", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_only_this_door_is_opened(client: Client) -> None:
    answer = await client.get("/api/v1/studies", headers={"Origin": VIEWER})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_without_a_setting_there_is_no_preflight() -> None:
    assert Cors([]).routes() == []
