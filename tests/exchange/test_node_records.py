"""The county's view of a node: what it refused of it, and what people did there."""

from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa

from gateway.exchange.audit_up import collect_audit, take_audit
from gateway.exchange.model import Source
from gateway.exchange.node_status import statuses
from gateway.exchange.tables import node_status
from kernel.audit.trail import AuditEntry, AuditEvent, audit_entries, record
from kernel.errors import Invalid
from kernel.letter import Letter
from tests.exchange.test_letters import AT, order
from tests.exchange.two_nodes import county_in, township_in, until


def refuse(_conn: sa.Connection, _letter: Letter, _source: Source, /) -> None:
    raise Invalid("no such examination", code="examination-unknown")


def looked(conn: sa.Connection, number: int) -> None:
    entry = AuditEntry(
        at=AT,
        event=AuditEvent.STUDY_SEEN,
        username="zhao",
        institution="qingshan",
        subject=f"study:{number}",
        patient="99000019850702004X",
        reason="own-institution",
    )
    record(conn, ("gateway", "other")[number % 2], entry)


async def all_of(page: aiohttp.ClientSession, path: str) -> list[dict[str, Any]]:
    """Every row of a list, page after page."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        async with page.get(f"{path}{cursor}") as answer:
            assert answer.status == 200, await answer.text()
            body = await answer.json()
        rows += body["items"]
        if body["next_cursor"] is None:
            return rows
        cursor = f"&cursor={body['next_cursor']}"


async def test_refused_letters_and_the_trail_are_shown_a_page_at_a_time(tmp_path: Path) -> None:
    handlers = {"order": refuse, "audit": take_audit}
    async with county_in(tmp_path, handlers) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            node.start()
            await node.write(*(order(number) for number in range(5)))
            for number in range(7):
                await node.database.write(partial(looked, number=number))
            await node.database.write(partial(collect_audit, at=AT))
            node.hint.notify()

            async def answered() -> bool:
                return await node.waiting() == 0

            await until(answered)
        path = f"/api/v1/nodes/{enrolled.node}"
        async with county.page("wang") as page:
            letters = await all_of(page, f"{path}/letters?limit=2")
            assert [each["key"] for each in letters] == ["o4", "o3", "o2", "o1", "o0"]
            assert {each["code"] for each in letters} == {"examination-unknown"}
            async with page.get(f"{path}/audit") as answer:
                assert answer.status == 403
        async with county.page("shen") as page:
            rows = await all_of(page, f"{path}/audit?limit=3")
            assert [(each["chain"], each["number"]) for each in rows] == [
                *(("other", number) for number in (3, 2, 1)),
                *(("gateway", number) for number in (4, 3, 2, 1)),
            ]
            # Nobody's number is written out for whoever only checks who saw what.
            seen = {(each["username"], each["patient"]) for each in rows}
            assert seen == {("zhao", "990***********004X")}
            async with page.get("/api/v1/nodes") as answer:
                assert [each["id"] for each in (await answer.json())["items"]] == [enrolled.node]
        columns = audit_entries.c
        query = sa.select(columns.subject).where(
            columns.event == "audit-read", columns.username == "shen"
        )
        subjects = await county.database.read(lambda conn: set(conn.scalars(query)))
        assert subjects == {f"node:{enrolled.node}"}


async def test_other_houses_and_other_cursors_are_refused(tmp_path: Path) -> None:
    async with county_in(tmp_path) as county:
        enrolled, _ = await county.new_node()
        path = f"/api/v1/nodes/{enrolled.node}"
        for username, part, status in (
            ("qian", "letters", 404),
            # A privacy officer reads what people of their own house did.
            ("yin", "audit", 404),
            ("shen", f"audit?cursor={'9' * 99}", 400),
            ("shen", "audit?limit=0", 400),
            ("shen", "letters?cursor=x", 400),
            ("zhao", "letters", 200),
        ):
            async with county.page(username) as page, page.get(f"{path}/{part}") as answer:
                assert answer.status == status, (username, part, await answer.text())
        async with county.page("shen") as page, page.get("/api/v1/nodes/x/audit") as answer:
            assert answer.status == 404


async def test_a_fault_is_taken_away_by_an_auditor_alone_and_only_the_one_they_saw(
    tmp_path: Path,
) -> None:
    async with county_in(tmp_path) as county:
        enrolled, _ = await county.new_node()
        found = {
            "node": enrolled.node,
            "heard_at": AT,
            "protocol": 1,
            "audit_fault": "gateway 7: x",
        }
        await county.database.write(lambda conn: conn.execute(sa.insert(node_status), found))
        path = f"/api/v1/nodes/{enrolled.node}/audit/checked"
        for username, fault, status in (
            ("sys", "gateway 7: x", 403),
            ("yin", "gateway 7: x", 404),
            ("shen", "", 400),
            ("shen", "gateway 6: x", 409),
            ("shen", "gateway 7: x", 204),
            ("shen", "gateway 7: x", 409),
        ):
            async with county.page(username) as page:
                async with page.get("/api/v1/session") as answer:
                    headers = {"X-CSRF-Token": (await answer.json())["csrf"]}
                async with page.post(path, json={"fault": fault}, headers=headers) as answer:
                    assert answer.status == status, (username, fault, await answer.text())
        known = await county.database.read(statuses)
        assert known[enrolled.node].audit_fault == ""
        columns = audit_entries.c
        query = sa.select(columns.detail).where(
            columns.event == "audit-read", columns.username == "shen"
        )
        kept = await county.database.read(lambda conn: list(conn.scalars(query)))
        assert kept == [{"act": "checked", "fault": "gateway 7: x"}]
