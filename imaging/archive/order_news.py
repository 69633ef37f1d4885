"""A study's order says more of the patient than its images: those who look hear when that changes.

Whoever has a study open asks for its order again.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.model import ORDER_TOLD
from imaging.archive.study_rows import reach_of
from imaging.archive.tables import event_places, study
from imaging.archive.urgency import Concerned
from kernel.clock import Clock
from kernel.events import EventDraft, events_after, publish_all
from kernel.sql.db import Database

_READER: Final = "study-orders"
_BATCH: Final = 200
_IN_MAX: Final = 500
_SAVE_EVERY: Final = 1000
"""Events read before it is written down how far that is; to read them again changes nothing."""


class OrderNews:
    """Follows the node's events, and tells of the studies whose orders they change."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        concerned: Mapping[str, Concerned],
    ) -> None:
        """Follow nothing yet.

        Args:
            database: the node's.
            clock: for the instants written down.
            concerned: by topic of an event about an order or its patient, whose studies those are.
        """
        self._database = database
        self._clock = clock
        self._concerned = concerned
        self._after: int | None = None
        self._unsaved = 0

    async def look(self) -> int:
        """Deal with the events since the last time; returns how many there were.

        Safe to repeat: a crash leaves the place somewhere before.
        """
        found = await self._database.read(self._read)
        self._unsaved += found.events
        if found.ordered or self._unsaved >= _SAVE_EVERY:
            at = self._clock.now()
            await self._database.write(lambda conn: _write(conn, found, at))
            self._unsaved = 0
        self._after = found.last_id
        return found.events

    def _read(self, conn: sa.Connection) -> "_Found":
        after = _place(conn) if self._after is None else self._after
        events = events_after(conn, after, limit=_BATCH, topics=list(self._concerned))
        if not events:
            return _Found(0, after, ())
        ordered: dict[str, None] = {}
        for event in events:
            ordered.update(dict.fromkeys(self._concerned[event.topic](conn, event)))
        return _Found(len(events), events[-1].id, tuple(ordered))


@dataclass(frozen=True, slots=True)
class _Found:
    """What some events came to."""

    events: int
    last_id: int
    ordered: Sequence[str]
    """Studies whose order, or its patient, changed."""


def _write(conn: sa.Connection, found: _Found, at: dt.datetime) -> None:
    columns = event_places.c
    mine = columns.reader == _READER
    moved = conn.execute(sa.update(event_places).where(mine).values(event_id=found.last_id))
    if not moved.rowcount:
        conn.execute(sa.insert(event_places).values(reader=_READER, event_id=found.last_id))
    # Last: it publishes, which holds a lock from there to the commit.
    publish_all(conn, _told(conn, found.ordered), at=at)


def _told(conn: sa.Connection, uids: Sequence[str]) -> list[EventDraft]:
    columns = study.c
    query = sa.select(columns.id, columns.study_instance_uid, columns.institution)
    rows: list[Any] = []
    for at in range(0, len(uids), _IN_MAX):
        part = uids[at : at + _IN_MAX]
        rows += conn.execute(query.where(columns.study_instance_uid.in_(part))).all()
    given = reach_of(conn, [row.id for row in rows])
    # Who it is about the page asks at the door, which writes down the look.
    return [
        EventDraft(
            ORDER_TOLD,
            {"study_instance_uid": row.study_instance_uid},
            row.institution,
            given.get(row.id, ()),
        )
        for row in rows
    ]


def _place(conn: sa.Connection) -> int:
    columns = event_places.c
    return conn.scalar(sa.select(columns.event_id).where(columns.reader == _READER)) or 0
