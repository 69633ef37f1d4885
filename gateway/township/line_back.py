"""Tells everybody who waits for the line that the county is heard again."""

import asyncio


class LineBack:
    """A hint to all who wait at that moment; nothing is kept for who comes later."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def notify(self) -> None:
        """Hint once; on the loop's own thread."""
        for heard in self._waiting:
            heard.set()

    async def wait(self, timeout_s: float | None) -> bool:
        """Return True at the next hint, False after *timeout_s*; None waits as long as it takes."""
        heard = asyncio.Event()
        self._waiting.add(heard)
        try:
            async with asyncio.timeout(timeout_s):
                return await heard.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(heard)
