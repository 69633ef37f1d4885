"""Text of an object that would be markup in a page comes back as text of a JSON document."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from multidict import CIMultiDictProxy

from imaging.archive import http as archive_http
from tests.imaging.desk import Desk
from tests.imaging.door import serve
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor, open_door


@pytest_asyncio.fixture
async def door(sqlite_desk: Desk) -> AsyncIterator[WebDoor]:
    async with open_door(sqlite_desk, filing=False) as opened:
        yield opened


def _is_no_page(headers: CIMultiDictProxy[str], kind: str) -> None:
    assert headers["Content-Type"].partition(";")[0] == kind
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "sandbox" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "text",
    [
        "<img src onerror>",
        '"><svg><script>alert(1)</script>',
        "</script><script>alert(1)</script>",
        "javascript:alert(1)",
        "Li\u202eieW",
    ],
)
async def test_markup_in_names_stays_text(sqlite_desk: Desk, door: WebDoor, text: str) -> None:
    await sqlite_desk.file(ct(1, PatientName=text, StudyDescription=text))
    for path in ("/studies", f"/studies/{ROOT}.1/metadata"):
        status, headers, body = await door.get(path, Accept_Encoding="identity")
        assert status == 200
        _is_no_page(headers, "application/dicom+json")
        (study,) = json.loads(body)
        assert study["00100010"]["Value"] == [{"Alphabetic": text}]


async def test_markup_in_the_study_list_stays_text(sqlite_desk: Desk) -> None:
    text = "<img src onerror>"
    await sqlite_desk.file(ct(1, PatientName=text, StudyDescription=text))
    async with (
        serve(sqlite_desk, archive_http.routes()) as server,
        ClientSession() as http,
        http.get(server.make_url("/api/v1/studies")) as answer,
    ):
        assert answer.content_type == "application/json"
        (row,) = (await answer.json())["items"]
    assert row["patient"]["name"] == text
    assert row["description"] == text


@pytest.mark.parametrize("asked", ["text/html", "image/svg+xml", "text/html, */*;q=0.1"])
async def test_nobody_gets_a_page_by_asking_for_one(
    sqlite_desk: Desk, door: WebDoor, asked: str
) -> None:
    await sqlite_desk.file(ct(1, PatientName="<script>alert(1)</script>"))
    for path in ("/studies", f"/studies/{ROOT}.1/metadata", f"/studies/{ROOT}.1"):
        _, headers, _ = await door.get(path, asked)
        assert "html" not in headers["Content-Type"]
        assert "svg" not in headers["Content-Type"]
        assert headers["X-Content-Type-Options"] == "nosniff"
