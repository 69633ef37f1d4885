"""The bytes of one object on their way into the journal."""

import asyncio
import os
import zlib
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from kernel.journal.segment import Extent, read_exactly, segment_path

STREAMED_FROM_BYTES: Final = 1 << 20
_CHUNKS_ON_THE_WAY: Final = 4


@dataclass(slots=True)
class Chunk:
    """One piece of a draft: in memory, and then in the journal."""

    index: int
    length: int
    crc: int
    data: bytearray | None
    extent: Extent | None = None

    def settle(self, extent: Extent) -> None:
        """Say where the piece lies now; its memory is given back."""
        # In this order, because the event loop reads while the writer's thread settles.
        self.extent = extent
        self.data = None


class Ink(Protocol):
    """What a draft asks of its writer."""

    chunk_bytes: int
    directory: Path

    def check(self) -> None:
        """Raise JournalFull or JournalFailed where nothing more may be written."""
        ...

    def hold(self, delta: int) -> bool:
        """Count *delta* bytes of drafts in memory; returns whether there is room for them."""
        ...

    def stream(self, number: int, chunk: Chunk) -> "asyncio.Future[None]":
        """Lay *chunk* of draft *number*; the future is done when it is settled, or failed."""
        ...

    def forget(self, number: int) -> None:
        """Say that nothing of draft *number* will be needed."""
        ...


class State(Enum):
    """How far a draft has come."""

    OPEN = auto()
    CLOSED = auto()
    """A commit found no room: may be committed again or discarded, no longer written."""
    SUBMITTED = auto()
    OVER = auto()


class Draft:
    """One object being written; several interleave, each belongs to one task at a time.

    Small objects stay in memory until their commit. Past 1 MiB, or while all drafts together hold
    too much, the bytes stream to the disk in chunks, at most four of them on the way.
    """

    def __init__(self, number: int, ink: Ink) -> None:
        self.number: Final = number
        self.size = 0
        self.chunks: list[Chunk] = []
        self._ink = ink
        self._state = State.OPEN
        self._buffer = bytearray()
        self._crc = 0
        self._held = 0
        self._streamed = 0
        self._on_the_way: deque[asyncio.Future[None]] = deque()
        self._read_segment = 0
        self._read_fd = -1

    async def write(self, data: bytes | memoryview) -> None:
        """Add *data* at the end; waits only where the disk is slower than the peer.

        Raises:
            JournalFull: below the reserve; discard the draft.
            JournalFailed: the journal is down.
            RuntimeError: the draft was committed or discarded before.
        """
        if self._state is not State.OPEN:
            raise RuntimeError("the draft was committed or discarded before")
        self._ink.check()
        view = memoryview(data).cast("B")
        while len(view):
            part = view[: self._ink.chunk_bytes - len(self._buffer)]
            self._buffer += part
            self._crc = zlib.crc32(part, self._crc)
            self.size += len(part)
            self._held += len(part)
            room = self._ink.hold(len(part))
            if len(self._buffer) == self._ink.chunk_bytes:
                self._close_chunk()
            if self._streamed or not room or self.size > STREAMED_FROM_BYTES:
                await self._stream()
            view = view[len(part) :]

    async def lay(self) -> None:
        """Hand what is there in whole chunks to the disk now, for a commit that comes later.

        For one of many drafts of one commit, which then has little left to bring to the disk.
        Waits and raises as ``write``.
        """
        if self._state is not State.OPEN:
            raise RuntimeError("the draft was committed or discarded before")
        self._ink.check()
        await self._stream()

    def _close_chunk(self) -> None:
        if self._buffer:
            chunk = Chunk(len(self.chunks), len(self._buffer), self._crc, self._buffer)
            self.chunks.append(chunk)
            self._buffer = bytearray()
            self._crc = 0

    async def _stream(self) -> None:
        while self._streamed < len(self.chunks):
            if len(self._on_the_way) == _CHUNKS_ON_THE_WAY:
                # Not awaited itself: a cancelled peer may not cancel what the thread is doing.
                await asyncio.wait([self._on_the_way[0]])
                self._on_the_way.popleft().result()
            chunk = self.chunks[self._streamed]
            self._streamed += 1
            laid = self._ink.stream(self.number, chunk)
            laid.add_done_callback(partial(self._laid, chunk.length))
            self._on_the_way.append(laid)

    def _laid(self, length: int, done: "asyncio.Future[None]") -> None:
        if not done.cancelled() and done.exception() is None:
            self._let_go(length)

    def _let_go(self, length: int) -> None:
        length = min(length, self._held)
        self._held -= length
        self._ink.hold(-length)

    def read(self, pos: int, n: int) -> bytes:
        """Return up to *n* bytes from *pos* of what was written so far; fewer only at the end."""
        parts = []
        n = min(n, self.size - pos)
        while n > 0:
            index, start = divmod(pos, self._ink.chunk_bytes)
            part = self._piece(index, start, n)
            parts.append(part)
            pos += len(part)
            n -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _piece(self, index: int, start: int, n: int) -> bytes:
        if index == len(self.chunks):
            return bytes(memoryview(self._buffer)[start : start + n])
        chunk = self.chunks[index]
        if (data := chunk.data) is not None:
            return bytes(memoryview(data)[start : start + n])
        if chunk.extent is None:
            raise RuntimeError("the draft was committed or discarded before")
        if self._read_fd < 0 or self._read_segment != chunk.extent.segment:
            self._close_read()
            self._read_segment = chunk.extent.segment
            self._read_fd = os.open(
                segment_path(self._ink.directory, self._read_segment), os.O_RDONLY
            )
        n = min(n, chunk.length - start)
        return read_exactly(self._read_fd, n, chunk.extent.offset + start)

    def _close_read(self) -> None:
        if self._read_fd >= 0:
            os.close(self._read_fd)
            self._read_fd = -1

    @property
    def held(self) -> int:
        """How many of its bytes are in memory."""
        return self._held

    @property
    def may_commit(self) -> bool:
        """Whether it was neither committed nor discarded yet."""
        return self._state in (State.OPEN, State.CLOSED)

    def submit(self) -> None:
        """Close the draft for its commit; the writer calls this, nobody else."""
        self._close_chunk()
        self._state = State.SUBMITTED

    def reopen(self) -> None:
        """Take the draft back after a commit that found no room."""
        self._state = State.CLOSED

    def finish(self) -> None:
        """Give back what the draft holds; its bytes belong to the journal now, or to nobody."""
        self._state = State.OVER
        self._let_go(self._held)
        self._close_read()
        self._buffer = bytearray()

    def discard(self) -> None:
        """Forget the draft: nothing of it will ever be visible.

        Calling it again, or after the commit, is harmless and does nothing.
        """
        if self.may_commit:
            self.finish()
            if self._streamed:
                self._ink.forget(self.number)
            self.chunks = []
