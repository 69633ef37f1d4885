"""A journal segment as a file that is read: its frames, and how much of it may be believed."""

import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from kernel.journal.frames import (
    HEADER_BYTES,
    MAGIC,
    SEGMENT_FRAME_BYTES,
    Frame,
    JournalCorrupt,
    Kind,
    Place,
    SegmentHeader,
    block_end,
    decode_commit,
    decode_header,
    decode_segment_header,
)

SUFFIX: Final = ".journal"

_NAME: Final = re.compile(r"[0-9]{16}\.journal", re.ASCII)
_WINDOW: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """Where the bytes of one chunk lie."""

    segment: int
    offset: int
    length: int
    crc: int


def segment_path(directory: Path, number: int) -> Path:
    """Return the file of segment *number*."""
    return directory / f"{number:016d}{SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """Return the numbers of the segments in *directory*, lowest first."""
    with os.scandir(directory) as found:
        return sorted(int(entry.name[:16]) for entry in found if _NAME.fullmatch(entry.name))


def read_exactly(fd: int, length: int, offset: int) -> bytes:
    """Return *length* bytes at *offset*, fewer only where the file ends."""
    raw = os.pread(fd, length, offset)
    while len(raw) < length:
        more = os.pread(fd, length - len(raw), offset + len(raw))
        if not more:
            break
        raw += more
    return raw


def read_chunk(directory: Path, extent: Extent) -> bytes:
    """Return the chunk that lies at *extent*.

    Raises:
        JournalCorrupt: it is not what was written, or was released.
    """
    try:
        fd = os.open(segment_path(directory, extent.segment), os.O_RDONLY)
    except FileNotFoundError as exc:
        raise JournalCorrupt(f"segment {extent.segment} is gone") from exc
    try:
        raw = read_exactly(fd, extent.length, extent.offset)
    finally:
        os.close(fd)
    if len(raw) != extent.length or zlib.crc32(raw) != extent.crc:
        raise JournalCorrupt(f"segment {extent.segment}: chunk at {extent.offset}")
    return raw


class SegmentFile:
    """One segment, open for reading; close it, or use it in a ``with``."""

    def __init__(self, fd: int, header: SegmentHeader) -> None:
        self._fd = fd
        self.header = header
        self.number = header.number
        self._place = Place(header.salt, header.number)

    @classmethod
    def open(cls, directory: Path, number: int) -> Self | None:
        """Return segment *number*; None where it has no valid header, or is not there.

        One that is there has had a valid header since it has its name: without one it is rotten.
        """
        try:
            fd = os.open(segment_path(directory, number), os.O_RDONLY)
        except FileNotFoundError:
            return None
        header = decode_segment_header(read_exactly(fd, SEGMENT_FRAME_BYTES, 0))
        if header is None or header.number != number:
            os.close(fd)
            return None
        return cls(fd, header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; calling it again is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def frame(self, offset: int) -> Frame | None:
        """Return the frame after one that ended at *offset*, or None.

        Only the header is checked. While a writer lives, None means "not there yet".
        """
        found = self._frame_at(offset) or self._frame_at(block_end(offset))
        return found if found is not None and found.offset - found.gap == offset else None

    def _frame_at(self, offset: int) -> Frame | None:
        found = decode_header(os.pread(self._fd, HEADER_BYTES, offset), self._place, offset)
        return found if found is None or found.end <= self.header.size_bytes else None

    def payload(self, frame: Frame) -> bytes:
        """Return the payload of *frame*.

        Raises:
            JournalCorrupt: it is not what was written.
        """
        raw = read_exactly(self._fd, frame.length, frame.payload_offset)
        if len(raw) != frame.length or zlib.crc32(raw) != frame.payload_crc:
            raise JournalCorrupt(f"segment {self.number}: payload at {frame.payload_offset}")
        return raw

    def intact(self, frame: Frame) -> bool:
        """Return whether the payload of *frame* is there as it was written."""
        try:
            self.payload(frame)
        except JournalCorrupt:
            return False
        return True

    def find(self, offset: int, end: int) -> Frame | None:
        """Return the first frame that begins at or after *offset* and before *end*."""
        while offset < end:
            window = read_exactly(self._fd, min(_WINDOW, end - offset) + HEADER_BYTES, offset)
            at = window.find(MAGIC)
            while at >= 0:
                if (found := self._frame_at(offset + at)) is not None and found.offset < end:
                    return found
                at = window.find(MAGIC, at + 1)
            offset += _WINDOW
        return None

    def acknowledged_end(self, offset: int = SEGMENT_FRAME_BYTES) -> int:
        """Return how far this segment was on the disk, by what later commits from *offset* say."""
        proven = 0
        for frame in self._chain(offset):
            if frame.kind is Kind.COMMIT and self.intact(frame):
                durable = decode_commit(self.payload(frame)).durable
                if durable.segment == self.number:
                    proven = max(proven, durable.offset)
        return proven

    def _chain(self, offset: int) -> Iterator[Frame]:
        end = self.header.size_bytes
        while (frame := self.frame(offset) or self.find(offset, end)) is not None:
            yield frame
            offset = frame.end

    def valid_end(self) -> int:
        """Return where the last commit ends that may be believed after a crash.

        Everything acknowledged lies before it. A power cut may have written what was not yet
        flushed in any order, so that the first broken frame after what was acknowledged ends it.
        """
        acknowledged = self.acknowledged_end()
        end = SEGMENT_FRAME_BYTES
        reached = SEGMENT_FRAME_BYTES
        for frame in self._chain(SEGMENT_FRAME_BYTES):
            whole = frame.offset - frame.gap == reached and self.intact(frame)
            if frame.offset >= acknowledged and not whole:
                break
            reached = frame.end
            if frame.kind is Kind.COMMIT:
                end = frame.end
        return max(end, acknowledged)
