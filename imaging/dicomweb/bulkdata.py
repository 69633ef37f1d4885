"""WADO-RS bulk data: one value of a data set by its path, whole or in part.

A path is what ``dicom_json`` writes into BulkDataURI: a tag, or item number and tag again and
again: ``7FE00010``, ``54000100/0/54001010``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import web

from imaging.archive.model import InstanceLocation
from imaging.archive.objects import ObjectStore
from imaging.dicomweb.admission import Admission
from imaging.dicomweb.answers import (
    SETTLED,
    accepts,
    answered,
    caching,
    multipart_type,
    new_boundary,
    not_modified,
    stream,
    unchanged,
)
from imaging.dicomweb.documents import DOCUMENT, PDF, document_of
from imaging.dicomweb.multipart import closing, part_head
from imaging.dicomweb.negotiate import OCTETS, MediaRange, NotAcceptable, choose
from imaging.dicomweb.resources import INSTANCE
from imaging.pixels.frames import FramePlan, NoFrames, plan_of, stored_frame, walk
from imaging.pixels.pool import Pieces, PixelPool
from imaging.pixels.syntaxes import media_type
from kernel.dicom.elements import PIXEL_TAGS, Element, Scan, find_in
from kernel.dicom.part10 import Source
from kernel.dicom.rewrite import swap_width, swapped
from kernel.errors import Invalid, Missing
from kernel.web import describe, permit

_PATH: Final = re.compile(r"[0-9A-Fa-f]{8}(?:/[0-9]{1,9}/[0-9A-Fa-f]{8}){0,31}", re.ASCII)
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
_PIECE_BYTES: Final = 1 << 20


class BulkdataMissing(Missing):
    """The data set has no such value, or it has no bytes of its own."""

    code = "no-such-value"


@dataclass(frozen=True, slots=True)
class _Value:
    """A value in bytes: where it lies, or the code streams it is made of."""

    start: int
    length: int
    width: int
    """Bytes that change places, 1 where it leaves as it lies."""
    plan: FramePlan | None
    media: str


class BulkdataDoor:
    """Values too large for metadata."""

    def __init__(self, admission: Admission, objects: ObjectStore, pool: PixelPool) -> None:
        """Answer what *admission* lets out of *objects*, reading in *pool*."""
        self._objects = objects
        self._pool = pool
        self._admission = admission

    def routes(self) -> list[web.RouteDef]:
        """Return the one route."""
        return [web.get(f"{INSTANCE}/bulkdata/{{path:.+}}", self.value, allow_head=False)]

    @describe("One value of an object, as bytes")
    @permit()
    @answered
    async def value(self, request: web.Request) -> web.StreamResponse:
        """Answer the value: octets in little endian, code streams one part each; or a range."""
        path = parse_path(request.match_info["path"])
        _, location = await self._admission.instance(request)
        found = await self._pool.read(partial(self._find, location, path))
        offers = [OCTETS] if found.media == OCTETS else [OCTETS, found.media]
        content_type, wanted = choose(accepts(request), offers)
        etag = f"{location.object_key[6:]}-{'-'.join(map(str, path))}-{_short(content_type)}"
        headers = caching(etag, SETTLED) | {"X-Content-Type-Options": "nosniff"}
        if unchanged(request, etag):
            return not_modified(headers)
        if found.plan is not None:
            return await self._frames(request, location, found.plan, wanted, headers)
        return await self._octets(request, location, found, wanted, content_type, headers)

    async def _octets(  # all of one answer
        self,
        request: web.Request,
        location: InstanceLocation,
        found: _Value,
        wanted: MediaRange,
        content_type: str,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        start, stop, status = 0, found.length, 200
        # Of the value, also where it leaves as a part: clients mean the value.
        asked = parse_range(request.headers.get("Range", ""), stop)
        headers["Accept-Ranges"] = "bytes"
        if asked is not None:
            start, stop = asked
            if start >= stop:
                return web.Response(
                    status=416, headers={"Content-Range": f"bytes */{found.length}"}
                )
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{found.length}"
        body = self._read(location, found, start, stop)
        if not wanted.multipart:
            return await stream(
                request,
                self._pool.read_pieces(body),
                content_type,
                headers,
                length=stop - start,
                status=status,
            )
        boundary = new_boundary()
        framed = self._pool.read_pieces(_framed(boundary, content_type, body))
        content_type = multipart_type(content_type, boundary)
        return await stream(request, framed, content_type, headers, status=status)

    async def _frames(
        self,
        request: web.Request,
        location: InstanceLocation,
        plan: FramePlan,
        wanted: MediaRange,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        """Answer code streams, one part each; joined where the client wants no parts.

        The stream of a video is one, in however many fragments it lies.
        """
        media = media_type(plan.transfer_syntax_uid)
        own = wanted.essence not in {OCTETS, "*/*", "application/*"}
        content_type = media if own else OCTETS
        part_type = f"{content_type}; transfer-syntax={plan.transfer_syntax_uid}"
        if not wanted.multipart and (wanted.essence != "*/*" or plan.count == 1):
            body = self._pool.read_pieces(self._streams(location, plan, "", part_type))
            return await stream(request, body, part_type, headers)
        boundary = new_boundary()
        body = self._pool.read_pieces(self._streams(location, plan, boundary, part_type))
        return await stream(request, body, multipart_type(content_type, boundary), headers)

    def _find(self, location: InstanceLocation, path: Sequence[int]) -> _Value:
        with self._objects.open(location.object_key) as source:
            return _value(walk(source), path)

    def _read(self, location: InstanceLocation, found: _Value, start: int, stop: int) -> Pieces:
        with self._objects.open(location.object_key) as opened:
            # Of a deflated object the value lies in what it inflates to.
            source: Source = walk(opened).source
            first = start - start % found.width
            skip = start - first
            for at in range(first, stop, _PIECE_BYTES):
                until = min(at + _PIECE_BYTES, stop + -stop % found.width, found.length)
                raw = swapped(source.read(found.start + at, until - at), found.width)
                yield raw[skip : stop - at]
                skip = 0

    def _streams(
        self, location: InstanceLocation, plan: FramePlan, boundary: str, part_type: str
    ) -> Pieces:
        with self._objects.open(location.object_key) as source:
            for index in range(plan.count):
                if boundary:
                    yield part_head(boundary, part_type, first=index == 0)
                yield stored_frame(source, plan, index)
        if boundary:
            yield closing(boundary)


def parse_path(text: str) -> tuple[int, ...]:
    """Return tag, item number, tag, ... of a bulk data path.

    Raises:
        Invalid: it is no such path (``invalid-bulkdata-path``).
    """
    if not _PATH.fullmatch(text):
        raise Invalid("a path is a tag, item numbers and tags", code="invalid-bulkdata-path")
    return tuple(
        int(part, 16) if index % 2 == 0 else int(part) for index, part in enumerate(text.split("/"))
    )


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return start and end (not included) of one byte range; None where the whole is to be sent.

    An empty range says that nothing of *size* bytes is in it. Several ranges are not made: the
    whole is an allowed answer to them (RFC 9110 14.2).
    """
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if not found or found[1] == found[2] == "":
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    start = int(found[1])
    stop = min(size, int(found[2]) + 1) if found[2] else size
    if found[2] and int(found[2]) < start:
        return None
    return (start, stop) if start < size else (size, size)


