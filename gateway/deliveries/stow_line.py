"""The way to a DICOMweb server: one object a request, by STOW-RS (PS3.18 10.5).

The address is the administrator's and stays so: no redirect is followed, no proxy of the
environment is asked, and a name that leads to this machine itself, or to an address nobody outside
a link can mean, is not called (S22).
"""

import asyncio
import ipaddress
import secrets
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.deliveries.pace import Pace, Paced
from gateway.dimse.storing import Outcome, SendableObject, Told
from gateway.routing.places import Sending, is_loopback
from kernel.dicom.part10 import file_meta_bytes
from kernel.dicom.status import COMMENT_MAX, comment_of, status_of
from kernel.errors import PlatformError

_ANSWER_MAX_BYTES: Final = 1 << 20
_FAILED: Final = "00081198"
_REFERENCED: Final = "00081199"
_OTHER_FAILURES: Final = "0008119A"
_FAILURE_REASON: Final = "00081197"
_WARNING_REASON: Final = "00081196"
_SOP_INSTANCE: Final = "00081155"
_NOT_THIS_SYNTAX: Final = frozenset({0x0122, 0xC122, 0xA900})
_CANNOT_UNDERSTAND: Final = 0xC000
_OK: Final = frozenset({200, 202, 409})
_FOR_WHAT_IT_IS: Final = frozenset({400, 406, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class StowTimes:
    """How long the server may take, in seconds."""

    connect_s: float = 10.0
    piece_s: float = 60.0
    """To take, or give, the next piece."""
    whole_s: float = 3600.0
    """For one object."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the server is shown: the value of Authorization; empty for nothing."""

    authorization: str = field(default="", repr=False)


class _Unlinked(AbstractResolver):
    """Finds addresses that are no loopback and no link-local ones, unless the name says so."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [one for one in found if is_loopback(host) or not _is_near(one["host"])]
        if not allowed:
            raise OSError("the name leads to this machine itself")
        return allowed

    async def close(self) -> None:
        await self._inner.close()


def _is_near(written: str) -> bool:
    address = ipaddress.ip_address(written.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
    )


class StowLine:
    """Sends to one server (``gateway.deliveries.ports.Line``)."""

    def __init__(
        self,
        how: Sending,
        credentials: Credentials,
        pace: Pace,
        *,
        tls: ssl.SSLContext | None,
        times: StowTimes | None = None,
    ) -> None:
        """Send as *how* says, showing *credentials*; *tls* is for https."""
        self._studies = URL(f"{how.url}/studies")
        self._credentials = credentials
        self._pace = pace
        self._tls = tls
        self._times = times or StowTimes()
        self.parallel = how.parallel
        self.warned_is_taken = how.warned_is_taken

    async def send(self, objects: Sequence[SendableObject], told: Told) -> None:
        """Send *objects* one by one over one connection; after a broken line none is tried."""
        lost = _unwanted_address(self._studies)
        times = aiohttp.ClientTimeout(
            total=self._times.whole_s,
            sock_connect=self._times.connect_s,
            sock_read=self._times.piece_s,
        )
        connector = aiohttp.TCPConnector(
            resolver=_Unlinked(), limit=1, ssl=self._tls if self._tls is not None else True
        )
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=times,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
        ) as client:
            for one in objects:
                outcome = Outcome(None, lost) if lost else await self._sent(client, one)
                if outcome.status is None:
                    lost = outcome.comment
                await told(one, outcome)

    async def _sent(self, client: aiohttp.ClientSession, one: SendableObject) -> Outcome:
        outcome = Outcome(_CANNOT_UNDERSTAND, "it can be had in no form")
        for form in one.forms:
            try:
                outcome = await self._sent_as(client, one, form)
            except PlatformError as error:
                # It cannot be read in this form, whoever asks; perhaps in another.
                outcome = Outcome(status_of(error), comment_of(error))
                continue
            if outcome.status not in _NOT_THIS_SYNTAX:
                break
        return outcome

    async def _sent_as(
        self, client: aiohttp.ClientSession, one: SendableObject, form: str
    ) -> Outcome:
        """Send *one* in *form*.

        Raises:
            PlatformError: it cannot be read in that form.
        """
        boundary = f"yilian-{secrets.token_hex(16)}"
        headers = {
            "Accept": "application/dicom+json",
            "Accept-Encoding": "identity",
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        }
        if self._credentials.authorization:
            headers["Authorization"] = self._credentials.authorization
        try:
            async with client.post(
                self._studies,
                data=_body(Paced(one, self._pace), form, boundary),
                headers=headers,
                allow_redirects=False,
            ) as answer:
                raw = await _read(answer)
                return _outcome(answer.status, answer.reason or "", raw, one.sop_instance_uid)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error.__cause__, PlatformError):
                raise error.__cause__ from error
            return Outcome(None, _why(error))


def _unwanted_address(url: URL) -> str:
    # aiohttp asks no resolver about an address that is written as one.
    host = url.host or ""
    try:
        near = _is_near(host)
    except ValueError:
        return ""
    return "the address is this machine itself" if near and not is_loopback(host) else ""


async def _body(one: Paced, form: str, boundary: str) -> AsyncGenerator[bytes, None]:
    async with aclosing(one.pieces(form)) as pieces:
        begun = False
        async for piece in pieces:
            if not begun:
                begun = True
                head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
                yield head + file_meta_bytes(
                    sop_class_uid=one.sop_class_uid,
                    sop_instance_uid=one.sop_instance_uid,
                    transfer_syntax_uid=form,
                )
            yield piece
    yield f"\r\n--{boundary}--\r\n".encode()


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for piece in answer.content.iter_chunked(64 << 10):
        raw += piece
        if len(raw) > _ANSWER_MAX_BYTES:
            raise aiohttp.ClientPayloadError("the answer is longer than 1 MiB")
    return bytes(raw)


def _outcome(status: int, reason: str, raw: bytes, uid: str) -> Outcome:
    if status in _OK:
        found = _of_instance(raw, uid)
        if found is not None:
            return found
        if status == 200:  # noqa: PLR2004  # some servers answer without a word of the object
            return Outcome(0)
        return Outcome(_CANNOT_UNDERSTAND, f"HTTP {status}, and nothing said of the object")
    if status in _FOR_WHAT_IT_IS:
        return Outcome(_CANNOT_UNDERSTAND, f"HTTP {status} {reason}"[:COMMENT_MAX])
    if 300 <= status < 400:  # noqa: PLR2004  # redirects
        return Outcome(None, f"HTTP {status}: it leads elsewhere, which is not followed")
    return Outcome(None, f"HTTP {status} {reason}"[:COMMENT_MAX])


def _of_instance(raw: bytes, uid: str) -> Outcome | None:
    """Return what a store instances response (PS3.18 I) says of *uid*, None where nothing."""
    try:
        document = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    for item in _items(document, _FAILED):
        if _value(item, _SOP_INSTANCE) in (uid, None):
            reason = _value(item, _FAILURE_REASON)
            return Outcome(reason if isinstance(reason, int) else _CANNOT_UNDERSTAND)
    for item in _items(document, _REFERENCED):
        if _value(item, _SOP_INSTANCE) == uid:
            warning = _value(item, _WARNING_REASON)
            return Outcome(warning if isinstance(warning, int) else 0)
    for item in _items(document, _OTHER_FAILURES):
        reason = _value(item, _FAILURE_REASON)
        return Outcome(reason if isinstance(reason, int) else _CANNOT_UNDERSTAND)
    return None


def _items(document: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    element = document.get(tag)
    found = element.get("Value") if isinstance(element, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _value(item: Mapping[str, Any], tag: str) -> object:
    element = item.get(tag)
    found = element.get("Value") if isinstance(element, dict) else None
    return found[0] if isinstance(found, list) and found else None


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "the server took too long"
    return (str(error) or type(error).__name__)[:COMMENT_MAX]
