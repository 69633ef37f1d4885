"""WADO-RS bulk data: one value of a data set by its path, whole or in part."""

from collections.abc import Sequence
from functools import partial

from aiohttp import web

from imaging.archive.corrected_object import opened
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
from imaging.dicomweb.bulk_value import BulkValue, octets, parse_path, value_at
from imaging.dicomweb.multipart import closing, part_head
from imaging.dicomweb.negotiate import OCTETS, MediaRange, choose
from imaging.dicomweb.ranges import asked_range, outside, part_of
from imaging.dicomweb.resources import INSTANCE
from imaging.pixels.frames import FramePlan, stream_length, stream_pieces, walk
from imaging.pixels.pool import Pieces, PixelPool
from imaging.pixels.syntaxes import media_type
from kernel.web import describe, permit


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
        etag = f"{location.content_tag}-{'-'.join(map(str, path))}-{_short(content_type)}"
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
        found: BulkValue,
        wanted: MediaRange,
        content_type: str,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        start, stop, status = 0, found.length, 200
        # Of the value, also where it leaves as a part: clients mean the value.
        asked = asked_range(request, headers["ETag"].strip('"'), stop)
        headers["Accept-Ranges"] = "bytes"
        if asked is not None:
            start, stop = asked
            if start >= stop:
                return outside(found.length)
            status = 206
            headers |= part_of(asked, found.length)
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
        if not wanted.multipart and plan.count == 1:
            return await self._stream(request, location, plan, part_type, headers)
        if not wanted.multipart and wanted.essence != "*/*":
            body = self._pool.read_pieces(self._streams(location, plan, "", part_type))
            return await stream(request, body, part_type, headers)
        boundary = new_boundary()
        body = self._pool.read_pieces(self._streams(location, plan, boundary, part_type))
        return await stream(request, body, multipart_type(content_type, boundary), headers)

    async def _stream(
        self,
        request: web.Request,
        location: InstanceLocation,
        plan: FramePlan,
        content_type: str,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        """Answer the only code stream of an object, a video perhaps, or a range of it."""
        size = stream_length(plan, 0)
        asked = asked_range(request, headers["ETag"].strip('"'), size)
        headers["Accept-Ranges"] = "bytes"
        start, stop, status = 0, size, 200
        if asked is not None:
            start, stop = asked
            if start >= stop:
                return outside(size)
            status = 206
            headers |= part_of(asked, size)
        body = self._pool.read_pieces(self._piece(location, plan, start, stop))
        length = stop - start
        return await stream(request, body, content_type, headers, length=length, status=status)

    def _piece(self, location: InstanceLocation, plan: FramePlan, start: int, stop: int) -> Pieces:
        with opened(self._objects, location.object_key, location.correction) as source:
            yield from stream_pieces(source, plan, 0, start, stop)

    def _find(self, location: InstanceLocation, path: Sequence[int]) -> BulkValue:
        with opened(self._objects, location.object_key, location.correction) as source:
            return value_at(walk(source), path)

    def _read(self, location: InstanceLocation, found: BulkValue, start: int, stop: int) -> Pieces:
        with opened(self._objects, location.object_key, location.correction) as source:
            yield from octets(walk(source), found, start, stop)

    def _streams(
        self, location: InstanceLocation, plan: FramePlan, boundary: str, part_type: str
    ) -> Pieces:
        with opened(self._objects, location.object_key, location.correction) as source:
            for index in range(plan.count):
                if boundary:
                    yield part_head(boundary, part_type, first=index == 0)
                yield from stream_pieces(source, plan, index)
        if boundary:
            yield closing(boundary)


def _framed(boundary: str, content_type: str, body: Pieces) -> Pieces:
    yield part_head(boundary, content_type, first=True)
    yield from body
    yield closing(boundary)


def _short(content_type: str) -> str:
    return content_type.partition("/")[2]
