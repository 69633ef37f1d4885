"""The line itself: a listener on loopback that passes bytes on as slowly and badly as it is told.

Whoever connects is behind it; what it sends goes "up", what comes back is "down". A connection is
one round trip old before its first byte moves. The sender's kernel is told of small segments and a
small window, so that what is said to be on a slow line does not vanish into buffers.
"""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from bench.line.connection import Connection, Counted, Watch, reset
from bench.line.model import AtByte, AtTime, Fault, LineShape
from bench.line.pacing import Way
from bench.running import LOOPBACK

_WINDOW_BYTES: Final = 64 * 1024
_SEGMENT_BYTES: Final = 1400


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that happened."""

    at_s: float
    fault: Fault
    connections: int
    up_bytes: int
    """Put on the line until then, over all connections."""
    before_answer: bool = False
    """It took the answer to something that had arrived whole."""


@dataclass
class Line:
    """A line that is open. Its clock is the event loop's, and begins at 0."""

    shape: LineShape
    target_port: int
    watch: Watch | None = None
    troubles: deque[AtByte] = field(default_factory=deque)
    strikes: list[Strike] = field(default_factory=list)
    counted: dict[bool, Counted] = field(
        default_factory=lambda: {True: Counted(), False: Counted()}
    )
    connections: int = 0
    port: int = 0
    held_until_s: float = 0.0
    """Nothing arrives before this."""
    _open: set[Connection] = field(default_factory=set)
    _refused_until_s: float = 0.0
    _silent_until_s: float = 0.0
    _began_s: float = 0.0
    _shut: bool = False

    def __post_init__(self) -> None:
        """Begin the clock; inside a running loop."""
        self._began_s = asyncio.get_running_loop().time()
        half_s = self.shape.rtt_s / 2
        self.ways = {
            up: Way(self.shape.rate_bytes_per_s(up=up), delay_s=half_s) for up in (True, False)
        }

    @property
    def up(self) -> Counted:
        """What went up."""
        return self.counted[True]

    @property
    def down(self) -> Counted:
        """What came down."""
        return self.counted[False]

    def now_s(self) -> float:
        """Return the seconds since the line was opened."""
        return asyncio.get_running_loop().time() - self._began_s

    async def until(self, at_s: float) -> None:
        """Return at *at_s* of the line's clock, or soon after it."""
        left = at_s - self.now_s()
        if left > 0:
            await asyncio.sleep(left)

    def run_at(self, bits_per_s: float) -> None:
        """Let both ways go at another rate from now on."""
        self.shape = replace(self.shape, up_bits_per_s=bits_per_s, down_bits_per_s=bits_per_s)
        for up, way in self.ways.items():
            way.run_at(self.shape.rate_bytes_per_s(up=up))

    def take_down(self) -> None:
        """Reset everybody and refuse all, until ``bring_up``."""
        self._shut = True
        self.strike(Fault.RST)

    def bring_up(self) -> None:
        """Let connections through again."""
        self._shut = False
        self._refused_until_s = self._silent_until_s = 0.0

    def strike(self, fault: Fault, *, lasts_s: float = 0.0) -> None:
        """Do *fault* to the whole line now."""
        now = self.now_s()
        self.strikes.append(Strike(now, fault, len(self._open), self.up.sent_bytes))
        if fault is Fault.STALL:
            self._hold(now + lasts_s)
            return
        if fault is Fault.BLACK_HOLE:
            self._silent_until_s = max(self._silent_until_s, now + lasts_s)
        else:
            self._refused_until_s = max(self._refused_until_s, now + lasts_s)
        for connection in list(self._open):
            connection.end(fault)
        for way in self.ways.values():
            way.drop(now_s=now)

    def strike_one(self, connection: Connection, trouble: AtByte) -> None:
        """Do *trouble* to one connection; what it lasts is the whole line's."""
        now = self.now_s()
        self.strikes.append(
            Strike(now, trouble.fault, 1, self.up.sent_bytes, trouble.before_answer)
        )
        if trouble.fault is Fault.STALL:
            self._hold(now + trouble.lasts_s)
        elif trouble.fault is not Fault.FLIP:
            self._refused_until_s = max(self._refused_until_s, now + trouble.lasts_s)
            connection.end(trouble.fault)

    def due(self, up_bytes: int, size: int) -> AtByte | None:
        """Take the trouble that is due within the next *size* bytes up of a connection."""
        found = self.troubles[0] if self.troubles else None
        if found is None or found.before_answer or found.after_up >= up_bytes + size:
            return None
        return self.troubles.popleft()

    def due_at_answer(self, up_bytes: int) -> AtByte | None:
        """Take the trouble that is due when a connection's answer comes."""
        found = self.troubles[0] if self.troubles else None
        if found is None or not found.before_answer or found.after_up > up_bytes:
            return None
        return self.troubles.popleft()

    def _refuses(self) -> bool:
        return self._shut or self.now_s() < self._refused_until_s

    def _hold(self, until_s: float) -> None:
        self.held_until_s = max(self.held_until_s, until_s)
        for way in self.ways.values():
            way.hold(until_s)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until it ends."""
        self.connections += 1
        number = self.connections
        if self._refuses():
            reset(writer)
            return
        # SYN and its answer cross the line before anything else does.
        await self.until(self.now_s() + self.shape.rtt_s)
        await self.until(self._silent_until_s)
        if self._refuses():
            reset(writer)
            return
        try:
            there, back = await asyncio.open_connection(LOOPBACK, self.target_port)
        except OSError:
            reset(writer)
            return
        if self.watch is not None:
            self.watch.opened(number)
        connection = Connection(self, number, (reader, writer), (there, back))
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)
            for each in (writer, back):
                each.transport.abort()


@asynccontextmanager
async def open_line(
    target_port: int,
    shape: LineShape,
    *,
    schedule: Sequence[AtTime] = (),
    troubles: Iterable[AtByte] = (),
    watch: Watch | None = None,
) -> AsyncIterator[Line]:
    """Open a line from an ephemeral port of loopback to *target_port*.

    Args:
        target_port: where it leads, on loopback too.
        shape: rate, round trip and window.
        schedule: faults of the whole line, by its clock, in their order.
        troubles: faults of single connections, in their order.
        watch: reads along.
    """
    line = Line(shape, target_port, watch, deque(troubles))
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        try:
            await line.serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()

    async def keep_to_schedule() -> None:
        for trouble in schedule:
            await line.until(trouble.at_s)
            line.strike(trouble.fault, lasts_s=trouble.lasts_s)

    server = await asyncio.start_server(serve, sock=_door(), limit=_WINDOW_BYTES)
    line.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.TaskGroup() as group:
            scheduled = group.create_task(keep_to_schedule())
            yield line
            scheduled.cancel()
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _door() -> socket.socket:
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW_BYTES)
    # Loopback's own segments are as large as the window: one would wait for the other.
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
    door.bind((LOOPBACK, 0))
    door.listen(128)
    door.setblocking(False)  # noqa: FBT003  # the module's own name for it
    return door
