"""Writes to the queue, and tells the pages of it in the same transaction."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from gateway.township.line import Line, LineMeter
from gateway.township.queue_view import Now, item_events, totals
from kernel.clock import Clock
from kernel.events import EventDraft, publish_all
from kernel.sql.db import Database

T = TypeVar("T")


class QueueNews:
    """The only way the queue's rows are changed, and what is known of the line is told."""

    def __init__(
        self,
        database: Database,
        meter: LineMeter,
        clock: Clock,
        *,
        institution: str,
        zone: dt.tzinfo,
    ) -> None:
        self._database = database
        self._meter = meter
        self._clock = clock
        self._institution = institution
        self._zone = zone
        self.heard_s = clock.monotonic_s()
        """When the line was last tried, on the clock's monotonic seconds."""

    def now(self) -> Now:
        """Return the time and the rate of the line."""
        rate = self._meter.bytes_per_s(self._clock.monotonic_s())
        return Now(self._clock.now(), rate, self._zone)

    def line(self) -> Line:
        """Return the line as it is now."""
        return self._meter.line(self._clock.monotonic_s())

    def sent_bytes(self) -> int:
        """Return how much went out since the start."""
        return self._meter.sent_bytes

    def since(self) -> dt.datetime:
        """Return when today began, where the node stands."""
        here = self._clock.now().astimezone(self._zone)
        return here.replace(hour=0, minute=0, second=0, microsecond=0)

    async def write(
        self,
        change: Callable[[sa.Connection], T],
        touched: Callable[[T], Sequence[str]],
    ) -> T:
        """Make *change* durable together with the events that tell of it, and return its result.

        Args:
            change: a store function.
            touched: of what *change* returned, the studies it touched.
        """
        now, since = self.now(), self.since()

        def transaction(conn: sa.Connection) -> T:
            result = change(conn)
            keys = list(dict.fromkeys(touched(result)))
            drafts = item_events(conn, keys, now)
            summary = msgspec.to_builtins(totals(conn, now, since=since))
            drafts.append(EventDraft("queue.summary", summary, self._institution))
            publish_all(conn, drafts, at=now.at)
            return result

        return await self._database.write(transaction)

    async def reached(self) -> None:
        """Note that the county answered; the pages hear it when it is news."""
        self.heard_s = self._clock.monotonic_s()
        if self._meter.reached(self._clock.now()):
            await self._tell_line()

    async def lost(self, code: str) -> None:
        """Note that the county cannot be talked to now; the pages hear it when it is news."""
        self.heard_s = self._clock.monotonic_s()
        if self._meter.lost(self._clock.now(), code):
            await self._tell_line()

    def sent(self, count: int) -> None:
        """Note that *count* bytes went out."""
        self._meter.sent(count, self._clock.monotonic_s())

    async def _tell_line(self) -> None:
        payload = msgspec.to_builtins(self.line())
        at = self._clock.now()
        draft = EventDraft("line.changed", payload, self._institution)
        await self._database.write(lambda conn: publish_all(conn, [draft], at=at))
