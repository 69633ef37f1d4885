"""Bounded inflation of the deflated transfer syntaxes: never more than a stated multiple."""

import os
import tempfile
import zlib
from collections.abc import Iterator
from typing import Final

from kernel.dicom.part10 import BrokenDataset, BytesSource, FileSource, Source

_STEP: Final = 1 << 16
_MEMORY_BYTES: Final = 8 << 20


def inflate(source: Source, offset: int, *, most_bytes: int) -> Source:
    """Return the raw deflate stream (RFC 1951) at *offset*, inflated.

    Up to 8 MiB stay in memory; more goes to a temporary file without a name, which the returned
    source closes. Bytes after the end of the stream are padding and are passed over.

    Raises:
        BrokenDataset: more than *most_bytes* come out (``deflate-bomb``), the stream is damaged
            (``deflate-broken``) or ends early (``truncated``).
    """
    whole = bytearray()
    total = 0
    fd = -1
    try:
        for piece in _pieces(source, offset):
            total += len(piece)
            if total > most_bytes:
                raise BrokenDataset("deflate-bomb", f"more than {most_bytes} bytes come out")
            whole += piece
            if len(whole) > _MEMORY_BYTES:
                if fd < 0:
                    fd = _unnamed_file()
                _write_all(fd, whole)
                whole.clear()
        if fd < 0:
            return BytesSource(bytes(whole))
        _write_all(fd, whole)
        source, fd = FileSource.adopt(fd), -1
        return source
    finally:
        if fd >= 0:
            os.close(fd)


def _pieces(source: Source, offset: int) -> Iterator[bytes]:
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    waiting = b""
    pos = offset
    while not machine.eof:
        if not waiting:
            waiting = source.read(pos, _STEP)
            pos += len(waiting)
        try:
            piece = machine.decompress(waiting, _STEP)
        except zlib.error as exc:
            raise BrokenDataset("deflate-broken", "the deflate stream is damaged") from exc
        if not piece and not waiting:
            raise BrokenDataset("truncated", "the deflate stream ends early")
        waiting = machine.unconsumed_tail
        if piece:
            yield piece


def _unnamed_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write_all(fd: int, data: bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
