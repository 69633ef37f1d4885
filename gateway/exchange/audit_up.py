"""The node's audit trail goes up, rows and hashes, so that nobody at the node can unwrite it.

The county keeps what it was sent and follows each chain link by link; where one does not hold it
keeps the rows all the same and says so.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from gateway.exchange import outbox
from gateway.exchange.model import Kind, Source
from gateway.exchange.node_status import draft_of
from gateway.exchange.nodes import Node
from gateway.exchange.tables import node_audit, node_status, nodes
from kernel.audit.trail import ORIGIN, AuditEntry, AuditEvent, HashName, audit_entries, row_hash
from kernel.clock import Clock
from kernel.errors import Conflict
from kernel.events import publish_all
from kernel.letter import Letter
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_ROWS: Final = 200
_BODY_BYTES: Final = 150_000
_LOOK_S: Final = 5.0
FAULTS_MAX: Final = 200
"""Characters of what is said of one trail, beside the word that there is more."""
_MORE: Final = "…"


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a node's trail."""

    chain: str
    number: int
    at: dt.datetime
    event: AuditEvent
    outcome: int
    user_id: str
    username: str
    institution: str
    address: str
    subject: str
    patient: str
    reason: str
    detail: dict[str, Any]
    hash: str

    def entry(self) -> AuditEntry:
        """Return what the row says."""
        return AuditEntry(
            at=self.at,
            event=self.event,
            outcome=self.outcome,
            user_id=self.user_id,
            username=self.username,
            institution=self.institution,
            address=self.address,
            subject=self.subject,
            patient=self.patient,
            reason=self.reason,
            detail=self.detail,
        )


class AuditBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a letter of kind ``audit`` says."""

    rows: list[AuditRow]


_AS_STORED: Final = tuple(name for name in AuditRow.__struct_fields__ if name != "event")


def collect_audit(conn: sa.Connection, *, at: dt.datetime) -> int:
    """Write the next rows of the trail into a letter; returns how many, 0 when all are."""
    after = outbox.make_place(conn).audit_after
    columns = audit_entries.c
    query = sa.select(audit_entries).where(columns.id > after).order_by(columns.id).limit(_ROWS)
    rows: list[dict[str, Any]] = []
    room, last = _BODY_BYTES, after
    for found in conn.execute(query):
        row = AuditRow(
            **{
                name: getattr(found, name) for name in AuditRow.__struct_fields__ if name != "event"
            },
            event=AuditEvent(found.event),
        )
        plain = msgspec.to_builtins(row)
        room -= len(msgspec.json.encode(plain))
        if rows and room < 0:
            break
        rows.append(plain)
        last = found.id
    if rows:
        letter = Letter(Kind.AUDIT.value, f"{after + 1}-{last}", last, {"rows": rows})
        outbox.write_letters(conn, [letter], at=at)
        outbox.set_place(conn, audit_after=last)
    return len(rows)


async def keep_collected(database: Database, clock: Clock) -> None:
    """Put the trail into letters as it grows, until cancelled."""
    while True:
        if not await database.write(partial(collect_audit, at=clock.now())):
            await asyncio.sleep(_LOOK_S)


def take_audit(conn: sa.Connection, letter: Letter, source: Source, /) -> None:
    """Keep a node's rows and follow their chains (``ports.Handler``)."""
    body = msgspec.convert(letter.body, AuditBody, strict=False)
    for row in body.rows:
        fault = _take_row(conn, row, source)
        if fault:
            _LOG.error("audit.node-chain", extra={"node": source.node, "fault": fault})
            _note_fault(conn, source, fault)


def _take_row(conn: sa.Connection, row: AuditRow, source: Source) -> str:
    """Keep *row*; returns what is wrong with it or its place, empty where nothing is."""
    there = _hash_of(conn, source.node, row.chain, row.number)
    if there is not None:
        return "" if there == row.hash else f"{row.chain} {row.number}: told otherwise before"
    conn.execute(
        sa.insert(node_audit).values(
            node=source.node,
            chain=row.chain,
            number=row.number,
            at=row.at,
            event=row.event.value,
            user_id=row.user_id,
            subject=row.subject,
            patient=row.patient,
            entry=msgspec.to_builtins(row),
            hash=row.hash,
        )
    )
    before = _rows_before(conn, row, source)
    if not before:
        return f"{row.chain} {row.number - 1}: missing"
    algorithm = row.hash.partition(":")[0]
    if algorithm not in set(HashName):
        return f"{row.chain} {row.number}: changed"
    stands_on = [
        node
        for node, previous in before
        if row.hash == row_hash(algorithm, previous, row.chain, row.number, row.entry())
    ]
    if not stands_on:
        return f"{row.chain} {row.number}: changed"
    # Under its id before it went on otherwise: somebody took back what it had told.
    told = {_hash_of(conn, node, row.chain, row.number) for node in stands_on}
    return f"{row.chain} {row.number}: told otherwise before" if told - {None, row.hash} else ""


def _rows_before(conn: sa.Connection, row: AuditRow, source: Source) -> Sequence[tuple[str, str]]:
    """Return what *row* may stand on: under which id it was told, and its hash.

    A machine that was let go and enrolled anew goes on with its chains under another id; which of
    its house's machines it was, the hash itself tells.
    """
    if row.number == 1:
        return [(source.node, ORIGIN)]
    own = _hash_of(conn, source.node, row.chain, row.number - 1)
    if own is not None:
        return [(source.node, own)]
    columns = node_audit.c
    house = sa.select(nodes.c.id).where(nodes.c.institution == source.institution)
    query = sa.select(columns.node, columns.hash).where(
        columns.node.in_(house),
        columns.chain == row.chain,
        columns.number == row.number - 1,
    )
    return [(found.node, found.hash) for found in conn.execute(query)]


def _hash_of(conn: sa.Connection, node: str, chain: str, number: int) -> str | None:
    columns = node_audit.c
    return conn.scalar(
        sa.select(columns.hash).where(
            columns.node == node, columns.chain == chain, columns.number == number
        )
    )


def _note_fault(conn: sa.Connection, source: Source, fault: str) -> None:
    """Keep every fault, as far as they fit; only a person takes them away (``clear_fault``)."""
    table = node_status
    mine = table.c.node == source.node
    there = conn.scalar(sa.select(table.c.audit_fault).where(mine))
    if there is None:
        conn.execute(
            sa.insert(table).values(
                node=source.node, heard_at=source.at, protocol=1, audit_fault=fault
            )
        )
    elif fault not in (faults := there.split("; ") if there else []):
        # Who has looked into those that were said has not looked into one that was not.
        told = "; ".join([*faults, fault])
        if len(told) > FAULTS_MAX:
            told = there if faults[-1] == _MORE else f"{there}; {_MORE}"
        conn.execute(sa.update(table).where(mine).values(audit_fault=told))


def clear_fault(
    conn: sa.Connection, node: Node, fault: str, centre: str, *, at: dt.datetime
) -> None:
    """Take away that *node*'s trail does not hold, which an auditor has looked into.

    The rows stay. Raises ``Conflict`` (``audit-fault-changed``) where it is no longer *fault*.
    """
    table = node_status
    mine = (table.c.node == node.id) & (table.c.audit_fault == fault)
    if not conn.execute(sa.update(table).where(mine).values(audit_fault="")).rowcount:
        raise Conflict("something else is said of this trail by now", code="audit-fault-changed")
    publish_all(conn, [draft_of(node, "node.updated", {}, centre)], at=at)
