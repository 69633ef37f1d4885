"""Letters up and heartbeats: one post at a time, for as long as it takes.

A heartbeat goes when it is due. Letters leave the line to others until the ones before are paid for
(``LineSide.owe``), the trail also until nothing else waits, and while a person holds the line.
"""

import asyncio
import datetime as dt
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import msgspec
import sqlalchemy as sa

from gateway.exchange import outbox
from gateway.exchange.county_link import CountyLink, CountyUnreachable, body_of, refusal
from gateway.exchange.heartbeat import EVERY_S, Heartbeat, Post, StudyState
from gateway.exchange.model import MEDIA_TYPE, Kind, PostAnswer, Sent, Versions
from gateway.exchange.node_facts import NodeFacts
from gateway.exchange.versions import SINCE, VERSIONS, carries
from gateway.exchange.wire import pack, unpack
from gateway.township.backoff import Backoff
from kernel.arrival import Priority
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_LOOK_S: Final = 1.0
_ALL_STUDIES_EVERY_S: Final = 600.0
_OK: Final = 200
_TRAIL: Final = Priority.ROUTINE
BACKOFF: Final = Backoff(first_s=1.0, cap_s=60.0)


class Hint(Protocol):
    """Says early that there is something to send."""

    async def wait(self, timeout_s: float) -> bool:
        """Return True at the next hint, False after *timeout_s*."""
        ...


async def wait_out(delay_s: float, back: Hint | None) -> bool:
    """Return False after *delay_s*, True as soon as *back* hints that the county is heard."""
    if back is not None:
        return await back.wait(delay_s)
    await asyncio.sleep(delay_s)
    return False


class LineSide(Protocol):
    """Is told whether the county answers, and knows what else needs the line."""

    async def urgent(self) -> bool:
        """Tell whether an emergency waits for the line or is on it."""
        ...

    async def reached(self) -> None:
        """The county has answered."""
        ...

    async def lost(self, code: str) -> None:
        """The county cannot be talked to now."""
        ...

    def held(self) -> bool:
        """Tell whether a person holds the line."""
        ...

    def owe(self, count: int, lane: Priority) -> float:
        """Note *count* bytes of letters on the line; returns after how many seconds the next go."""
        ...


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """How the sender behaves."""

    backoff: Backoff = BACKOFF
    chance: Callable[[], float] = random.random
    heartbeat_s: float = EVERY_S
    versions: Versions = VERSIONS
    since: Mapping[str, int] = field(default_factory=lambda: SINCE)
    back: Hint | None = None
    """Hints that the county is heard again: what waits to try again tries at once."""


