"""WADO-RS objects: studies, series and instances as Part 10 files, stored or transcoded."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import web

from imaging.archive.corrected_object import handed_out_bytes, opened
from imaging.archive.model import InstanceLocation, StudyMissing
from imaging.archive.objects import ObjectStore, pieces
from imaging.dicomweb import locate
from imaging.dicomweb.admission import Admission
from imaging.dicomweb.answers import (
    SETTLED,
    accepts,
    answered,
    caching,
    framed_length,
    multipart_type,
    new_boundary,
    not_modified,
    stream,
    unchanged,
)
from imaging.dicomweb.choice import Form, object_form
from imaging.dicomweb.multipart import closing, part_head
from imaging.dicomweb.negotiate import DICOM, MediaRange, NotAcceptable
from imaging.dicomweb.ranges import asked_range, outside, part_of
from imaging.dicomweb.resources import INSTANCE, SERIES, STUDY, address
from imaging.pixels.encode import CannotMake
from imaging.pixels.frames import NoFrames
from imaging.pixels.pool import Pieces, PixelPool
from imaging.pixels.transcode import remake
from kernel.dicom.codecs import DecodeFailed
from kernel.dicom.part10 import BrokenDataset
from kernel.web import describe, permit

# Nothing that comes from outside is ever shown as a page of ours.
_ATTACHMENT = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
_NAMED_MAX: Final = 20
"""UIDs in a warning: a header has its bounds."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One object on its way out."""

    location: InstanceLocation
    form: Form

    @property
    def address(self) -> str:
        where = self.location
        return address(where.study_instance_uid, where.series_instance_uid, where.sop_instance_uid)

    @property
    def as_stored(self) -> "_Part":
        syntax = self.location.transfer_syntax_uid
        form = Form(f"{DICOM}; transfer-syntax={syntax}", syntax, True, self.form.multipart)  # noqa: FBT003
        return _Part(self.location, form)


