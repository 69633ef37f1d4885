"""The ingest journal: one flush to the disk makes objects durable, whoever is waiting for it.

A folder holds one journal, with one writer and one reader, in the same or in two processes.
``JournalWriter.commit`` returns after the flush; whoever files the objects follows with
``JournalReader`` and releases what it has made durable elsewhere. What was acknowledged is found
again after kill -9 and power cut; what was not may be found or not, but never by half.
"""

import asyncio
import contextlib
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, assert_never

from kernel.errors import TooLarge
from kernel.journal.disk import Disk
from kernel.journal.draft import Chunk, Draft
from kernel.journal.frames import (
    CommitEntry,
    JournalCorrupt,
    JournalFailed,
    JournalFull,
    Position,
)
from kernel.journal.reader import Committed, Damage, JournalReader, Stored
from kernel.journal.segment import Extent
from kernel.journal.tail import Tail
from kernel.process.wake import Wake

__all__ = [
    "Committed",
    "Damage",
    "Disk",
    "Draft",
    "JournalCorrupt",
    "JournalFailed",
    "JournalFull",
    "JournalReader",
    "JournalWriter",
    "Position",
    "Stored",
    "Wake",
]

_LOG: Final = logging.getLogger(__name__)
_CHUNK_BYTES: Final = 256 << 10
_HELD_BYTES: Final = 64 << 20
_UNFLUSHED_BYTES: Final = 8 << 20
_IDLE_S: Final = 0.5
_SPACE_LOOKED_AT_S: Final = 0.1
_LOOK_AGAIN_S: Final = 5.0
_QUICK_FLUSH_S: Final = 0.002
_FLUSHES_REMEMBERED: Final = 8


@dataclass(slots=True)
class _Stream:
    number: int
    chunk: Chunk
    done: asyncio.Future[None]


@dataclass(slots=True)
class _Commit:
    entries: Sequence[tuple[Draft, bytes]]
    done: asyncio.Future[Position]


@dataclass(slots=True)
class _Discard:
    number: int
    done: None = None


_Order = _Stream | _Commit | _Discard
_Outcome = tuple[asyncio.Future[Any] | None, object]
_Placed = dict[int, tuple[Chunk, Extent]]