class LetterSender:
    """The one sender of letters of a node."""

    def __init__(
        self,
        database: Database,
        link: CountyLink,
        facts: NodeFacts,
        line: LineSide,
        *,
        clock: Clock,
        settings: SenderSettings | None = None,
    ) -> None:
        self._database = database
        self._link = link
        self._facts = facts
        self._line = line
        self._clock = clock
        self._settings = settings or SenderSettings()
        self._agreed: int | None = None
        self._beat_s = float("-inf")
        self._next_s: dict[Priority, float] = {}
        """By lane: when its next letters may go."""
        self._held: tuple[dt.datetime | None, str] = (None, "")
        """Of the line, as last told."""
        self._studies: list[StudyState] | None = None
        self._studies_s = float("-inf")

    async def run(self, hint: Hint) -> None:
        """Send until cancelled; there is no last attempt.

        Args:
            hint: says early that a letter was written.
        """
        await self._database.write(self._begin)
        try:
            await self._run(hint)
        finally:
            await self._link.close()

    async def _run(self, hint: Hint) -> None:
        failures = 0
        while True:
            try:
                if await self.send_once():
                    failures = 0
                    continue
                failures = 0
                await hint.wait(self._look_s())
            except PlatformError as exc:
                failures += 1
                if isinstance(exc, CountyUnreachable):
                    self._agreed = None
                    if exc.code == CountyUnreachable.code:
                        await self._line.lost(exc.code)
                _LOG.info("letters.later", extra={"code": exc.code, "failures": failures})
                chance = self._settings.chance()
                if await wait_out(
                    self._settings.backoff.delay_s(failures, chance), self._settings.back
                ):
                    failures = 0

    def _look_s(self) -> float:
        now_s = self._clock.monotonic_s()
        return min([_LOOK_S, *(at_s - now_s for at_s in self._next_s.values() if at_s > now_s)])

    def _begin(self, conn: sa.Connection) -> None:
        outbox.make_place(conn)
        outbox.offer_again(conn)

    async def send_once(self) -> bool:
        """Send what is due in one post; returns whether there may be more at once.

        The first post after an outage is empty: its answer says which version the county
        speaks, and whether it and this database remember the same letters.

        Raises:
            CountyUnreachable: nothing is changed; the same letters go again.
        """
        known = self._agreed is not None
        letters = await self._letters() if known else []
        due = self._clock.monotonic_s() - self._beat_s >= self._settings.heartbeat_s
        held = self._hold()
        # Somebody at the county may wait for images that nobody sends: told at once.
        due = due or held != self._held
        if known and not letters and not due:
            return False
        beat = await self._heartbeat() if due and known else None
        answer = await self._post(letters, beat)
        if beat is not None:
            self._beat_s, self._held = self._clock.monotonic_s(), held
        at = self._clock.now()
        if not await self._database.write(partial(self._note, letters=letters, answer=answer)):
            _LOG.warning("letters.renumbered")
        self._agreed = answer.protocol
        await self._line.reached()
        _LOG.debug("letters.sent", extra={"letters": len(letters), "at": at.isoformat()})
        return bool(letters) or not known

    def _hold(self) -> tuple[dt.datetime | None, str]:
        line = self._facts.line()
        return line.held_until, line.held_by

    async def _letters(self) -> list[Sent]:
        agreed, since = self._agreed or 1, self._settings.since
        held = [kind for kind in since if not carries(kind, agreed, since)]
        if self._owes(Priority.URGENT):
            return []
        trail = not (self._owes(_TRAIL) or self._line.held() or await self._line.urgent())
        if not (await self._database.read(outbox.waiting)).waiting:
            return []

        def choose(conn: sa.Connection) -> list[Sent]:
            found = outbox.next_letters(conn, held, trail=False)
            return found or (outbox.next_letters(conn, held) if trail else [])

        return await self._database.write(choose)

    def _owes(self, lane: Priority) -> bool:
        return self._clock.monotonic_s() < self._next_s.get(lane, float("-inf"))

    def _note(self, conn: sa.Connection, *, letters: list[Sent], answer: PostAnswer) -> bool:
        """Keep what the county said; returns False where the two remember different letters."""
        at = self._clock.now()
        outbox.set_place(conn, heard_at=at)
        if not outbox.knows(conn, answer):
            outbox.begin_anew(conn)
            return False
        outbox.note_answer(conn, letters, answer, at=at)
        return True

    async def _heartbeat(self) -> Heartbeat:
        at: dt.datetime = self._clock.now()
        beat = await self._database.read(lambda conn: self._facts.heartbeat(conn, at=at))
        now_s = self._clock.monotonic_s()
        if beat.studies == self._studies and now_s - self._studies_s < _ALL_STUDIES_EVERY_S:
            return msgspec.structs.replace(beat, studies=None)
        return beat

    def _pay(self, letters: list[Sent], count: int) -> None:
        trail = any(letter.kind == Kind.AUDIT.value for letter in letters)
        lane = _TRAIL if trail else Priority.URGENT
        wait_s = self._line.owe(count, lane)
        if letters:
            # A heartbeat by itself is owed for, too; letters do not wait for it.
            self._next_s[lane] = self._clock.monotonic_s() + wait_s

    async def _post(self, letters: list[Sent], beat: Heartbeat | None) -> PostAnswer:
        place = await self._database.write(outbox.make_place)
        post = Post(
            epoch=place.epoch, versions=self._settings.versions, letters=letters, heartbeat=beat
        )
        body = await asyncio.to_thread(pack, post)
        path, headers = "/api/v1/nodes/letters", {"Content-Type": MEDIA_TYPE}
        raw = b""
        try:
            async with self._link.ask("POST", path, headers=headers, body=body) as answer:
                if answer.status != _OK:
                    raise await refusal(answer)
                raw = await body_of(answer)
        finally:
            self._pay(letters, len(body) + len(raw))
        if beat is not None and beat.studies is not None:
            self._studies, self._studies_s = beat.studies, self._clock.monotonic_s()
        return unpack(raw, PostAnswer)
