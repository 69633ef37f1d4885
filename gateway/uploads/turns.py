"""Who may touch an upload now: one request at a time, and the newest one wins.

On a line that dies without a word the server's side of the old connection stays open for hours.
The client is back long before that, so its new request must not wait for the old one to fail:
it takes over. The old one flushes what it has and goes; then the new one sees that offset.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any


class StillBusy(Exception):
    """The request before did not let go in time (its disk is very slow)."""


class _Holder:
    def __init__(self, task: "asyncio.Task[Any]") -> None:
        self.task = task
        self.gone = asyncio.Event()
        self.receiving = False
        self.asked_to_go = False

    def ask_to_go(self) -> None:
        if not self.asked_to_go:
            self.asked_to_go = True
            if self.receiving:
                self.task.cancel("taken over by a newer request")


class Turn:
    """The right to touch one upload, until the block ends."""

    def __init__(self, holder: _Holder) -> None:
        self._holder = holder

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Mark the part that waits for the peer: here a newer request may cancel this one."""
        if self._holder.asked_to_go:
            raise asyncio.CancelledError
        self._holder.receiving = True
        try:
            yield
        finally:
            self._holder.receiving = False


class Turns:
    """The turns of all uploads of this process."""

    def __init__(self) -> None:
        self._holders: dict[str, _Holder] = {}

    def receiving(self, upload_id: str) -> bool:
        """Return whether a request is receiving bytes of this upload now."""
        holder = self._holders.get(upload_id)
        return holder is not None and holder.receiving

    def held(self, upload_id: str) -> bool:
        """Return whether any request holds this upload now."""
        return upload_id in self._holders

    @asynccontextmanager
    async def take(self, upload_id: str, *, timeout_s: float) -> AsyncIterator[Turn]:
        """Wait until the upload is free, having asked whoever holds it to go.

        Raises:
            StillBusy: it did not become free within *timeout_s*.
        """
        task = asyncio.current_task()
        if task is None:  # pragma: no cover - a coroutine always runs in a task
            raise RuntimeError("a turn is taken inside a task")
        mine = _Holder(task)
        try:
            async with asyncio.timeout(timeout_s):
                while (holder := self._holders.get(upload_id)) is not None:
                    holder.ask_to_go()
                    await holder.gone.wait()
        except TimeoutError as exc:
            raise StillBusy(upload_id) from exc
        self._holders[upload_id] = mine
        try:
            yield Turn(mine)
        finally:
            del self._holders[upload_id]
            mine.gone.set()
