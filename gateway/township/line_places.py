"""Who puts bytes on the line: as many uploads at a time as keep it full, in the order they asked.

An upload whose bytes are all handed over gives its place back while it still waits for the answer,
and the next one, announced meanwhile, goes on without a pause. Two that share the line from their
first byte to their last would both be over late.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class LinePlaces:
    """The places of one line. For one event loop."""

    def __init__(self) -> None:
        self._most = 1
        self._taken = 0
        self._asking: deque[object] = deque()
        self._changed = asyncio.Event()

    def hold(self, most: int) -> None:
        """Let *most* uploads, at least one, send at a time from now on; nobody is sent away."""
        self._most = max(most, 1)
        self.look()

    def look(self) -> None:
        """Let those who ask see that something changed; also that they are to leave off."""
        self._changed.set()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def place(self, stop: asyncio.Event) -> AsyncIterator[Callable[[], None] | None]:
        """Wait for a place, and hold it until the block ends or what it is given is called.

        Waits for as long as others send, each of which has its own longest silence.

        Args:
            stop: once it is set there is no place any more; ``look`` tells of it.
        """
        if not await self._taken_over(stop):
            yield None
            return
        held = True

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                self._taken -= 1
                self.look()

        try:
            yield give_back
        finally:
            give_back()

    async def _taken_over(self, stop: asyncio.Event) -> bool:
        asker = object()
        self._asking.append(asker)
        try:
            while not stop.is_set():
                if self._asking[0] is asker and self._taken < self._most:
                    self._taken += 1
                    return True
                await self._changed.wait()
            return False
        finally:
            self._asking.remove(asker)
            self.look()
