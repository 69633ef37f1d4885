"""The MLLP door: who is let in, how long they may take, one message after the other.

A connection holds one message at a time, and the next is not read before the answer to it has gone:
who sends faster than is answered waits. What is wrong with one connection closes that one alone.
"""

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from gateway.hl7.mllp import BrokenFrame, FrameReader, FrameTooLong, framed
from gateway.hl7.reading import read_header
from gateway.hl7.receiving import Receiver
from kernel.errors import PlatformError

_LOG: Final = logging.getLogger(__name__)
_PIECE_BYTES: Final = 64 << 10
_HANDSHAKE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSettings:
    """How much the door takes."""

    connections: int = 64
    connections_per_address: int = 16
    frame_s: float = 30.0
    """From the first byte of a message to its last, and for its answer to be taken."""
    idle_s: float = 3600.0
    """Between two messages of a connection."""
    tls: ssl.SSLContext | None = None


class _Door:
    def __init__(self, receiver: Receiver, settings: DoorSettings) -> None:
        self._receiver = receiver
        self._settings = settings
        self._open: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        task = asyncio.current_task()
        if task is None or not self._has_room(address):
            writer.close()
            return
        self._open[address] += 1
        self._tasks.add(task)
        try:
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
                await self._talk(reader, writer, address)
        except PlatformError as error:
            _LOG.warning("hl7.connection-ended", extra={"reason": error.code})
        except Exception as error:  # noqa: BLE001  # one connection's fault is not the door's
            _LOG.error("hl7.connection-failed", extra={"reason": type(error).__name__})
        finally:
            self._tasks.discard(task)
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]
            writer.close()

    def _has_room(self, address: str) -> bool:
        full = self._open.total() >= self._settings.connections
        if full or self._open[address] >= self._settings.connections_per_address:
            _LOG.warning("hl7.too-many-connections")
            return False
        return True

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str
    ) -> None:
        frames = FrameReader()
        until_s = self._now_s() + self._settings.idle_s
        while True:
            try:
                message = frames.next()
            except (BrokenFrame, FrameTooLong) as broken:
                told = self._receiver.refusal(read_header(broken.head), broken)
                if told is not None and broken.head:
                    await self._send(writer, told)
                return
            if message is not None:
                async for told in self._receiver.receive(message, address):
                    await self._send(writer, told)
                until_s = self._now_s() + self._time(frames)
                continue
            begun = frames.begun
            async with asyncio.timeout_at(until_s):
                piece = await reader.read(_PIECE_BYTES)
            if not piece:
                return
            frames.feed(piece)
            if not begun:
                until_s = self._now_s() + self._settings.frame_s

    def _time(self, frames: FrameReader) -> float:
        return self._settings.frame_s if frames.begun else self._settings.idle_s

    async def _send(self, writer: asyncio.StreamWriter, message: bytes) -> None:
        writer.write(framed(message))
        async with asyncio.timeout(self._settings.frame_s):
            await writer.drain()

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    async def end(self) -> None:
        """Close every connection; what they brought whole is kept or was never acknowledged."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


@asynccontextmanager
async def serve(
    plain: Sequence[socket.socket],
    receiver: Receiver,
    *,
    settings: DoorSettings,
    secure: Sequence[socket.socket] = (),
) -> AsyncIterator[None]:
    """Take messages at these listening sockets while this is open.

    Args:
        plain: without TLS.
        receiver: what is done with messages.
        settings: limits, and the TLS of *secure*.
        secure: with TLS.
    """
    door = _Door(receiver, settings)
    servers = []
    for listening, tls in [(one, None) for one in plain] + [(one, settings.tls) for one in secure]:
        server = await asyncio.start_server(
            door.converse,
            sock=listening,
            ssl=tls,
            limit=_PIECE_BYTES,
            ssl_handshake_timeout=_HANDSHAKE_S if tls else None,
        )
        servers.append(server)
    try:
        yield
    finally:
        for server in servers:
            server.close()
        await door.end()
