"""All bulk values, or only the pixels, of a study, a series or an instance (PS3.18 10.4.1)."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from aiohttp import web

from imaging.archive.corrected_object import opened
from imaging.archive.model import InstanceLocation, StudyMissing
from imaging.archive.objects import ObjectStore
from imaging.dicomweb import locate
from imaging.dicomweb.admission import Admission
from imaging.dicomweb.answers import accepts, answered, multipart_type, new_boundary, stream
from imaging.dicomweb.bulk_value import BulkdataMissing, octets, value_at
from imaging.dicomweb.choice import frame_form
from imaging.dicomweb.dicom_json import bulk_paths
from imaging.dicomweb.multipart import closing, part_head
from imaging.dicomweb.negotiate import OCTETS, MediaRange, NotAcceptable
from imaging.dicomweb.resources import INSTANCE, SERIES, STUDY, address
from imaging.pixels.encode import CannotMake
from imaging.pixels.frames import FramePlan, stream_pieces, walk
from imaging.pixels.pool import Pieces, PixelPool
from imaging.pixels.transcode import frame_in
from kernel.dicom.codecs import DecodeFailed
from kernel.dicom.elements import PIXEL_TAGS, Scan
from kernel.dicom.part10 import EXPLICIT_LE
from kernel.errors import PlatformError, TooLarge
from kernel.web import describe, permit

_SEVERAL: Final = 2
"""Frames leave as parts, however many there are."""


class BulkLevelsDoor:
    """Everything metadata leaves out, one part a value."""

    def __init__(self, admission: Admission, objects: ObjectStore, pool: PixelPool) -> None:
        """Answer what *admission* lets out of *objects*, reading in *pool*."""
        self._database = admission.database
        self._objects = objects
        self._pool = pool
        self._admission = admission

    def routes(self) -> list[web.RouteDef]:
        """Return the six routes."""
        return [
            web.get(f"{resource}/{name}", handler, allow_head=False)
            for name, handler in (("bulkdata", self.bulkdata), ("pixeldata", self.pixeldata))
            for resource in (STUDY, SERIES, INSTANCE)
        ]

    @describe("All bulk values of what is named")
    @permit()
    @answered
    async def bulkdata(self, request: web.Request) -> web.StreamResponse:
        """Answer each value as octets in little endian, each frame of code streams by itself."""
        return await self._tell(request, only_pixels=False)

    @describe("The pixels of what is named")
    @permit()
    @answered
    async def pixeldata(self, request: web.Request) -> web.StreamResponse:
        """Answer pixels as ``bulkdata`` does, and no other values."""
        return await self._tell(request, only_pixels=True)

    async def _tell(self, request: web.Request, *, only_pixels: bool) -> web.StreamResponse:
        ranges = accepts(request)
        if not any(
            each.covers(OCTETS) and (each.multipart or "*" in each.essence) for each in ranges
        ):
            raise NotAcceptable(f'this resource comes as multipart/related; type="{OCTETS}"')
        locations = await self._locations(request)
        boundary = new_boundary()
        pieces = self._parts(locations, ranges, boundary, only_pixels=only_pixels)
        # The first part is begun before anything leaves, so that nothing at all is answered 404.
        await self._pool.work(partial(next, pieces))
        headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
        body = self._pool.worked_pieces(pieces)
        return await stream(request, body, multipart_type(OCTETS, boundary), headers)

    async def _locations(self, request: web.Request) -> Sequence[InstanceLocation]:
        if "instance" in request.match_info:
            return [(await self._admission.instance(request))[1]]
        _, shelf = await self._admission.shelf(request)
        found = await self._database.read(partial(locate.instances, shelf=shelf))
        if not found:
            raise StudyMissing
        return found

    def _parts(
        self,
        locations: Sequence[InstanceLocation],
        ranges: Sequence[MediaRange],
        boundary: str,
        *,
        only_pixels: bool,
    ) -> Pieces:
        begun = False
        for location in locations:
            with opened(self._objects, location.object_key, location.correction) as source:
                try:
                    walked = walk(source)
                except PlatformError:
                    # One damaged object among many: the others are still whole.
                    if len(locations) == 1:
                        raise
                    continue
                for content_type, where, body in self._values(
                    walked, location, ranges, only_pixels=only_pixels
                ):
                    if not begun:
                        yield b""
                    yield part_head(boundary, content_type, where, first=not begun)
                    begun = True
                    yield from body
        if not begun:
            raise BulkdataMissing("nothing of it is kept apart from its metadata")
        yield closing(boundary)

    def _values(
        self,
        walked: Scan,
        location: InstanceLocation,
        ranges: Sequence[MediaRange],
        *,
        only_pixels: bool,
    ) -> Iterator[tuple[str, str, Iterator[bytes]]]:
        """Yield content type, address and bytes of each value."""
        base = address(
            location.study_instance_uid, location.series_instance_uid, location.sop_instance_uid
        )
        for path in bulk_paths(walked):
            if only_pixels and (len(path) > 1 or path[0] not in PIXEL_TAGS):
                continue
            try:
                found = value_at(walked, path)
            except PlatformError:
                # Encapsulated data that no frames can be told of: the object itself has it.
                continue
            if found.plan is None:
                kind = f"{OCTETS}; transfer-syntax={EXPLICIT_LE}"
                body = octets(walked, found, 0, found.length)
                yield kind, f"{base}/bulkdata/{_text(path)}", body
                continue
            for index in range(found.plan.count):
                yield self._frame(walked, found.plan, index, ranges, base)

    def _frame(
        self, walked: Scan, plan: FramePlan, index: int, ranges: Sequence[MediaRange], base: str
    ) -> tuple[str, str, Iterator[bytes]]:
        """Return a frame as *ranges* take it, else, as one of many, as it is stored."""
        where = f"{base}/frames/{index + 1}"
        try:
            form = frame_form(ranges, plan.transfer_syntax_uid, frames=_SEVERAL)
            if not form.stored:
                syntax, decoder = form.transfer_syntax_uid, self._pool.decoder
                made = frame_in(walked.source, plan, index, syntax, decoder)
                return form.content_type, where, iter((made,))
        except (CannotMake, DecodeFailed, NotAcceptable, TooLarge):
            pass
        kind = f"{OCTETS}; transfer-syntax={plan.transfer_syntax_uid}"
        return kind, where, stream_pieces(walked.source, plan, index)


def _text(path: Sequence[int]) -> str:
    return "/".join(f"{part:08X}" if at % 2 == 0 else str(part) for at, part in enumerate(path))
