"""The node's side of tus: parcels go up to the county, and receipts come back.

Every failure is one of three: the line or the county is not able now (``Outage``), the upload is
not where we thought (``UploadGone``, ``OffsetDiffers``), or the county will not have this parcel
(``ParcelRefused``). Nothing else comes out.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import aiohttp
import msgspec
from yarl import URL

from gateway.township.bandwidth import TokenBucket
from gateway.uploads.parcel import VERSION
from gateway.uploads.threads import finish_in_thread
from gateway.uploads.tus_headers import OFFSET_OCTETS, TUS_VERSION, format_metadata
from kernel.clock import Clock
from kernel.errors import Conflict, Invalid, Missing, Unavailable

_SLAB_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 16 * 1024
_SEND_BUFFER_BYTES: Final = 128 * 1024
"""What may wait in this machine's socket: half a second of a 2 Mbit/s line, so that an emergency
does not queue behind what was handed over before it, and a cut costs little."""
_TCP_USER_TIMEOUT_MS: Final = 30_000
_ANSWER_MAX_BYTES: Final = 16 * 1024 * 1024
_TUS: Final = {"Tus-Resumable": TUS_VERSION}
_UNAUTHENTICATED: Final = 401


class Outage(Unavailable):
    """The line is down, or the county is not able or not willing to talk now; try again later."""

    code = "line-down"


class UploadGone(Missing):
    """The county does not know this upload; begin anew."""

    code = "upload-gone"


class OffsetDiffers(Conflict):
    """The county has another number of bytes than we thought; ask."""

    code = "offset-differs"


class ParcelRefused(Invalid):
    """The county will not have this parcel as it is; the code is the county's."""

    code = "parcel-refused"


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


@dataclass(frozen=True, slots=True)
class Sending:
    """What a transfer tells and obeys while it runs."""

    on_sent: Callable[[int], None]
    """Called with each number of bytes handed to the line."""
    stop: asyncio.Event
    """Set to leave off at the next piece: something more urgent waits."""


