"""Writes to the queue, and tells the pages of it in the same transaction."""

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec
import sqlalchemy as sa

from gateway.exchange.completeness import QUIET
from gateway.township.line import Line, LineMeter, LineState
from gateway.township.line_back import LineBack
from gateway.township.line_plan import LineWindow
from gateway.township.line_told import LINE_CHANGED
from gateway.township.ports import OrderedPeople, nobody_told
from gateway.township.queue_places import ExpectedCounts, Now, nobody_knows
from gateway.township.queue_view import item_events, totals
from gateway.township.traffic import TrafficState
from kernel.clock import Clock
from kernel.events import EventDraft, publish_all
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
T = TypeVar("T")
_QUICK_S: Final = 0.05
_REST: Final = 20.0


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
        self.expected: ExpectedCounts = nobody_knows
        """Says how many images modalities announced; whoever knows is put here once."""
        self.people: OrderedPeople = nobody_told
        """Says who people are whose images do not tell; whoever knows is put here once."""
        self.quiet = QUIET
        """After how long without a new image a study is taken for whole."""
        self.traffic: Callable[[], TrafficState] | None = None
        """Says what holds images back; None where nothing is sent from here."""
        self.back = LineBack()
        """Hints when the county is heard again, for whoever waits to try again."""
        self._over: dict[str, tuple[str, int]] = {}
        self._held: dt.datetime | None = None
        self._held_by = ""
        self._counting_s = 0.0
        """How long the summary took to count last time."""
        self._counted_s = 0.0
        self._summary_due = False

    def now(self) -> Now:
        """Return the time, the rate of the line, and what of its studies is over already."""
        rate = self._expected_bytes_per_s()
        over: dict[str, int] = {}
        # As it is: who reads letters asks from another thread.
        for study, count in list(self._over.values()):
            over[study] = over.get(study, 0) + count
        return Now(
            self._clock.now(),
            rate if self._held is None else None,
            self._zone,
            over=over,
            expected=self.expected,
            people=self.people,
            quiet=self.quiet,
        )

    def _expected_bytes_per_s(self) -> float | None:
        """Return how fast what waits will go; None where nothing is known or nothing goes."""
        now_s = self._clock.monotonic_s()
        rate = self._meter.bytes_per_s(now_s)
        if rate is not None or self._meter.line(now_s).state is not LineState.UP:
            return rate
        # Nothing went lately, or too little to tell: as fast as the line was found to be.
        known = self._meter.window(now_s).bytes_per_s
        limit = self.traffic().limit_bytes_per_s if self.traffic is not None else None
        return min((each for each in (known, limit) if each is not None), default=None)

    def line(self) -> Line:
        """Return the line as it is now."""
        line = self._meter.line(self._clock.monotonic_s())
        told = self.traffic() if self.traffic is not None else None
        limit = told.limit_bytes_per_s if told else None
        return msgspec.structs.replace(
            line,
            held_until=self._held,
            held_by=self._held_by,
            limit_bits_per_s=None if limit is None else round(limit * 8),
            clinic_hours=told is not None and told.clinic_hours,
        )

    def line_window(self) -> LineWindow:
        """Return what was measured of the line in the last minutes."""
        return self._meter.window(self._clock.monotonic_s())

    def over(self, parcel_id: str, study_key: str, count: int | None) -> None:
        """Note how many bytes of a parcel that is on the line went out; None once it is not."""
        if count is None:
            self._over.pop(parcel_id, None)
        else:
            self._over[parcel_id] = (study_key, count)

    async def held(self, until: dt.datetime | None, by: str = "") -> None:
        """Note whether a person holds the line; the pages hear it when it is news."""
        if (until, by) != (self._held, self._held_by):
            self._held, self._held_by = until, by
            await self._tell_line()

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
        now = self.now()

        def transaction(conn: sa.Connection) -> T:
            result = change(conn)
            keys = list(dict.fromkeys(touched(result)))
            drafts = item_events(conn, keys, now)
            if self._may_count():
                drafts.append(self._summary(conn, now))
            publish_all(conn, drafts, at=now.at)
            return result

        return await self._database.write(transaction)

    async def catch_up(self) -> None:
        """Tell the pages the summary that writes left out because counting had become slow."""
        if self._summary_due:
            now = self.now()
            await self._database.write(
                lambda conn: publish_all(conn, [self._summary(conn, now)], at=now.at)
            )

    def _may_count(self) -> bool:
        """Return whether the summary is quick to count, or was not counted for long enough.

        With 5,000 studies waiting it takes half a second, in which nothing could be filed.
        """
        rested_s = self._clock.monotonic_s() - self._counted_s
        self._summary_due = self._counting_s > _QUICK_S and rested_s < self._counting_s * _REST
        return not self._summary_due

    def _summary(self, conn: sa.Connection, now: Now) -> EventDraft:
        began_s = self._clock.monotonic_s()
        summary = msgspec.to_builtins(totals(conn, now, since=self.since()))
        self._counted_s = self._clock.monotonic_s()
        self._counting_s = self._counted_s - began_s
        self._summary_due = False
        return EventDraft("queue.summary", summary, self._institution)

    async def tell(self, which: Callable[[sa.Connection], Sequence[str]]) -> None:
        """Tell of studies of which no row changed; of none where *which* finds none."""
        if await self._database.read(which):
            await self.write(which, lambda keys: keys)

    async def reached(self) -> None:
        """Note that the county answered; the pages hear it when it is news."""
        self.heard_s = self._clock.monotonic_s()
        if self._meter.reached(self._clock.now()):
            self.back.notify()
            await self._tell_line()

    async def lost(self, code: str) -> None:
        """Note that the county cannot be talked to now; the pages hear it when it is news."""
        self.heard_s = self._clock.monotonic_s()
        if self._meter.lost(self._clock.now(), code, self.heard_s):
            _LOG.warning("line.down", extra={"code": code})
            await self._tell_line()

    def sent(self, count: int) -> None:
        """Note that *count* bytes went out."""
        self._meter.sent(count, self._clock.monotonic_s())

    async def _tell_line(self) -> None:
        payload = msgspec.to_builtins(self.line())
        at = self._clock.now()
        draft = EventDraft(LINE_CHANGED, payload, self._institution)
        await self._database.write(lambda conn: publish_all(conn, [draft], at=at))
