"""WADO-RS rendered: pictures anybody can look at, and documents as they are (PS3.18 8.7.4)."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from aiohttp import web

from imaging.archive.model import InstanceLocation, StudyMissing
from imaging.dicomweb import locate
from imaging.dicomweb.admission import Admission
from imaging.dicomweb.answers import (
    accepts,
    answered,
    multipart_type,
    new_boundary,
    stream,
)
from imaging.dicomweb.drawing import Drawing
from imaging.dicomweb.multipart import closing, part_head
from imaging.dicomweb.negotiate import NotAcceptable, choose
from imaging.dicomweb.rendering import not_made, parse_wish
from imaging.dicomweb.resources import INSTANCE, SERIES, STUDY, address, parse_frames
from imaging.dicomweb.showing import IMAGES, Showing
from imaging.pixels.pool import Pieces, PixelPool
from imaging.pixels.render import Wish
from kernel.errors import PlatformError
from kernel.web import describe, permit

_SEVERAL_MAX: Final = 500


class RenderedDoor:
    """Pictures and documents."""

    def __init__(
        self, admission: Admission, pool: PixelPool, drawing: Drawing, showing: Showing
    ) -> None:
        """Show what *admission* lets out: one instance by *showing*, several by *drawing*."""
        self._database = admission.database
        self._pool = pool
        self._drawing = drawing
        self._showing = showing
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
        """Answer the middle instance as it is looked at, or a picture of each as multipart."""
        ranges = accepts(request)
        wish_for = partial(parse_wish, request.query)
        headers = {"Cache-Control": "private, no-store", **not_made(request.query)}
        _, shelf = await self._admission.shelf(request)
        if not (ranges and ranges[0].multipart):
            found = await self._database.read(partial(locate.representative, shelf=shelf))
            if found is None:
                raise StudyMissing
            return await self._showing.show(request, found, ranges, wish_for)
        media, _ = choose(ranges, IMAGES)
        wish = wish_for(media)
        listed = await self._database.read(partial(locate.instances, shelf=shelf))
        pictures = [each for each in listed if each.number_of_frames][:_SEVERAL_MAX]
        if not pictures:
            raise NotAcceptable("nothing in it is an image")
        wished = [(each, await self._showing.noted(request, each, wish)) for each in pictures]
        boundary = new_boundary()
        body = self._pool.worked_pieces(self._pictures(wished, boundary))
        return await stream(request, body, multipart_type(media, boundary), headers)

    @describe("An instance as it is looked at: picture, video, report or document")
    @permit()
    @answered
    async def instance(self, request: web.Request) -> web.StreamResponse:
        """Answer the frame that stands for the instance; what is no image as what it is."""
        ranges = accepts(request)
        _, location = await self._admission.instance(request)
        wish_for = partial(parse_wish, request.query)
        return await self._showing.show(request, location, ranges, wish_for)

    @describe("Pictures of frames, by number from 1")
    @permit()
    @answered
    async def frames(self, request: web.Request) -> web.StreamResponse:
        """Answer one picture by itself or as a part, several as parts."""
        numbers = parse_frames(request.match_info["frames"])
        ranges = accepts(request)
        media, wanted = choose(ranges, IMAGES)
        wish = parse_wish(request.query, media)
        _, location = await self._admission.instance(request)
        if len(numbers) == 1:
            wish_for = partial(parse_wish, request.query)
            return await self._showing.show(request, location, ranges, wish_for, numbers[0])
        if not (wanted.multipart or "*" in wanted.essence):
            raise NotAcceptable("several pictures come only as multipart/related")
        await self._pool.read(partial(self._drawing.check, location, numbers))
        wish = await self._showing.noted(request, location, wish)
        boundary = new_boundary()
        body = self._pool.worked_pieces(self._of_frames(location, numbers, wish, boundary))
        headers = {"Cache-Control": "private, no-store", **not_made(request.query)}
        return await stream(request, body, multipart_type(media, boundary), headers)

    def _pictures(self, wished: Sequence[tuple[InstanceLocation, Wish]], boundary: str) -> Pieces:
        first = True
        for each, wish in wished:
            where = address(
                each.study_instance_uid, each.series_instance_uid, each.sop_instance_uid
            )
            try:
                body = self._drawing.picture(each, None, wish)
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
            body = self._drawing.picture(location, number, wish)
            yield part_head(boundary, wish.media, first=index == 0) + body
        yield closing(boundary)
