"""The bytes of one connection, with back-pressure both ways.

A buffered protocol: what the kernel has goes into one buffer of the connection and from there,
uncopied, to whoever keeps the object. While that one is busy the buffer fills up and the
transport is told to read no more: the peer feels it, memory does not.
"""

import asyncio
import contextlib
import socket
from typing import Final, cast

_FIRST_BUFFER_BYTES: Final = 4 * 1024
_BUFFER_BYTES: Final = 256 * 1024
_SLACK: Final = 8


class Wire(asyncio.BufferedProtocol):
    """Receives into a buffer of its own and sends each answer in one write."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._buffer = memoryview(bytearray(_FIRST_BUFFER_BYTES))
        self._wanted_bytes = _FIRST_BUFFER_BYTES
        self._start = 0
        self._end = 0
        self._paused = False
        self._ended = False
        self._nudged = False
        self._finished = False
        self._arrived: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._lost: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio)."""
        # Not checked: what uvloop hands over is one in all but its base class.
        self._transport = cast("asyncio.Transport", transport)

    def acknowledge_at_once(self, sock: socket.socket) -> None:
        """Tell the peer of each arrival without the usual wait of 40 ms for something to add to it.

        A sender with Nagle's algorithm, DCMTK's own by default, holds the end of each message back
        until then. Where the system has no such switch nothing changes.
        """
        self._socket = sock if hasattr(socket, "TCP_QUICKACK") else None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go (asyncio); there is room, or reading is paused."""
        del sizehint
        return self._buffer[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Know that *nbytes* more have come (asyncio)."""
        self._end += nbytes
        if self._socket is not None:
            # Linux forgets it again and again (tcp(7)).
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        room = len(self._buffer) - self._end
        if room < len(self._buffer) // _SLACK and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        _wake(self._arrived)

    def eof_received(self) -> bool:
        """Know that the peer says no more (asyncio); what it still waits for can be sent."""
        self._ended = True
        _wake(self._arrived)
        return self._transport is not None and self._transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Know that the transport is closed (asyncio)."""
        del exc
        self._ended = True
        self._transport = None
        _wake(self._arrived)
        _wake(self._writable)
        _wake(self._lost)

    def pause_writing(self) -> None:
        """Know that the peer does not take our answers (asyncio)."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Know that it takes them again (asyncio)."""
        _wake(self._writable)
        self._writable = None

    def grow(self) -> None:
        """Use the large buffer from the next time the small one is empty."""
        self._wanted_bytes = _BUFFER_BYTES

    @property
    def has_news(self) -> bool:
        """Whether ``receive`` would return at once."""
        return self._start != self._end or self._ended or self._nudged

    @property
    def is_lost(self) -> bool:
        """Whether the connection is closed, so that nothing more can be sent."""
        return self._transport is None

    def nudge(self) -> None:
        """Let ``receive`` return, with no bytes where none came: something is to be said."""
        self._nudged = True
        _wake(self._arrived)

    async def receive(self) -> memoryview | None:
        """Return all bytes that came since the last call, or None after the last of them.

        After a ``nudge`` it may be none. What was returned before is taken as used up: its memory
        is written over. There is no deadline here; whoever owns the connection closes it when it
        is overdue.
        """
        if self._start == self._end:
            self._start = self._end = 0
            if len(self._buffer) < self._wanted_bytes:
                self._buffer = memoryview(bytearray(self._wanted_bytes))
            if self._paused and not self._ended and self._transport is not None:
                self._paused = False
                self._transport.resume_reading()
            while not self._end:
                if self._ended:
                    return None
                if self._nudged:
                    break
                self._arrived = asyncio.get_running_loop().create_future()
                await self._arrived
        self._nudged = False
        data = self._buffer[self._start : self._end]
        self._start = self._end
        return data

    async def send(self, data: bytes) -> None:
        """Send *data* in one write; waits while the peer does not take what was sent before."""
        self.write(data)
        if self._writable is not None:
            await self._writable

    def write(self, data: bytes) -> None:
        """Send *data* in one write without waiting; nothing after the end of either side."""
        transport = self._transport
        if data and transport is not None and not self._finished and not transport.is_closing():
            transport.write(data)

    def finish(self) -> None:
        """Say that we send no more, where the transport can: the last answer is then not lost."""
        transport = self._transport
        if self._finished or transport is None or transport.is_closing():
            return
        self._finished = True
        if transport.can_write_eof():
            # The peer may have gone without our having been told yet.
            with contextlib.suppress(OSError):
                transport.write_eof()

    async def close(self, *, within_s: float) -> None:
        """Close once all is sent, but after *within_s* whatever is not sent."""
        if self._transport is None:
            return
        self._lost = asyncio.get_running_loop().create_future()
        # The standard library's TLS transport breaks when it is closed twice.
        if not self._transport.is_closing():
            self._transport.close()
        try:
            async with asyncio.timeout(within_s):
                await self._lost
        except TimeoutError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Close now, whatever is not sent."""
        if self._transport is not None:
            self._transport.abort()
        self._ended = True
        _wake(self._arrived)


def _wake(waiting: "asyncio.Future[None] | None") -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
