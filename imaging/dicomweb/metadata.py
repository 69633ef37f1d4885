"""WADO-RS metadata: what was made when the instances were filed, sent as it lies.

No object is opened. A series leaves with the very bytes kept for it, unless the client takes no
gzip.
"""

import gzip
import hashlib
import zlib
from functools import partial
from typing import Final

import sqlalchemy as sa
from aiohttp import web

from imaging.archive import series_metadata
from imaging.archive.model import StudyMissing
from imaging.archive.series_metadata import SeriesMetadata, instance_json
from imaging.dicomweb import locate
from imaging.dicomweb.admission import Admission
from imaging.dicomweb.answers import (
    FRESH,
    answered,
    caching,
    json_form,
    not_modified,
    stream,
    unchanged,
)
from imaging.dicomweb.locate import Shelf
from imaging.dicomweb.resources import INSTANCE, SERIES, STUDY
from imaging.pixels.pool import Pieces, PixelPool
from kernel.web import describe, permit

_LEVEL: Final = 4


class MetadataDoor:
    """Metadata of studies, series and instances."""

    def __init__(self, admission: Admission, pool: PixelPool) -> None:
        """Answer what *admission* lets out; what must be put together is so in *pool*."""
        self._database = admission.database
        self._pool = pool
        self._admission = admission

    def routes(self) -> list[web.RouteDef]:
        """Return the three routes."""
        return [
            web.get(f"{STUDY}/metadata", self.study, allow_head=False),
            web.get(f"{SERIES}/metadata", self.series, allow_head=False),
            web.get(f"{INSTANCE}/metadata", self.instance, allow_head=False),
        ]

    @describe("The data sets of a study without bulk values, as DICOM JSON")
    @permit()
    @answered
    async def study(self, request: web.Request) -> web.StreamResponse:
        """Answer all series of a study as one array."""
        media = json_form(request)
        _, shelf = await self._admission.shelf(request)
        parts = [
            await self._made(row)
            for row in await self._database.read(partial(locate.series_rows, shelf=shelf))
        ]
        whole = hashlib.sha256("".join(part.etag for part in parts).encode()).hexdigest()[:32]
        etag, compressed = _form_of(whole, request)
        headers = _headers(etag, compressed=compressed)
        if unchanged(request, etag):
            return not_modified(headers)
        pieces = self._pool.worked_pieces(_array(parts, compressed=compressed))
        return await stream(request, pieces, media, headers)

    @describe("The data sets of a series without bulk values, as DICOM JSON")
    @permit()
    @answered
    async def series(self, request: web.Request) -> web.StreamResponse:
        """Answer what is kept for the series."""
        media = json_form(request)
        _, shelf = await self._admission.shelf(request)
        made = await self._made(_series_row(shelf))
        etag, compressed = _form_of(made.etag, request)
        headers = _headers(etag, compressed=compressed)
        if unchanged(request, etag):
            return not_modified(headers)
        body = made.gzip if compressed else await self._pool.work(made.plain)
        return web.Response(body=body, headers={**headers, "Content-Type": media})

    @describe("The data set of an instance without bulk values, as DICOM JSON")
    @permit()
    @answered
    async def instance(self, request: web.Request) -> web.StreamResponse:
        """Answer one data set, in an array of one."""
        media = json_form(request)
        resource, location = await self._admission.instance(request)
        digest = f"{location.dataset_digest[:24]}-{location.pixels_digest[:8]}"
        etag, compressed = _form_of(digest, request)
        headers = _headers(etag, compressed=compressed)
        if unchanged(request, etag):
            return not_modified(headers)
        kept = await self._database.read(partial(locate.instance_metadata, resource=resource))
        if kept is None:
            raise StudyMissing
        body = b"[" + instance_json(kept) + b"]"
        if compressed:
            body = gzip.compress(body, _LEVEL, mtime=0)
        return web.Response(body=body, headers={**headers, "Content-Type": media})

    async def _made(self, series_row: int) -> SeriesMetadata:
        """Return what is kept for the series, made and kept first where it is not."""

        def kept_or_made(conn: sa.Connection) -> tuple[SeriesMetadata, bool]:
            found = series_metadata.kept(conn, series_row)
            if found is not None:
                return found, True
            return series_metadata.make(conn, series_row), False

        made, was_kept = await self._database.read(kept_or_made)
        if not was_kept:
            await self._database.write(
                partial(series_metadata.keep, series_row=series_row, made=made)
            )
        return made


def _series_row(shelf: Shelf) -> int:
    if shelf.series_row is None:
        raise ValueError("not a series")
    return shelf.series_row


def _form_of(etag: str, request: web.Request) -> tuple[str, bool]:
    """Return the entity tag of the form this client gets, and whether that is compressed."""
    given = request.headers.get("Accept-Encoding", "").lower()
    offers = [each.strip().replace(" ", "") for each in given.split(",")]
    takes = any(each in {"gzip", "*"} or each.startswith("gzip;q=") for each in offers)
    refuses = any(each in {"gzip;q=0", "gzip;q=0.0"} for each in offers)
    compressed = takes and not refuses
    return f"{etag}-gz" if compressed else etag, compressed


def _headers(etag: str, *, compressed: bool) -> dict[str, str]:
    headers = caching(etag, FRESH)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    return headers


def _array(parts: list[SeriesMetadata], *, compressed: bool) -> Pieces:
    """Yield the arrays in *parts* as one array."""
    if not compressed:
        yield from _joined(parts)
        return
    machine = zlib.compressobj(_LEVEL, wbits=zlib.MAX_WBITS | 16)
    for piece in _joined(parts):
        if out := machine.compress(piece):
            yield out
    yield machine.flush()


def _joined(parts: list[SeriesMetadata]) -> Pieces:
    yield b"["
    begun = False
    for part in parts:
        inner = part.plain()[1:-1]
        if inner:
            yield b"," + inner if begun else inner
            begun = True
    yield b"]"
