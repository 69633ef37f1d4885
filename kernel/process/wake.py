"""A hint from one process to another that there is something to do.

A hint may be lost, doubled or late; whoever waits looks by itself every half second anyway.
"""

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Self

from kernel.errors import Unavailable


class Wake:
    """One end of a hint: a sender, a receiver, or both in one process."""

    def __init__(
        self, *, path: Path | None = None, sock: socket.socket | None = None, listens: bool
    ) -> None:
        self._path = path
        self._socket = sock
        self._listens = listens
        self._hinted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def sender(cls, path: Path) -> Self:
        """Return the end that hints whoever receives at *path*, now or later."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        return cls(path=path, sock=sock, listens=False)

    @classmethod
    def receiver(cls, path: Path) -> Self:
        """Return the end that waits at *path*, which must be short (107 bytes) and is replaced.

        Raises:
            Unavailable: no socket can be made there.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            path.unlink(missing_ok=True)
            sock.bind(str(path))
        except OSError as exc:
            sock.close()
            raise Unavailable(f"no socket at {path}: {exc}", code="wake-unavailable") from exc
        return cls(path=path, sock=sock, listens=True)

    @classmethod
    def local(cls) -> Self:
        """Return both ends in one, for a writer and a reader in the same process."""
        return cls(listens=True)

    def notify(self) -> None:
        """Hint once; from any thread, never blocks and never raises."""
        if self._socket is None:
            if self._loop is None:
                self._hinted.set()
            else:
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._hinted.set)
            return
        # Nobody there, or so many hints underway that one more tells nothing new.
        with contextlib.suppress(OSError):
            self._socket.sendto(b"\0", str(self._path))

    async def wait(self, timeout_s: float) -> bool:
        """Return True at the next hint, or one since the last wait; False after *timeout_s*."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            if self._socket is not None and self._listens:
                loop.add_reader(self._socket, self._received)
        try:
            async with asyncio.timeout(timeout_s):
                await self._hinted.wait()
        except TimeoutError:
            return False
        self._hinted.clear()
        return True

    def _received(self) -> None:
        assert self._socket is not None  # noqa: S101  # only added as a reader where there is one
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(64):
                self._hinted.set()

    def close(self) -> None:
        """Give the socket back; a receiver's path goes too."""
        if self._socket is None:
            return
        if self._listens:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._socket)
            if self._path is not None:
                self._path.unlink(missing_ok=True)
        self._socket.close()
        self._socket = None
