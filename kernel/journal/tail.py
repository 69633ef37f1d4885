"""The end of a journal that is written: frames laid one after another into segments.

Synchronous and used by one thread only. Nothing here acknowledges: what was laid is on the disk
only when ``flush`` has returned.
"""

import contextlib
import fcntl
import os
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kernel.errors import TooLarge, Unavailable
from kernel.journal.disk import NO_ROOM, Disk
from kernel.journal.frames import (
    HEADER_BYTES,
    SEGMENT_FRAME_BYTES,
    CommitEntry,
    Frame,
    JournalFull,
    Kind,
    Place,
    Position,
    SegmentHeader,
    block_end,
    encode_commit,
    encode_header,
    encode_segment_header,
)
from kernel.journal.segment import (
    Extent,
    SegmentFile,
    segment_numbers,
    segment_path,
)
from kernel.journal.spares import KEPT, Spares

_NEW: Final = "next.new"
_LOCK: Final = "writer.lock"
_PUSH_BYTES: Final = 8 << 20
_PUSH_BUFFERS: Final = 1000
_SMALLEST_SEGMENT: Final = 4 * 4096


class Tail:
    """Lays frames at the end of the journal in one folder; only one may be open on a folder."""

    def __init__(
        self, directory: Path, *, segment_bytes: int, reserve_bytes: int, disk: Disk
    ) -> None:
        if segment_bytes < _SMALLEST_SEGMENT:
            raise ValueError(f"a segment has at least {_SMALLEST_SEGMENT} bytes")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._reserve_bytes = reserve_bytes
        self._disk = disk
        self._lock_fd = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        self._fd = -1
        self._next_offset = 0
        self._end = 0
        self._pushed_end = 0
        self._write_offset = 0
        self._dirty = False
        self._rolls = 0
        self._place = Place(0, 0)
        self._buffers: list[bytes | bytearray] = []
        self._durable = Position(0, 0)
        self.abandoned = 0
        """How often a push found no room; what was laid since the push before it is then gone."""
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._previous = self._settle_last_run()
            self._spares = Spares(directory, segment_bytes=segment_bytes, disk=disk)
        except BlockingIOError as exc:
            os.close(self._lock_fd)
            raise Unavailable("another writer holds this journal", code="journal-in-use") from exc
        except BaseException:
            os.close(self._lock_fd)
            raise
        # A folder that was emptied must not begin again at numbers a reader has already passed.
        last = max(segment_numbers(directory), default=0)
        self._next = max(last + 1, time.time_ns() // 1_000_000)
        self.run: Final = self._next

    def _settle_last_run(self) -> Position:
        """Return where the journal of the last writer ends, with all of it on the disk."""
        with contextlib.suppress(FileNotFoundError):
            (self._directory / _NEW).unlink()
        for number in reversed(segment_numbers(self._directory)):
            segment = SegmentFile.open(self._directory, number)
            if segment is None:
                # Rot: it has its name only since its header is on the disk. What else is in it
                # is not ours to throw away.
                continue
            with segment:
                end = segment.valid_end()
            fd = os.open(segment_path(self._directory, number), os.O_RDWR)
            try:
                self._disk.fdatasync(fd)
            finally:
                os.close(fd)
            return Position(number, end)
        return Position(0, 0)

    @property
    def unflushed_bytes(self) -> int:
        """How much a flush would have to bring to the disk now."""
        return self._end - self._durable.offset if self._dirty or self._buffers else 0

    def has_reserve(self, *, beyond: int = 0) -> bool:
        """Return whether the reserve and *beyond* bytes are free; may be asked from any thread."""
        return self._disk.free_bytes(self._directory) >= self._reserve_bytes + beyond

    def prepare(self) -> bool:
        """Use idle time for the segments to come; returns whether there is more to do."""
        with contextlib.suppress(OSError):
            if self.has_reserve(beyond=self._segment_bytes):
                return self._spares.prepare(self._spares_wanted())
        self._spares.close()
        return False

    def _spares_wanted(self) -> int:
        """Return how many spares the use since the start gives reason for.

        One before anything has come; the next once that is half full; then all, for one whose
        segments fill up.
        """
        if self._rolls == 0:
            return 1
        if self._rolls == 1:
            return int(self._end > self._segment_bytes // 2)
        return KEPT

    def chunk(self, draft: int, index: int, data: bytes | bytearray, crc: int) -> Extent:
        """Lay one chunk of *draft*; *data* may not change until the next ``push``.

        Raises:
            JournalFull: no room for another segment.
            OSError: anything else the disk said; this tail may not be used again.
        """
        frame = self._lay(Kind.CHUNK, draft, index, data, crc)
        return Extent(self._place.number, frame.payload_offset, frame.length, crc)

    def discard(self, draft: int) -> None:
        """Say that nothing of *draft* will ever be needed; raises as ``chunk``."""
        self._lay(Kind.DISCARD, draft, 0, b"", 0)

    def commit(self, entries: Sequence[CommitEntry]) -> Position:
        """Lay the frame that makes *entries* visible together, and return where it ends.

        Raises:
            TooLarge: the entries' meta does not fit into one segment.
            JournalFull, OSError: as ``chunk``.
        """
        payload = encode_commit(self._durable, entries)
        if SEGMENT_FRAME_BYTES + HEADER_BYTES + len(payload) > self._segment_bytes:
            raise TooLarge("more meta than a segment holds", code="journal-commit-too-large")
        frame = self._lay(Kind.COMMIT, 0, 0, payload, zlib.crc32(payload))
        return Position(self._place.number, frame.end)

    def _lay(self, kind: Kind, draft: int, index: int, data: bytes | bytearray, crc: int) -> Frame:
        if self._fd < 0 or self._next_offset + HEADER_BYTES + len(data) > self._segment_bytes:
            self._roll()
        if not self._buffers:
            self._write_offset = self._next_offset
        gap = self._next_offset - self._end
        frame = Frame(kind, index, len(data), crc, draft, self._next_offset, gap)
        self._buffers.append(encode_header(frame, self._place))
        if data:
            self._buffers.append(data)
        self._end = self._next_offset = frame.end
        if self._end - self._write_offset > _PUSH_BYTES or len(self._buffers) > _PUSH_BUFFERS:
            self.push()
        return frame

    def push(self) -> None:
        """Hand everything laid to the operating system.

        Raises:
            JournalFull: it had no room; what was laid since the last push is forgotten.
            OSError: as ``chunk``.
        """
        buffers, self._buffers = self._buffers, []
        if not buffers:
            return
        self._dirty = True
        try:
            self._disk.write(self._fd, buffers, self._write_offset)
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                raise
            # What a live reader may have seen of the failed write must not change under it:
            # nothing is written there again, and the next segment says that this one ended before.
            self.abandoned += 1
            self._end = self._pushed_end
            self._seal()
            raise JournalFull("no room to write into the segment") from exc
        self._pushed_end = self._end

    def flush(self) -> None:
        """Return when everything laid is on the disk; raises as ``push``."""
        self.push()
        if self._dirty:
            self._disk.fdatasync(self._fd)
            self._dirty = False
            self._durable = Position(self._place.number, self._end)
            # The next frame begins in a block that has nothing acknowledged in it.
            self._next_offset = block_end(self._end)

    def _seal(self) -> None:
        self._disk.fdatasync(self._fd)
        os.close(self._fd)
        self._fd = -1
        self._dirty = False
        self._previous = self._durable = Position(self._place.number, self._end)

    def _roll(self) -> None:
        self.push()
        if self._fd >= 0:
            self._seal()
        number = self._next
        salt = int.from_bytes(os.urandom(8), "little")
        header = SegmentHeader(salt, number, self.run, self._previous, self._segment_bytes)
        try:
            fd = self._new_segment(header)
        except OSError as exc:
            if exc.errno in NO_ROOM:
                raise JournalFull("no room for another segment") from exc
            raise
        self._fd = fd
        self._rolls += 1
        self._next = number + 1
        self._place = Place(salt, number)
        self._next_offset = self._end = self._pushed_end = SEGMENT_FRAME_BYTES
        self._durable = Position(number, 0)

    def _new_segment(self, header: SegmentHeader) -> int:
        path = self._spares.take()
        fresh = path is None
        if path is None:
            if not self.has_reserve(beyond=self._segment_bytes):
                raise JournalFull("no room for another segment beside the reserve")
            path = self._directory / _NEW
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if fresh:
                self._disk.allocate(fd, self._segment_bytes)
            self._disk.write(fd, [encode_segment_header(header)], 0)
            self._disk.fsync(fd)
            path.rename(segment_path(self._directory, header.number))
            self._sync_directory()
        except BaseException:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        return fd

    def _sync_directory(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._disk.fsync(fd)
        finally:
            os.close(fd)

    def close(self, *, clean: bool) -> None:
        """Give the folder back; *clean* after a flush, else nothing more is asked of the disk."""
        if self._fd >= 0:
            if clean:
                os.ftruncate(self._fd, self._end)
            os.close(self._fd)
            self._fd = -1
        self._spares.close()
        os.close(self._lock_fd)
