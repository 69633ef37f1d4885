"""The township's pages of the exchange, as people of the house ask for them."""

import datetime as dt
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.exchange import outbox, return_turns, returns, sendings
from gateway.exchange.completeness_http import CompletenessDoor
from gateway.exchange.heartbeat import DiskFacts, LineFacts
from gateway.exchange.model import Source
from gateway.exchange.node_facts import NodeFacts, note_chosen, note_expected, read_expected
from gateway.exchange.return_keeping import forget_before
from gateway.exchange.return_letters import take_return
from gateway.exchange.returns_http import PriorsDoor
from gateway.http.errors import errors
from imaging.archive.objects_fs import FileObjectStore
from kernel.audit.access_log import AccessLog
from kernel.audit.trail import audit_entries
from kernel.identity import (
    ApplicationEntity,
    Institution,
    InstitutionKind,
    Principal,
    Role,
    put_ae,
    put_institution,
)
from kernel.letter import Letter
from kernel.sql.db import Database
from kernel.web import ACCESS_LOG, ADDRESS, PRINCIPAL, SIGN_IN_ID, Handler
from tests.exchange.test_heartbeats import STUDY, stored
from tests.exchange.test_not_back import lost
from tests.exchange.two_nodes import ShiftedClock, opened
from yilian.wiring.township_objects import TownshipObjects

SOP = f"{STUDY}.1.1"
KEY = "ab/cd/" + "0" * 32
WHO = {
    "li": Principal("u1", "li", "李", frozenset({Role.TECHNICIAN}), "qingshan"),
    "manager": Principal("u2", "gao", "高", frozenset({Role.MANAGER}), "qingshan"),
    "other": Principal("u3", "qian", "钱", frozenset({Role.TECHNICIAN}), "shiqiao"),
}


