"""The node's connections to the county's HTTP door, and what their failures mean.

Connections that are open together die one by one on most lines, so a failure retires them all:
whoever uses one ends as it may, and whoever asks next opens new ones.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp
import msgspec
from yarl import URL

from gateway.township.line import LineMeter
from gateway.uploads.tus_headers import TUS_VERSION
from kernel.clock import Clock
from kernel.errors import Unavailable

_TCP_USER_TIMEOUT_MS: Final = 30_000
_ANSWER_MAX_BYTES: Final = 16 * 1024 * 1024
_SEND_BUFFER_BYTES: Final = 64 * 1024
_WRITE_AHEAD_BYTES: Final = 16 * 1024
_CONNECTIONS_MAX: Final = 24
_TUS: Final = {"Tus-Resumable": TUS_VERSION}
_UNAUTHENTICATED: Final = 401
_BARE: Final = "http-"


class Outage(Unavailable):
    """The line is down, or the county is not able or not willing to talk now; try again later."""

    code = "line-down"


class Unheard(Outage):
    """Nobody answered, or only somebody on the way: over once anything of the node is heard."""


class NotNow(Outage):
    """The county is there and talks, but will not have this now."""

    code = "county-not-now"


class Credential(Protocol):
    """What opens the county's door for a while."""

    async def token(self) -> str:
        """Return a bearer token; raises ``Unavailable`` where none can be had now."""
        ...

    def refused(self, token: str) -> None:
        """Note that the county does not take *token* any more."""
        ...


@dataclass(frozen=True, slots=True)
class CountyDoor:
    """Where the county is and how the node signs in there."""

    base_url: str
    """Without trailing slash."""
    token: str | Credential
    """A machine's lasting token, or what an enrolled node's key opens."""
    institution: str
    """Whose node this is."""
    tls: ssl.SSLContext | None = None
    connect_s: float = 10.0
    stall_s: float = 20.0
    """Longest time without any byte going out, or without the answer after the last."""
    receipt_wait_s: float = 20.0
    """How long the county may hold a question for a receipt open; at most 25 s."""


@dataclass(slots=True)
class _Connections:
    """One set of connections; closed once it is retired and nobody uses it."""

    session: aiohttp.ClientSession
    users: int = 0
    retired: bool = False


class CountySession:
    """Asks one county; its connections hold back little, as the plan says."""

    def __init__(self, door: CountyDoor, meter: LineMeter, clock: Clock) -> None:
        self._door = door
        self._meter = meter
        self._clock = clock
        self._open: _Connections | None = None
        self.send_buffer_bytes = _SEND_BUFFER_BYTES
        """What the next connection asks the system to hold of what goes out."""

    async def close(self) -> None:
        """Retire every connection; the next request opens new ones."""
        opened, self._open = self._open, None
        if opened is not None:
            await self._retire(opened)

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        url: URL,
        headers: dict[str, str],
        body: AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request; line trouble comes out as ``Outage``."""
        token = await self._token()
        opened = self._open or self._connect()
        self._open = opened
        opened.users += 1
        try:
            async with self._answer(opened, (method, url), headers, body, token) as answer:
                yield answer
        finally:
            opened.users -= 1
            if opened.retired and not opened.users:
                await opened.session.close()

    @asynccontextmanager
    async def _answer(
        self,
        opened: _Connections,
        asked: tuple[str, URL],
        headers: dict[str, str],
        body: AsyncIterator[bytes] | None,
        token: str,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        method, url = asked
        signed = _TUS | headers | {"Authorization": f"Bearer {token}"}
        within_s = None if body is not None else self._door.stall_s + self._door.receipt_wait_s
        began_s = self._clock.monotonic_s()
        try:
            async with (
                asyncio.timeout(within_s),
                opened.session.request(
                    method, url, headers=signed, data=body, allow_redirects=False
                ) as answer,
            ):
                if answer.status == _UNAUTHENTICATED and not isinstance(self._door.token, str):
                    self._door.token.refused(token)
                if method in ("POST", "HEAD", "OPTIONS"):
                    now_s = self._clock.monotonic_s()
                    self._meter.answered(now_s - began_s, now_s)
                yield answer
        except (aiohttp.ClientError, OSError) as exc:
            await self._failed(opened, exc)
            raise Unheard(f"{method}: {type(exc).__name__}") from exc

    async def _failed(self, opened: _Connections, exc: Exception) -> None:
        """Take no connection again of a set of which one failed."""
        if isinstance(exc.__cause__, LeftOff):
            return
        if self._open is opened:
            self._open = None
        await self._retire(opened)

    async def _retire(self, opened: _Connections) -> None:
        opened.retired = True
        if not opened.users:
            await opened.session.close()

    async def _token(self) -> str:
        if isinstance(self._door.token, str):
            return self._door.token
        try:
            return await self._door.token.token()
        except Unavailable as exc:
            kind = Unheard if exc.code == Unheard.code else Outage
            raise kind(exc.detail, code=exc.code) from exc

    def _connect(self) -> _Connections:
        connector = _Connector(
            limit=_CONNECTIONS_MAX,
            keepalive_timeout=15,
            ssl=self._door.tls or True,
            socket_factory=self._socket,
        )
        return _Connections(
            aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._door.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        )

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, proto, *_ = info
        made = socket.socket(family, kind, proto)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.send_buffer_bytes)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT_MS)
        self._meter.losses.watch(made)
        return made


class LeftOff(Exception):
    """A transfer was asked to stop; seen by the HTTP library only."""


class _Connector(aiohttp.TCPConnector):
    """Keeps what waits in this process small, too: it is on no wire, and lost with a cut."""

    async def _wrap_create_connection(self, *args: Any, **kwargs: Any) -> Any:
        transport, protocol = await super()._wrap_create_connection(*args, **kwargs)
        transport.set_write_buffer_limits(high=_WRITE_AHEAD_BYTES)
        return transport, protocol


async def outage(answer: aiohttp.ClientResponse) -> Outage:
    """Return what an answer means that is none to the question."""
    code, _ = await problem_of(answer)
    text = f"the county answers {answer.status}"
    # For everybody: sign-in, too many, no room, going down. Anything else may be for this one.
    whole = answer.status in (401, 403, 429, 502, 503, 504, 507)
    if not whole:
        return NotNow(text, code=code)
    away = answer.status in (502, 503, 504) and code == f"{_BARE}{answer.status}"
    return Unheard(text, code=code) if away else Outage(text, code=code)


async def problem_of(answer: aiohttp.ClientResponse) -> tuple[str, str]:
    """Return code and detail of a problem+json answer, ``http-<status>`` where it is none."""
    code = f"{_BARE}{answer.status}"
    if answer.content_type != "application/problem+json":
        return code, ""
    try:
        found = msgspec.json.decode(await body_of(answer), type=dict[str, Any])
    except msgspec.MsgspecError:
        return code, ""
    return str(found.get("code") or code)[:64], str(found.get("detail", ""))[:500]


async def body_of(answer: aiohttp.ClientResponse) -> bytes:
    """Return a bounded answer whole; raises ``Outage`` for a longer one."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_MAX_BYTES:
            raise Outage("the county's answer is too long", code="county-answer")
    return bytes(body)
