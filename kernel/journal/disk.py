"""What the journal asks of the operating system."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Disk:
    """The machine's own disk; tests put a faulty one in its place."""

    def pwritev(self, fd: int, buffers: Sequence[bytes | bytearray], offset: int) -> int:
        """Write *buffers* at *offset*; returns how many bytes went in."""
        return os.pwritev(fd, buffers, offset)

    def fdatasync(self, fd: int) -> None:
        """Return when all data of *fd* is on the disk."""
        os.fdatasync(fd)

    def fsync(self, fd: int) -> None:
        """Return when *fd*, a new file or a directory, is on the disk."""
        os.fsync(fd)

    def allocate(self, fd: int, size: int) -> None:
        """Reserve *size* bytes for *fd*; raises OSError ENOSPC where there is no room."""
        os.posix_fallocate(fd, 0, size)

    def free_bytes(self, directory: Path) -> int:
        """Return how many bytes may still be written in *directory*."""
        room = os.statvfs(directory)
        return room.f_bavail * room.f_frsize

    def write(self, fd: int, buffers: Sequence[bytes | bytearray], offset: int) -> None:
        """Write all of *buffers* at *offset*; a short write is an error."""
        if self.pwritev(fd, buffers, offset) != sum(map(len, buffers)):
            raise OSError(errno.EIO, "short write to the journal")
