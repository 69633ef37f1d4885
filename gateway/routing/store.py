"""What the rules decided about each study, and how far the router has read the events."""

import datetime as dt
from dataclasses import asdict
from typing import Any, Final

import sqlalchemy as sa

from gateway.routing.model import Routed
from kernel.sql.columns import JsonDocument, UtcDateTime, metadata

study_routing: Final = sa.Table(
    "study_routing",
    metadata,
    sa.Column("study_instance_uid", sa.String(64), primary_key=True),
    sa.Column("rules", JsonDocument, nullable=False),
    sa.Column("destinations", JsonDocument, nullable=False),
    sa.Column("trace", JsonDocument, nullable=False),
    sa.Column("decided_at", UtcDateTime, nullable=False),
)
routing_cursor: Final = sa.Table(
    "routing_cursor",
    metadata,
    sa.Column("consumer", sa.String(64), primary_key=True),
    sa.Column("event_id", sa.BigInteger, nullable=False),
)
_CONSUMER: Final = "router"


def cursor(conn: sa.Connection) -> int:
    """Return the id of the last event the router has dealt with; 0 before the first."""
    found = conn.scalar(
        sa.select(routing_cursor.c.event_id).where(routing_cursor.c.consumer == _CONSUMER)
    )
    return int(found or 0)


def move_cursor(conn: sa.Connection, event_id: int) -> None:
    """Remember that every event up to *event_id* has been dealt with."""
    moved = conn.execute(
        sa.update(routing_cursor)
        .where(routing_cursor.c.consumer == _CONSUMER)
        .values(event_id=event_id)
    )
    if not moved.rowcount:
        conn.execute(sa.insert(routing_cursor).values(consumer=_CONSUMER, event_id=event_id))


def is_routed(conn: sa.Connection, study_instance_uid: str) -> bool:
    """Return whether the rules have already spoken about the study."""
    table = study_routing
    found = conn.scalar(
        sa.select(table.c.decided_at).where(table.c.study_instance_uid == study_instance_uid)
    )
    return found is not None


def keep(conn: sa.Connection, study_instance_uid: str, routed: Routed, at: dt.datetime) -> None:
    """Write down what the rules decided, with the answer of every condition."""
    conn.execute(
        sa.insert(study_routing).values(
            study_instance_uid=study_instance_uid,
            rules=list(routed.rules),
            destinations=[_plain(asdict(d)) for d in routed.destinations],
            trace=[_plain(asdict(t)) for t in routed.trace],
            decided_at=at,
        )
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in row.items()}