class CountyClient:
    """Speaks to one county."""

    def __init__(self, door: CountyDoor, bucket: TokenBucket, clock: Clock) -> None:
        self._door = door
        self._base = URL(door.base_url)
        self._bucket = bucket
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close every connection; the next request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def create(self, parcel_id: str, size: int) -> str:
        """Announce a parcel and return where to send it.

        Raises:
            Outage: also for whatever the county refuses but the parcel is not to blame for.
            ParcelRefused: the county takes nothing of that size.
        """
        metadata = {
            "kind": "parcel",
            "parcel": parcel_id,
            "version": str(VERSION),
            "node": self._door.institution,
        }
        headers = {"Upload-Length": str(size), "Upload-Metadata": format_metadata(metadata)}
        async with self._ask("POST", self._url("/uploads/"), headers) as answer:
            if answer.status == 413:  # noqa: PLR2004
                raise ParcelRefused("the county takes no parcel of that size", code="too-large")
            if answer.status != 201:  # noqa: PLR2004
                raise await _outage(answer)
            place = self._base.join(URL(answer.headers.get("Location", "")))
        if place.origin() != self._base.origin():
            # The token goes to the county and to nobody else.
            raise Outage("the county points elsewhere", code="county-location")
        return str(place)

    async def offset(self, url: str) -> int:
        """Return how many bytes of an upload are durable there; raises ``UploadGone``, ``Outage``.

        Asking also makes the county let go of an older connection of ours that died silently.
        """
        async with self._ask("HEAD", URL(url), {}) as answer:
            if answer.status in (404, 410):
                raise UploadGone("the county does not know the upload")
            if answer.status != 200:  # noqa: PLR2004
                raise await _outage(answer)
            try:
                return int(answer.headers["Upload-Offset"])
            except (KeyError, ValueError) as exc:
                raise Outage("the county tells no offset", code="county-answer") from exc

    async def send(self, url: str, path: Path, offset: int, size: int, sending: Sending) -> bool:
        """Send the bytes of *path* from *offset*; True once the county has acknowledged the last.

        False when it was stopped in between.

        Raises:
            UploadGone, OffsetDiffers, Outage: ask for the offset, then go on.
        """
        headers = {
            "Upload-Offset": str(offset),
            "Content-Type": OFFSET_OCTETS,
            "Content-Length": str(size - offset),
        }
        with await asyncio.to_thread(path.open, "rb") as file:
            await finish_in_thread(partial(file.seek, offset))
            try:
                async with asyncio.timeout(self._door.stall_s) as stall:
                    body = self._body(file, size - offset, sending, stall)
                    async with self._ask("PATCH", URL(url), headers, body) as answer:
                        return await _acknowledged(answer, size)
            except TimeoutError as exc:
                await self.close()
                raise Outage("no byte moved for too long", code="line-stalled") from exc
            except Outage:
                # Leaving off in mid-body ends the connection, and looks like an outage.
                if sending.stop.is_set():
                    return False
                raise

    async def receipt(self, parcel_id: str) -> bytes | None:
        """Return the signed receipt of a parcel; None while the county is still taking it.

        Raises:
            UploadGone: the county has no such parcel whole; send it again.
            ParcelRefused: it was refused as a whole, with the county's code.
            Outage: see there.
        """
        url = self._url(f"/uploads/receipts/{parcel_id}")
        url = url.with_query(wait=str(self._door.receipt_wait_s))
        async with self._ask("GET", url, {}) as answer:
            match answer.status:
                case 200:
                    return await _body_of(answer)
                case 202:
                    return None
                case 404:
                    raise UploadGone("the county has no such parcel")
                case 422:
                    code, detail = await _problem_of(answer)
                    raise ParcelRefused(detail, code=code)
                case _:
                    raise await _outage(answer)

    async def probe(self) -> None:
        """Ask the smallest question there is; raises ``Outage`` when there is no answer."""
        async with self._ask("OPTIONS", self._url("/uploads/"), {}) as answer:
            if answer.status != 204:  # noqa: PLR2004
                raise await _outage(answer)

    # -- below -------------------------------------------------------------------------------

    def _url(self, path: str) -> URL:
        return self._base.joinpath(path.lstrip("/"))

    @asynccontextmanager
    async def _ask(
        self,
        method: str,
        url: URL,
        headers: dict[str, str],
        body: AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request; line trouble comes out as ``Outage`` and closes all connections."""
        token = await self._token()
        session = self._opened()
        signed = _TUS | headers | {"Authorization": f"Bearer {token}"}
        within_s = None if body is not None else self._door.stall_s + self._door.receipt_wait_s
        try:
            async with (
                asyncio.timeout(within_s),
                session.request(
                    method, url, headers=signed, data=body, allow_redirects=False
                ) as answer,
            ):
                if answer.status == _UNAUTHENTICATED and not isinstance(self._door.token, str):
                    self._door.token.refused(token)
                yield answer
        except (aiohttp.ClientError, OSError) as exc:
            # What else is in the pool has most likely died with this one.
            if self._session is session:
                await self.close()
            raise Outage(f"{method}: {type(exc).__name__}") from exc

    async def _token(self) -> str:
        if isinstance(self._door.token, str):
            return self._door.token
        try:
            return await self._door.token.token()
        except Unavailable as exc:
            raise Outage(exc.detail, code=exc.code) from exc

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=16,
                keepalive_timeout=15,
                ssl=self._door.tls or True,
                socket_factory=_small_socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._door.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def _body(
        self, file: BinaryIO, left: int, sending: Sending, stall: asyncio.Timeout
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while left:
            slab = await finish_in_thread(partial(file.read, min(left, _SLAB_BYTES)))
            if not slab:
                raise OSError("the parcel file is shorter than it was")
            left -= len(slab)
            for begin in range(0, len(slab), _PIECE_BYTES):
                if sending.stop.is_set():
                    raise LeftOff
                piece = slab[begin : begin + _PIECE_BYTES]
                wait_s = self._bucket.take(len(piece), now_s=self._clock.monotonic_s())
                if wait_s > 0:
                    stall.reschedule(loop.time() + wait_s + self._door.stall_s)
                    await asyncio.sleep(wait_s)
                yield piece
                sending.on_sent(len(piece))
                stall.reschedule(loop.time() + self._door.stall_s)


class LeftOff(Exception):
    """A transfer was asked to stop; seen by the HTTP library only."""


def _small_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, proto, *_ = info
    made = socket.socket(family, kind, proto)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT_MS)
    return made


async def _acknowledged(answer: aiohttp.ClientResponse, size: int) -> bool:
    match answer.status:
        case 204 if answer.headers.get("Upload-Offset") == str(size):
            return True
        case 404 | 410:
            raise UploadGone("the county does not know the upload")
        case 204 | 409 | 413:
            raise OffsetDiffers("the county stands elsewhere")
        case _:
            raise await _outage(answer)


async def _outage(answer: aiohttp.ClientResponse) -> Outage:
    code, _ = await _problem_of(answer)
    return Outage(f"the county answers {answer.status}", code=code)


async def _problem_of(answer: aiohttp.ClientResponse) -> tuple[str, str]:
    """Return code and detail of a problem+json answer, ``http-<status>`` where it is none."""
    code = f"http-{answer.status}"
    if answer.content_type != "application/problem+json":
        return code, ""
    try:
        found = msgspec.json.decode(await _body_of(answer), type=dict[str, Any])
    except msgspec.MsgspecError:
        return code, ""
    return str(found.get("code") or code)[:64], str(found.get("detail", ""))[:500]


async def _body_of(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_MAX_BYTES:
            raise Outage("the county's answer is too long", code="county-answer")
    return bytes(body)
