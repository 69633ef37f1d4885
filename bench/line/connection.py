"""One connection over the line: two directions, each paced, until it ends or is ended."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from bench.line.model import AtByte, Fault, LineShape
from bench.line.pacing import Passage, Way, Window

_PIECE_BYTES: Final = 4 * 1024
"""16 ms of 2 Mbit/s."""
_GOODBYE_S: Final = 5.0
_AT_ONCE: Final = struct.pack("ii", 1, 0)
_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Watch(Protocol):
    """Somebody who reads along what goes up."""

    def opened(self, connection: int) -> None:
        """Hear of a new connection."""
        ...

    def up(self, connection: int, data: bytes) -> None:
        """Hear what was put on the line."""
        ...


@dataclass(slots=True)
class Counted:
    """What one direction saw."""

    sent_bytes: int = 0
    """Taken from the sender: the bytes on the line, lost ones too."""
    delivered_bytes: int = 0


class Carrier(Protocol):
    """The line, as a connection needs it."""

    shape: LineShape
    watch: Watch | None
    held_until_s: float

    @property
    def ways(self) -> Mapping[bool, Way]:
        """Return both directions; up is True."""
        ...

    @property
    def counted(self) -> Mapping[bool, Counted]:
        """Return what both directions saw."""
        ...

    def now_s(self) -> float:
        """Return the line's clock."""
        ...

    async def until(self, at_s: float) -> None:
        """Return at *at_s* of that clock."""
        ...

    def due(self, up_bytes: int, size: int) -> AtByte | None:
        """Take the trouble that is due within the next *size* bytes up."""
        ...

    def due_at_answer(self, up_bytes: int) -> AtByte | None:
        """Take the trouble that is due now that an answer comes."""
        ...

    def strike_one(self, connection: "Connection", trouble: AtByte) -> None:
        """Do *trouble* to one connection."""
        ...


@dataclass(frozen=True, slots=True)
class _Piece:
    data: bytes
    """Empty at the end of the stream, or where a trouble stands."""
    passage: Passage
    trouble: AtByte | None = None


class Connection:
    """Between *client* and *server*; the line decides what becomes of it."""

    def __init__(self, line: Carrier, number: int, client: _End, server: _End) -> None:
        self._line = line
        self._number = number
        self._client = client
        self._server = server
        self._up_bytes = 0
        self._up_arrived = 0
        self._silent = False
        self._over = asyncio.Event()
        for _, writer in (client, server):
            found = writer.get_extra_info("socket")
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def run(self) -> None:
        """Carry both ways; returns once both are over, or the line has ended it."""
        async with asyncio.TaskGroup() as group:
            both = [
                group.create_task(self._carry(self._client[0], self._server[1], up=True)),
                group.create_task(self._carry(self._server[0], self._client[1], up=False)),
            ]
            ended = group.create_task(self._ended(both))
            await asyncio.wait(both)
            ended.cancel()
        if self._over.is_set():
            await self._say_goodbye()

    async def _ended(self, both: list[asyncio.Task[None]]) -> None:
        await self._over.wait()
        for task in both:
            task.cancel()

    def end(self, fault: Fault) -> None:
        """Let *fault* happen to this connection."""
        if fault is Fault.BLACK_HOLE:
            self._silent = True
            return
        if fault is Fault.RST:
            for _, writer in (self._client, self._server):
                reset(writer)
        self._over.set()

    async def _say_goodbye(self) -> None:
        """Let both ends see an orderly end; closing with bytes unread would be a reset."""
        for _, writer in (self._client, self._server):
            with contextlib.suppress(OSError):
                writer.write_eof()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                for reader, _ in (self._client, self._server):
                    while await reader.read(_PIECE_BYTES):
                        pass

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        # Bounded by the window: nothing is read that has no room in it.
        pieces: asyncio.Queue[_Piece] = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._deliver(pieces, writer, up=up))
                await self._take(pieces, reader, up=up)
        except* OSError:
            # One end has gone: the other hears it too.
            self.end(Fault.RST)

    async def _take(
        self, pieces: asyncio.Queue[_Piece], reader: asyncio.StreamReader, *, up: bool
    ) -> None:
        line = self._line
        window = Window(line.shape.window(up=up))
        while True:
            room = window.room(now_s=line.now_s())
            if not room:
                await line.until(window.opens_s())
                continue
            data = await reader.read(min(room, _PIECE_BYTES))
            if self._silent:
                await self._over.wait()
            trouble = line.due(self._up_bytes, len(data)) if up and data else None
            if trouble is not None:
                data = self._troubled(data, trouble)
            passage = line.ways[up].pass_on(len(data), now_s=line.now_s())
            window.add(passage)
            if data:
                line.counted[up].sent_bytes += len(data)
                self._up_bytes += len(data) if up else 0
                if up and line.watch is not None:
                    line.watch.up(self._number, data)
                pieces.put_nowait(_Piece(data, passage))
            if trouble is not None and trouble.fault is not Fault.FLIP:
                pieces.put_nowait(_Piece(b"", passage, trouble))
                if trouble.fault is not Fault.STALL:
                    return
            elif not data:
                pieces.put_nowait(_Piece(b"", passage))
                return

    def _troubled(self, data: bytes, trouble: AtByte) -> bytes:
        at = max(0, trouble.after_up - self._up_bytes)
        if trouble.fault is Fault.STALL:
            return data
        if trouble.fault is not Fault.FLIP:
            return data[:at]
        self._line.strike_one(self, trouble)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    async def _deliver(
        self, pieces: asyncio.Queue[_Piece], writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        line = self._line
        while True:
            piece = await pieces.get()
            await self._arrived(piece)
            trouble = piece.trouble
            if trouble is None and piece.data and not up:
                trouble = line.due_at_answer(self._up_arrived)
            if trouble is not None:
                line.strike_one(self, trouble)
                if trouble.fault is not Fault.STALL:
                    await self._over.wait()
                await self._arrived(piece)
            if piece.trouble is not None:
                continue
            if not piece.data:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            writer.write(piece.data)
            await writer.drain()
            line.counted[up].delivered_bytes += len(piece.data)
            self._up_arrived += len(piece.data) if up else 0

    async def _arrived(self, piece: _Piece) -> None:
        line = self._line
        await line.until(piece.passage.arrives_s)
        while line.now_s() < line.held_until_s:
            await line.until(line.held_until_s)
        if self._silent:
            await self._over.wait()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that the other side is told of a reset."""
    found = writer.get_extra_info("socket")
    if found is not None and not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
