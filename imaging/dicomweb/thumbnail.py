"""WADO-RS thumbnails: a small picture of anything, of what has none a plain sign (PS3.18 10.9)."""

import threading
from collections import OrderedDict
from functools import partial
from typing import Final

import imagecodecs
from aiohttp import web

from imaging.archive.model import InstanceLocation, StudyMissing
from imaging.dicomweb import locate
from imaging.dicomweb.admission import Admission
from imaging.dicomweb.answers import (
    FRESH,
    SETTLED,
    accepts,
    answered,
    caching,
    not_modified,
    unchanged,
    whole,
)
from imaging.dicomweb.drawing import Drawing
from imaging.dicomweb.icons import MOST_BYTES, SIDE, icon, kind_of
from imaging.dicomweb.negotiate import choose
from imaging.dicomweb.rendering import parse_viewport
from imaging.dicomweb.resources import INSTANCE, SERIES, STUDY, parse_frames
from imaging.pixels.frames import NoFrames
from imaging.pixels.pool import PixelPool
from imaging.pixels.render import JPEG, PNG, Viewport, Wish, encoded_within
from kernel.dicom.codecs import DecodeFailed
from kernel.dicom.part10 import BrokenDataset
from kernel.errors import TooLarge, Unsupported
from kernel.web import describe, permit

KEPT_BYTES: Final = 8 << 20
_SIDE_MAX: Final = 512
_CANNOT_DRAW: Final = (BrokenDataset, DecodeFailed, NoFrames, TooLarge, Unsupported)


class ThumbnailDoor:
    """Small JPEGs, the latest of them kept in memory."""

    def __init__(self, admission: Admission, pool: PixelPool, drawing: Drawing) -> None:
        """Draw what *admission* lets out by *drawing* in *pool*."""
        self._database = admission.database
        self._pool = pool
        self._drawing = drawing
        self._admission = admission
        self._kept = _Kept(KEPT_BYTES)

    def routes(self) -> list[web.RouteDef]:
        """Return the four routes."""
        return [
            web.get(f"{STUDY}/thumbnail", self.many, allow_head=False),
            web.get(f"{SERIES}/thumbnail", self.many, allow_head=False),
            web.get(f"{INSTANCE}/thumbnail", self.instance, allow_head=False),
            web.get(f"{INSTANCE}/frames/{{frames}}/thumbnail", self.frame, allow_head=False),
        ]

    @describe("A small picture that stands for a study or series")
    @permit()
    @answered
    async def many(self, request: web.Request) -> web.StreamResponse:
        """Answer the middle image of the series, or of the study's largest."""
        _, shelf = await self._admission.shelf(request)
        found = await self._database.read(partial(locate.representative, shelf=shelf))
        if found is None:
            raise StudyMissing
        # Another image may stand for it tomorrow.
        return await self._answer(request, found, None, FRESH)

    @describe("A small picture of an instance")
    @permit()
    @answered
    async def instance(self, request: web.Request) -> web.StreamResponse:
        """Answer the frame that stands for the instance."""
        _, location = await self._admission.instance(request)
        return await self._answer(request, location, None, SETTLED)

    @describe("A small picture of a frame, by number from 1")
    @permit()
    @answered
    async def frame(self, request: web.Request) -> web.StreamResponse:
        """Answer the first of the frames named."""
        numbers = parse_frames(request.match_info["frames"])
        _, location = await self._admission.instance(request)
        return await self._answer(request, location, numbers[0], SETTLED)

    async def _answer(
        self, request: web.Request, location: InstanceLocation, number: int | None, policy: str
    ) -> web.StreamResponse:
        # Viewers ask for thumbnails with the Accept of whatever they asked before: any picture
        # serves them, unless they name one that is not made here.
        choose([each for each in accepts(request) if not each.multipart] or accepts(request), _ANY)
        viewport = _box(request.query.get("viewport", ""))
        key = (location.object_key, number or 0, viewport.width, viewport.height)
        etag = "-".join((key[0][6:], *map(str, key[1:])))
        headers = caching(etag, policy)
        if unchanged(request, etag):
            return not_modified(headers)
        body = self._kept.find(key)
        if body is None:
            try:
                body = await self._pool.work(partial(self._drawn, location, number, viewport))
            except _CANNOT_DRAW:
                body = icon(kind_of(location.sop_class_uid, location.transfer_syntax_uid))
            self._kept.keep(key, body)
        return whole(body, JPEG, headers)

    def _drawn(self, location: InstanceLocation, number: int | None, viewport: Viewport) -> bytes:
        if not location.number_of_frames:
            return icon(kind_of(location.sop_class_uid, location.transfer_syntax_uid))
        wish = Wish(media=JPEG, quality=80, viewport=viewport)
        made = self._drawing.picture(location, number, wish)
        if len(made) > MOST_BYTES:
            made = encoded_within(imagecodecs.jpeg8_decode(made), MOST_BYTES)
        return made


_ANY: Final = (JPEG, PNG, "application/octet-stream")


def _box(text: str) -> Viewport:
    """Return the box of a thumbnail: what is asked for up to 512, else 128 pixels a side."""
    if not text:
        return Viewport(SIDE, SIDE)
    asked = parse_viewport(text)
    return Viewport(min(asked.width, _SIDE_MAX), min(asked.height, _SIDE_MAX))


_Key = tuple[str, int, int, int]


class _Kept:
    """The latest thumbnails, the least used forgotten first."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._bodies: OrderedDict[_Key, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: _Key) -> bytes | None:
        with self._lock:
            found = self._bodies.get(key)
            if found is not None:
                self._bodies.move_to_end(key)
            return found

    def keep(self, key: _Key, body: bytes) -> None:
        with self._lock:
            if key in self._bodies:
                return
            self._bodies[key] = body
            self._bytes += len(body)
            while self._bytes > self._limit_bytes:
                _, dropped = self._bodies.popitem(last=False)
                self._bytes -= len(dropped)