class Pages:
    """The township's door, and its database."""

    def __init__(self, session: aiohttp.ClientSession, database: Database, home: Path) -> None:
        self.session = session
        self.database = database
        self.home = home
        self.clock = ShiftedClock()
        self.asked = 0
        self.sends = 0

    async def get(self, path: str, who: str = "li") -> tuple[int, Any]:
        async with self.session.get(path, headers={"X-Test-User": who}) as answer:
            return answer.status, await answer.json(content_type=None)

    async def post(self, path: str, body: object, who: str = "li") -> tuple[int, Any]:
        headers = {"X-Test-User": who}
        async with self.session.post(path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    def note_asked(self) -> None:
        self.asked += 1

    def note_send(self) -> None:
        self.sends += 1

    async def arrived(self) -> None:
        """Have one object of a prior here, as the fetcher leaves it."""
        digest = {"dataset": "0" * 64, "pixels": "1" * 64}
        one = {
            "series_instance_uid": f"{STUDY}.1",
            "sop_instance_uid": SOP,
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
            "transfer_syntax_uid": "1.2.840.10008.1.2.1",
            "size_bytes": 4,
            "digest": digest,
        }
        body = {"study": STUDY, "objects_in_all": 1, "objects": [one]}
        source = Source("county", "qingshan", self.clock.now())

        def note(conn: sa.Connection) -> None:
            take_return(conn, Letter("prior", f"{STUDY}/0", 1, body), source)
            found = return_turns.next_object(conn)
            assert found is not None
            became = return_turns.Fetched(returns.ObjectState.HERE, object_key=KEY)
            return_turns.note_object(conn, found, became, institution="qingshan", at=source.at)

        await self.database.write(note)
        objects = TownshipObjects(FileObjectStore(self.home / "objects"))
        objects.put_new([(KEY, [b"DICM"])])


@pytest_asyncio.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    database = await opened(tmp_path / "node.sqlite")

    @web.middleware
    async def sign_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[PRINCIPAL] = WHO[request.headers.get("X-Test-User", "li")]
        request[ADDRESS], request[SIGN_IN_ID] = "127.0.0.1", "s1"
        return await handler(request)

    clock = ShiftedClock()
    facts = NodeFacts(
        program="0",
        started_at=clock.now(),
        line=lambda: LineFacts(state="up", since=None, rate_bits_per_s=None),
        disk=lambda: DiskFacts(total_bytes=1, free_bytes=1),
    )
    app = web.Application(middlewares=[errors, sign_in])
    app[ACCESS_LOG] = AccessLog(database, clock, chain="test")
    server = TestServer(app, host="127.0.0.1")
    async with aiohttp.ClientSession() as outer:
        made = Pages(outer, database, tmp_path)
        priors = PriorsDoor(
            database,
            clock,
            TownshipObjects(FileObjectStore(tmp_path / "objects")),
            "qingshan",
            on_asked=made.note_asked,
            on_send=made.note_send,
        )
        app.add_routes(priors.routes())
        app.add_routes(CompletenessDoor(database, clock, facts, "qingshan").routes())
        await server.start_server()
        async with aiohttp.ClientSession(server.make_url("/")) as session:
            made.session = session
            yield made
        await server.close()
    await database.close()


async def test_asking_writes_a_letter_and_is_answered_at_once(pages: Pages) -> None:
    status, view = await pages.post("/api/v1/priors", {"study_instance_uid": STUDY})
    assert (status, view["state"], view["objects"]) == (202, "asked", None)
    assert pages.asked == 1
    [letter] = await pages.database.write(outbox.next_letters)
    assert (letter.kind, letter.key, letter.body) == ("prior-request", STUDY, {})
    status, page = await pages.get("/api/v1/priors")
    assert [each["study_instance_uid"] for each in page["items"]] == [STUDY]


async def test_what_is_no_uid_or_nobodys_business_is_refused(pages: Pages) -> None:
    status, said = await pages.post("/api/v1/priors", {"study_instance_uid": "../../etc"})
    assert (status, said["code"]) == (400, "invalid-uid")
    for who, expected in (("manager", 403), ("other", 404)):
        body = {"study_instance_uid": STUDY}
        assert (await pages.post("/api/v1/priors", body, who))[0] == expected
        assert (await pages.get(f"/api/v1/priors/{STUDY}/instances/{SOP}", who))[0] == expected
    assert (await pages.get(f"/api/v1/priors/{STUDY}"))[0] == 404


async def test_an_object_leaves_once_the_look_is_in_the_trail(pages: Pages) -> None:
    await pages.arrived()
    status, detail = await pages.get(f"/api/v1/priors/{STUDY}")
    assert (status, detail["prior"]["state"], detail["instances"][0]["state"]) == (
        200,
        "here",
        "here",
    )
    async with pages.session.get(f"/api/v1/priors/{STUDY}/instances/{SOP}") as answer:
        assert (answer.status, await answer.read()) == (200, b"DICM")
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    query = sa.select(audit_entries.c.subject, audit_entries.c.username)
    rows = await pages.database.read(lambda conn: [tuple(row) for row in conn.execute(query)])
    assert rows == [(f"study:{STUDY}", "li")]


async def test_it_is_sent_on_to_a_peer_of_the_house_that_listens_and_to_nobody_else(
    pages: Pages,
) -> None:
    at = pages.clock.now()

    def peers(conn: sa.Connection) -> None:
        for code in ("qingshan", "shiqiao"):
            put_institution(conn, Institution(code, code, InstitutionKind.TOWNSHIP), at=at)
        for title, house, port in (("PACS", "qingshan", 104), ("CT", "qingshan", 0)):
            put_ae(conn, ApplicationEntity(title, house, host="127.0.0.1", port=port), at=at)
        foreign = ApplicationEntity("FOREIGN", "shiqiao", host="127.0.0.1", port=104)
        put_ae(conn, foreign, at=at)

    await pages.database.write(peers)
    path = f"/api/v1/priors/{STUDY}/send"
    assert (await pages.post(path, {"ae_title": "PACS"}))[0] == 404
    await pages.post("/api/v1/priors", {"study_instance_uid": STUDY})
    status, said = await pages.post(path, {"ae_title": "PACS"})
    assert (status, said["code"]) == (409, "prior-not-whole")
    await pages.arrived()
    for title in ("CT", "FOREIGN", "NOBODY"):
        status, said = await pages.post(path, {"ae_title": title})
        assert (status, said["code"]) == (404, "no-ae")
    told = await pages.get("/api/v1/destinations")
    assert told == (200, {"items": [{"ae_title": "PACS"}]})
    status, view = await pages.post(path, {"ae_title": "PACS"})
    assert (status, view["sends"][0]["ae_title"], view["sends"][0]["state"]) == (
        202,
        "PACS",
        "waiting",
    )
    assert pages.sends == 1
    # What left, where to and by whom is in the trail; what could not leave is no export.
    columns = audit_entries.c
    query = sa.select(columns.event, columns.username, columns.subject, columns.detail)
    rows = await pages.database.read(lambda conn: conn.execute(query.order_by(columns.id)).all())
    assert [(row.event, row.username, row.subject, row.detail) for row in rows] == [
        ("changed", "li", f"study:{STUDY}", {"act": "ask-prior"}),
        ("exported", "li", f"study:{STUDY}", {"act": "send-on", "ae_title": "PACS"}),
    ]


async def test_the_house_sees_what_is_expected_and_what_has_arrived(pages: Pages) -> None:
    at = pages.clock.now()
    await pages.database.write(partial(stored, at=at, here=30, arrived=12))
    await pages.database.write(partial(note_expected, study=STUDY, instances_=60, at=at))
    for path in ("/api/v1/completeness", f"/api/v1/completeness?study={STUDY},1.2.3"):
        status, page = await pages.get(path)
        [study] = page["items"]
        assert (status, study["completeness"]) == (
            200,
            {"expected": 60, "basis": "mpps", "here": 30, "arrived": 12, "state": "growing"},
        )
    assert (await pages.get("/api/v1/completeness", "other"))[0] == 404
    assert (await pages.get(f"/api/v1/completeness?study={'1.2,' * 201}"))[0] == 400


async def test_a_folder_of_which_a_part_came_is_not_whole_however_long_nothing_comes(
    pages: Pages,
) -> None:
    at = pages.clock.now() - dt.timedelta(hours=1)
    await pages.database.write(partial(stored, at=at, here=30, arrived=30))
    chosen = {STUDY: [f"9.9.{number}" for number in range(235)], "1.2.3": ["1.2.3.1"]}
    for _ in range(2):
        await pages.database.write(partial(note_chosen, chosen=chosen, at=at))
    _, page = await pages.get("/api/v1/completeness")
    assert page["items"][0]["completeness"] == {
        "expected": 265,
        "basis": "mpps",
        "here": 30,
        "arrived": 30,
        "state": "short",
    }
    # A smaller folder beside it takes nothing of that away; the device's own word does.
    await pages.database.write(partial(note_chosen, chosen={STUDY: ["9.9.1"]}, at=at))
    known = partial(read_expected, studies=[STUDY, "1.2.3", "1.2.9"])
    assert await pages.database.read(known) == {STUDY: 265, "1.2.3": 1}
    await pages.database.write(partial(note_expected, study=STUDY, instances_=30, at=at))
    _, page = await pages.get("/api/v1/completeness")
    assert page["items"][0]["completeness"]["state"] == "complete"


async def test_what_came_from_the_county_goes_after_a_while_but_not_what_is_to_be_sent_on(
    pages: Pages,
) -> None:
    await pages.arrived()
    later = pages.clock.now() + dt.timedelta(days=31)
    at = pages.clock.now()
    await pages.database.write(
        partial(sendings.ask_send, study=STUDY, ae_title="PACS", by="li", at=at)
    )
    forget = partial(forget_before, before=later, reports_before=later)
    assert await pages.database.write(forget) == []
    [job] = await pages.database.read(sendings.waiting_sends)
    done = partial(
        sendings.note_send, job=job, state=sendings.SendState.DONE, sent=1, code="", at=at
    )
    await pages.database.write(done)
    young = at - dt.timedelta(hours=1)
    too_young = partial(forget_before, before=young, reports_before=young)
    assert await pages.database.write(too_young) == []
    [gone] = await pages.database.write(forget)
    assert gone.key == KEY
    assert (await pages.get("/api/v1/priors"))[1] == {"items": []}


async def test_what_could_not_be_had_is_tried_again_when_somebody_of_the_house_says_so(
    pages: Pages,
) -> None:
    assert (await pages.post(f"/api/v1/priors/{STUDY}/retry", {}))[0] == 404
    at = pages.clock.now()
    await pages.database.write(partial(lost, at=at))
    assert (await pages.post(f"/api/v1/priors/{STUDY}/retry", {}, "other"))[0] == 404
    status, view = await pages.post(f"/api/v1/priors/{STUDY}/retry", {})
    assert (status, view["state"], view["set_aside"]) == (202, "fetching", 0)
    assert pages.asked == 1
    [letter] = await pages.database.write(outbox.next_letters)
    assert (letter.kind, letter.body) == ("prior-request", {"reports": True})
    status, problem = await pages.post(f"/api/v1/priors/{STUDY}/retry", {})
    assert (status, problem["code"]) == (409, "nothing-set-aside")
    columns = audit_entries.c
    query = sa.select(columns.username, columns.detail).order_by(columns.id)
    rows = await pages.database.read(lambda conn: conn.execute(query).all())
    assert (rows[0].username, rows[0].detail) == ("li", {"act": "retry-return"})
