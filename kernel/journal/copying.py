"""A journal copied while its writer writes and its reader files and releases."""

import os
import shutil
from pathlib import Path
from typing import BinaryIO, Final

from kernel.journal.segment import SegmentFile, read_exactly, segment_numbers, segment_path

_PIECE: Final = 1 << 20


def copy_journal(source: Path, target: Path) -> set[str]:
    """Copy the journal in *source* to *target*; returns the names of its files there.

    Whatever was acknowledged before the call is in the copy, or was filed and released: whoever
    copies the rows afterwards has all of it, in the one or in the other. What is acknowledged
    meanwhile may be in the copy or not, but never by half. On disk when it returns.

    Args:
        source: the journal's folder.
        target: made where absent; what lies there of an older copy stays, since rows that are as
            old may need it: ``drop_older`` takes it away once the rows are newer.
    """
    copied: set[str] = set()
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    numbers = segment_numbers(source) if source.is_dir() else []
    for number in numbers:
        path = segment_path(source, number)
        try:
            with path.open("rb") as reading:
                # Of the last one only what is whole by now: behind it the writer goes on, and a
                # copy of that would have holes, which look like rot.
                end = _whole_end(source, number) if number == numbers[-1] else None
                if end == 0:
                    continue
                _copy(reading, end, target / path.name)
                # One that was released meanwhile may have been written over under our eyes, and
                # nobody needs it: all of it was filed.
                still = path.stat().st_ino == os.fstat(reading.fileno()).st_ino
        except FileNotFoundError:
            still = False
        if still:
            copied.add(path.name)
        else:
            (target / path.name).unlink(missing_ok=True)
    _flush(target)
    return copied


def drop_older(target: Path, keep: set[str]) -> None:
    """Remove from a copy what is not among *keep*, the names ``copy_journal`` gave last."""
    for path in target.iterdir():
        if path.name not in keep:
            path.unlink()
    _flush(target)


def _whole_end(source: Path, number: int) -> int:
    segment = SegmentFile.open(source, number)
    if segment is None:
        return 0
    with segment:
        return segment.valid_end()


def _copy(reading: BinaryIO, end: int | None, target: Path) -> None:
    making = target.with_name(f"{target.name}.part")
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as writing:
        if end is None:
            shutil.copyfileobj(reading, writing, _PIECE)
        else:
            for at in range(0, end, _PIECE):
                writing.write(read_exactly(reading.fileno(), min(_PIECE, end - at), at))
        writing.flush()
        os.fsync(writing.fileno())
    making.replace(target)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