class WadoDoor:
    """Whole objects."""

    def __init__(self, admission: Admission, objects: ObjectStore, pool: PixelPool) -> None:
        """Answer what *admission* lets out of *objects*, transcoding in *pool*."""
        self._database = admission.database
        self._objects = objects
        self._pool = pool
        self._admission = admission

    def routes(self) -> list[web.RouteDef]:
        """Return the three routes."""
        return [
            web.get(STUDY, self.many, allow_head=False),
            web.get(SERIES, self.many, allow_head=False),
            web.get(INSTANCE, self.instance, allow_head=False),
        ]

    @describe("All objects of a study or series, one part each")
    @permit()
    @answered
    async def many(self, request: web.Request) -> web.StreamResponse:
        """Answer every instance.

        One that cannot be had in the transfer syntax the client named comes as it is stored: its
        part says so, and nothing is missing. What the disk has lost or cut is left out, and status
        206 and a warning say so: the rest must not be kept from a reader for it.
        """
        ranges = accepts(request)
        _, shelf = await self._admission.shelf(request)
        found = await self._database.read(partial(locate.instances, shelf=shelf))
        if not found:
            raise StudyMissing
        lost = await self._pool.read(partial(_lost, self._objects, found))
        # Where nothing is left the first of them says what is wrong.
        left = [each for each in found if each.sop_instance_uid not in lost] or found
        status, warning = (
            (206, _left_out(lost, len(found))) if len(left) < len(found) else (200, {})
        )
        parts = [
            _Part(each, object_form(ranges, each.transfer_syntax_uid, each.native, strict=False))
            for each in left
        ]
        if not parts[0].form.multipart:
            if len(found) > 1:
                raise NotAcceptable("several objects come only as multipart/related")
            return await self._single(request, parts[0], {})
        boundary = new_boundary()
        content_type = multipart_type(DICOM, boundary)
        headers = {"Cache-Control": "private, no-store", **_ATTACHMENT, **warning}
        if all(part.form.stored for part in parts):
            body = self._pool.read_pieces(self._stored_parts(parts, boundary))
            length = _length(boundary, parts)
            return await stream(request, body, content_type, headers, length=length, status=status)
        body = self._pool.worked_pieces(self._made_parts(parts, boundary))
        return await stream(request, body, content_type, headers, status=status)

    @describe("One object as a DICOM file")
    @permit()
    @answered
    async def instance(self, request: web.Request) -> web.StreamResponse:
        """Answer the object as the only part of a multipart, or by itself."""
        _, location = await self._admission.instance(request)
        return await self.one(request, location, accepts(request))

    async def one(
        self, request: web.Request, location: InstanceLocation, ranges: Sequence[MediaRange]
    ) -> web.StreamResponse:
        """Answer the object at *location*, which somebody has let out, as *ranges* take it.

        Raises:
            NotAcceptable: it has no such form.
        """
        stored = location.transfer_syntax_uid
        form = object_form(ranges, stored, location.native, strict=True)
        kind = "m" if form.multipart else "s"
        etag = f"{location.content_tag}-{form.transfer_syntax_uid.rpartition('.')[2]}-{kind}"
        headers = caching(etag, SETTLED)
        if unchanged(request, etag):
            return not_modified(headers)
        part = _Part(location, form)
        if not form.stored or form.multipart:
            return await self._single(request, part, headers)
        size = location.size_bytes
        if location.correction is not None:
            # Known only once it is opened.
            size = await self._pool.read(partial(handed_out_bytes, self._objects, location))
        headers["Accept-Ranges"] = "bytes"
        asked = asked_range(request, etag, size)
        if asked is not None:
            return await self._cut(request, part, headers, asked, size)
        return await self._single(request, part, headers, size)

    async def _cut(  # what is asked, of what, of how much
        self,
        request: web.Request,
        part: _Part,
        headers: dict[str, str],
        asked: tuple[int, int],
        size: int,
    ) -> web.StreamResponse:
        """Answer a part of the file, so that a client goes on where its line was cut."""
        start, stop = asked
        if start >= stop:
            return outside(size)
        named = {
            **headers,
            **_ATTACHMENT,
            "Content-Disposition": _file_name(part.location),
            **part_of(asked, size),
        }
        body = self._pool.read_pieces(self._file(part.location, start, stop))
        kind = part.form.content_type
        return await stream(request, body, kind, named, length=stop - start, status=206)

    async def _single(
        self,
        request: web.Request,
        part: _Part,
        headers: dict[str, str],
        length: int | None = None,
    ) -> web.StreamResponse:
        """Answer the whole object; *length* of its file where it is known already."""
        headers = headers | _ATTACHMENT
        if part.form.stored:
            length = _size(part.location) if length is None else length
            body = self._file(part.location)
        else:
            # Begun before anything leaves, so that what cannot be made is answered as that.
            begin = self._begun if part.form.named else self._made_or_stored
            part, body = await self._pool.work(partial(begin, part))
        take = self._pool.read_pieces if part.form.stored else self._pool.worked_pieces
        if not part.form.multipart:
            named = {**headers, "Content-Disposition": _file_name(part.location)}
            content_type = part.form.content_type
            return await stream(request, take(body), content_type, named, length=length)
        boundary = new_boundary()
        if length is not None:
            length = _length(boundary, [part])
        framed = _framed(boundary, part, body)
        content_type = multipart_type(DICOM, boundary)
        return await stream(request, take(framed), content_type, headers, length=length)

    def _file(self, location: InstanceLocation, start: int = 0, stop: int | None = None) -> Pieces:
        with opened(self._objects, location.object_key, location.correction) as source:
            if location.correction is None and source.size != location.size_bytes:
                raise BrokenDataset("object-damaged", "another size than it was filed with")
            yield from pieces(source, start=start, stop=stop)

    def _begun(self, part: _Part) -> tuple[_Part, Pieces]:
        """Return the pieces of a transcoded object, its first frame already made."""
        made = self._made(part)
        # The generator stands at its first yield, which gives nothing.
        next(made)
        return part, made

    def _made(self, part: _Part) -> Pieces:
        """Yield nothing once the first frame is made, then the object in its new encoding."""
        where = part.location
        with opened(self._objects, where.object_key, where.correction) as source:
            syntax, native = part.form.transfer_syntax_uid, part.location.native
            body = remake(source, syntax, native, decoder=self._pool.decoder)
            yield b""
            yield from body

    def _stored_parts(self, parts: Sequence[_Part], boundary: str) -> Pieces:
        for index, part in enumerate(parts):
            yield part_head(boundary, part.form.content_type, part.address, first=index == 0)
            yield from self._file(part.location)
        yield closing(boundary)

    def _made_parts(self, parts: Sequence[_Part], boundary: str) -> Pieces:
        for index, wanted in enumerate(parts):
            part, body = self._made_or_stored(wanted)
            yield part_head(boundary, part.form.content_type, part.address, first=index == 0)
            yield from body
        yield closing(boundary)

    def _made_or_stored(self, part: _Part) -> tuple[_Part, Pieces]:
        if part.form.stored:
            return part, self._file(part.location)
        try:
            return self._begun(part)
        except (CannotMake, DecodeFailed, NoFrames):
            return part.as_stored, self._file(part.location)


def _lost(objects: ObjectStore, found: Sequence[InstanceLocation]) -> frozenset[str]:
    """Return the UIDs of those of *found* the store has no longer, or not whole; blocks."""
    return frozenset(
        each.sop_instance_uid for each in found if objects.size(each.object_key) != each.size_bytes
    )


def _left_out(lost: Collection[str], total: int) -> dict[str, str]:
    named = ", ".join(sorted(lost)[:_NAMED_MAX])
    more = ", ..." if len(lost) > _NAMED_MAX else ""
    what = f"{len(lost)} of {total} objects are damaged or lost here and left out"
    return {"Warning": f'299 yilian "{what}: {named}{more}"'}


def _framed(boundary: str, part: _Part, body: Pieces) -> Pieces:
    yield part_head(boundary, part.form.content_type, part.address, first=True)
    yield from body
    yield closing(boundary)


def _length(boundary: str, parts: Sequence[_Part]) -> int | None:
    """Return the length of the whole multipart, None where a part's own is not known."""
    sizes = [_size(part.location) for part in parts]
    told = [
        (part.form.content_type, part.address, size)
        for part, size in zip(parts, sizes, strict=True)
        if size is not None
    ]
    return framed_length(boundary, told) if len(told) == len(parts) else None


def _size(location: InstanceLocation) -> int | None:
    return location.size_bytes if location.correction is None else None


def _file_name(location: InstanceLocation) -> str:
    return f'attachment; filename="{location.sop_instance_uid}.dcm"'
