"""The transactional outbox: what happened, written in the transaction that made it happen.

Readers keep the id of the last event they saw and ask for what came after. That is only safe if no
event ever becomes visible with an id below one already seen. On SQLite writers run one after
another, so ids follow the order of commits by themselves. On PostgreSQL a number is drawn long
before its transaction commits; therefore ``publish`` first takes an advisory lock that the
transaction holds until its commit is visible, and draws the number under it: whoever draws the next
number does so after the one before can be seen. Numbers may be left out (a rolled-back
transaction), never filled in later. Publish last in a transaction, for the lock is held from there
to the end.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kernel.sql.columns import JsonDocument, RowId, UtcDateTime, metadata

_LOCK_KEY: Final = 0x59_4C_4F_42  # any number nobody else of the house uses

outbox: Final = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("topic", sa.String(64), nullable=False),
    sa.Column("institution", sa.String(64), nullable=False),
    sa.Column("routed_to", JsonDocument, nullable=False),
    sa.Column("payload", JsonDocument, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    # Without it SQLite gives the number of a pruned last row out again.
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, as readers see it."""

    id: int
    topic: str
    institution: str
    """Whose it is: the code of the institution the event's subject belongs to."""
    payload: Mapping[str, Any]
    at: dt.datetime
    routed_to: frozenset[str] = frozenset()
    """Codes of the other institutions that may learn of it: the subject was routed to them.

    Whoever was only granted it stands there ``for_a_time``; whether they still are is to be asked
    before they learn of it.
    """


def for_a_time(holder: str) -> str:
    """Return how *holder* of a grant stands in ``routed_to``; no institution is called so."""
    return f"~{holder}"


@dataclass(frozen=True, slots=True)
class EventDraft:
    """One thing about to be published."""

    topic: str
    payload: Mapping[str, Any]
    institution: str
    routed_to: Collection[str] = ()


def publish(
    conn: sa.Connection,
    topic: str,
    payload: Mapping[str, Any],
    *,
    institution: str,
    at: dt.datetime,
    routed_to: Collection[str] = (),
) -> int:
    """Add one event to *conn*'s transaction and return its id.

    Args:
        conn: the transaction that made it happen.
        topic: dotted name of at most 64 characters, such as ``study.updated``.
        payload: what JSON can say.
        institution: code of the institution the subject belongs to.
        at: the instant it happened.
        routed_to: who else may learn of it, as ``Event.routed_to``.
    """
    return publish_all(conn, [EventDraft(topic, payload, institution, routed_to)], at=at)[0]


def publish_all(conn: sa.Connection, drafts: Sequence[EventDraft], *, at: dt.datetime) -> list[int]:
    """Add *drafts* in their order, in one round trip, and return their rising ids."""
    if not drafts:
        return []
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
    rows = [
        {
            "topic": draft.topic,
            "institution": draft.institution,
            "routed_to": sorted(draft.routed_to),
            "payload": dict(draft.payload),
            "at": at,
        }
        for draft in drafts
    ]
    insert = sa.insert(outbox).returning(outbox.c.id, sort_by_parameter_order=True)
    return [int(row.id) for row in conn.execute(insert, rows)]


def events_after(
    conn: sa.Connection,
    after_id: int,
    *,
    limit: int = 500,
    topics: Collection[str] | None = None,
    institutions: Collection[str] | None = None,
) -> list[Event]:
    """Return at most *limit* events with an id above *after_id*, oldest first.

    Args:
        conn: any connection; what is visible now stays the beginning of what is visible later.
        after_id: 0 for all that is kept.
        limit: most rows to return.
        topics: only these; None for all.
        institutions: only these institutions' events; None for all.
    """
    columns = outbox.c
    query = (
        sa.select(
            columns.id,
            columns.topic,
            columns.institution,
            columns.payload,
            columns.at,
            columns.routed_to,
        )
        .where(columns.id > after_id)
        .order_by(columns.id)
        .limit(limit)
    )
    if topics is not None:
        query = query.where(columns.topic.in_(topics))
    if institutions is not None:
        query = query.where(columns.institution.in_(institutions))
    return [Event(*row[:5], frozenset(row[5])) for row in conn.execute(query)]


def last_event_id(conn: sa.Connection) -> int:
    """Return the id of the newest event, 0 when nothing ever happened."""
    return conn.scalar(sa.select(sa.func.max(outbox.c.id))) or 0


def first_event_id(conn: sa.Connection) -> int:
    """Return the id of the oldest event kept, 0 when none is.

    A reader whose last id is below the one before this has missed something and must start over.
    """
    return conn.scalar(sa.select(sa.func.min(outbox.c.id))) or 0


def prune(conn: sa.Connection, *, before: dt.datetime) -> int:
    """Drop events older than *before* but never the newest; returns how many went."""
    newest = last_event_id(conn)
    gone = conn.execute(sa.delete(outbox).where(outbox.c.at < before, outbox.c.id < newest))
    return gone.rowcount
