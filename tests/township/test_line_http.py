"""The line and what is set aside, as a technician's page asks for them."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
from aiohttp import web

from gateway.township.disk_room import DiskState, Room, room_of
from gateway.township.growth_watch import came_of_age
from gateway.township.http import QueueDoor
from gateway.township.line_http import LineDoor
from gateway.township.set_aside_http import SetAsideDoor
from gateway.township.tables import studies
from kernel.audit.access_log import AccessLog
from kernel.audit.trail import AuditEvent
from kernel.clock import SystemClock
from kernel.events import events_after
from kernel.identity import Principal, Role
from kernel.sql.columns import metadata
from kernel.web import ACCESS_LOG, PRINCIPAL
from tests.township.node import AT, Node, door_to, node_in
from tests.township.test_queue_http import FACTS
from tests.uploads.county_door import county_door, errors
from tests.uploads.dicom_files import ct_slice


@dataclass
class Page:
    """A technician at the page."""

    base: str
    session: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(self.base + path) as answer:
            return answer.status, await answer.json(content_type=None)

    async def file(self, path: str) -> tuple[int, bytes, str]:
        async with self.session.get(self.base + path) as answer:
            name = answer.headers.get("Content-Disposition", "")
            return answer.status, await answer.read(), name

    async def post(self, path: str, body: object | None = None) -> tuple[int, Any]:
        async with self.session.post(self.base + path, json=body) as answer:
            return answer.status, await answer.json(content_type=None)


@asynccontextmanager
async def page_for(node: Node, *, institution: str = "qingshan") -> AsyncIterator[Page]:
    principal = Principal("u1", "lijing", "李静", frozenset({Role.TECHNICIAN}), institution)

    @web.middleware
    async def signed_in(request: web.Request, handler: Any) -> web.StreamResponse:
        request[PRINCIPAL] = principal
        answer: web.StreamResponse = await handler(request)
        return answer

    app = web.Application(middlewares=[errors, signed_in])
    app[ACCESS_LOG] = AccessLog(node.database, SystemClock(), chain="test-access")
    queue = QueueDoor(node.database, node.news, FACTS, node.home, node.changed)
    aside = SetAsideDoor(node.database, node.news, node.objects, "qingshan", node.changed)
    app.add_routes(queue.routes())
    app.add_routes(LineDoor(node.news, "qingshan", node.changed).routes())
    app.add_routes(aside.routes())
    async with aiohttp.ClientSession() as session:
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield Page(f"http://127.0.0.1:{runner.addresses[0][1]}", session)
        finally:
            await runner.cleanup()


async def trail(node: Node) -> list[tuple[str, str]]:
    """Event and subject of everything in the trail."""
    rows = metadata.tables["audit_entries"].c
    query = sa.select(rows.event, rows.subject).order_by(rows.id)
    return await node.database.read(lambda conn: [(row[0], row[1]) for row in conn.execute(query)])


async def test_the_line_is_held_for_a_while_and_let_go(tmp_path: Path) -> None:
    async with (
        county_door(tmp_path / "county") as county,
        node_in(tmp_path / "node", door_to(county.port)) as node,
        page_for(node) as page,
    ):
        status, line = await page.post("/api/v1/line/pause", {"minutes": 30})
        assert status == 200
        assert line["held_by"] == "李静"
        assert dt.datetime.fromisoformat(line["held_until"]) > node.news.now().at
        await node.store([ct_slice(1)])
        await node.until(waiting=1)
        _, again = await page.get("/api/v1/line")
        assert (again["held_by"], again["held_until"]) == ("李静", line["held_until"])
        _, queue = await page.get("/api/v1/queue")
        assert queue["summary"]["line"]["held_until"] == line["held_until"]
        assert queue["items"][0]["eta"] is None
        status, line = await page.post("/api/v1/line/resume")
        assert (status, line["held_until"], line["held_by"]) == (200, None, "")
        await node.until(at_county=1)
        events = await node.database.read(lambda conn: events_after(conn, 0))
        held = [one.payload["held_by"] for one in events if one.topic == "line.changed"]
        assert "李静" in held
        assert held[-1] == ""


@pytest.mark.parametrize("minutes", [0, -1, 24 * 60 + 1, "long"])
async def test_a_hold_has_an_end(tmp_path: Path, minutes: object) -> None:
    async with node_in(tmp_path) as node, page_for(node) as page:
        assert (await page.post("/api/v1/line/pause", {"minutes": minutes}))[0] == 400


async def test_another_institutions_technician_sees_no_line(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node, page_for(node, institution="baiyun") as page:
        assert (await page.get("/api/v1/line"))[0] == 404
        assert (await page.post("/api/v1/line/pause", {"minutes": 5}))[0] == 404


async def test_a_study_is_put_before_the_others_of_its_priority(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node, page_for(node) as page:
        for study in (1, 2, 3):
            await node.store([ct_slice(1, study=study)])
        await node.until(waiting=3)
        _, queue = await page.get("/api/v1/queue")
        last = queue["items"][-1]["study_instance_uid"]
        status, item = await page.post(f"/api/v1/queue/{last}/first", {"first": True})
        assert (status, item["position"], item["put_first"]) == (200, 1, True)
        _, item = await page.post(f"/api/v1/queue/{last}/first", {"first": False})
        assert (item["position"], item["put_first"]) == (3, False)


async def with_one_set_aside(home: Path) -> None:
    """Leave a node with two images of which the first was refused at the county."""
    async with county_door(home / "county") as county:
        async with node_in(home / "node") as node:
            await node.store([ct_slice(1), ct_slice(2)])
            await node.until(waiting=2)
            [(key,), _] = await node.rows("object_key")
            path = home / "node" / "objects" / key
            path.write_bytes(path.read_bytes().replace(b"990000-1", b"990000-2"))
        async with node_in(home / "node", door_to(county.port)) as node:
            await node.until(at_county=1, set_aside=1)


async def test_what_is_set_aside_can_be_taken_along_released_and_tried_again(
    tmp_path: Path,
) -> None:
    await with_one_set_aside(tmp_path)
    async with node_in(tmp_path / "node") as node, page_for(node) as page:
        _, queue = await page.get("/api/v1/queue")
        [told] = queue["items"][0]["set_aside"]
        one = f"/api/v1/set-aside/{told['id']}"
        status, raw, name = await page.file(f"{one}/file")
        assert (status, raw[128:132]) == (200, b"DICM")
        assert name == f'attachment; filename="{told["sop_instance_uid"]}-{told["id"]}.dcm"'
        status, item = await page.post(f"{one}/release", {"released": True})
        assert (status, item["state"], item["instances"]["released"]) == (200, "at_county", 1)
        _, queue = await page.get("/api/v1/queue")
        assert queue["summary"]["needs_attention"] == 0
        assert (await page.post(f"{one}/retry"))[0] == 404
        status, item = await page.post(f"{one}/release", {"released": False})
        assert (status, item["state"]) == (200, "set_aside")
        status, item = await page.post(f"{one}/retry")
        assert (status, item["state"]) == (200, "waiting")
        assert (await page.post(f"{one}/retry"))[0] == 404
        study = f"study:{item['study_instance_uid']}"
        acts = [event for event, subject in await trail(node) if subject == study]
        assert acts[0] == AuditEvent.EXPORTED
        assert acts[1:] == [AuditEvent.CHANGED] * (len(acts) - 1)


@pytest.mark.parametrize("name", ["0", "99", "x", "-1", "1" * 40, "%00"])
async def test_what_is_not_set_aside_is_not_there(tmp_path: Path, name: str) -> None:
    async with node_in(tmp_path) as node, page_for(node) as page:
        for act in ("retry", "release"):
            assert (await page.post(f"/api/v1/set-aside/{name}/{act}", {}))[0] == 404
        assert (await page.get(f"/api/v1/set-aside/{name}/file"))[0] == 404


@pytest.mark.parametrize(
    ("room", "usual", "freeable", "state", "fits"),
    [
        pytest.param(Room(1000, 900, 100), 20, 0, DiskState.OK, 40, id="about-40-patients"),
        pytest.param(Room(1000, 900, 100), None, 0, DiskState.OK, None, id="nothing-seen-yet"),
        pytest.param(Room(1000, 150, 100), 20, 0, DiskState.LOW, 2, id="85-percent"),
        pytest.param(Room(1000, 150, 100), 20, 400, DiskState.LOW, 22, id="what-can-go-counts"),
        pytest.param(Room(1000, 100, 100), 20, 0, DiskState.FULL, 0, id="at-the-reserve"),
        pytest.param(Room(1000, 10, 100), 20, 0, DiskState.FULL, 0, id="below-the-reserve"),
    ],
)
def test_the_disk_is_told_in_patients(
    room: Room, usual: int | None, freeable: int, state: DiskState, fits: int | None
) -> None:
    disk = room_of(room, usual, freeable)
    assert (disk.state, disk.room_for_studies) == (state, fits)


async def test_a_study_that_stopped_growing_is_told_of_once(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.store([ct_slice(1)])
        await node.until(waiting=1)
        ages = (dt.timedelta(seconds=5), dt.timedelta(seconds=120))
        second = dt.timedelta(seconds=1)

        async def told(after: dt.timedelta) -> int:
            now = AT + after
            return len(
                await node.database.read(lambda conn: came_of_age(conn, now - second, now, ages))
            )

        seen = [seconds for seconds in range(200) if await told(dt.timedelta(seconds=seconds))]
        assert seen == [5, 120]
        query = sa.select(studies.c.last_received_at)
        assert await node.database.read(lambda conn: conn.scalar(query)) == AT
