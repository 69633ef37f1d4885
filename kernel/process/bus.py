"""Hints between processes that there is something new in the database.

The truth is the outbox (``kernel.events``); a hint only saves waiting. Any of them may be lost, and
Redis may be gone at any time: everybody who waits here looks by itself when the time is up.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol


class Hints:
    """What one waiter hears."""

    def __init__(self, topics: Collection[str] | None) -> None:
        self._topics = None if topics is None else frozenset(topics)
        self._heard = asyncio.Event()

    def hear(self, topic: str | None) -> None:
        """Note a hint about *topic*; None may be about anything."""
        if topic is None or self._topics is None or topic in self._topics:
            self._heard.set()

    async def wait(self, timeout_s: float) -> bool:
        """Return True at the next hint, or one since the last wait; False after *timeout_s*."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._heard.wait()
        except TimeoutError:
            return False
        self._heard.clear()
        return True


class Bus(Protocol):
    """Where hints go out and come in."""

    async def notify(self, topic: str) -> None:
        """Hint everybody who listens to *topic*; never raises, and takes half a second at most."""
        ...

    def listen(self, topics: Collection[str] | None = None) -> AbstractAsyncContextManager[Hints]:
        """Return what hears hints about *topics* (None: all) while it is open."""
        ...


class NullBus:
    """Hints within this process only, for a node without Redis."""

    def __init__(self) -> None:
        self._listeners: set[Hints] = set()

    async def notify(self, topic: str) -> None:
        """Hint the listeners of this process."""
        self._tell(topic)

    @asynccontextmanager
    async def listen(self, topics: Collection[str] | None = None) -> AsyncIterator[Hints]:
        """Return what hears hints about *topics* (None: all) while it is open."""
        hints = Hints(topics)
        self._listeners.add(hints)
        try:
            yield hints
        finally:
            self._listeners.discard(hints)

    def _tell(self, topic: str | None) -> None:
        for hints in self._listeners:
            hints.hear(topic)
