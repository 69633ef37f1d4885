"""Frames as encapsulated pixel data: one fragment each, and the tables that lead to them."""

import os
import struct
import tempfile
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Final

from kernel.dicom.elements import PIXEL_DATA
from kernel.dicom.part10 import BytesSource, FileSource, Source, chunks
from kernel.dicom.rewrite import Value

_OFFSETS: Final = 0x7FE00001
_LENGTHS: Final = 0x7FE00002
_ITEM: Final = b"\xfe\xff\x00\xe0"
_SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"
_MEMORY_BYTES: Final = 16 << 20
_BASIC_OFFSET_MAX: Final = 0xFFFFFFFF


class Spool:
    """Bytes that stay in memory while they are few, and go to a nameless file when they are not."""

    def __init__(self, directory: Path | None) -> None:
        """Begin empty; *directory* is where the file would be, None for the system's place."""
        place = str(directory) if directory else None
        self._file = tempfile.SpooledTemporaryFile(_MEMORY_BYTES, dir=place)  # noqa: SIM115
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append *data*."""
        self._file.write(data)
        self.size += len(data)

    def source(self) -> BytesSource | FileSource:
        """Return what was written; the spool is used up."""
        with self._file as file:
            if self.size <= _MEMORY_BYTES:
                file.seek(0)
                return BytesSource(file.read())
            file.flush()
            return FileSource.adopt(os.dup(file.fileno()))

    def close(self) -> None:
        """Let go of what was written and not handed out."""
        self._file.close()


def offset_tables(lengths: list[int], most: int = _BASIC_OFFSET_MAX) -> dict[int, Value | None]:
    """Return the offset tables for one fragment a frame of those lengths (PS3.5 A.4).

    Under Pixel Data stands the basic offset table's item. Where an offset is too large for it, it
    is empty and the extended table and its lengths stand in their own elements.
    """
    offsets = list(accumulate((8 + length + (length & 1) for length in lengths), initial=0))[:-1]
    if offsets[-1] <= most:
        table = struct.pack(f"<{len(offsets)}L", *offsets)
        head = _ITEM + struct.pack("<L", len(table))
        return {PIXEL_DATA: Value("OB", 0, [head, table])}
    wide = f"<{len(offsets)}Q"
    return {
        _OFFSETS: Value("OV", 8 * len(offsets), [struct.pack(wide, *offsets)]),
        _LENGTHS: Value("OV", 8 * len(lengths), [struct.pack(wide, *lengths)]),
        PIXEL_DATA: Value("OB", 0, [_ITEM + b"\0\0\0\0"]),
    }


def encapsulated(table: Iterable[bytes], streams: Source, lengths: list[int]) -> Iterator[bytes]:
    """Yield encapsulated pixel data: *table*, then one fragment a frame (PS3.5 A.4).

    Args:
        table: the item of the basic offset table, as ``offset_tables`` gives it.
        streams: the frames' streams one after the other, each padded to an even length.
        lengths: of the streams, without their padding.
    """
    yield from table
    pos = 0
    for length in lengths:
        even = length + (length & 1)
        yield _ITEM + struct.pack("<L", even)
        yield from chunks(streams, pos, pos + even)
        pos += even
    yield _SEQUENCE_END
