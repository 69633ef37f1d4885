"""Which object was being read when the process died, so that the same one cannot kill it for ever.

A small file is written over in place before each step. It needs no flush: it has to outlive the
process, not the machine; after a power cut the worst is one more try.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from kernel.journal.frames import Position

TRIES: Final = 3
"""So many times a batch is read as a whole before its objects are read one by one."""
ENDS: Final = 2
"""So often reading an object alone must have been the end before it is read no more: whoever
kills the process from outside may hit any object once."""
_SUSPECTS: Final = 32
_RECORD_BYTES: Final = 4096


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    segment: int = 0
    offset: int = 0
    reading: tuple[int, int, int] | None = None
    deaths: int = 0
    suspects: list[tuple[int, int, int, int]] = []
    """Segment, offset and entry of what was read alone, and how often that was the end."""


class Attempts:
    """The marker of one journal."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        left = self._read()
        self._at = (left.segment, left.offset)
        self._deaths = left.deaths
        self._suspects = {each[:3]: each[3] for each in left.suspects}
        if left.reading is not None:
            self._suspects[left.reading] = self._suspects.get(left.reading, 0) + 1

    def begin(self, first: Position) -> bool:
        """Say that the batch ending at *first* is next; returns whether to read one by one."""
        at = (first.segment, first.offset)
        self._deaths = self._deaths + 1 if at == self._at else 0
        self._at = at
        self._write(None)
        return self._deaths >= TRIES

    def reading(self, position: Position, entry: int) -> bool:
        """Say that one object is being read alone; False where that was the end twice before."""
        suspect = (position.segment, position.offset, entry)
        if self._suspects.get(suspect, 0) >= ENDS:
            return False
        self._write(suspect)
        return True

    def done(self) -> None:
        """Say that nothing is being read."""
        self._at = (0, 0)
        self._deaths = 0
        self._suspects.clear()
        self._write(None)

    def put_off(self) -> None:
        """Say that an outage stopped the reading: no object is to blame, nor for a later death."""
        # An outage may come before ``begin`` too, any number of times.
        self._deaths = max(self._deaths - 1, -1)
        with contextlib.suppress(OSError):
            self._write(None)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)

    def _read(self) -> _Record:
        raw = os.pread(self._fd, _RECORD_BYTES, 0).rstrip(b"\0 ")
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(raw, type=_Record)
        return _Record()

    def _write(self, reading: tuple[int, int, int] | None) -> None:
        record = _Record(
            segment=self._at[0],
            offset=self._at[1],
            reading=reading,
            deaths=self._deaths,
            suspects=[(*suspect, ends) for suspect, ends in self._suspects.items()][-_SUSPECTS:],
        )
        # One write of one length: a process that dies in between leaves the old or the new.
        os.pwrite(self._fd, msgspec.json.encode(record).ljust(_RECORD_BYTES), 0)
