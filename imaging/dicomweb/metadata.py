"""WADO-RS metadata: what was made when the instances were filed, sent as it lies.

No object is opened. A series leaves with the very bytes kept for it, unless the client takes no
gzip.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa
from aiohttp import web

from imaging.archive import series_metadata
from imaging.archive.model import StudyMissing
from imaging.archive.series_metadata import SeriesMetadata, instance_json
from imaging.dicomweb import locate, native_xml
from imaging.dicomweb.admission import Admission
from imaging.dicomweb.answers import (
    FRESH,
    answered,
    caching,
    dataset_form,
    multipart_type,
    new_boundary,
    not_modified,
    stream,
    unchanged,
)
from imaging.dicomweb.compression import ALL, Compressor, Encoding, compressed, encoding_for
from imaging.dicomweb.locate import Shelf
from imaging.dicomweb.negotiate import XML
from imaging.dicomweb.resources import INSTANCE, SERIES, STUDY
from imaging.pixels.pool import Pieces, PixelPool
from kernel.web import describe, permit


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
        media = dataset_form(request)
        _, shelf = await self._admission.shelf(request)
        parts = [
            await self._made(row)
            for row in await self._database.read(partial(locate.series_rows, shelf=shelf))
        ]
        if media == XML:
            return await self._xml(request, (part.plain() for part in parts))
        whole = hashlib.sha256("".join(part.etag for part in parts).encode()).hexdigest()[:32]
        etag, encoding = _form_of(whole, request)
        headers = _headers(etag, encoding)
        if unchanged(request, etag):
            return not_modified(headers)
        pieces = self._pool.worked_pieces(_array(parts, encoding))
        return await stream(request, pieces, media, headers)

    @describe("The data sets of a series without bulk values, as DICOM JSON")
    @permit()
    @answered
    async def series(self, request: web.Request) -> web.StreamResponse:
        """Answer what is kept for the series."""
        media = dataset_form(request)
        _, shelf = await self._admission.shelf(request)
        made = await self._made(_series_row(shelf))
        if media == XML:
            return await self._xml(request, iter((made.plain(),)))
        # What is kept leaves as it lies to all who take it so.
        etag, encoding = _form_of(made.etag, request, (Encoding.GZIP, Encoding.BROTLI))
        headers = _headers(etag, encoding)
        if unchanged(request, etag):
            return not_modified(headers)
        body = made.gzip
        if encoding is not Encoding.GZIP:
            body = await self._pool.work(lambda: compressed(made.plain(), encoding))
        return web.Response(body=body, headers={**headers, "Content-Type": media})

    @describe("The data set of an instance without bulk values, as DICOM JSON")
    @permit()
    @answered
    async def instance(self, request: web.Request) -> web.StreamResponse:
        """Answer one data set, in an array of one."""
        media = dataset_form(request)
        resource, location = await self._admission.instance(request)
        correction = location.correction
        digest = f"{location.dataset_digest[:24]}-{location.pixels_digest[:8]}"
        if correction is not None:
            digest += f"-c{correction.at.timestamp():.6f}"
        etag, encoding = _form_of(digest, request)
        headers = _headers(etag, encoding)
        if unchanged(request, etag):
            return not_modified(headers)
        kept = await self._database.read(partial(locate.instance_metadata, resource=resource))
        if kept is None:
            raise StudyMissing
        body = instance_json(kept)
        if correction is not None:
            body = series_metadata.as_corrected(body, correction)
        body = b"[" + body + b"]"
        if media == XML:
            return await self._xml(request, iter((body,)))
        body = compressed(body, encoding)
        return web.Response(body=body, headers={**headers, "Content-Type": media})

    async def _xml(self, request: web.Request, arrays: Iterator[bytes]) -> web.StreamResponse:
        """Answer the data sets in *arrays* of JSON, a document each."""
        boundary = new_boundary()
        body = self._pool.worked_pieces(_documents(arrays, boundary))
        headers = {"Cache-Control": "private, no-store"}
        return await stream(request, body, multipart_type(XML, boundary), headers)

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


def _form_of(
    etag: str, request: web.Request, offers: Sequence[Encoding] = ALL
) -> tuple[str, Encoding]:
    """Return the entity tag of the form this client gets, and its encoding."""
    encoding = encoding_for(request.headers.get("Accept-Encoding", ""), offers)
    return (etag if encoding is Encoding.PLAIN else f"{etag}-{encoding}"), encoding


def _headers(etag: str, encoding: Encoding) -> dict[str, str]:
    headers = caching(etag, FRESH)
    if encoding is not Encoding.PLAIN:
        headers["Content-Encoding"] = encoding.value
    return headers


def _array(parts: list[SeriesMetadata], encoding: Encoding) -> Pieces:
    """Yield the arrays in *parts* as one array."""
    machine = Compressor(encoding)
    for piece in _joined(parts):
        if out := machine.compress(piece):
            yield out
    if out := machine.finish():
        yield out


def _documents(arrays: Iterator[bytes], boundary: str) -> Pieces:
    read = msgspec.json.Decoder(list[dict[str, Any]]).decode
    yield from native_xml.parts((each for array in arrays for each in read(array)), boundary)


def _joined(parts: list[SeriesMetadata]) -> Pieces:
    yield b"["
    begun = False
    for part in parts:
        inner = part.plain()[1:-1]
        if inner:
            yield b"," + inner if begun else inner
            begun = True
    yield b"]"
