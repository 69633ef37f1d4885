"""The node's trail at the county: whole, in its chains, and what does not hold is said."""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from gateway.exchange import outbox
from gateway.exchange.audit_up import collect_audit, take_audit
from gateway.exchange.model import Source
from gateway.exchange.node_status import statuses
from gateway.exchange.nodes import Node, add_node
from gateway.exchange.tables import node_audit
from kernel.audit.trail import AuditEntry, AuditEvent, HashName, record
from kernel.identity import Institution, InstitutionKind, put_institution
from kernel.letter import Letter
from kernel.sql.db import Database
from tests.databases import open_filled
from tests.exchange.test_letters import AT, NODE, SOURCE
from tests.exchange.two_nodes import county_in, township_in, until
from yilian.wiring import tables

tables.load()


def looked(conn: sa.Connection, number: int, chain: str = "gateway") -> None:
    algorithm = HashName.SM3 if chain == "sm3" else HashName.SHA256
    entry = AuditEntry(
        at=AT, event=AuditEvent.STUDY_SEEN, subject=f"study:{number}", detail={"n": number}
    )
    record(conn, chain, entry, algorithm=algorithm)


async def kept(database: Database) -> list[tuple[str, int]]:
    query = sa.select(node_audit.c.chain, node_audit.c.number).order_by(
        node_audit.c.chain, node_audit.c.number
    )
    return await database.read(lambda conn: [tuple(row) for row in conn.execute(query)])


async def test_the_trail_of_a_node_stands_at_the_county_with_chains_that_hold(
    tmp_path: Path,
) -> None:
    async with county_in(tmp_path, {"audit": take_audit}) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            for number in range(450):
                await node.database.write(
                    partial(looked, number=number, chain=("gateway", "sm3")[number % 2])
                )
            rounds = 0
            while await node.database.write(partial(collect_audit, at=AT)):
                rounds += 1
            assert rounds == 3
            node.start()

            async def all_there() -> bool:
                return len(await kept(county.database)) == 450

            await until(all_there)
            status = (await county.database.read(statuses))[enrolled.node]
            assert status.audit_fault == ""


async def _told(county: Database, letters: list[Letter], sources: list[Source]) -> None:
    def take(conn: sa.Connection, letter: Letter, source: Source) -> None:
        take_audit(conn, letter, source)

    for letter, source in zip(letters, sources, strict=True):
        await county.write(partial(take, letter=letter, source=source))


@pytest.mark.parametrize(
    ("house", "fault"),
    [
        pytest.param("qingshan", "", id="its-own-house"),
        pytest.param("shiqiao", "gateway 2: missing", id="another-house"),
    ],
)
async def test_a_machine_enrolled_anew_goes_on_with_its_chains(
    tmp_path: Path, house: str, fault: str
) -> None:
    letters = await _letters(tmp_path, 4)
    database = await open_filled(f"sqlite:///{tmp_path}/county.sqlite")
    anew = Source(f"{NODE[:-1]}9", house, AT)

    def know(conn: sa.Connection) -> None:
        for code in ("qingshan", "shiqiao"):
            put_institution(conn, Institution(code, code, InstitutionKind.TOWNSHIP), at=AT)
        add_node(conn, Node(NODE, "qingshan", "q", "0" * 64, AT, None))
        add_node(conn, Node(anew.node, house, "q", "1" * 64, AT, None))

    await database.write(know)
    # The third was told twice: its answer was lost while the machine was let go.
    told = [letters[0], letters[1], letters[2], letters[2], letters[3]]
    sources = [SOURCE, SOURCE, SOURCE, anew, anew]
    if fault:
        # It never belonged to that house: what it stands on is not theirs.
        told = told[:2] + told[3:]
        sources = [SOURCE, SOURCE, anew, anew]
    await _told(database, told, sources)
    found = (await database.read(statuses)).get(anew.node)
    assert (found.audit_fault if found else "") == fault
    await database.close()


async def test_a_machine_enrolled_anew_takes_back_nothing_it_has_told(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    letters = await _letters(tmp_path, 3)
    otherwise = await _letters(tmp_path / "copy", 3, changed=2)
    database = await open_filled(f"sqlite:///{tmp_path}/county.sqlite")
    anew = Source(f"{NODE[:-1]}9", "qingshan", AT)

    def know(conn: sa.Connection) -> None:
        put_institution(conn, Institution("qingshan", "q", InstitutionKind.TOWNSHIP), at=AT)
        add_node(conn, Node(NODE, "qingshan", "q", "0" * 64, AT, None))
        add_node(conn, Node(anew.node, "qingshan", "q", "1" * 64, AT, None))

    await database.write(know)
    await _told(database, [*letters, otherwise[2]], [SOURCE, SOURCE, SOURCE, anew])
    assert (await database.read(statuses))[anew.node].audit_fault == (
        "gateway 3: told otherwise before"
    )
    await database.close()


async def _letters(tmp_path: Path, count: int, *, changed: int = -1) -> list[Letter]:
    database = await open_filled(f"sqlite:///{tmp_path}/node.sqlite")
    for number in range(count):
        subject = 1000 if number == changed else number
        await database.write(partial(looked, number=subject))
        await database.write(partial(collect_audit, at=AT))
    sent = await database.write(outbox.next_letters)
    await database.close()
    return [each.letter() for each in sent]


def _rewritten(letter: Letter) -> Letter:
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(letter.body))
    body["rows"][0]["subject"] = "study:another"
    return Letter(letter.kind, letter.key, letter.version, body)


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        pytest.param([0, 1, 2], "", id="as-it-was"),
        pytest.param([0, 2], "gateway 2: missing", id="one-left-out"),
        pytest.param([0, 1, 1, 2], "", id="one-twice"),
        pytest.param([0, -1, 2], "gateway 2: changed", id="one-rewritten"),
        pytest.param(
            [0, -1, 3, 3], "gateway 2: changed; gateway 3: missing", id="one-rewritten-one-left-out"
        ),
    ],
)
async def test_a_chain_that_does_not_hold_is_said(
    tmp_path: Path, told: list[int], fault: str
) -> None:
    letters = await _letters(tmp_path, 4)
    database = await open_filled(f"sqlite:///{tmp_path}/county.sqlite")

    def know(conn: sa.Connection) -> None:
        put_institution(conn, Institution("qingshan", "q", InstitutionKind.TOWNSHIP), at=AT)
        add_node(conn, Node(NODE, "qingshan", "q", "0" * 64, AT, None))

    await database.write(know)
    sent = [_rewritten(letters[1]) if number < 0 else letters[number] for number in told]
    await _told(database, sent, [SOURCE] * len(sent))
    found = (await database.read(statuses)).get(NODE)
    assert (found.audit_fault if found else "") == fault
    assert len(await kept(database)) == len(set(told))
    await database.close()
