"""What answers at a door whose role cannot come up, instead of silence: at an HTTP door 503.

The supervisor holds the listening socket, so callers are connected and would wait for ever.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_RETRY_AFTER_S: Final = 10
_HEAD_BYTES: Final = 32 << 10
_WITHIN_S: Final = 5.0
_AT_ONCE: Final = 64


def _answer() -> bytes:
    body = json.dumps(
        {
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "code": "role-down",
            "detail": "This node cannot start now; its log and `yilian doctor` say why.",
        }
    ).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Retry-After: {_RETRY_AFTER_S}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


@asynccontextmanager
async def answering(
    door: socket.socket, converse: Converse, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Let *converse* answer every caller at *door* while this is open, each within 5 s.

    *door* itself stays open, and who connects afterwards waits for whoever accepts next.

    Args:
        door: a listening socket; it is not closed.
        converse: reads from a caller and answers.
        tls: where the door speaks TLS.
    """
    places = asyncio.Semaphore(_AT_ONCE)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, ValueError):
                async with places, asyncio.timeout(_WITHIN_S):
                    await converse(reader, writer)
        except asyncio.LimitOverrunError:
            pass  # no caller of ours has so much to say first
        finally:
            writer.close()

    server = await asyncio.start_server(
        serve,
        sock=door.dup(),
        ssl=tls,
        limit=_HEAD_BYTES,
        ssl_handshake_timeout=_WITHIN_S if tls else None,
    )
    try:
        yield
    finally:
        server.close()


def answering_503(
    door: socket.socket, *, tls: ssl.SSLContext | None = None
) -> AbstractAsyncContextManager[None]:
    """Answer every request at *door* with 503 (RFC 9110 15.6.4, RFC 9457), as ``answering``."""
    return answering(door, _say_503, tls=tls)


def hanging_up(door: socket.socket) -> AbstractAsyncContextManager[None]:
    """Close every connection at *door* at once, so that who calls tries again later."""
    return answering(door, _say_nothing)


async def _say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Return at once; what ends the conversation closes it."""


async def _say_503(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_answer())
    await writer.drain()
