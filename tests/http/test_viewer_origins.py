"""A foreign viewer at the whole door: what its browser is told, and what it cannot do."""

import aiohttp
import pytest
from aiohttp import web

from imaging.dicomweb.cors import Cors
from kernel.identity import Role
from kernel.web import json_response, permit
from tests.http.conftest import ROUTES, Door, OpenDoor

VIEWER, STRANGER = "https://viewer.example", "https://evil.example"
PATH = "/dicom-web/studies"
PREFLIGHT = {
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "authorization",
}


@permit(roles={Role.RADIOLOGIST})
async def studies(_request: web.Request) -> web.StreamResponse:
    return json_response([])


@pytest.fixture
def cors() -> Cors:
    return Cors([VIEWER])


async def door_with(open_door: OpenDoor, cors: Cors) -> Door:
    routes = [*ROUTES, web.get(PATH, studies), web.post(PATH, studies), *cors.routes()]
    return await open_door(routes=routes, on_prepare=[cors.add_headers])


def allowed(answer: aiohttp.ClientResponse) -> str | None:
    return answer.headers.get("Access-Control-Allow-Origin")


async def test_the_preflight_of_a_named_origin_is_answered_and_of_another_is_not(
    open_door: OpenDoor, cors: Cors
) -> None:
    door = await door_with(open_door, cors)
    page = await door.visitor()
    async with page.options(PATH, headers=PREFLIGHT | {"Origin": VIEWER}) as answer:
        assert (answer.status, allowed(answer)) == (204, VIEWER)
        assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    for origin in (STRANGER, "null", f"{VIEWER}:8443", f"{VIEWER}.evil.example"):
        async with page.options(PATH, headers=PREFLIGHT | {"Origin": origin}) as answer:
            assert allowed(answer) is None


async def test_it_reads_with_a_token_and_learns_why_it_may_not(
    open_door: OpenDoor, cors: Cors
) -> None:
    door = await door_with(open_door, cors)
    for username, status in (("wang", 200), ("sys", 403)):
        program = await door.machine(username)
        async with program.get(PATH, headers={"Origin": VIEWER}) as answer:
            assert (answer.status, allowed(answer)) == (status, VIEWER)
            assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        async with program.get(PATH, headers={"Origin": STRANGER}) as answer:
            assert (answer.status, allowed(answer)) == (status, None)


async def test_it_stores_nothing_and_reads_nothing_else(open_door: OpenDoor, cors: Cors) -> None:
    door = await door_with(open_door, cors)
    page = await door.page("wang")
    async with page.post(PATH, headers={"Origin": VIEWER}) as answer:
        assert answer.status == 403
    async with page.get("/api/v1/who", headers={"Origin": VIEWER}) as answer:
        assert allowed(answer) is None
    async with page.options("/api/v1/who", headers=PREFLIGHT | {"Origin": VIEWER}) as answer:
        assert (answer.status, allowed(answer)) == (405, None)


async def test_without_a_setting_there_is_no_preflight(open_door: OpenDoor) -> None:
    door = await door_with(open_door, Cors([]))
    page = await door.visitor()
    async with page.options(PATH, headers=PREFLIGHT | {"Origin": VIEWER}) as answer:
        assert (answer.status, allowed(answer)) == (405, None)
