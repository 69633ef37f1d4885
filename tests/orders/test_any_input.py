"""Whatever is sent to the routes of orders, the answer is never our own fault."""

import itertools
from typing import Any

import aiohttp
import pytest

from kernel.audit.trail import audit_entries
from kernel.sql.db import Database
from tests.http.any_input import faults
from tests.orders.desk import open_desk
from tests.orders.door import PEOPLE, open_door

NAMES = ("patients", "orders", "examinations", "worklist", "conflicts")
OURS = tuple(f"/api/v1/{name}" for name in NAMES)


def conditions() -> aiohttp.TraceConfig:
    """A key of its own for each request, and the version everything has at first."""
    numbers = itertools.count()

    async def add(_session: object, _context: object, asked: Any) -> None:
        asked.headers["Idempotency-Key"] = f"any-{next(numbers)}"
        asked.headers["If-Match"] = '"1.qingshan"'

    made = aiohttp.TraceConfig()
    made.on_request_start.append(add)
    return made


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", ["a", "b"])
async def test_no_route_of_orders_breaks(database: Database, seed: str) -> None:
    async with open_door(await open_desk(database)) as door:
        made = await door.write(
            "POST",
            "/orders",
            {
                "new_patient": {"name": "刘小凤"},
                "order": {"examination": "EX-CT-HEAD"},
            },
        )
        order = made.body["order"]
        known = [order["id"], order["patient"]["id"], "EX-CT-HEAD", "1.qingshan", "begin", "刘"]
        tokens = {role.value: door.tokens[name] for name, (role, _) in PEOPLE.items()}
        async with aiohttp.ClientSession(door.url, trace_configs=[conditions()]) as session:
            async with session.get("/api/openapi.json") as answer:
                document = await answer.json()
            document["paths"] = {
                path: acts for path, acts in document["paths"].items() if path.startswith(OURS)
            }
            _, found = await faults(session, document, tokens, seed=seed, each=30, known=known)
        # The control: much of it got as far as a look or an act, which leave a row in the trail.
        assert await door.desk.count(audit_entries) > 20
    assert len(document["paths"]) == 19
    assert found == []


@pytest.mark.timeout(120)
async def test_keys_and_versions_of_any_kind_are_answered(database: Database) -> None:
    async with open_door(await open_desk(database)) as door:
        body = {"new_patient": {"name": "刘小凤"}, "order": {"examination": "EX-CT-HEAD"}}
        path = f"/orders/{(await door.write('POST', '/orders', body)).body['order']['id']}"
        for key in ("x" * 129, "a b", "键"):
            assert (await door.write("POST", "/orders", body, key=key)).status == 400
        for etag in ("*", "1.qingshan", '""', '"1.qingshan", "2.qingshan"', '"' + "x" * 300 + '"'):
            answer = await door.write("PATCH", path, {"priority": "urgent"}, etag=etag)
            assert answer.status == 400, etag
        unknown = await door.write("PATCH", path, {"priority": "urgent"}, etag='"99.nowhere"')
        assert unknown.status == 412
        backfill = await door.write("PATCH", path, {"priority": "backfill"}, etag='"1.qingshan"')
        assert (backfill.status, backfill.body["code"]) == (400, "invalid-priority")
