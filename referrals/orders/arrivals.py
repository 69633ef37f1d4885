"""Reads the node's events: a study that came in moves the order it belongs to."""

from collections.abc import Callable
from typing import Final, TypeAlias

import sqlalchemy as sa

from kernel.clock import Clock
from kernel.events import Event, events_after
from kernel.sql.db import Database
from referrals.orders.ledger import By, Ledger, Page
from referrals.orders.machine import Act
from referrals.orders.performing import Performed, note
from referrals.orders.tables import orders_cursor

StudyIdentity: TypeAlias = Callable[[sa.Connection, Event], Performed | None]
"""Tells which study an event is about; whoever keeps the images knows. None for none."""
_BATCH: Final = 200
_BY: Final = By(machine="first-image")


class ArrivalWatch:
    """Follows the outbox; what it writes is one transaction with how far it has read."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ledger: Ledger,
        identity: StudyIdentity,
        *,
        topic: str,
    ) -> None:
        """Follow *topic*, asking *identity* of each of its events.

        Args:
            database: the node's.
            clock: where the time comes from.
            ledger: writes what follows.
            identity: tells which study an event is about.
            topic: such as ``study.updated``.
        """
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._identity = identity
        self._topic = topic

    async def note_new(self) -> int:
        """Deal with the events since the last time; return how many there were.

        Safe to repeat: an order that has begun is not begun again, and a crash leaves the cursor
        where it was.
        """
        after = await self._database.read(self._cursor)
        waiting = await self._database.read(
            lambda conn: events_after(conn, after, limit=1, topics=[self._topic])
        )
        return await self._database.write(self._note_new) if waiting else 0

    def _note_new(self, conn: sa.Connection) -> int:
        events = events_after(conn, self._cursor(conn), limit=_BATCH, topics=[self._topic])
        page, now = Page(conn), self._clock.now()
        # A study's progress is many events and one arrival.
        newest = {
            (event.topic, str(event.payload.get("study_instance_uid"))): event for event in events
        }
        for event in newest.values():
            performed = self._identity(conn, event)
            if performed is not None:
                note(self._ledger, page, performed, Act.BEGIN, _BY, at=now)
        if events:
            self._move_cursor(conn, events[-1].id)
            self._ledger.end(page, at=now)
        return len(events)

    def _cursor(self, conn: sa.Connection) -> int:
        columns = orders_cursor.c
        found = conn.scalar(sa.select(columns.event_id).where(columns.consumer == self._topic))
        return int(found or 0)

    def _move_cursor(self, conn: sa.Connection, event_id: int) -> None:
        table = orders_cursor
        changed = conn.execute(
            sa.update(table).where(table.c.consumer == self._topic).values(event_id=event_id)
        )
        if not changed.rowcount:
            conn.execute(sa.insert(table).values(consumer=self._topic, event_id=event_id))
