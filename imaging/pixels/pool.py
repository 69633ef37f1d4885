"""Threads for files and pixels, so that neither ever holds the event loop, and none waits for all.

Files are read by one set of threads, pixels worked on by another: a slow decode never keeps a
frame that only has to be read from leaving. What others encoded is decoded behind ``decoder``,
in processes that may die over it.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from kernel.dicom.codecs import FrameDecoder
from kernel.errors import Busy

T = TypeVar("T")

_BATCH_BYTES: Final = 256 << 10

Pieces = Generator[bytes, None, None]
"""The bytes of an answer in order; closing it gives back what it holds."""


class PixelsBusy(Busy):
    """Too many requests wait for files or pixels already."""

    code = "pixels-busy"


class PixelPool:
    """The threads of one process; close it after the last request."""

    def __init__(
        self, decoder: FrameDecoder, *, readers: int = 4, workers: int = 2, waiting: int = 512
    ) -> None:
        """Make a pool; threads start when first needed.

        Args:
            decoder: for code streams from outside; a ``kernel.dicom.decode_pool.DecodePool``.
            readers: threads that read files.
            workers: threads that decode, encode and draw.
            waiting: calls of each kind that may be under way at once.
        """
        self.decoder: Final = decoder
        self._readers = _Threads("files", readers, waiting)
        self._workers = _Threads("pixels", workers, waiting)

    async def read(self, call: Callable[[], T]) -> T:
        """Return what *call*, which reads files, returns; raises ``PixelsBusy``."""
        return await self._readers.run(call)

    async def work(self, call: Callable[[], T]) -> T:
        """Return what *call*, which works on pixels, returns; raises ``PixelsBusy``."""
        return await self._workers.run(call)

    def read_pieces(self, pieces: Pieces) -> AsyncGenerator[bytes, None]:
        """Yield *pieces*, taken in threads that read files; closes them in the end."""
        return _pulled(self._readers, pieces)

    def worked_pieces(self, pieces: Pieces) -> AsyncGenerator[bytes, None]:
        """Yield *pieces*, taken in threads that work on pixels; closes them in the end."""
        return _pulled(self._workers, pieces)

    def close(self) -> None:
        """Wait for what runs, forget what waits; blocks."""
        self._readers.close()
        self._workers.close()


class _Threads:
    def __init__(self, name: str, count: int, waiting: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._limit = waiting
        self._under_way = 0

    async def run(self, call: Callable[[], T]) -> T:
        if self._under_way >= self._limit:
            raise PixelsBusy("too many requests wait already")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        finally:
            self._under_way -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)


class _Puller:
    """Takes pieces in one thread at a time, also when whoever waited has gone."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._turn = threading.Lock()

    def next(self) -> bytes:
        """Return the next pieces joined, about 256 KiB; empty at the end."""
        with self._turn:
            batch: list[bytes] = []
            size = 0
            for piece in self._pieces:
                batch.append(piece)
                size += len(piece)
                if size >= _BATCH_BYTES:
                    break
            return batch[0] if len(batch) == 1 else b"".join(batch)

    def close(self) -> None:
        with self._turn:
            self._pieces.close()


async def _pulled(threads: _Threads, pieces: Pieces) -> AsyncGenerator[bytes, None]:
    puller = _Puller(pieces)
    try:
        while piece := await threads.run(puller.next):
            yield piece
    finally:
        # In a thread: another may be in the midst of it, when this was cancelled.
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, puller.close))
