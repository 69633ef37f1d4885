"""The node's way to its county: requests under a session its key has opened.

No instant of the node's clock goes into it or comes out of it: sessions are counted on the
monotonic clock, so a node whose date is wrong works like any other.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from yarl import URL

from gateway.exchange.model import Challenge, Session
from gateway.exchange.proof import sign_nonce
from kernel.clock import Clock
from kernel.errors import PlatformError, Unavailable

T = TypeVar("T")

ANSWER_MAX_BYTES: Final = 1 << 20
_RENEW_AFTER: Final = 2 / 3
_CREATED: Final = 201
_UNAUTHENTICATED: Final = 401
_BARE: Final = "http-"


class CountyUnreachable(Unavailable):
    """The line is down, or the county is not able or not willing to talk now; try again later.

    The code is the county's where it gave one, such as ``node-revoked``.
    """

    code = "line-down"


@dataclass(frozen=True, slots=True)
class CountyAddress:
    """Where the county is."""

    base_url: str
    """Without trailing slash."""
    tls: ssl.SSLContext | None = None
    connect_s: float = 10.0
    answer_s: float = 20.0
    """How long an answer may take, beyond what the question asks the county to wait."""


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Who this node is, and what proves it."""

    node: str
    institution: str
    key: Ed25519PrivateKey


class CountyLink:
    """Speaks to one county as one node. Close it at the end."""

    def __init__(self, address: CountyAddress, identity: NodeIdentity, clock: Clock) -> None:
        self.address = address
        self.identity = identity
        self._clock = clock
        self._client: aiohttp.ClientSession | None = None
        self._signing_in = asyncio.Lock()
        self._token = ""
        self._renew_s = 0.0

    async def close(self) -> None:
        """Close every connection; the next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def token(self) -> str:
        """Return a session token that will hold for some minutes.

        Raises:
            CountyUnreachable: it could not be had now.
        """
        async with self._signing_in:
            if not self._token or self._clock.monotonic_s() >= self._renew_s:
                await self._sign_in()
            return self._token

    def refused(self, token: str) -> None:
        """Note that the county does not take *token* any more."""
        if token == self._token:
            self._token = ""

    async def _sign_in(self) -> None:
        who = self.identity
        asked_s = self._clock.monotonic_s()
        root = "/api/v1/nodes"
        given = await self._sign_in_step(f"{root}/challenge", {"node": who.node}, Challenge)
        signed = sign_nonce(who.key, who.node, given.nonce)
        body = {"node": who.node, "nonce": given.nonce, "signature": signed}
        opened = await self._sign_in_step(f"{root}/session", body, Session)
        self._token = opened.token
        self._renew_s = asked_s + opened.expires_in_s * _RENEW_AFTER

    async def _sign_in_step(self, path: str, body: Mapping[str, str], kind: type[T]) -> T:
        headers = {"Content-Type": "application/json"}
        async with self._open("POST", path, headers, msgspec.json.encode(body)) as answer:
            if answer.status not in (200, _CREATED):
                raise await refusal(answer)
            return decoded(await body_of(answer), kind)

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        wait_s: float = 0.0,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request as this node, and give its answer, whatever its status.

        Args:
            method: of HTTP.
            path: from the county's root on, with its query.
            headers: further ones.
            body: whole.
            wait_s: how long the county was asked to wait.

        Raises:
            CountyUnreachable: no answer, or the county does not let this node in.
        """
        token = await self.token()
        sent = {"Authorization": f"Bearer {token}", **(headers or {})}
        async with self._open(method, path, sent, body, wait_s=wait_s) as answer:
            if answer.status == _UNAUTHENTICATED:
                self.refused(token)
                raise await refusal(answer)
            yield answer

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        wait_s: float = 0.0,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        client = self._opened()
        url = URL(self.address.base_url + path)
        try:
            async with (
                asyncio.timeout(self.address.answer_s + wait_s),
                client.request(
                    method, url, headers=headers, data=body, allow_redirects=False
                ) as answer,
            ):
                yield answer
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            if self._client is client:
                await self.close()
            raise CountyUnreachable(f"{method}: {type(exc).__name__}") from exc

    def _opened(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=8, keepalive_timeout=30, ssl=self.address.tls or True
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.address.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._client


async def body_of(answer: aiohttp.ClientResponse) -> bytes:
    """Return the whole answer; raises ``CountyUnreachable`` for one longer than any can be."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > ANSWER_MAX_BYTES:
            raise CountyUnreachable("the county's answer is too long", code="county-answer")
    return bytes(body)


def decoded(raw: bytes, kind: type[T]) -> T:
    """Return the *kind* in *raw*; raises ``CountyUnreachable`` (``county-answer``)."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError as exc:
        raise CountyUnreachable("not an answer of a county", code="county-answer") from exc


def is_bare(refused: PlatformError) -> bool:
    """Tell whether *refused*, of ``refusal``, came without a code of the county's program."""
    return refused.code.startswith(_BARE)


async def refusal(answer: aiohttp.ClientResponse) -> PlatformError:
    """Return what the county's refusal means: nothing for ever, with its own code."""
    code, detail = f"{_BARE}{answer.status}", ""
    if answer.content_type == "application/problem+json":
        try:
            found = msgspec.json.decode(await body_of(answer), type=dict[str, Any])
        except msgspec.MsgspecError:
            found = {}
        code, detail = str(found.get("code") or code)[:64], str(found.get("detail", ""))[:500]
    return CountyUnreachable(detail or f"the county answers {answer.status}", code=code)
