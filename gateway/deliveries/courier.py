"""Takes the queues to their destinations, each by itself: a dead one holds up no other.

There is no last attempt. An instance leaves its queue in two ways: its destination has it, or it
was set aside with a reason, from where a person puts it back. An answer is on disk before the next
object of its association goes, so a sudden end repeats one object of each at most.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import sqlalchemy as sa

from gateway.deliveries import queue, standing
from gateway.deliveries.model import Step, Turn, Verdict, said, verdict
from gateway.deliveries.ports import Line, Lines, Objects
from gateway.dimse.storing import Outcome, SendableObject
from gateway.township.backoff import Backoff
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_GONE: Final = "it is not in the archive any more"
_LATER_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CourierSettings:
    """How the courier works.

    Attributes:
        backoff: how long to wait after failures; at least half of each bound.
        turn_objects: instances of one study before another has its turn.
        look_s: how often to look for what joined the queues.
        breaks: so often the line may break with an instance before it is set aside; only where
            the destination took others since.
    """

    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=30.0, cap_s=600.0))
    turn_objects: int = 50
    look_s: float = 1.0
    breaks: int = 5


class Courier:
    """Sends what the queues hold, until cancelled."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        lines: Lines,
        objects: Objects,
        *,
        chance: Callable[[], float],
        settings: CourierSettings | None = None,
    ) -> None:
        """Send *objects* over *lines*.

        Args:
            database: with the queues.
            clock: tells when a destination is tried again.
            lines: the ways.
            objects: what is sent.
            chance: a random number, at least 0 and below 1.
            settings: how.
        """
        self._database = database
        self._clock = clock
        self._lines = lines
        self._objects = objects
        self._chance = chance
        self._settings = settings or CourierSettings()
        self._busy: set[str] = set()

    async def run(self) -> None:
        """Send for ever; one of these at a time for a database."""
        await self._database.write(queue.recover)
        self._busy.clear()
        async with asyncio.TaskGroup() as group:
            while True:
                for destination in await self._due():
                    if destination not in self._busy:
                        self._busy.add(destination)
                        group.create_task(self._serve(destination))
                await asyncio.sleep(self._settings.look_s)

    async def _due(self) -> list[str]:
        try:
            return await self._database.read(partial(queue.due, now=self._clock.now()))
        except PlatformError as error:
            _LOG.warning("deliveries.later", extra={"code": error.code})
            return []

    async def _serve(self, destination: str) -> None:
        """Send to *destination* until nothing waits for it or it fails."""
        try:
            line = await self._lines.open(destination)
            async with asyncio.TaskGroup() as group:
                for _ in range(line.parallel):
                    group.create_task(self._turns(destination, line))
        except PlatformError as error:
            await self._failed(destination, error.detail or error.code)
        finally:
            self._busy.discard(destination)

    async def _turns(self, destination: str, line: Line) -> None:
        take = partial(queue.take_turn, destination=destination, most=self._settings.turn_objects)
        try:
            while turn := await self._database.write(partial(take, now=self._clock.now())):
                if not await _Sending(self, turn, line).sent():
                    return
        except PlatformError as error:
            # Our own database or archive: no word about the destination.
            _LOG.warning("deliveries.stuck", extra={"destination": destination, "code": error.code})
            await self._failed(destination, f"the county: {error.detail or error.code}")

    async def _failed(self, destination: str, reason: str) -> None:
        def note(conn: sa.Connection) -> None:
            failures = standing.standing(conn, destination).failures + 1
            next_try_at = self._clock.now() + self._delay(failures)
            standing.failed(conn, destination, failures, reason, next_try_at)

        _LOG.warning("deliveries.failed", extra={"destination": destination, "reason": reason})
        try:
            await self._database.write(note)
        except PlatformError:
            await asyncio.sleep(_LATER_S)

    def _delay(self, failures: int) -> dt.timedelta:
        # Never at once: what does not answer is not helped by being asked more often.
        chance = 0.5 + self._chance() / 2
        return dt.timedelta(seconds=self._settings.backoff.delay_s(failures, chance))


class _Sending:
    """One turn under way."""

    def __init__(self, courier: Courier, turn: Turn, line: Line) -> None:
        self._courier = courier
        self._turn = turn
        self._line = line
        self._answers = 0
        self._broke: tuple[str, str] | None = None

    async def sent(self) -> bool:
        """Send the turn; return whether the destination may be given another at once."""
        courier, turn = self._courier, self._turn
        why = ""
        try:
            picked = await courier._objects.pick(turn)
            for uid in picked.gone:
                await self._settle(uid, Step.REFUSE, None, _GONE)
            self._answers += len(picked.gone)
            if picked.objects:
                await self._line.send(picked.objects, self._told)
        except PlatformError as error:
            why = error.detail or error.code
        return await self._end(why)

    async def _told(self, one: SendableObject, outcome: Outcome) -> None:
        uid = one.sop_instance_uid
        what = verdict(outcome.status, warned_is_taken=self._line.warned_is_taken)
        if what is Verdict.LATER:
            if self._broke is None:
                self._broke = uid, said(outcome.status, outcome.comment)
            return
        step = Step.TAKEN if what is Verdict.TAKEN else Step.REFUSE
        self._answers += 1
        reason = "" if outcome.status == 0 else said(outcome.status, outcome.comment)
        await self._settle(uid, step, outcome.status, reason)
        if step is Step.REFUSE:
            extra = {"destination": self._turn.destination, "reason": reason}
            _LOG.warning("deliveries.set-aside", extra=extra)

    async def _settle(self, uid: str, step: Step, status: int | None, reason: str) -> None:
        at = self._courier._clock.now()
        await self._courier._database.write(
            lambda conn: queue.answered(
                conn, self._turn.delivery, uid, step, at, status=status, reason=reason
            )
        )

    async def _end(self, why: str) -> bool:
        """Put back the rest; what broke the line before waits by itself, not its destination."""
        courier, turn = self._courier, self._turn
        now = courier._clock.now()
        uid, reason = self._broke or ("", why)
        failed = bool(uid or why) and not self._answers
        blames = failed and not (turn.again and uid)

        def note(conn: sa.Connection) -> None:
            known = standing.standing(conn, turn.destination)
            not_before = None
            if uid:
                broken = queue.broken(conn, turn.delivery, uid)
                if turn.again:
                    not_before = now + courier._delay(broken.attempts)
                others = known.succeeded_at is not None and known.succeeded_at > broken.since
                if broken.attempts + 1 >= courier._settings.breaks and others:
                    times = f"{reason}; {broken.attempts + 1} times, while others went through"
                    queue.answered(conn, turn.delivery, uid, Step.REFUSE, now, reason=times)
            queue.end_turn(conn, turn, now, failed=uid, reason=reason, not_before=not_before)
            if self._answers:
                standing.succeeded(conn, turn.destination, now)
            elif blames:
                failures = known.failures + 1
                next_try_at = now + courier._delay(failures)
                standing.failed(conn, turn.destination, failures, reason, next_try_at)

        await courier._database.write(note)
        if failed:
            extra = {"destination": turn.destination, "reason": reason}
            _LOG.warning("deliveries.failed", extra=extra)
        return not blames
