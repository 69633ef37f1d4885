"""The queue as the township's page asks for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa
from aiohttp import web

from bench.line.model import QUICK_LINE
from bench.line.proxy import open_line
from gateway.exchange.node_facts import note_expected, read_expected
from gateway.township.http import (
    CountyFacts,
    DicomDoor,
    NamedInstitution,
    QueueDoor,
    TownshipFacts,
)
from gateway.township.tables import studies
from kernel.arrival import Priority
from kernel.audit.access_log import AccessLog
from kernel.audit.trail import audit_entries, verify
from kernel.clock import SystemClock
from kernel.identity import Principal, Role
from kernel.web import ACCESS_LOG, PRINCIPAL
from tests.township.node import Node, door_to, node_in
from tests.uploads.county_door import county_door, errors
from tests.uploads.dicom_files import ct_slice

FACTS = TownshipFacts(
    name="青山卫生院",
    institution=NamedInstitution(code="qingshan", name="青山卫生院"),
    dicom=DicomDoor(ae_title="YILIAN-TWP", host="127.0.0.1", port=11113),
    county=CountyFacts(name="县医院", phone="12345"),
)


class Page:
    """Somebody at the township's page."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session
        self.changes = 0

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(self.base + path) as answer:
            return answer.status, await answer.json(content_type=None)

    async def post(self, path: str, body: object | None = None) -> tuple[int, Any]:
        async with self.session.post(self.base + path, json=body) as answer:
            return answer.status, await answer.json(content_type=None)


@asynccontextmanager
async def page_for(
    node: Node,
    *,
    roles: frozenset[Role] = frozenset({Role.TECHNICIAN}),
    institution: str = "qingshan",
) -> AsyncIterator[Page]:
    principal = Principal("u1", "lijing", "李静", roles, institution)

    @web.middleware
    async def signed_in(request: web.Request, handler: Any) -> web.StreamResponse:
        request[PRINCIPAL] = principal
        answer: web.StreamResponse = await handler(request)
        return answer

    app = web.Application(middlewares=[errors, signed_in])
    log = AccessLog(node.database, SystemClock(), chain="test-access")
    app[ACCESS_LOG] = log
    async with aiohttp.ClientSession() as session:
        page = Page("", session)

        def changed() -> None:
            page.changes += 1

        app.add_routes(QueueDoor(node.database, node.news, FACTS, node.home, changed).routes())
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        page.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield page
        finally:
            await runner.cleanup()


