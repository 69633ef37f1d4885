"""One instance as anybody can look at it: a picture, a video, a report, a document (PS3.18 8.7.4).

What it is shown as follows from what it is; the client chooses among that.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web

from imaging.archive.correction import corrected_json
from imaging.archive.model import InstanceLocation, StudyMissing
from imaging.archive.series_metadata import instance_json
from imaging.dicomweb import locate
from imaging.dicomweb.annotation import lines_of, parse_notes
from imaging.dicomweb.answers import (
    FRESH,
    SETTLED,
    caching,
    not_modified,
    one_part,
    stream,
    unchanged,
    whole,
)
from imaging.dicomweb.documents import PDF, document_of
from imaging.dicomweb.drawing import Drawing
from imaging.dicomweb.negotiate import MediaRange, NotAcceptable, choose
from imaging.dicomweb.ranges import asked_range, outside, part_of
from imaging.dicomweb.rendering import not_made
from imaging.dicomweb.report_text import HTML, PLAIN, as_html, as_text
from imaging.dicomweb.resources import Resource
from imaging.pixels.frames import FramePlan, stream_length, stream_pieces, walk
from imaging.pixels.pool import Pieces, PixelPool
from imaging.pixels.render import GIF, JPEG, PNG, Wish
from imaging.pixels.syntaxes import media_type
from kernel.identifiers import Uid
from kernel.sql.db import Database

IMAGES: Final = (JPEG, PNG, GIF)
WishFor = Callable[[str], Wish]
"""Gives what is wished of a picture of the media type that was chosen."""

_PIECE_BYTES: Final = 1 << 20
_DOCUMENTS: Final = "1.2.840.10008.5.1.4.1.1.104."
_REPORTS: Final = "1.2.840.10008.5.1.4.1.1.88."
_PDF_HEADERS: Final = {
    # A viewer of the browser's own, which a sandbox would keep from starting; no script of ours.
    "Content-Security-Policy": "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "inline",
}
_PAGE_HEADERS: Final = {
    # Text of a device inside markup of ours: nothing in it runs, loads or leads anywhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; "
    "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
}


class Showing:
    """Shows instances that somebody else has let out."""

    def __init__(self, database: Database, pool: PixelPool, drawing: Drawing) -> None:
        """Draw with *drawing* in *pool*; reports are made of what *database* keeps of them."""
        self._database = database
        self._pool = pool
        self._drawing = drawing

    async def show(
        self,
        request: web.Request,
        location: InstanceLocation,
        ranges: Sequence[MediaRange],
        wish_for: WishFor,
        number: int | None = None,
    ) -> web.StreamResponse:
        """Answer *location* in the form that *ranges* like best; of frame *number* a picture.

        Raises:
            NotAcceptable: it has no form the client takes.
        """
        offers = shown_as(location)
        if not offers:
            raise NotAcceptable("there is no picture of this object")
        media, wanted = choose(ranges, offers)
        if media in IMAGES:
            return await self.picture(request, location, number, wish_for(media), wanted)
        if number is not None:
            raise NotAcceptable(f"its frames cannot be drawn; the whole comes as {media}")
        if media == PDF:
            return await self._document(request, location)
        if media in (HTML, PLAIN):
            return await self._report(request, location, media)
        return await self._video(request, location, media)

    async def picture(
        self,
        request: web.Request,
        location: InstanceLocation,
        number: int | None,
        wish: Wish,
        wanted: MediaRange,
    ) -> web.StreamResponse:
        """Answer the picture of a frame, by itself or as the only part of a multipart."""
        more = not_made(request.query)
        wish = await self.noted(request, location, wish)
        told = hashlib.sha256(repr((wish, number, wanted.multipart)).encode()).hexdigest()[:16]
        # A name in it may be mended later; cells never are.
        policy = FRESH if wish.notes else SETTLED
        headers = caching(f"{location.content_tag}-{told}", policy) | more
        if unchanged(request, headers["ETag"].strip('"')):
            return not_modified(headers)
        body = await self._pool.work(partial(self._drawing.picture, location, number, wish))
        answer = one_part if wanted.multipart else whole
        return answer(body, wish.media, headers)

    async def noted(self, request: web.Request, location: InstanceLocation, wish: Wish) -> Wish:
        """Return *wish* with what *request* wants burnt into a picture of *location*.

        Raises:
            BadRendering: ``annotation`` names what there is none of.
        """
        notes = parse_notes(request.query.get("annotation", ""))
        if not notes:
            return wish
        return replace(wish, notes=lines_of(await self._dataset(location), notes))

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
        with self._drawing.objects.open(location.object_key) as source:
            return document_of(walk(source))

    def _bytes(self, location: InstanceLocation, start: int, length: int) -> Pieces:
        with self._drawing.objects.open(location.object_key) as opened:
            # Of a deflated object the document lies in what it inflates to.
            source = walk(opened).source
            for at in range(start, start + length, _PIECE_BYTES):
                yield source.read(at, min(_PIECE_BYTES, start + length - at))

    async def _video(
        self, request: web.Request, location: InstanceLocation, media: str
    ) -> web.StreamResponse:
        """Answer the stream as it is stored, without the fragments it lies in."""
        etag = f"{location.object_key[6:]}-video"
        headers = caching(etag, SETTLED) | {"X-Content-Type-Options": "nosniff"}
        if unchanged(request, etag):
            return not_modified(headers)
        plan = await self._pool.read(partial(self._plan, location))
        size = stream_length(plan, 0)
        headers["Accept-Ranges"] = "bytes"
        # Browsers wind a video forward by asking for its ranges.
        asked = asked_range(request, etag, size)
        start, stop = asked or (0, size)
        if asked is not None:
            if start >= stop:
                return outside(size)
            headers |= part_of(asked, size)
        body = self._pool.read_pieces(self._video_pieces(location, plan, start, stop))
        status, length = 200 if asked is None else 206, stop - start
        return await stream(request, body, media, headers, length=length, status=status)

    def _plan(self, location: InstanceLocation) -> FramePlan:
        with self._drawing.objects.open(location.object_key) as source:
            return self._drawing.plans.plan(location.object_key, source)

    def _video_pieces(
        self, location: InstanceLocation, plan: FramePlan, start: int, stop: int
    ) -> Pieces:
        with self._drawing.objects.open(location.object_key) as source:
            yield from stream_pieces(source, plan, 0, start, stop)

    async def _report(
        self, request: web.Request, location: InstanceLocation, media: str
    ) -> web.StreamResponse:
        made = as_html if media == HTML else as_text
        dataset = await self._dataset(location)
        body = await self._pool.work(lambda: made(dataset))
        etag = hashlib.sha256(body).hexdigest()[:32]
        headers = caching(etag, FRESH) | _PAGE_HEADERS
        if unchanged(request, etag):
            return not_modified(headers)
        return whole(body, f"{media}; charset=utf-8", headers)

    async def _dataset(self, location: InstanceLocation) -> dict[str, Any]:
        """Return the object's metadata as DICOM JSON."""
        uids = (
            location.study_instance_uid,
            location.series_instance_uid,
            location.sop_instance_uid,
        )
        resource = Resource(*map(Uid, uids))
        kept = await self._database.read(partial(locate.instance_metadata, resource=resource))
        if kept is None:
            raise StudyMissing

        def read(packed: bytes) -> dict[str, Any]:
            told = msgspec.json.decode(instance_json(packed), type=dict[str, Any])
            correction = location.correction
            return told if correction is None else corrected_json(correction, told)

        return await self._pool.work(partial(read, kept))


def shown_as(location: InstanceLocation) -> tuple[str, ...]:
    """Return the media types an instance is shown as, the default first; none for what has none.

    A segmentation is an image of its own. A presentation state shows nothing by itself.
    """
    media = media_type(location.transfer_syntax_uid)
    if location.number_of_frames:
        return (media,) if media.startswith("video/") else IMAGES
    if location.sop_class_uid.startswith(_REPORTS):
        return (HTML, PLAIN)
    return (PDF,) if location.sop_class_uid.startswith(_DOCUMENTS) else ()
