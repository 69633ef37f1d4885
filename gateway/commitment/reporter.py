"""The owner of commitment results: looks until all is known, then tells the peer until it hears.

What it has to do stands in SQL, so that it goes on after a restart where it was. A result goes out
on the association it was asked on while that is open, else on one of our own.
"""

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from gateway.commitment import store
from gateway.commitment.looking import final_verdicts
from gateway.commitment.machine import ActNotAllowed, State
from gateway.commitment.model import (
    NO_ADDRESS,
    Request,
    Verdict,
    look_again_in,
)
from gateway.commitment.ports import Callback, Committed
from gateway.commitment.service import OpenLines
from gateway.dimse.ports import Reference
from gateway.township.backoff import Backoff
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.process.owner import Owner
from kernel.process.wake import Wake
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_LOOKS_AT_ONCE: Final = 20
_REPORTS_AT_ONCE: Final = 4
_FORGET_EVERY: Final = dt.timedelta(hours=1)
_SHORTEST_WAIT_S: Final = 0.02
_WARNING: Final = range(0xB000, 0xC000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReporterSettings:
    """How results are reported.

    Attributes:
        same_association_after: how long a peer is given to leave after asking, before the result
            goes to it on its own association: many leave at once and take results only on another.
        answer_s: how long the peer may take to answer there.
        lease: how long one try on an association of our own may take at most.
        backoff: how long to wait between tries.
        without_address: how long instead while the table of peers names no port of the peer: only
            a person mends that, and ``yilian doctor`` tells them.
        give_up_after: since all was known; None for never.
        keep: how long a request is remembered after its end.
        idle_s: how long to wait at most before looking what is due.
    """

    same_association_after: dt.timedelta = dt.timedelta(seconds=0.5)
    answer_s: float = 10.0
    lease: dt.timedelta = dt.timedelta(minutes=3)
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=2.0, cap_s=900.0))
    without_address: dt.timedelta = dt.timedelta(hours=1)
    give_up_after: dt.timedelta | None = None
    keep: dt.timedelta = dt.timedelta(days=30)
    idle_s: float = 2.0


