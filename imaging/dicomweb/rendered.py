"""WADO-RS rendered: pictures anybody can look at, and documents as they are (PS3.18 8.7.4)."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Final

from aiohttp import web

from imaging.archive.model import InstanceLocation, StudyMissing
from imaging.archive.objects import ObjectStore
from imaging.dicomweb import locate
from imaging.dicomweb.admission import Admission
from imaging.dicomweb.answers import (
    SETTLED,
    accepts,
    answered,
    caching,
    multipart_type,
    new_boundary,
    not_modified,
    one_part,
    stream,
    unchanged,
    whole,
)
from imaging.dicomweb.documents import PDF, document_of
from imaging.dicomweb.multipart import closing, part_head
from imaging.dicomweb.negotiate import MediaRange, NotAcceptable, choose
from imaging.dicomweb.rendering import parse_wish
from imaging.dicomweb.resources import INSTANCE, SERIES, STUDY, address, parse_frames
from imaging.pixels.display import representative_frame
from imaging.pixels.frames import FramePlans, check_frames, plan_of, walk
from imaging.pixels.pool import Pieces, PixelPool
from imaging.pixels.render import JPEG, PNG, Wish, draw
from kernel.errors import PlatformError
from kernel.web import describe, permit

_IMAGES: Final = (JPEG, PNG)
_SEVERAL_MAX: Final = 500
_PIECE_BYTES: Final = 1 << 20
_PDF_HEADERS: Final = {
    # A viewer of the browser's own, which a sandbox would keep from starting; no script of ours.
    "Content-Security-Policy": "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "inline",
}


class RenderedDoor:
    """Pictures and documents."""

    def __init__(
        self, admission: Admission, objects: ObjectStore, pool: PixelPool, plans: FramePlans
    ) -> None:
        """Draw what *admission* lets out of *objects* in *pool*."""
        self._database = admission.database
        self._objects = objects
        self._pool = pool
        self._plans = plans
        self._admission = admission

    def routes(self) -> list[web.RouteDef]:
        """Return the four routes."""
        return [
            web.get(f"{STUDY}/rendered", self.many, allow_head=False),
            web.get(f"{SERIES}/rendered", self.many, allow_head=False),
            web.get(f"{INSTANCE}/rendered", self.instance, allow_head=False),
            web.get(f"{INSTANCE}/frames/{{frames}}/rendered", self.frames, allow_head=False),
        ]

    @describe("Pictures of a study or series: one that stands for all, or all as parts")
    @permit()
    @answered
    async def many(self, request: web.Request) -> web.StreamResponse:
        """Answer the middle picture by itself, or one of each object as multipart."""
        ranges = accepts(request)
        media, wanted = choose(ranges, _IMAGES)
        wish = parse_wish(request.query, media)
        _, shelf = await self._admission.shelf(request)
        if not wanted.multipart:
            found = await self._database.read(partial(locate.representative, shelf=shelf))
            if found is None:
                raise StudyMissing
            return await self._picture(request, found, None, wish, wanted)
        listed = await self._database.read(partial(locate.instances, shelf=shelf))
        pictures = [each for each in listed if each.number_of_frames][:_SEVERAL_MAX]
        if not pictures:
            raise NotAcceptable("nothing in it is an image")
        boundary = new_boundary()
        body = self._pool.worked_pieces(self._pictures(pictures, wish, boundary))
        headers = {"Cache-Control": "private, no-store"}
        return await stream(request, body, multipart_type(media, boundary), headers)

    @describe("A picture of an instance, or the document it encapsulates")
    @permit()
    @answered
    async def instance(self, request: web.Request) -> web.StreamResponse:
        """Answer the frame that stands for the instance; PDF as it is."""
        ranges = accepts(request)
        _, location = await self._admission.instance(request)
        if not location.number_of_frames:
            choose(ranges, (PDF,))
            return await self._document(request, location)
        media, wanted = choose(ranges, _IMAGES)
        wish = parse_wish(request.query, media)
        return await self._picture(request, location, None, wish, wanted)

    @describe("Pictures of frames, by number from 1")
    @permit()
    @answered
    async def frames(self, request: web.Request) -> web.StreamResponse:
        """Answer one picture by itself or as a part, several as parts."""
        numbers = parse_frames(request.match_info["frames"])
        media, wanted = choose(accepts(request), _IMAGES)
        wish = parse_wish(request.query, media)
        _, location = await self._admission.instance(request)
        if len(numbers) == 1:
            return await self._picture(request, location, numbers[0], wish, wanted)
        if not (wanted.multipart or "*" in wanted.essence):
            raise NotAcceptable("several pictures come only as multipart/related")
        await self._pool.read(partial(self._check, location, numbers))
        boundary = new_boundary()
        body = self._pool.worked_pieces(self._of_frames(location, numbers, wish, boundary))
        headers = {"Cache-Control": "private, no-store"}
        return await stream(request, body, multipart_type(media, boundary), headers)

    async def _picture(
        self,
        request: web.Request,
        location: InstanceLocation,
        number: int | None,
        wish: Wish,
        wanted: MediaRange,
    ) -> web.StreamResponse:
        told = hashlib.sha256(repr((wish, number, wanted.multipart)).encode()).hexdigest()[:16]
        etag = f"{location.object_key[6:]}-{told}"
        headers = caching(etag, SETTLED)
        if unchanged(request, etag):
            return not_modified(headers)
        body = await self._pool.work(partial(self._drawn, location, number, wish))
        answer = one_part if wanted.multipart else whole
        return answer(body, wish.media, headers)

    def _drawn(self, location: InstanceLocation, number: int | None, wish: Wish) -> bytes:
        with self._objects.open(location.object_key) as source:
            walked = walk(source)
            plan = self._plans.known(location.object_key) or plan_of(walked)
            if number is None:
                number = representative_frame(walked, plan.count) + 1
            check_frames(plan, (number,))
            return draw(walked, plan, number - 1, wish, decoder=self._pool.decoder)

    def _check(self, location: InstanceLocation, numbers: Sequence[int]) -> None:
        with self._objects.open(location.object_key) as source:
            check_frames(self._plans.plan(location.object_key, source), numbers)

    def _pictures(self, locations: Sequence[InstanceLocation], wish: Wish, boundary: str) -> Pieces:
        first = True
        for each in locations:
            where = address(
                each.study_instance_uid, each.series_instance_uid, each.sop_instance_uid
            )
            try:
                body = self._drawn(each, None, wish)
            except PlatformError:
                # One damaged image among many: the others are still worth seeing.
                continue
            yield part_head(boundary, wish.media, f"{where}/rendered", first=first) + body
            first = False
        yield closing(boundary)

    def _of_frames(
        self, location: InstanceLocation, numbers: Sequence[int], wish: Wish, boundary: str
    ) -> Pieces:
        for index, number in enumerate(numbers):
            body = self._drawn(location, number, wish)
            yield part_head(boundary, wish.media, first=index == 0) + body
        yield closing(boundary)

    async def _document(
        self, request: web.Request, location: InstanceLocation
    ) -> web.StreamResponse:
        etag = f"{location.object_key[6:]}-pdf"
        headers = caching(etag, SETTLED) | _PDF_HEADERS
        if unchanged(request, etag):
            return not_modified(headers)
        start, length = await self._pool.read(partial(self._find_document, location))
        body = self._pool.read_pieces(self._bytes(location, start, length))
        return await stream(request, body, PDF, headers, length=length)

    def _find_document(self, location: InstanceLocation) -> tuple[int, int]:
        with self._objects.open(location.object_key) as source:
            return document_of(walk(source))

    def _bytes(self, location: InstanceLocation, start: int, length: int) -> Pieces:
        with self._objects.open(location.object_key) as opened:
            # Of a deflated object the document lies in what it inflates to.
            source = walk(opened).source
            for at in range(start, start + length, _PIECE_BYTES):
                yield source.read(at, min(_PIECE_BYTES, start + length - at))
