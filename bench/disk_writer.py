"""Keep a disk busy: write one bounded file over and over, flushed every few megabytes.

``python -m bench.disk_writer FILE MEBIBYTES SECONDS`` ends by itself, or with SIGTERM.
"""

import os
import sys
import time
from typing import Final

_BLOCK_BYTES: Final = 1 << 20
_FLUSH_EVERY: Final = 8


def write_over(path: str, *, size_bytes: int, for_s: float) -> int:
    """Write the file at *path* over and over for *for_s* seconds; returns the bytes written."""
    block = os.urandom(_BLOCK_BYTES)
    blocks = max(1, size_bytes // _BLOCK_BYTES)
    written = 0
    end = time.monotonic() + for_s
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        while time.monotonic() < end:
            for number in range(_FLUSH_EVERY):
                place = (written // _BLOCK_BYTES + number) % blocks * _BLOCK_BYTES
                os.pwrite(descriptor, block, place)
            os.fdatasync(descriptor)
            written += _FLUSH_EVERY * _BLOCK_BYTES
    finally:
        os.close(descriptor)
    return written


if __name__ == "__main__":
    _, _path, _mebibytes, _seconds = sys.argv
    write_over(_path, size_bytes=int(_mebibytes) << 20, for_s=float(_seconds))
