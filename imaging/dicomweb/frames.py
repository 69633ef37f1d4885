"""WADO-RS frames: as they are stored, straight from the object's file, or transcoded when asked."""

from collections.abc import Sequence
from functools import partial

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
    one_part,
    stream,
    unchanged,
    whole,
)
from imaging.dicomweb.choice import Form, frame_form
from imaging.dicomweb.multipart import closing, part_head
from imaging.dicomweb.resources import INSTANCE, parse_frames
from imaging.pixels.frames import FramePlan, FramePlans, check_frames, stored_frame
from imaging.pixels.pool import Pieces, PixelPool
from imaging.pixels.syntaxes import NATIVE
from imaging.pixels.transcode import frame_in
from kernel.dicom.part10 import EXPLICIT_LE
from kernel.web import describe, permit


class FramesDoor:
    """Frames of instances."""

    def __init__(
        self, admission: Admission, objects: ObjectStore, pool: PixelPool, plans: FramePlans
    ) -> None:
        """Answer what *admission* lets out of *objects*; *plans* remembers where frames lie."""
        self._objects = objects
        self._pool = pool
        self._plans = plans
        self._admission = admission

    def routes(self) -> list[web.RouteDef]:
        """Return the one route."""
        return [web.get(f"{INSTANCE}/frames/{{frames}}", self.frames, allow_head=False)]

    @describe("Frames of an instance, by number from 1")
    @permit()
    @answered
    async def frames(self, request: web.Request) -> web.StreamResponse:
        """Answer the frames of the address, in its order."""
        numbers = parse_frames(request.match_info["frames"])
        _, location = await self._admission.instance(request)
        form = frame_form(accepts(request), frames_syntax(location), frames=len(numbers))
        etag = f"{location.object_key[6:]}-{request.match_info['frames']}-{_short(form)}"
        headers = caching(etag, SETTLED)
        if unchanged(request, etag):
            return not_modified(headers)
        if len(numbers) == 1:
            body = await self._one(location, numbers[0], form)
            answer = one_part if form.multipart else whole
            return answer(body, form.content_type, headers)
        plan = await self._pool.read(partial(self._plan, location, numbers))
        boundary = new_boundary()
        pieces = self._parts(location, plan, numbers, form, boundary)
        pulled = self._pool.read_pieces if form.stored else self._pool.worked_pieces
        content_type = multipart_type(form.content_type, boundary)
        return await stream(request, pulled(pieces), content_type, headers)

    async def _one(self, location: InstanceLocation, number: int, form: Form) -> bytes:
        def read() -> bytes:
            with self._objects.open(location.object_key) as source:
                plan = self._plans.plan(location.object_key, source)
                check_frames(plan, (number,))
                if form.stored:
                    return stored_frame(source, plan, number - 1)
                syntax, decoder = form.transfer_syntax_uid, self._pool.decoder
                return frame_in(source, plan, number - 1, syntax, decoder)

        return await (self._pool.read(read) if form.stored else self._pool.work(read))

    def _plan(self, location: InstanceLocation, numbers: Sequence[int]) -> FramePlan:
        with self._objects.open(location.object_key) as source:
            plan = self._plans.plan(location.object_key, source)
            check_frames(plan, numbers)
            return plan

    def _parts(
        self,
        location: InstanceLocation,
        plan: FramePlan,
        numbers: Sequence[int],
        form: Form,
        boundary: str,
    ) -> Pieces:
        with self._objects.open(location.object_key) as source:
            for position, number in enumerate(numbers):
                if form.stored:
                    body = stored_frame(source, plan, number - 1)
                else:
                    syntax, decoder = form.transfer_syntax_uid, self._pool.decoder
                    body = frame_in(source, plan, number - 1, syntax, decoder)
                yield part_head(boundary, form.content_type, first=position == 0)
                yield body
        yield closing(boundary)


def frames_syntax(location: InstanceLocation) -> str:
    """Return the transfer syntax of the frames as they lie; native ones as Explicit VR LE."""
    native = location.transfer_syntax_uid in NATIVE or location.pixel_length > 0
    return EXPLICIT_LE if native else location.transfer_syntax_uid


def _short(form: Form) -> str:
    return form.transfer_syntax_uid.rpartition(".")[2] + ("m" if form.multipart else "s")