async def test_the_page_learns_what_this_node_is_and_whom_to_call(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node, page_for(node) as page:
        status, told = await page.get("/api/v1/node")
        assert status == 200
        assert told["dicom"] == {"ae_title": "YILIAN-TWP", "host": "127.0.0.1", "port": 11113}
        assert told["county"]["phone"] == "12345"


async def test_the_queue_shows_every_study_in_the_order_it_goes(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node, page_for(node) as page:
        await node.store([ct_slice(1, study=1), ct_slice(2, study=1)])
        await node.store([ct_slice(1, study=2)])
        await node.store([ct_slice(1, study=3)], priority=Priority.EMERGENCY)
        await node.until(waiting=4)
        status, queue = await page.get("/api/v1/queue")
        assert status == 200
        assert [item["priority"] for item in queue["items"]] == ["emergency", "routine", "routine"]
        assert [item["position"] for item in queue["items"]] == [1, 2, 3]
        assert queue["items"][1]["instances"]["here"] == 2
        summary = queue["summary"]
        assert (summary["safe_here"], summary["on_the_line"], summary["at_county"]) == (3, 3, 0)
        assert summary["line"]["state"] == "unknown"
        assert 0 <= summary["disk"]["used_percent"] <= 100
        assert summary["disk"]["room_for_studies"] > 0
        assert queue["last_event_id"] > 0
        _, first = await page.get("/api/v1/queue?limit=2")
        _, second = await page.get(f"/api/v1/queue?limit=2&cursor={first['next_cursor']}")
        assert len(first["items"]) == 2
        assert [item["position"] for item in second["items"]] == [3]
        assert second["next_cursor"] is None


async def test_what_the_county_has_stays_in_todays_list(tmp_path: Path) -> None:
    async with (
        county_door(tmp_path / "county") as county,
        open_line(county.port, QUICK_LINE) as line,
    ):
        door = door_to(line.port)
        async with node_in(tmp_path / "node", door) as node, page_for(node) as page:
            await node.store([ct_slice(1)])
            await node.until(at_county=1)
            _, queue = await page.get("/api/v1/queue")
            [item] = queue["items"]
            assert (item["state"], item["position"]) == ("at_county", None)
            assert item["county_received_at"]
            assert item["instances"] == {
                "here": 1,
                "sent": 1,
                "at_county": 1,
                "set_aside": 0,
                "released": 0,
            }
            assert queue["summary"]["at_county"] == 1
            assert queue["summary"]["line"]["state"] == "up"


async def test_a_study_can_be_put_first_held_and_let_go(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node, page_for(node) as page:
        await node.store([ct_slice(1, study=1)])
        await node.store([ct_slice(1, study=2)])
        await node.until(waiting=2)
        _, queue = await page.get("/api/v1/queue")
        last = queue["items"][-1]["study_instance_uid"]
        status, item = await page.post(f"/api/v1/queue/{last}/priority", {"priority": "emergency"})
        assert (status, item["priority"], item["position"]) == (200, "emergency", 1)
        status, item = await page.post(f"/api/v1/queue/{last}/pause", {"paused": True})
        assert (status, item["paused"], item["position"]) == (200, True, None)
        status, item = await page.post(f"/api/v1/queue/{last}/pause", {"paused": False})
        assert item["position"] == 1
        assert page.changes == 3
        assert (await page.post(f"/api/v1/queue/{last}/priority", {"priority": "now"}))[0] == 400
        assert (await page.post("/api/v1/queue/1.2.3/retry"))[0] == 404


async def test_what_was_set_aside_is_shown_with_its_reason_and_can_be_tried_again(
    tmp_path: Path,
) -> None:
    async with (
        county_door(tmp_path / "county") as county,
        open_line(county.port, QUICK_LINE) as line,
    ):
        async with node_in(tmp_path / "node") as node:
            await node.store([ct_slice(1), ct_slice(2)])
            await node.until(waiting=2)
            [(key,), _] = await node.rows("object_key")
            path = tmp_path / "node" / "objects" / key
            good = path.read_bytes()
            path.write_bytes(good.replace(b"990000-1", b"990000-2"))
        async with node_in(tmp_path / "node", door_to(line.port)) as node, page_for(node) as page:
            await node.until(at_county=1, set_aside=1)
            _, queue = await page.get("/api/v1/queue")
            [item] = queue["items"]
            assert item["state"] == "set_aside"
            assert item["set_aside"][0]["reason_code"] == "digest-mismatch"
            assert queue["summary"]["needs_attention"] == 1
            # What this machine's disk has not kept is nothing that is safe here.
            assert (item["instances"]["here"], item["damaged_here"]) == (2, 1)
            assert queue["summary"]["safe_here"] == 0
            path.write_bytes(good)
            study = item["study_instance_uid"]
            assert (await page.post(f"/api/v1/queue/{study}/retry"))[0] == 200
            await node.until(at_county=2)
            _, queue = await page.get("/api/v1/queue")
            assert (queue["summary"]["safe_here"], queue["items"][0]["damaged_here"]) == (1, 0)


async def test_names_are_hidden_from_those_who_do_not_need_them(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.store([ct_slice(1)])
        await node.until(waiting=1)
        async with page_for(node, roles=frozenset({Role.PRIVACY_OFFICER})) as page:
            _, queue = await page.get("/api/v1/queue")
            assert queue["items"][0]["patient"]["name"] == "陈**"
        async with page_for(node, institution="baiyun") as page:
            assert (await page.get("/api/v1/queue"))[0] == 404


async def test_a_study_that_lacks_what_was_told_of_is_whole_once_somebody_says_so(
    tmp_path: Path,
) -> None:
    async with node_in(tmp_path) as node, page_for(node) as page:
        node.news.expected = read_expected
        await node.store([ct_slice(1, study=1)])
        await node.until(waiting=1)
        _, queue = await page.get("/api/v1/queue")
        study = queue["items"][0]["study_instance_uid"]
        at = node.news.now().at
        await node.database.write(partial(note_expected, study=study, instances_=5, at=at))
        _, queue = await page.get("/api/v1/queue")
        assert queue["items"][0]["completeness"]["expected"] == 5
        status, item = await page.post(f"/api/v1/queue/{study}/whole", None)
        assert (status, item["completeness"]["expected"]) == (200, 1)
        # A device that tells of more later is believed.
        await node.database.write(partial(note_expected, study=study, instances_=6, at=at))
        _, queue = await page.get("/api/v1/queue")
        assert queue["items"][0]["completeness"]["expected"] == 6


async def test_whoever_moves_a_study_is_in_the_trail_with_what_they_did(tmp_path: Path) -> None:
    columns = audit_entries.c

    def acts(conn: sa.Connection) -> list[tuple[str, str, str, Any]]:
        changed = sa.select(columns.username, columns.subject, columns.patient, columns.detail)
        rows = conn.execute(changed.where(columns.event == "changed").order_by(columns.id))
        return [tuple(row) for row in rows]

    async with node_in(tmp_path) as node, page_for(node) as page:
        await node.store([ct_slice(1, study=1)])
        await node.until(waiting=1)
        _, queue = await page.get("/api/v1/queue")
        [item] = queue["items"]
        study = f"/api/v1/queue/{item['study_instance_uid']}"
        for path, body in (
            ("priority", {"priority": "emergency"}),
            ("pause", {"paused": True}),
            ("pause", {"paused": False}),
            ("first", {"first": True}),
            ("first", {"first": False}),
            ("retry", None),
            ("whole", None),
        ):
            assert (await page.post(f"{study}/{path}", body))[0] == 200
        # What is refused, or about nothing that is here, was not done.
        assert (await page.post(f"{study}/priority", {"priority": "soon"}))[0] == 400
        assert (await page.post("/api/v1/queue/1.2.3/pause", {"paused": True}))[0] == 404
        found = await node.database.read(acts)
        assert [detail["act"] for *_, detail in found] == [
            "priority",
            "pause",
            "resume",
            "first",
            "not-first",
            "retry",
            "whole",
        ]
        assert found[0][3]["priority"] == "emergency"
        [patient] = await node.database.read(
            lambda conn: list(conn.scalars(sa.select(studies.c.patient_id)))
        )
        assert patient
        whom = {("lijing", f"study:{item['study_instance_uid']}", patient)}
        assert {row[:3] for row in found} == whom
        assert await node.database.read(verify) == []
