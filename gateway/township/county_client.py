"""The node's side of tus: parcels go up to the county, and receipts come back.

Every failure is one of three: the line or the county is not able now (``Outage``), the upload is
not where we thought (``UploadGone``, ``OffsetDiffers``), or the county will not have this parcel
(``ParcelRefused``). Nothing else comes out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import aiohttp
from yarl import URL

from gateway.township.county_session import (
    CountyDoor,
    CountySession,
    Credential,
    LeftOff,
    Outage,
    Unheard,
    body_of,
    outage,
    problem_of,
)
from gateway.township.line import LineMeter
from gateway.township.traffic import Traffic
from gateway.uploads.parcel import OLDEST, VERSIONS_HEADER, parse_versions
from gateway.uploads.threads import finish_in_thread
from gateway.uploads.tus_headers import OFFSET_OCTETS, format_metadata
from kernel.arrival import Priority
from kernel.clock import Clock
from kernel.errors import Conflict, Invalid, Missing

__all__ = [
    "CountyClient",
    "CountyDoor",
    "Credential",
    "OffsetDiffers",
    "Outage",
    "ParcelRefused",
    "Sending",
    "UploadGone",
]

_SLAB_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 16 * 1024


class UploadGone(Missing):
    """The county does not know this upload; begin anew."""

    code = "upload-gone"


class OffsetDiffers(Conflict):
    """The county has another number of bytes than we thought; ask."""

    code = "offset-differs"


class ParcelRefused(Invalid):
    """The county will not have this parcel as it is; the code is the county's."""

    code = "parcel-refused"


@dataclass(slots=True)
class Sending:
    """What a transfer tells and obeys while it runs."""

    on_sent: Callable[[int], None]
    """Called with each number of bytes handed to the line."""
    stop: asyncio.Event
    """Set to leave off at the next piece: something more urgent waits."""
    lane: Priority = Priority.ROUTINE
    """Whose bytes they are; may change while they go."""
    on_last: Callable[[], None] = lambda: None
    """Called once all bytes are handed to the line; the answer is still to come."""
    handed: bool = False
    """Whether that is so."""


class CountyClient:
    """Speaks to one county."""

    def __init__(self, door: CountyDoor, traffic: Traffic, meter: LineMeter, clock: Clock) -> None:
        self._door = door
        self._base = URL(door.base_url)
        self.traffic = traffic
        """What images take of the line."""
        self._session = CountySession(door, meter, clock)
        self._meter = meter
        self._clock = clock

    async def close(self) -> None:
        """Let go of every connection; the next request opens new ones."""
        await self._session.close()

    def hold_in_flight(self, send_buffer_bytes: int) -> None:
        """Let connections made from now on ask the system for that much to hold."""
        self._session.send_buffer_bytes = send_buffer_bytes

    async def versions(self) -> frozenset[int]:
        """Return which versions of a parcel the county takes; raises ``Outage``.

        A county before there was more than one does not tell.
        """
        async with self._session.ask("OPTIONS", self._url("/uploads/"), {}) as answer:
            if answer.status != 204:  # noqa: PLR2004
                raise await outage(answer)
            return parse_versions(answer.headers.get(VERSIONS_HEADER)) or frozenset({OLDEST})

    async def probe(self) -> None:
        """Ask the smallest question there is; raises ``Outage`` when there is no answer."""
        await self.versions()

    async def create(self, parcel_id: str, size: int, version: int) -> str:
        """Announce a parcel and return where to send it.

        Raises:
            Outage: also for whatever the county refuses but the parcel is not to blame for.
            ParcelRefused: the county takes nothing of that size or of that version.
        """
        metadata = {
            "kind": "parcel",
            "parcel": parcel_id,
            "version": str(version),
            "node": self._door.institution,
        }
        headers = {"Upload-Length": str(size), "Upload-Metadata": format_metadata(metadata)}
        async with self._session.ask("POST", self._url("/uploads/"), headers) as answer:
            if answer.status == 413:  # noqa: PLR2004
                raise ParcelRefused("the county takes no parcel of that size", code="too-large")
            if answer.status != 201:  # noqa: PLR2004
                failed = await outage(answer)
                if failed.code == "parcel-version":
                    raise ParcelRefused("the county knows other versions", code=failed.code)
                raise failed
            place = self._base.join(URL(answer.headers.get("Location", "")))
        if place.origin() != self._base.origin():
            # The token goes to the county and to nobody else.
            raise Outage("the county points elsewhere", code="county-location")
        return str(place)

    async def offset(self, url: str) -> int:
        """Return how many bytes of an upload are durable there; raises ``UploadGone``, ``Outage``.

        Asking also makes the county let go of an older connection of ours that died silently.
        """
        async with self._session.ask("HEAD", URL(url), {}) as answer:
            if answer.status in (404, 410):
                raise UploadGone("the county does not know the upload")
            if answer.status != 200:  # noqa: PLR2004
                raise await outage(answer)
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
                    body = self._body(url, file, size - offset, sending, stall)
                    began_s = self._clock.monotonic_s()
                    try:
                        async with self._session.ask("PATCH", URL(url), headers, body) as answer:
                            whole = await _acknowledged(answer, size)
                    finally:
                        self._meter.handed(url)
                    now_s = self._clock.monotonic_s()
                    self._meter.delivered(size - offset, now_s - began_s, now_s)
                    return whole
            except TimeoutError as exc:
                await self.close()
                raise Unheard("no byte moved for too long", code="line-stalled") from exc
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
        async with self._session.ask("GET", url, {}) as answer:
            match answer.status:
                case 200:
                    return await body_of(answer)
                case 202:
                    return None
                case 404:
                    raise UploadGone("the county has no such parcel")
                case 422:
                    code, detail = await problem_of(answer)
                    raise ParcelRefused(detail, code=code)
                case _:
                    raise await outage(answer)

    def _url(self, path: str) -> URL:
        return self._base.joinpath(path.lstrip("/"))

    async def _body(
        self, url: str, file: BinaryIO, left: int, sending: Sending, stall: asyncio.Timeout
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        self._meter.began(url, self._clock.monotonic_s())
        while left:
            slab = await finish_in_thread(partial(file.read, min(left, _SLAB_BYTES)))
            if not slab:
                raise OSError("the parcel file is shorter than it was")
            left -= len(slab)
            for begin in range(0, len(slab), _PIECE_BYTES):
                piece = slab[begin : begin + _PIECE_BYTES]
                wait_s = self.traffic.reserve(len(piece), lane=sending.lane)
                stall.reschedule(loop.time() + wait_s + self._door.stall_s)
                if await _stopped_within(sending.stop, wait_s):
                    raise LeftOff
                yield piece
                sending.on_sent(len(piece))
                stall.reschedule(loop.time() + self._door.stall_s)
        self._meter.handed(url)
        sending.handed = True
        sending.on_last()


async def _stopped_within(stop: asyncio.Event, wait_s: float) -> bool:
    """Return after *wait_s* seconds, or with True as soon as *stop* is set."""
    if wait_s <= 0 or stop.is_set():
        return stop.is_set()
    try:
        async with asyncio.timeout(wait_s):
            return await stop.wait()
    except TimeoutError:
        return stop.is_set()


async def _acknowledged(answer: aiohttp.ClientResponse, size: int) -> bool:
    match answer.status:
        case 204 if answer.headers.get("Upload-Offset") == str(size):
            return True
        case 404 | 410:
            raise UploadGone("the county does not know the upload")
        case 204 | 409 | 413:
            raise OffsetDiffers("the county stands elsewhere")
        case _:
            raise await outage(answer)