class JournalWriter:
    """Writes the journal of one folder; one thread does all of it, for all callers at once."""

    def __init__(
        self, directory: Path, tail: Tail, *, chunk_bytes: int, wake: Wake | None, at_once: bool
    ) -> None:
        self.directory = directory
        self.chunk_bytes = chunk_bytes
        self._tail = tail
        self._wake = wake
        self._held = 0
        self._numbers = itertools.count(1)
        self._space = (0.0, True)
        self._failure: str | None = None
        self._closed = False
        self._orders: deque[_Order] = deque()
        self._ordered = threading.Condition()
        self._at_once = at_once
        self._turn = threading.Lock()
        """Held by whoever uses the tail: the writer's thread, or one that commits at once."""
        self._flush_s = 0.0
        self._used_at = time.monotonic()
        self._thread = threading.Thread(
            target=self._run, name=f"journal-{directory.name}", daemon=True
        )
        self._thread.start()

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        segment_bytes: int = 64 << 20,
        reserve_bytes: int = 256 << 20,
        wake: Wake | None = None,
        disk: Disk | None = None,
        at_once: bool = False,
    ) -> Self:
        """Return a writer that goes on after what is already in *directory*.

        Args:
            directory: made where absent.
            segment_bytes: size of the files it is cut into, at least 16 KiB.
            reserve_bytes: free space left for others; below it nothing is accepted.
            wake: told after each commit; closed by whoever made it.
            disk: the operating system unless a test brings another.
            at_once: commit on the caller's own thread while nobody else is writing and the disk
                has been quick. That spares two changes of thread, a quarter of a small object's
                time, but the caller's loop stands still for a flush: only for a process that
                serves nothing else.

        Raises:
            Unavailable: another writer has the folder open (``journal-in-use``).
            OSError: the folder cannot be read or written.
        """
        tail = Tail(
            directory,
            segment_bytes=segment_bytes,
            reserve_bytes=reserve_bytes,
            disk=disk or Disk(),
        )
        chunk_bytes = min(_CHUNK_BYTES, segment_bytes // 4)
        return cls(directory, tail, chunk_bytes=chunk_bytes, wake=wake, at_once=at_once)

    def begin(self) -> Draft:
        """Return an empty draft."""
        return Draft(next(self._numbers), self)

    async def commit(self, entries: Sequence[tuple[Draft, bytes]]) -> Position:
        """Make all *entries*, drafts with their meta, durable and visible together.

        Returns after the flush, with where the batch ends. A caller that is cancelled does not
        learn whether it was committed, as a peer whose line dies does not.

        Raises:
            JournalFull: nothing is visible; commit the same drafts again later, or discard them.
            TooLarge: the meta does not fit into one segment; as JournalFull.
            JournalFailed: the disk refused; not acknowledged, whatever may be found later.
            ValueError: no entry, a draft twice, or one that was committed or discarded.
        """
        self.check()
        drafts = {draft.number: draft for draft, _ in entries}
        if not entries or len(drafts) != len(entries):
            raise ValueError("a commit takes at least one draft, each once")
        if not all(draft.may_commit for draft in drafts.values()):
            raise ValueError("a draft was committed or discarded before")
        for draft in drafts.values():
            draft.submit()
        done: asyncio.Future[Position] = asyncio.get_running_loop().create_future()
        order = _Commit(entries, done)
        if not self._commit_at_once(order):
            self._put(order)
        try:
            position = await done
        except (JournalFull, TooLarge):
            for draft in drafts.values():
                draft.reopen()
            raise
        except BaseException:
            for draft in drafts.values():
                draft.finish()
            raise
        for draft in drafts.values():
            draft.finish()
        return position

    async def close(self) -> None:
        """Finish what was ordered and give the folder back; calling it again is harmless."""
        with self._ordered:
            self._closed = True
            self._ordered.notify()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def check(self) -> None:
        """Raise what keeps the journal from accepting anything now.

        Raises:
            JournalFailed: the disk refused before, or the writer is closed.
            JournalFull: less is free than the reserve.
        """
        if self._failure is not None:
            raise JournalFailed(self._failure)
        if self._closed:
            raise JournalFailed("the journal is closed")
        looked_at, enough = self._space
        if (now := time.monotonic()) - looked_at > _SPACE_LOOKED_AT_S:
            enough = self._tail.has_reserve()
            self._space = (now, enough)
        if not enough:
            raise JournalFull("less is free than the reserve")

    def hold(self, delta: int) -> bool:
        """Count *delta* bytes of drafts in memory; returns whether there is room for them."""
        self._held += delta
        return self._held <= _HELD_BYTES

    def stream(self, number: int, chunk: Chunk) -> asyncio.Future[None]:
        """Lay *chunk* of draft *number*; the future is done when it is settled, or failed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(_Stream(number, chunk, done))
        return done

    def forget(self, number: int) -> None:
        """Say that nothing of draft *number* will be needed."""
        with contextlib.suppress(JournalFailed):
            self._put(_Discard(number))

    def _put(self, order: _Order) -> None:
        with self._ordered:
            if self._closed:
                raise JournalFailed("the journal is closed")
            self._orders.append(order)
            self._ordered.notify()

    def _commit_at_once(self, order: _Commit) -> bool:
        """Carry *order* out on this thread; False where it is better ordered or must be."""
        if not self._at_once or self._flush_s > _QUICK_FLUSH_S:
            return False
        others = self._held - sum(draft.held for draft, _ in order.entries)
        if others > 0 or not self._turn.acquire(blocking=False):
            return False
        try:
            with self._ordered:
                if self._orders or self._closed:
                    return False
            outcomes = self._carry_out([order])
        finally:
            self._turn.release()
        _tell(outcomes)
        return True

    # Everything below runs in the writer's thread, or for one that has the turn.

    def _run(self) -> None:
        idle_s: float | None = _IDLE_S
        while True:
            with self._ordered:
                if not self._orders and not self._closed:
                    self._ordered.wait(idle_s)
                orders, closed = list(self._orders), self._closed
                self._orders.clear()
            if orders:
                with self._turn:
                    outcomes = self._carry_out(orders)
                _settle(outcomes)
                idle_s = _IDLE_S
            elif closed:
                break
            elif time.monotonic() - self._used_at < _IDLE_S:
                idle_s = _IDLE_S
            else:
                with self._turn:
                    more = self._failure is None and self._tail.prepare()
                # Who commits at once does not say so to this thread.
                idle_s = 0.0 if more else _LOOK_AGAIN_S if self._at_once else None
        self._end()

    def _end(self) -> None:
        try:
            if self._failure is None:
                self._tail.flush()
        except (OSError, JournalFull) as exc:
            self._fail(exc)
        self._tail.close(clean=self._failure is None)

    def _fail(self, exc: Exception) -> None:
        # Never tried again on this file: after a failed flush the kernel may call lost pages clean.
        self._failure = f"the disk refused: {exc}"
        _LOG.error("journal.failed", extra={"journal": self.directory.name, "reason": str(exc)})

    def _carry_out(self, orders: Sequence[_Order]) -> list[_Outcome]:
        if self._failure is None:
            try:
                return self._write(orders)
            except OSError as exc:
                self._fail(exc)
        return [(order.done, JournalFailed(self._failure or "")) for order in orders]

    def _write(self, orders: Sequence[_Order]) -> list[_Outcome]:
        abandoned = self._tail.abandoned
        placed: _Placed = {}
        outcomes: list[_Outcome] = []
        for order in orders:
            try:
                outcomes.append((order.done, self._lay(order, placed)))
            except (JournalFull, TooLarge) as exc:
                outcomes.append((order.done, exc))
        with contextlib.suppress(JournalFull):
            self._tail.push()
        if self._tail.abandoned != abandoned:
            return [(done, JournalFull("no room to write")) for done, _ in outcomes]
        for chunk, extent in placed.values():
            chunk.settle(extent)
        if (
            any(isinstance(order, _Commit) for order in orders)
            or self._tail.unflushed_bytes > _UNFLUSHED_BYTES
        ):
            began = time.monotonic()
            self._tail.flush()
            self._used_at = time.monotonic()
            self._flush_s += (self._used_at - began - self._flush_s) / _FLUSHES_REMEMBERED
            if self._wake is not None:
                self._wake.notify()
        return outcomes

    def _lay(self, order: _Order, placed: _Placed) -> Position | None:
        match order:
            case _Stream():
                self._lay_chunks(order.number, [order.chunk], placed)
                return None
            case _Discard():
                self._tail.discard(order.number)
                return None
            case _Commit():
                return self._lay_commit(order, placed)
            case _:
                assert_never(order)

    def _lay_commit(self, order: _Commit, placed: _Placed) -> Position | None:
        if order.done.cancelled():
            for draft, _ in order.entries:
                self._tail.discard(draft.number)
            return None
        for draft, _ in order.entries:
            self._lay_chunks(draft.number, draft.chunks, placed)
        return self._tail.commit(
            [
                CommitEntry(draft.number, draft.size, len(draft.chunks), meta)
                for draft, meta in order.entries
            ]
        )

    def _lay_chunks(self, number: int, chunks: Sequence[Chunk], placed: _Placed) -> None:
        for chunk in chunks:
            # A chunk may be ordered to stream and, with its commit, in one go.
            if chunk.data is not None and id(chunk) not in placed:
                extent = self._tail.chunk(number, chunk.index, chunk.data, chunk.crc)
                placed[id(chunk)] = (chunk, extent)


def _settle(outcomes: Sequence[_Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for done, result in outcomes:
        if done is not None:
            by_loop.setdefault(done.get_loop(), []).append((done, result))
    for loop, those in by_loop.items():
        # A loop that has ended has nobody who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, those)


def _tell(outcomes: Sequence[_Outcome]) -> None:
    for done, result in outcomes:
        if done is None or done.done():
            continue
        if isinstance(result, Exception):
            done.set_exception(result)
        else:
            done.set_result(result)
