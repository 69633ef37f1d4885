"""The bytes of a journal segment, as a pure codec.

A segment is a chain of frames. Every frame has a header of 32 bytes, little endian, then its
payload:

    offset 0  magic "YJF1"     offset 12  length of the payload, u32
           4  kind, u8                16  CRC-32 of the payload, u32
           5  zero, u8                20  draft, u64
           6  gap, u16                28  CRC-32 of bytes 0-27 and of where the frame lies, u32
           8  index, u32

The header's CRC is seeded with the segment's salt and number and with the frame's own offset, so
that neither what a recycled file held before, nor a journal stored inside an object, nor a block
that came back at the wrong place is ever taken for a frame.

The first frame of a segment is a SEGMENT frame. A COMMIT frame makes drafts visible. The next frame
begins where one ends or, after a flush, at the next block: a block with something acknowledged in
it is never written again. The gap says how many bytes were left out, so that none is missed.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from kernel.errors import Category, PlatformError, StorageFull, Unavailable

MAGIC: Final = b"YJF1"
VERSION: Final = 1
BLOCK: Final = 4096

_HEADER: Final = struct.Struct("<4sBxHIIIQ")
_CRC: Final = struct.Struct("<I")
_PLACE: Final = struct.Struct("<QQQ")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_COMMIT: Final = struct.Struct("<QQI")
_ENTRY: Final = struct.Struct("<QQII")
HEADER_BYTES: Final = _HEADER.size + _CRC.size
SEGMENT_FRAME_BYTES: Final = HEADER_BYTES + _SEGMENT.size


class JournalFull(StorageFull):
    """There is not enough free space to accept more; goes away by itself when space returns."""

    code = "journal-full"


class JournalFailed(Unavailable):
    """The disk refused a write or a flush: not acknowledged, and nothing more is until reopened."""

    code = "journal-failed"


class JournalCorrupt(PlatformError):
    """What was acknowledged cannot be read back as it was written."""

    code = "journal-corrupt"
    category = Category.BROKEN


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a committed batch ends; ``Position(0, 0)`` is before everything."""

    segment: int
    offset: int


class Kind(IntEnum):
    """What a frame is."""

    SEGMENT = 1
    CHUNK = 2
    COMMIT = 3
    DISCARD = 4


_KINDS: Final = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Place:
    """The segment a frame lies in, as its CRC sees it."""

    salt: int
    number: int


UNSALTED: Final = Place(0, 0)
"""The place of a SEGMENT frame, which must be read before the salt is known."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame header, and where it lies in its segment."""

    kind: Kind
    index: int
    length: int
    payload_crc: int
    draft: int
    offset: int
    gap: int = 0

    @property
    def payload_offset(self) -> int:
        """Where the payload begins."""
        return self.offset + HEADER_BYTES

    @property
    def end(self) -> int:
        """Where the payload ends, and the next frame may begin."""
        return self.offset + HEADER_BYTES + self.length


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What the first frame of a segment says."""

    salt: int
    number: int
    run: int
    """Number of the first segment of the same writer; drafts never outlive their writer."""
    previous: Position
    """The last segment before this one, and where what is valid in it ends; (0, 0) if none."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CommitEntry:
    """One draft made visible."""

    draft: int
    size: int
    chunks: int
    meta: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """What a COMMIT frame says."""

    durable: Position
    """Everything before this was on the disk when the frame was written."""
    entries: tuple[CommitEntry, ...]


def block_end(offset: int) -> int:
    """Return *offset*, or the next multiple of the block size above it."""
    return -(-offset // BLOCK) * BLOCK


def _header_crc(head: bytes | memoryview, place: Place, offset: int) -> int:
    return zlib.crc32(head, zlib.crc32(_PLACE.pack(place.salt, place.number, offset)))


def encode_header(frame: Frame, place: Place) -> bytes:
    """Return the 32 bytes of *frame*'s header as they lie at ``frame.offset`` of *place*."""
    head = _HEADER.pack(
        MAGIC, frame.kind, frame.gap, frame.index, frame.length, frame.payload_crc, frame.draft
    )
    return head + _CRC.pack(_header_crc(head, place, frame.offset))


def decode_header(raw: bytes, place: Place, offset: int) -> Frame | None:
    """Return the header in the first 32 bytes of *raw*, or None for anything else."""
    if len(raw) < HEADER_BYTES or not raw.startswith(MAGIC):
        return None
    (crc,) = _CRC.unpack_from(raw, _HEADER.size)
    if crc != _header_crc(memoryview(raw)[: _HEADER.size], place, offset):
        return None
    _, kind, gap, index, length, payload_crc, draft = _HEADER.unpack_from(raw)
    if kind not in _KINDS:
        return None
    return Frame(Kind(kind), index, length, payload_crc, draft, offset, gap)


def encode_segment_header(header: SegmentHeader) -> bytes:
    """Return the whole SEGMENT frame of *header*, for offset 0."""
    payload = _SEGMENT.pack(
        VERSION,
        0,
        header.salt,
        header.number,
        header.run,
        header.previous.segment,
        header.previous.offset,
        header.size_bytes,
    )
    frame = Frame(Kind.SEGMENT, 0, len(payload), zlib.crc32(payload), 0, 0)
    return encode_header(frame, UNSALTED) + payload


def decode_segment_header(raw: bytes) -> SegmentHeader | None:
    """Return the segment header at the start of *raw*, or None for anything else."""
    frame = decode_header(raw, UNSALTED, 0)
    payload = raw[HEADER_BYTES:SEGMENT_FRAME_BYTES]
    if (
        frame is None
        or frame.kind is not Kind.SEGMENT
        or frame.length != _SEGMENT.size
        or len(payload) != _SEGMENT.size
        or zlib.crc32(payload) != frame.payload_crc
    ):
        return None
    version, _, salt, number, run, before, before_end, size = _SEGMENT.unpack(payload)
    if version != VERSION:
        raise JournalFailed(f"segment {number} has format {version}, this program reads {VERSION}")
    return SegmentHeader(salt, number, run, Position(before, before_end), size)


def encode_commit(durable: Position, entries: Sequence[CommitEntry]) -> bytes:
    """Return the payload of a COMMIT frame."""
    parts = [_COMMIT.pack(durable.segment, durable.offset, len(entries))]
    for entry in entries:
        parts.append(_ENTRY.pack(entry.draft, entry.size, entry.chunks, len(entry.meta)))
        parts.append(entry.meta)
    return b"".join(parts)


def decode_commit(payload: bytes) -> Commit:
    """Return what a COMMIT payload says.

    Raises:
        JournalCorrupt: its lengths do not agree; cannot happen to a payload with a right CRC.
    """
    entries = []
    try:
        segment, offset, count = _COMMIT.unpack_from(payload)
        at = _COMMIT.size
        for _ in range(count):
            draft, size, chunks, meta_bytes = _ENTRY.unpack_from(payload, at)
            at += _ENTRY.size
            entries.append(CommitEntry(draft, size, chunks, payload[at : at + meta_bytes]))
            at += meta_bytes
    except struct.error as exc:
        raise JournalCorrupt("a commit frame ends early") from exc
    if at != len(payload):
        raise JournalCorrupt("a commit frame's lengths do not agree")
    return Commit(Position(segment, offset), tuple(entries))
