"""Listening: a guard before every connection, and an end that takes no longer than it may.

The web library waits for ever for the first request of a connection and counts nobody; the guard
closes who says nothing, and who has too many.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from aiohttp import web

from gateway.http.last_word import LastWord

_TLS_WITHIN_S: Final = 5.0
_LAST_REQUESTS_S: Final = 4.0
_BACKLOG: Final = 512


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one process takes at a time."""

    head_within_s: float = 10.0
    """From the connection to the end of its first request's head."""
    keep_alive_s: float = 75.0
    connections: int = 2000
    per_address: int = 256
    """Of one address; proxies that stand for many are in ``unlimited``."""
    unlimited: frozenset[str] = frozenset({"127.0.0.1", "::1"})


DEFAULT_LIMITS: Final = ConnectionLimits()


class ConnectionBook:
    """Who is connected."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.by_address: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count a connection in, or return False when there are too many."""
        if self.by_address.total() >= self.limits.connections:
            return False
        crowded = self.by_address[address] >= self.limits.per_address
        if crowded and address not in self.limits.unlimited:
            return False
        self.by_address[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection out."""
        self.by_address[address] -= 1
        if self.by_address[address] <= 0:
            del self.by_address[address]


class Guard(asyncio.Protocol):
    """Stands before the library's own protocol and hands everything on to it."""

    def __init__(self, inner: web.RequestHandler, book: ConnectionBook) -> None:
        self._inner = inner
        self._book = book
        self._address = ""
        self._entered = False
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the connection in, or cut it when there are too many."""
        name = transport.get_extra_info("peername")
        self._address = str(name[0]) if isinstance(name, tuple) else ""
        stream = cast("asyncio.Transport", transport)
        if not self._book.enter(self._address):
            stream.abort()
            return
        self._entered = True
        loop = asyncio.get_running_loop()
        self._late = loop.call_later(self._book.limits.head_within_s, stream.abort)
        self._inner.connection_made(transport)

    def request_came(self) -> None:
        """Stop the first deadline: a whole head is here, and its route has limits of its own."""
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def data_received(self, data: bytes) -> None:
        """Hand on."""
        if self._entered:
            self._inner.data_received(data)

    def eof_received(self) -> None:
        """Hand on."""
        if self._entered:
            self._inner.eof_received()

    def pause_writing(self) -> None:
        """Hand on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        self.request_came()
        if self._entered:
            self._entered = False
            self._book.leave(self._address)
            self._inner.connection_lost(exc)


@web.middleware
async def request_came(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Tell the guard of the connection that a whole head is here; the outermost of all."""
    transport = request.transport
    protocol = transport.get_protocol() if transport is not None else None
    if isinstance(protocol, Guard):
        protocol.request_came()
    return await handler(request)


@asynccontextmanager
async def serve(
    app: web.Application,
    sockets: Sequence[socket.socket],
    *,
    tls: ssl.SSLContext | None = None,
    limits: ConnectionLimits = DEFAULT_LIMITS,
) -> AsyncIterator[ConnectionBook]:
    """Answer on *sockets* (bound; closed at the end) while the block runs.

    At the end nothing new is taken, requests under way get four seconds, and then it is over.
    """
    book = ConnectionBook(limits)
    runner = web.AppRunner(app, shutdown_timeout=_LAST_REQUESTS_S)
    servers: list[asyncio.Server] = []
    try:
        await runner.setup()
        inner = runner.server
        if inner is None:  # pragma: no cover  # setup() has just made it
            raise RuntimeError
        loop = asyncio.get_running_loop()
        connection = partial(
            LastWord,
            inner,
            loop=loop,
            # None, as addresses name patients; the metrics count by route.
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            keepalive_timeout=limits.keep_alive_s,
            lingering_time=2.0,
        )
        for listening in sockets:
            server = await loop.create_server(
                lambda: Guard(connection(), book),
                sock=listening,
                ssl=tls,
                ssl_handshake_timeout=_TLS_WITHIN_S if tls is not None else None,
                backlog=_BACKLOG,
            )
            servers.append(server)
        yield book
    finally:
        for server in servers:
            server.close()
        await runner.cleanup()