class Reporter:
    """Looks and reports, for as long as the node runs."""

    def __init__(  # noqa: PLR0913  # what the wiring hands in
        self,
        database: Database,
        clock: Clock,
        *,
        committed: Committed,
        callback: Callback,
        lines: OpenLines,
        wake: Wake,
        chance: Callable[[], float],
        settings: ReporterSettings | None = None,
    ) -> None:
        """Report what *committed* says.

        Args:
            database: of this node.
            clock: for when to look and to try.
            committed: who knows what is safe.
            callback: how a peer is told that has left.
            lines: associations that may still be open.
            wake: told when a request comes.
            chance: a random number, at least 0 and below 1, for back-off.
            settings: times.
        """
        self._database = database
        self._clock = clock
        self._committed = committed
        self._callback = callback
        self._lines = lines
        self._wake = wake
        self._chance = chance
        self._settings = settings or ReporterSettings()
        self._forgotten_at: dt.datetime | None = None
        self._stirred = asyncio.Event()

    def keep_by(self, owner: Owner) -> None:
        """Let *owner* run it all: one task that looks, some that report.

        Each is the owner's own, so that a peer that is slow to take its report delays few others.
        """
        owner.keep("commitment-looks", self._looking)
        for number in range(_REPORTS_AT_ONCE):
            owner.keep(f"commitment-reports-{number}", self._reporting)

    async def look_at_due(self) -> None:
        """Look once at every request that is due."""
        while True:
            now = self._clock.now()
            found = await self._database.read(_waiting(now))
            await self._look(found, now)
            if len(found) < _LOOKS_AT_ONCE:
                return

    async def report_one(self) -> bool:
        """Report the result that is due longest; returns whether there was one."""
        now = self._clock.now()
        due_at = await self._database.read(_next_ready)
        if due_at is None or due_at > now:
            return False
        until = now + self._settings.lease
        request = await self._database.write(lambda conn: store.claim(conn, now, until=until))
        if request is not None:
            await self._report(request)
        return request is not None

    async def forget_old(self) -> None:
        """Delete once in an hour what ended long ago."""
        now = self._clock.now()
        if self._forgotten_at is not None and now - self._forgotten_at < _FORGET_EVERY:
            return
        self._forgotten_at = now
        before = now - self._settings.keep
        await self._database.write(lambda conn: store.forget(conn, before))

    async def _looking(self) -> None:
        while True:
            await self.look_at_due()
            await self.forget_old()
            self._stir()
            await self._wake.wait(self._idle_s(await self._database.read(_next_waiting)))

    async def _reporting(self) -> None:
        while True:
            stirred = self._stirred
            if await self.report_one():
                continue
            idle_s = self._idle_s(await self._database.read(_next_ready))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(idle_s):
                    await stirred.wait()

    def _idle_s(self, due_at: dt.datetime | None) -> float:
        if due_at is None:
            return self._settings.idle_s
        until_s = (due_at - self._clock.now()).total_seconds()
        return min(max(until_s, _SHORTEST_WAIT_S), self._settings.idle_s)

    async def _look(self, requests: Sequence[Request], now: dt.datetime) -> None:
        if not requests:
            return
        found = await self._database.read(
            lambda conn: [
                final_verdicts(conn, self._committed, request, now) for request in requests
            ]
        )

        def write(conn: sa.Connection) -> None:
            for request, verdicts in zip(requests, found, strict=True):
                due_at = self._due_at(request, verdicts, now)
                store.looked(conn, request, verdicts, now=now, due_at=due_at)

        await self._database.write(write)
        self._stir()

    def _due_at(
        self, request: Request, verdicts: Mapping[Reference, Verdict], now: dt.datetime
    ) -> dt.datetime:
        if any(verdict is Verdict.WAITING for verdict in verdicts.values()):
            return now + look_again_in(now - request.asked_at)
        if self._lines.is_open(request.id):
            return max(now, request.asked_at + self._settings.same_association_after)
        return now

    def _stir(self) -> None:
        stirred, self._stirred = self._stirred, asyncio.Event()
        stirred.set()

    async def _report(self, request: Request) -> None:
        reason = await self._told(request)
        now = self._clock.now()
        if not reason:
            await self._keep(lambda conn: store.delivered(conn, request.id, now), request, reason)
            return
        since = request.decided_at or request.asked_at
        give_up_after = self._settings.give_up_after
        if give_up_after is not None and now - since >= give_up_after:
            await self._keep(
                lambda conn: store.given_up(conn, request.id, reason, now), request, reason
            )
            return
        due_at = now + self._wait(request, reason)
        await self._keep(
            lambda conn: store.failed(conn, request, reason, due_at=due_at), request, reason
        )

    def _wait(self, request: Request, reason: str) -> dt.timedelta:
        if reason == NO_ADDRESS:
            return self._settings.without_address
        delay_s = self._settings.backoff.delay_s(request.failures + 1, self._chance())
        return dt.timedelta(seconds=delay_s)

    async def _keep(
        self, write: Callable[[sa.Connection], None], request: Request, reason: str
    ) -> None:
        try:
            await self._database.write(write)
        except ActNotAllowed:
            reason = "moved-on"
        # Of a peer without an address the first time says all there is to say.
        known = reason == NO_ADDRESS and request.failures > 0
        _LOG.log(
            logging.WARNING if reason and not known else logging.INFO,
            "commitment.not-taken" if reason else "commitment.reported",
            extra={"request_id": request.id, "ae": request.ae_title, "reason": reason},
        )

    async def _told(self, request: Request) -> str:
        """Tell the peer; returns why it was not told, empty where it was."""
        line = self._lines.take(request.id)
        if line is not None:
            status = await line.report(request.result, within_s=self._settings.answer_s)
            if status is not None and _is_taken(status):
                return ""
        try:
            status = await self._callback.report(
                request.ae_title, request.called_ae_title, request.address, request.result
            )
        except PlatformError as error:
            return error.code
        return "" if _is_taken(status) else f"status-{status:04x}"


def _waiting(now: dt.datetime) -> Callable[[sa.Connection], list[Request]]:
    return lambda conn: store.due(conn, State.WAITING, now, _LOOKS_AT_ONCE)


def _next_waiting(conn: sa.Connection) -> dt.datetime | None:
    return store.next_due(conn, State.WAITING)


def _next_ready(conn: sa.Connection) -> dt.datetime | None:
    return store.next_due(conn, State.READY)


def _is_taken(status: int) -> bool:
    return status == 0 or status in _WARNING
