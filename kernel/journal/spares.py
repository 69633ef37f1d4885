"""Files that will be segments: their blocks have been written once already.

A flush into blocks that were only reserved must also bring the file system's own notes to the disk:
on ext4 that makes an acknowledgement cost about twice as much (7,300 against 2,900 flushes of 8 KB
a second were measured). So released segments are written over, and idle time makes the first ones,
as many as the use of the journal so far gives reason for: each costs the disk a whole segment.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from kernel.journal.disk import Disk

KEPT: Final = 2
_PREFIX: Final = "spare-"
_BEGUN: Final = "spare.new"
_STEP_BYTES: Final = 1 << 20


def keep_or_delete(segment: Path) -> None:
    """Make a spare of the released *segment*, or delete it where there are enough."""
    if len(_spares(segment.parent)) < KEPT:
        segment.rename(segment.with_name(f"{_PREFIX}{segment.stem}"))
    else:
        segment.unlink()


def _spares(directory: Path) -> list[Path]:
    return list(directory.glob(f"{_PREFIX}*"))


class Spares:
    """The spare segments of one journal, as its writer's thread uses them."""

    def __init__(self, directory: Path, *, segment_bytes: int, disk: Disk) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._disk = disk
        self._fd = -1
        self._written = 0
        self._begun().unlink(missing_ok=True)

    def _begun(self) -> Path:
        return self._directory / _BEGUN

    def take(self) -> Path | None:
        """Return a spare to be renamed, or None."""
        for spare in _spares(self._directory):
            if spare.stat().st_size == self._segment_bytes:
                return spare
            # Of other settings, or truncated by a clean end.
            spare.unlink()
        return None

    def prepare(self, wanted: int) -> bool:
        """Take one small step towards *wanted* spares; returns whether there is more to do.

        Raises:
            OSError: no room, or worse; nothing depends on it, but ask no more.
        """
        if self._fd < 0:
            if len(_spares(self._directory)) >= wanted:
                return False
            self._fd = os.open(self._begun(), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            self._written = 0
            self._disk.allocate(self._fd, self._segment_bytes)
            return True
        step = min(_STEP_BYTES, self._segment_bytes - self._written)
        self._disk.write(self._fd, [bytes(step)], self._written)
        # At each step, so that no acknowledgement ever waits for many of these to be flushed.
        self._disk.fdatasync(self._fd)
        self._written += step
        if self._written == self._segment_bytes:
            self._begun().rename(self._directory / f"{_PREFIX}{time.time_ns()}")
            self._forget()
        return True

    def _forget(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close(self) -> None:
        """Give up what was begun; calling it again is harmless."""
        if self._fd >= 0:
            self._forget()
            with contextlib.suppress(OSError):
                self._begun().unlink()
