"""What images and letters take of the line to the county, both ways: one bucket, one rule."""

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.township.bandwidth import TokenBucket
from gateway.township.clinic_hours import Learnt, Shares, allowed_bytes_per_s, learn
from gateway.township.line import LineMeter
from kernel.arrival import Priority
from kernel.clock import Clock

BURST_BYTES: Final = 64 * 1024
HELD_BYTES_PER_S: Final = 8 * 1024
"""What letters may take while a person holds the line: orders pass, the clinic does not feel it."""
_LEARN_SPAN_S: Final = 3.0
_LUMP_S: Final = 1.0
"""Sockets take lumps above the burst; a bucket that is full again within this limits nothing."""


class LineShare(Protocol):
    """Who sends or fetches anything over the line asks here first, whichever way it goes."""

    async def pass_bytes(self, count: int, *, lane: Priority = Priority.ROUTINE) -> None:
        """Return once *count* more bytes may go over the line.

        It takes as long as the line is held by a person, and, for any other lane, as long as an
        emergency is on its way up. A caller with a deadline of its own puts it around this.

        Args:
            count: bytes about to be sent or asked for, at most some 100 KiB at a time.
            lane: whose they are.
        """
        ...


@dataclass(frozen=True, slots=True)
class TrafficState:
    """What holds images back at the moment."""

    limit_bytes_per_s: float | None
    """None: nothing but the line itself."""
    clinic_hours: bool


class Traffic:
    """The line's one bucket, with the clinic's hours and what was learnt of the line.

    Sends of images take from it with ``reserve``, letters are owed for with ``owe``; everybody else
    waits in ``pass_bytes``.
    """

    def __init__(self, shares: Shares, meter: LineMeter, clock: Clock, *, zone: dt.tzinfo) -> None:
        self._shares = shares
        self._meter = meter
        self._clock = clock
        self._zone = zone
        self._learnt: Learnt | None = None
        self._bucket = TokenBucket(None, burst_bytes=BURST_BYTES, now_s=clock.monotonic_s())
        self._free_since_s = clock.monotonic_s()
        self._limited = False
        self._full_at_s = self._waited_at_s = clock.monotonic_s()
        self._held = False
        self._free = asyncio.Event()
        self._free.set()

    @property
    def held(self) -> bool:
        """Whether a person holds the line."""
        return self._held

    def note(self, *, held: bool, emergency: bool) -> None:
        """Note whether a person holds the line, and whether an emergency is on its way up."""
        self._held = held
        if held or emergency:
            self._free.clear()
        else:
            self._free.set()

    def state(self) -> TrafficState:
        """Return what holds images back."""
        now = self._now()
        return TrafficState(
            allowed_bytes_per_s(self._shares, self._learnt, now, emergency=False),
            self._shares.hours.hold(now),
        )

    def reserve(self, count: int, *, lane: Priority) -> float:
        """Take *count* bytes and return how many seconds to wait before they go."""
        now_s, now, emergency = self._clock.monotonic_s(), self._now(), lane is Priority.EMERGENCY
        allowed = allowed_bytes_per_s(self._shares, self._learnt, now, emergency=emergency)
        unlearnt = allowed_bytes_per_s(self._shares, None, now, emergency=emergency)
        self._bucket.set_rate(allowed, now_s=now_s)
        if self._bucket.is_full(now_s=now_s):
            self._note_full(now_s)
        wait_s = self._bucket.take(count, now_s=now_s)
        if wait_s > 0:
            self._waited_at_s = now_s
        self._learn(now_s, limited=allowed != unlearnt)
        return wait_s

    def owe(self, count: int, lane: Priority) -> float:
        """Take what letters moved over the line, and return after how many seconds the next go.

        Letters are small and go first; who comes after them waits until they are paid for.

        Args:
            count: bytes of a question and its answer.
            lane: ``ROUTINE`` waits for all that was taken, by images too; what is more urgent for
                its own bytes only.
        """
        rate = self.state().limit_bytes_per_s
        if self._held:
            rate = min(rate or HELD_BYTES_PER_S, HELD_BYTES_PER_S)
        now_s = self._clock.monotonic_s()
        self._bucket.set_rate(rate, now_s=now_s)
        wait_s = self._bucket.take(count, now_s=now_s)
        return wait_s if rate is None or lane is Priority.ROUTINE else min(wait_s, count / rate)

    async def pass_bytes(self, count: int, *, lane: Priority = Priority.ROUTINE) -> None:
        """See ``LineShare``."""
        if self._held or lane is not Priority.EMERGENCY:
            await self._free.wait()
        await asyncio.sleep(self.reserve(count, lane=lane))

    def _note_full(self, now_s: float) -> None:
        """Note that less went than the bucket lets through: a slower line is what limits."""
        if self._waited_at_s >= self._full_at_s and now_s - self._full_at_s > _LUMP_S:
            self._free_since_s = now_s
        self._full_at_s = now_s

    def _learn(self, now_s: float, *, limited: bool) -> None:
        """Take what filled the line for what it carries, where nothing else limited it."""
        if limited != self._limited:
            self._limited, self._free_since_s = limited, now_s
        waited = self._waited_at_s >= self._full_at_s
        if limited or waited or now_s - self._free_since_s < _LEARN_SPAN_S:
            return
        rate = self._meter.carried_bytes_per_s(
            now_s, since_s=self._free_since_s, waited_s=self._waited_at_s
        )
        if rate is not None:
            self._learnt = learn(self._learnt, rate, self._clock.now())
            self._free_since_s = now_s

    def _now(self) -> dt.datetime:
        return self._clock.now().astimezone(self._zone)
