"""Whether a node's HTTP door still answers: what its own parent asks before it says it is well."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from kernel.settings import Settings

_ASKED: Final = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_ANSWERED: Final = b"HTTP/1.1 "
"""Whatever it says: what has ended is started again by the parent itself, without ending the rest.
What hangs says nothing."""


def door_answers(settings: Settings, address: tuple[str, int]) -> Callable[[], Awaitable[bool]]:
    """Return a question to the HTTP door bound to *address*.

    It goes over this machine itself, so that the door's certificate proves nothing and is not
    looked at.
    """
    host, port = address
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound

    async def ask() -> bool:
        reader, writer = await asyncio.open_connection(
            everywhere.get(host, host), port, ssl=_unverified() if settings.tls.on else None
        )
        try:
            writer.write(_ASKED)
            await writer.drain()
            return await reader.readexactly(len(_ANSWERED)) == _ANSWERED
        finally:
            writer.transport.abort()

    return ask


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
