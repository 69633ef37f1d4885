"""Things of many pieces, made by one task ahead of another that takes them, within a bound."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from kernel.errors import PlatformError

T = TypeVar("T")

AHEAD_BYTES: Final = 4 << 20
_SMALL: Final = 512
"""What a thing without a piece counts."""


@dataclass(frozen=True, slots=True)
class _Begin(Generic[T]):
    thing: T


@dataclass(frozen=True, slots=True)
class _Close:
    error: PlatformError | None = None


class ReadAhead(Generic[T]):
    """A queue between the two, bounded by bytes: one piece more than fits goes in, no second."""

    def __init__(self, *, most_bytes: int = AHEAD_BYTES) -> None:
        """Hold at most *most_bytes*, and one piece."""
        self._most = most_bytes
        self._held: deque[_Begin[T] | bytes | _Close | None] = deque()
        self._bytes = 0
        self._changed = asyncio.Condition()

    async def begin(self, thing: T) -> None:
        """Put the next thing; its pieces follow, and ``close``, or none of both."""
        await self._put(_Begin(thing))

    async def piece(self, piece: bytes) -> None:
        """Put a piece of the last thing; waits for room."""
        await self._put(piece)

    async def close(self) -> None:
        """Say that the last thing is whole."""
        await self._put(_Close())

    async def break_off(self, error: PlatformError) -> None:
        """Say that the last thing will not be whole; whoever takes its pieces gets *error*."""
        await self._put(_Close(error))

    async def end(self) -> None:
        """Say that no thing follows."""
        await self._put(None)

    async def next(self) -> T | None:
        """Return the next thing, passing over what is left of the last; None after the last."""
        while True:
            item = await self._take()
            if item is None:
                return None
            if isinstance(item, _Begin):
                return item.thing

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of the thing that ``next`` returned.

        Raises:
            PlatformError: it was broken off.
        """
        while isinstance(item := await self._take(), bytes):
            yield item
        if isinstance(item, _Close) and item.error is not None:
            raise item.error

    async def _put(self, item: _Begin[T] | bytes | _Close | None) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._bytes < self._most)
            self._held.append(item)
            self._bytes += _size(item)
            self._changed.notify_all()

    async def _take(self) -> _Begin[T] | bytes | _Close | None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._held)
            item = self._held.popleft()
            self._bytes -= _size(item)
            self._changed.notify_all()
            return item


def _size(item: object) -> int:
    return len(item) if isinstance(item, bytes) else _SMALL
