"""An open DICOM door for tests: the real acceptor on an ephemeral port, its sink in memory."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import gc
import socket
from collections.abc import AsyncIterator, Callable

import psutil

from gateway.dimse.acceptor import Door, serve
from gateway.dimse.access import PeerTable
from gateway.dimse.ports import (
    Incoming,
    ObjectSink,
    PeerBook,
    StoreOutcome,
    StoreRequest,
)
from gateway.dimse.service import Services
from gateway.dimse.settings import AcceptorSettings
from kernel.clock import Clock, FrozenClock, SystemClock
from kernel.dicom.status import Status
from kernel.errors import PlatformError
from kernel.identifiers import AETitle, InstitutionCode

OUR_TITLE = AETitle("YILIAN")
HERE = InstitutionCode("test-township")


@dataclasses.dataclass
class Kept:
    request: StoreRequest
    data: bytes


class MemorySink:
    """Keeps what is committed; fails as it is told to."""

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self.open = 0
        self.begun = 0
        self.bytes_open = 0
        self.committing = 0
        self.fail_write: PlatformError | None = None
        self.fail_commit: PlatformError | None = None
        self.hold_commit: asyncio.Event | None = None

    async def begin(self, request: StoreRequest) -> Incoming:
        self.open += 1
        self.begun += 1
        return _MemoryIncoming(self, request)


class _MemoryIncoming:
    def __init__(self, sink: MemorySink, request: StoreRequest) -> None:
        self._sink = sink
        self._request = request
        self._data = bytearray()
        self._open = True

    async def write(self, data: memoryview) -> None:
        if self._sink.fail_write is not None:
            raise self._sink.fail_write
        self._data += data
        self._sink.bytes_open += len(data)

    async def commit(self) -> StoreOutcome:
        if self._sink.hold_commit is not None:
            self._sink.committing += 1
            await self._sink.hold_commit.wait()
        if self._sink.fail_commit is not None:
            raise self._sink.fail_commit
        self._sink.kept.append(Kept(self._request, bytes(self._data)))
        return StoreOutcome(Status.SUCCESS)

    def discard(self) -> None:
        if self._open:
            self._open = False
            self._sink.open -= 1
            self._sink.bytes_open -= len(self._data)


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=512)


def everybody() -> PeerTable:
    return PeerTable(OUR_TITLE, [], loopback=HERE)


@contextlib.asynccontextmanager
async def open_door(
    sink: ObjectSink,
    settings: AcceptorSettings | None = None,
    *,
    peers: PeerBook | None = None,
    clock: Clock | None = None,
    tls: bool = False,
    send_buffer_bytes: int = 0,
    services: Services | None = None,
) -> AsyncIterator[Door]:
    """Open the acceptor on one ephemeral port (and a TLS one) of 127.0.0.1."""
    with contextlib.ExitStack() as sockets:
        plain = sockets.enter_context(contextlib.closing(listening()))
        if send_buffer_bytes:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        secure = [sockets.enter_context(contextlib.closing(listening()))] if tls else []
        async with serve(
            [plain],
            settings=settings or AcceptorSettings(),
            peers=peers or everybody(),
            sink=sink,
            clock=clock or SystemClock(),
            tls_sockets=secure,
            services=services or {},
        ) as door:
            yield door


def frozen() -> FrozenClock:
    return FrozenClock(dt.datetime(2026, 1, 5, 8, 0, tzinfo=dt.UTC))


async def command(*arguments: str, timeout_s: float = 25.0) -> tuple[int, str]:
    """Run a program to its end; returns its exit code and all it printed."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(timeout_s):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, printed.decode("utf-8", "replace")


async def until(true: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Return as soon as *true* is; raises TimeoutError when it does not come to be."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110  # what is waited for is looked at from outside
            await asyncio.sleep(0.01)


def rss_bytes() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def pass_time(clock: FrozenClock, seconds: float) -> None:
    clock.advance(dt.timedelta(seconds=seconds))
