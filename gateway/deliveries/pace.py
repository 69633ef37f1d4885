"""Objects that go no faster than their destination's share of the line."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from gateway.dimse.storing import SendableObject
from gateway.township.bandwidth import TokenBucket
from kernel.clock import Clock

_BURST_S: Final = 1.0
_PIECE_BYTES: Final = 64 << 10
_BITS: Final = 8


class Pace:
    """What one destination may be sent in a second, whoever sends it."""

    def __init__(self, bits_per_s: int, clock: Clock) -> None:
        """Let *bits_per_s* through; 0 for all."""
        rate = bits_per_s / _BITS if bits_per_s else None
        burst = max(_PIECE_BYTES, int((rate or 0) * _BURST_S))
        self._clock = clock
        self._bucket = TokenBucket(rate, burst_bytes=burst, now_s=clock.monotonic_s())

    async def wait(self, count: int) -> None:
        """Return when *count* bytes may go."""
        wait_s = self._bucket.take(count, now_s=self._clock.monotonic_s())
        if wait_s:
            await asyncio.sleep(wait_s)


class Paced:
    """An object whose pieces come at a pace (``gateway.dimse.storing.SendableObject``)."""

    __slots__ = ("_object", "_pace")

    def __init__(self, sent: SendableObject, pace: Pace) -> None:
        """Give *sent* at *pace*."""
        self._object = sent
        self._pace = pace

    @property
    def sop_class_uid(self) -> str:
        """Its SOP class."""
        return self._object.sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP instance."""
        return self._object.sop_instance_uid

    @property
    def forms(self) -> tuple[str, ...]:
        """See ``SendableObject``."""
        return self._object.forms

    async def pieces(self, transfer_syntax_uid: str) -> AsyncGenerator[bytes, None]:
        """See ``SendableObject``."""
        async with aclosing(self._object.pieces(transfer_syntax_uid)) as pieces:
            async for piece in pieces:
                await self._pace.wait(len(piece))
                yield piece
