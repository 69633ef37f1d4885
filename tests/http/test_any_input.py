"""Whatever is sent to a route, the answer is never our own fault."""

import pytest

from gateway.accounts.passwords import Hasher
from kernel.identity import Role
from kernel.sql.db import Database
from tests.http.any_input import faults
from tests.http.conftest import PEOPLE, ROUTES, Door, OpenDoor, door_on

# They break on purpose.
GOOD_ROUTES = [route for route in ROUTES if route.path not in {"/api/v1/broken", "/api/v1/half"}]


async def tokens_of(door: Door) -> dict[str, str]:
    made: dict[str, str] = {}
    for username, (role, _) in PEOPLE.items():
        session = await door.machine(username)
        made.setdefault(Role(role).value, session.headers["Authorization"].removeprefix("Bearer "))
    return made


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", ["a", "b"])
async def test_no_route_of_the_shell_breaks(database: Database, hasher: Hasher, seed: str) -> None:
    known = ["county", "qingshan", "wang", "CT01", "1.2.3"]
    async with door_on(database, hasher, routes=GOOD_ROUTES) as door:
        session = await door.visitor()
        async with session.get("/api/openapi.json") as answer:
            document = await answer.json()
        tokens = await tokens_of(door)
        count, found = await faults(session, document, tokens, seed=seed, each=25, known=known)
    assert count == 25 * sum(len(methods) for methods in document["paths"].values())
    assert found == []


async def test_the_control_with_a_route_that_breaks_is_found(open_door: OpenDoor) -> None:
    door = await open_door(routes=ROUTES)
    session = await door.visitor()
    async with session.get("/api/openapi.json") as answer:
        document = await answer.json()
    broken = {"paths": {p: document["paths"][p] for p in ("/api/v1/broken", "/api/v1/half")}}
    _, found = await faults(session, broken, await tokens_of(door), seed="a", each=2)
    assert sorted({line.partition(":")[0] for line in found}) == ["500", "ClientPayloadError"]
