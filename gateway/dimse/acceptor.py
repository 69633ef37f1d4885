"""The acceptor: listening sockets, one task per connection, deadlines, caps and a graceful end."""

import asyncio
import contextlib
import errno
import functools
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.dimse.connection import Connection
from gateway.dimse.occupancy import Occupancy
from gateway.dimse.ports import ObjectSink, Peer, PeerBook
from gateway.dimse.reject import RejectReason
from gateway.dimse.service import Services
from gateway.dimse.settings import AcceptorSettings
from kernel.clock import Clock

_LOG: Final = logging.getLogger(__name__)
_SWEEP_S: Final = 0.25
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_EXHAUSTED_PAUSE_S: Final = 0.1
_LAST_GRACE_S: Final = 1.0
_STORAGE_ONLY: Final[Services] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Door:
    """A running acceptor.

    Attributes:
        addresses: host and port of each plain socket, in the order they were handed in.
        tls_addresses: the same of the TLS sockets.
        occupancy: who is there now, for metrics and tests.
    """

    addresses: tuple[tuple[str, int], ...]
    tls_addresses: tuple[tuple[str, int], ...]
    occupancy: Occupancy[Connection]


@contextlib.asynccontextmanager
async def serve(  # noqa: PLR0913  # what the wiring hands in
    sockets: Sequence[socket.socket],
    *,
    settings: AcceptorSettings,
    peers: PeerBook,
    sink: ObjectSink,
    clock: Clock,
    tls_sockets: Sequence[socket.socket] = (),
    services: Services = _STORAGE_ONLY,
) -> AsyncIterator[Door]:
    """Serve DICOM on listening *sockets* while the context is open.

    At its end no new connection is taken, idle associations are released, busy ones finish the
    message they are at, and after ``settings.drain_s`` all are aborted. The sockets stay open:
    they belong to whoever handed them in, and what waits in their backlog to whoever is next.

    Args:
        sockets: bound, listening, for DICOM in the clear.
        settings: limits, times and policy.
        peers: who may come in.
        sink: where objects go.
        clock: for deadlines.
        tls_sockets: bound, listening, for DICOM over TLS; needs ``settings.tls``.
        services: what is served besides storage and verification, by SOP class.

    Raises:
        ValueError: TLS sockets without a TLS context.
    """
    if tls_sockets and settings.tls is None:
        raise ValueError("TLS sockets need settings.tls")
    acceptor = _Acceptor(settings, peers, sink, services, clock)
    failure: BaseException | None = None
    async with asyncio.TaskGroup() as group:
        accepting = [
            group.create_task(acceptor.accept(listener, None, group)) for listener in sockets
        ]
        accepting += [
            group.create_task(acceptor.accept(listener, settings.tls, group))
            for listener in tls_sockets
        ]
        sweeping = group.create_task(acceptor.sweep())
        try:
            yield Door(_names(sockets), _names(tls_sockets), acceptor.occupancy)
        except BaseException as error:  # noqa: BLE001  # raised again below, not as a group
            failure = error
        for task in accepting:
            task.cancel()
        await acceptor.drain()
        sweeping.cancel()
    if failure is not None:
        raise failure


class _Acceptor:
    def __init__(
        self,
        settings: AcceptorSettings,
        peers: PeerBook,
        sink: ObjectSink,
        services: Services,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.peers = peers
        self.sink = sink
        self.services = services
        self.clock = clock
        self.draining = False
        self.occupancy: Occupancy[Connection] = Occupancy(settings)
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self._put_out = 0

    def seat(self, connection: Connection, peer: Peer, most: int) -> RejectReason | None:
        return self.occupancy.seated(connection, peer.calling_ae, max_of_title=most)

    def stand_up(self, connection: Connection) -> None:
        self.occupancy.stood_up(connection)

    async def accept(
        self, listener: socket.socket, tls: ssl.SSLContext | None, group: asyncio.TaskGroup
    ) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)  # noqa: FBT003
        while True:
            try:
                accepted, name = await loop.sock_accept(listener)
            except OSError as error:
                _LOG.warning("dimse.accept-failed", extra={"errno": error.errno})
                if error.errno in _EXHAUSTED:
                    await asyncio.sleep(_EXHAUSTED_PAUSE_S)
                continue
            connection = Connection(self, str(name[0]), secure=tls is not None)
            victim = self.occupancy.arrived(connection, str(name[0]))
            task = group.create_task(self._attend(connection, accepted, tls))
            # A callback, because a task that is ended before it began runs no clause of its own.
            task.add_done_callback(functools.partial(self._left, connection, accepted))
            self._tasks[connection] = task
            if victim is not None:
                self._put_out += 1
                self._end(victim)
            # The backlog may never be empty; others have to have their turn.
            await asyncio.sleep(0)

    async def _attend(
        self, connection: Connection, accepted: socket.socket, tls: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.wire.acknowledge_at_once(accepted)
            await loop.connect_accepted_socket(
                lambda: connection.wire,
                accepted,
                ssl=tls,
                ssl_handshake_timeout=self.settings.tls_handshake_s if tls else None,
                ssl_shutdown_timeout=self.settings.linger_s if tls else None,
            )
            await connection.run()
        except (OSError, TimeoutError) as error:
            # Broken handshakes and peers that went away; ssl.SSLError is an OSError.
            _LOG.info("dimse.connection-failed", extra={"error": type(error).__name__})
        except Exception:  # noqa: BLE001  # a door: one peer's trouble is never another's
            _LOG.exception("dimse.connection-broke")
        finally:
            connection.wire.abort()

    def _left(self, connection: Connection, accepted: socket.socket, _: object) -> None:
        # Still ours where the transport did not come to be; harmless where it did.
        accepted.close()
        self.occupancy.left(connection)
        del self._tasks[connection]

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            if self._put_out:
                _LOG.warning("dimse.crowded", extra={"put_out": self._put_out})
                self._put_out = 0
            now_s = self.clock.monotonic_s()
            for connection in [c for c in self._tasks if c.overdue(now_s)]:
                if connection.expire():
                    self._end(connection)

    async def drain(self) -> None:
        self.draining = True
        for connection in list(self._tasks):
            connection.drain()
        await self._gone(self.settings.drain_s)
        for connection in list(self._tasks):
            connection.expire()
        await self._gone(min(_LAST_GRACE_S, self.settings.linger_s))
        for connection in list(self._tasks):
            self._end(connection)

    async def _gone(self, within_s: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=within_s)

    def _end(self, connection: Connection) -> None:
        task = self._tasks.get(connection)
        if task is not None:
            task.cancel()


def _names(sockets: Sequence[socket.socket]) -> tuple[tuple[str, int], ...]:
    return tuple(listener.getsockname()[:2] for listener in sockets)
