"""A line that can be made bad: a TCP proxy on loopback with faults at chosen bytes.

What the client sends is "up", what the server answers is "down". A fault is used once, by the
first connection that reaches it; later connections pass unharmed unless more faults are queued.
"""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

_CHUNK = 16 * 1024
_WINDOW = 64 * 1024


class Fault(StrEnum):
    """What happens when the byte is reached."""

    CUT = "cut"
    """Both sides are reset."""
    BLACK_HOLE = "black-hole"
    """Nothing passes any more in either direction, and nobody is told."""
    FLIP = "flip"
    """One bit of that byte changes."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault after so many bytes of one connection."""

    fault: Fault
    after_up: int | None = None
    """Bytes from the client; the fault strikes before the next one passes."""
    before_down: bool = False
    """Strike when the server begins to answer: the request is over, the answer is lost."""


@dataclass
class Wire:
    """One proxied line."""

    port: int = 0
    troubles: deque[Trouble] = field(default_factory=deque)
    down: bool = False
    """While true, connections are refused (reset at once)."""
    rate_bytes_per_s: float | None = None
    up_bytes: int = 0
    """Bytes the client sent that reached the proxy, over all connections."""
    down_bytes: int = 0
    """Bytes the server answered that were passed on, over all connections."""
    connections: int = 0
    struck: int = 0

    def take_down(self) -> None:
        """Reset every open connection and refuse new ones, until ``down`` is set to False."""
        self.down = True
        for writer in list(self._writers):
            writer.transport.abort()

    _writers: set[asyncio.StreamWriter] = field(default_factory=set)


class _Connection:
    def __init__(self, wire: Wire, client: asyncio.StreamWriter, server: asyncio.StreamWriter):
        self._wire = wire
        self._sides = (client, server)
        self._hole = asyncio.Event()
        self._up = 0
        self._free_at = 0.0

    async def up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            self._wire.up_bytes += len(data)
            passed = await self._struck(data, writer)
            if passed is None:
                return
            await self._pace(len(passed))
            self._up += len(passed)
            writer.write(passed)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if self._hole.is_set():
                return
            trouble = self._wire.troubles[0] if self._wire.troubles else None
            due = trouble is not None and trouble.before_down
            if trouble is not None and due and self._up >= (trouble.after_up or 0):
                self._wire.troubles.popleft()
                await self._strike(trouble.fault)
                return
            self._wire.down_bytes += len(data)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _struck(self, data: bytes, writer: asyncio.StreamWriter) -> bytes | None:
        if self._hole.is_set():
            return None
        trouble = self._wire.troubles[0] if self._wire.troubles else None
        if trouble is None or trouble.after_up is None or trouble.before_down:
            return data
        at = trouble.after_up - self._up
        if at >= len(data):
            return data
        self._wire.troubles.popleft()
        if trouble.fault is Fault.FLIP:
            self._wire.struck += 1
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        writer.write(data[:at])
        await writer.drain()
        await self._strike(trouble.fault)
        return None

    async def _strike(self, fault: Fault) -> None:
        self._wire.struck += 1
        if fault is Fault.BLACK_HOLE:
            self._hole.set()
            await asyncio.Event().wait()  # silent until the client gives up or the wire goes
        for side in self._sides:
            side.transport.abort()

    async def _pace(self, count: int) -> None:
        """Hold back until the line has had the time for *count* bytes."""
        loop = asyncio.get_running_loop()
        if self._wire.rate_bytes_per_s:
            began = max(self._free_at, loop.time())
            self._free_at = began + count / self._wire.rate_bytes_per_s
        while self._wire.rate_bytes_per_s and loop.time() < self._free_at:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def lossy_wire(server_port: int) -> AsyncIterator[Wire]:
    """Proxy an ephemeral loopback port to *server_port*."""
    wire = Wire()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await _proxy(wire, server_port, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)

    # A small window, or loopback would take megabytes that are said to be on a slow line.
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW)
    door.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(serve, sock=door, limit=_WINDOW)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _proxy(
    wire: Wire, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    wire.connections += 1
    if wire.down:
        writer.transport.abort()
        return
    there, back = await asyncio.open_connection("127.0.0.1", port)
    sides = {writer, back}
    wire._writers |= sides
    line = _Connection(wire, writer, back)
    try:
        await asyncio.gather(line.up(reader, back), line.down(there, writer))
    finally:
        wire._writers -= sides
        for side in sides:
            side.transport.abort()