def find_element(walked: Scan, path: Sequence[int]) -> Element:
    """Return the element at *path*; raises ``BulkdataMissing``."""
    elements: Sequence[Element] = walked.elements
    for number, tag in zip((*path[1::2], -1), path[::2], strict=True):
        element = find_in(elements, tag)
        if element is None:
            break
        if number < 0:
            return element
        items = element.items or ()
        if number >= len(items):
            break
        elements = items[number].elements
    raise BulkdataMissing("the object has no such value")


def _value(walked: Scan, path: Sequence[int]) -> _Value:
    element = find_element(walked, path)
    if element.items is not None:
        raise BulkdataMissing("a sequence has no bytes of its own")
    if element.fragments is not None:
        plan = plan_of(walked)
        if element.tag not in PIXEL_TAGS or len(path) > 1:
            raise NoFrames("only pixel data is encapsulated")
        return _Value(0, 0, 1, plan, media_type(plan.transfer_syntax_uid))
    width = 1
    if walked.big_endian:
        width = _pixel_width(walked) if element.tag in PIXEL_TAGS else swap_width(element.vr)
    return _Value(element.value_offset, element.length, width, None, _media(walked, path))


def _media(walked: Scan, path: Sequence[int]) -> str:
    """Return the media type of a value besides octets, octets where it has none."""
    if tuple(path) != (DOCUMENT,):
        return OCTETS
    try:
        document_of(walked)
    except NotAcceptable:
        return OCTETS
    return PDF


def _pixel_width(walked: Scan) -> int:
    allocated = walked.unsigned(0x00280100) or 0
    word = 2 if walked.pixel is not None and walked.pixel.vr == "OW" else 1
    return max(allocated // 8, word)


def _framed(boundary: str, content_type: str, body: Pieces) -> Pieces:
    yield part_head(boundary, content_type, first=True)
    yield from body
    yield closing(boundary)


def _short(content_type: str) -> str:
    return content_type.partition("/")[2]
