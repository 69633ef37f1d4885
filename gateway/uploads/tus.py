"""tus 1.0.0 server: creation, creation-with-upload, checksum, expiration, termination.

An answer that says bytes were taken goes out only after they and the new offset are durable.
An upload belongs to whoever created it; to anybody else it is not there.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from aiohttp import web

from gateway.uploads.receive import Receiver, body_of
from gateway.uploads.roll import Roll, RollLimits
from gateway.uploads.sinks import Completion, UploadSink
from gateway.uploads.threads import finish_in_thread
from gateway.uploads.turns import StillBusy, Turns
from gateway.uploads.tus_answers import check_version, problem, reply
from gateway.uploads.tus_headers import (
    CHECKSUM_ALGORITHMS,
    EXTENSIONS,
    OFFSET_OCTETS,
    TUS_VERSION,
    TusFault,
    format_metadata,
    parse_checksum,
    parse_length,
    parse_metadata,
    refuse_unoffered,
)
from gateway.uploads.upload_files import Owner, Upload, UploadFiles, UploadInfo
from kernel.clock import Clock
from kernel.errors import Forbidden, PlatformError
from kernel.identifiers import new_id
from kernel.identity import PrincipalKind
from kernel.policy import Act, roles_for
from kernel.process.owner import Owner as TaskOwner
from kernel.web import PRINCIPAL, STATUS, permit

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
OwnerOf = Callable[[web.Request], Owner]
MACHINE_KINDS: Final = frozenset({"parcel"})
_BODY_MAX_BYTES: Final = 1 << 50
"""What the shell lets through; the upload's own length and its kind's limit decide."""


def owner_by_sign_in(request: web.Request) -> Owner:
    """Return whoever is signed in as the owner of what they upload."""
    principal = request[PRINCIPAL]
    return Owner(
        user_id=principal.user_id,
        institution=principal.institution,
        username=principal.username,
    )


def allow_by_sign_in(request: web.Request, kind: str) -> None:
    """Let only nodes hand in parcels; raises ``Forbidden``."""
    if kind in MACHINE_KINDS and request[PRINCIPAL].kind is not PrincipalKind.MACHINE:
        raise Forbidden("parcels come from nodes", code="upload-kind")


@dataclass(frozen=True, slots=True)
class TusSettings:
    """Limits of the upload door."""

    idle_s: float = 30.0
    """Longest silence inside a request body."""
    take_over_s: float = 20.0
    """How long a request waits for the one before it to let go."""
    keep: dt.timedelta = dt.timedelta(days=7)
    """How long an unfinished upload is kept after it last grew."""
    keep_ended: dt.timedelta = dt.timedelta(hours=1)
    """How long it is remembered that one ended, at most (``RollLimits.ended_max``)."""
    sweep_s: float = 60.0
    roll: RollLimits = field(default_factory=RollLimits)
    """How many uploads, unfinished or remembered."""
    reserve_bytes: int = 256 * 1024 * 1024
    """Disk space that stays free."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Further headers of the answer to OPTIONS."""


class TusServer:
    """The uploads of one folder, as a set of routes."""

    def __init__(
        self,
        directory: Path,
        sinks: Mapping[str, UploadSink],
        *,
        clock: Clock,
        owner_of: OwnerOf = owner_by_sign_in,
        allow: Callable[[web.Request, str], None] = allow_by_sign_in,
        settings: TusSettings | None = None,
    ) -> None:
        self._settings = settings or TusSettings()
        self._sinks = dict(sinks)
        self._owner_of = owner_of
        self._allow = allow
        self._clock = clock
        self._files = UploadFiles.open(directory, reserve_bytes=self._settings.reserve_bytes)
        self._receiver = Receiver(self._files, clock, self._settings.idle_s)
        # Twice, for those that are let in at the same moment.
        most = 2 * self._settings.roll.open_max
        self._completion = Completion(self._files, sinks, clock, bound=most)
        self._turns = Turns()
        self._uploads = Roll(self._settings.roll)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load what the folder holds, go on with it, and work until the block ends."""
        loaded = await finish_in_thread(lambda: list(self._files.load()))
        self._uploads.add(loaded)
        for upload in loaded:
            if upload.complete and upload.result is None and upload.info.kind in self._sinks:
                self._completion.add(upload)
        async with TaskOwner() as owner:
            owner.keep("uploads.completion", self._completion.run)
            owner.keep("uploads.sweep", self._sweep_for_ever)
            yield

    def routes(self) -> list[web.RouteDef]:
        """Return the routes below ``/uploads/``."""
        one = "/uploads/{upload_id}"
        return [
            web.options("/uploads/", self._options),
            web.options(one, self._options),
            web.post("/uploads/", self._answering(self._create)),
            web.head(one, self._answering(self._head)),
            web.patch(one, self._answering(self._patch)),
            web.delete(one, self._answering(self._delete)),
            web.post(one, self._answering(self._overridden)),
        ]

    def uploads_of(self, institution: str, *, kind: str) -> list[Upload]:
        """Return the uploads of one kind that somebody of *institution* created, oldest first."""
        return [
            upload
            for upload in self._uploads.of_institution(institution)
            if upload.info.kind == kind
        ]

    async def wait_ended(self, upload_id: str, timeout_s: float) -> bool:
        """Return whether the sink of a whole upload has ended, waiting at most *timeout_s*."""
        return await self._completion.wait(upload_id, timeout_s)

    def receiving(self, upload_id: str) -> bool:
        """Return whether bytes of this upload are coming in now."""
        return self._turns.receiving(upload_id)

    def held(self, upload_id: str) -> bool:
        """Return whether any request holds this upload now."""
        return self._turns.held(upload_id)

    def received(self, upload_id: str) -> int:
        """Return how many bytes of an upload came, durable or not, zero when it is unknown."""
        upload = self._uploads.get(upload_id)
        return max(upload.offset, upload.received) if upload else 0

    async def forget(self, upload_id: str) -> None:
        """Drop an upload that is not being taken, whoever's it is."""
        async with self._turns.take(upload_id, timeout_s=self._settings.take_over_s):
            upload = self._uploads.get(upload_id)
            if upload is not None and not (upload.complete and upload.result is None):
                await self._forget(upload)

    # -- the door ------------------------------------------------------------------------------

    def _answering(self, handler: _Handler) -> _Handler:
        @permit(roles=roles_for(Act.STORE_STUDY), body_bytes=_BODY_MAX_BYTES)
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                check_version(request)
                return await handler(request)
            except TusFault as exc:
                return problem(exc.status, exc.code, exc.detail, exc.headers)
            except StillBusy:
                return problem(423, "upload-busy", "another request holds this upload", {})
            except PlatformError as exc:
                return problem(STATUS[exc.category], exc.code, exc.detail, {})

        return answer

    @permit()
    async def _options(self, _request: web.Request) -> web.StreamResponse:
        longest = max((sink.max_bytes for sink in self._sinks.values()), default=0)
        return reply(
            204,
            {
                "Tus-Version": TUS_VERSION,
                "Tus-Extension": EXTENSIONS,
                "Tus-Max-Size": str(longest),
                "Tus-Checksum-Algorithm": ",".join(CHECKSUM_ALGORITHMS),
                **self._settings.options,
            },
        )

    async def _create(self, request: web.Request) -> web.StreamResponse:
        refuse_unoffered(request.headers)
        with_bytes = request.content_type == OFFSET_OCTETS
        if request.body_exists and not with_bytes:
            raise TusFault(415, "content-type", f"send bytes as {OFFSET_OCTETS}")
        checksum = parse_checksum(request.headers.get("Upload-Checksum"))
        info = await self._admit(request)
        if with_bytes and (request.content_length or 0) > info.length:
            raise TusFault(413, "longer-than-declared", "more bytes than Upload-Length")
        upload = await finish_in_thread(lambda: self._files.create(info))
        self._uploads.add([upload])
        async with self._turns.take(info.upload_id, timeout_s=0.1) as turn:
            try:
                if with_bytes:
                    await self._receiver.receive(body_of(request), upload, turn, checksum)
            finally:
                self._complete(upload)
        headers = {"Location": f"/uploads/{info.upload_id}", "Upload-Offset": str(upload.offset)}
        return reply(201, headers | self._expires(upload))

    async def _head(self, request: web.Request) -> web.StreamResponse:
        upload_id = self._find(request).info.upload_id
        async with self._turns.take(upload_id, timeout_s=self._settings.take_over_s):
            upload = self._find(request)
            headers = {
                "Upload-Offset": str(upload.offset),
                "Upload-Length": str(upload.info.length),
                "Cache-Control": "no-store",
            }
        if upload.info.metadata:
            headers["Upload-Metadata"] = format_metadata(upload.info.metadata)
        return reply(200, headers | self._expires(upload))

    async def _patch(self, request: web.Request) -> web.StreamResponse:
        refuse_unoffered(request.headers)
        if request.content_type != OFFSET_OCTETS:
            raise TusFault(415, "content-type", f"send bytes as {OFFSET_OCTETS}")
        offset = parse_length(request.headers.get("Upload-Offset"), field="Upload-Offset")
        checksum = parse_checksum(request.headers.get("Upload-Checksum"))
        upload_id = self._find(request).info.upload_id
        async with self._turns.take(upload_id, timeout_s=self._settings.take_over_s) as turn:
            upload = self._find(request)
            if offset != upload.offset:
                where = {"Upload-Offset": str(upload.offset)}
                raise TusFault(409, "offset-conflict", "the upload stands elsewhere", where)
            if (request.content_length or 0) > upload.info.length - offset:
                raise TusFault(413, "longer-than-declared", "more bytes than Upload-Length")
            try:
                if not upload.complete:
                    await self._receiver.receive(body_of(request), upload, turn, checksum)
            finally:
                # Also when the peer is gone: its last byte may have come, and nothing else will.
                self._complete(upload)
        return reply(204, {"Upload-Offset": str(upload.offset)} | self._expires(upload))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        upload_id = self._find(request).info.upload_id
        async with self._turns.take(upload_id, timeout_s=self._settings.take_over_s):
            upload = self._find(request)
            if upload.complete and upload.result is None:
                raise TusFault(409, "upload-processing", "the upload is whole and being taken")
            await self._forget(upload)
        return reply(204, {})

    async def _overridden(self, request: web.Request) -> web.StreamResponse:
        """Serve clients whose network lets only GET and POST pass (X-HTTP-Method-Override)."""
        match request.headers.get("X-HTTP-Method-Override", "").upper():
            case "PATCH":
                return await self._patch(request)
            case "DELETE":
                return await self._delete(request)
            case "HEAD":
                return await self._head(request)
            case _:
                raise TusFault(405, "method", "use HEAD, PATCH or DELETE")

    # -- what stands behind it -----------------------------------------------------------------

    async def _admit(self, request: web.Request) -> UploadInfo:
        length = parse_length(request.headers.get("Upload-Length"), field="Upload-Length")
        metadata = parse_metadata(request.headers.get("Upload-Metadata"))
        kind = metadata.get("kind", "")
        sink = self._sinks.get(kind)
        if sink is None:
            raise TusFault(400, "kind-unknown", "Upload-Metadata names no kind taken here")
        self._allow(request, kind)
        if length > sink.max_bytes:
            longest = {"Tus-Max-Size": str(sink.max_bytes)}
            raise TusFault(413, "too-large", "longer than this door takes", longest)
        owner = self._owner_of(request)
        self._uploads.check_room(owner)
        await self._forget_surplus()
        if not await finish_in_thread(lambda: self._files.room_for(length)):
            raise TusFault(507, "storage-full", "no room for the upload")
        info = UploadInfo(
            upload_id=new_id(),
            kind=kind,
            length=length,
            metadata=metadata,
            owner=owner,
            created_at=self._clock.now(),
        )
        await sink.admit(info)
        return info

    def _find(self, request: web.Request) -> Upload:
        upload = self._uploads.get(request.match_info["upload_id"])
        if upload is None or not upload.info.owner.same_as(self._owner_of(request)):
            raise TusFault(404, "upload-unknown", "no such upload")
        return upload

    def _complete(self, upload: Upload) -> None:
        if upload.complete and upload.result is None:
            self._completion.add(upload)

    def _expires(self, upload: Upload) -> dict[str, str]:
        at = upload.touched_at + self._settings.keep
        return {"Upload-Expires": format_datetime(at, usegmt=True)}

    async def _forget(self, upload: Upload) -> None:
        self._uploads.drop(upload)
        await finish_in_thread(lambda: self._files.delete(upload.info))

    async def _forget_surplus(self) -> None:
        for upload in self._uploads.surplus():
            await self._forget(upload)

    async def _sweep_for_ever(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(self._settings.sweep_s)

    async def sweep(self) -> None:
        """Remove what expired; never what is coming in, or is whole and not yet taken."""
        now = self._clock.now()
        await self._forget_surplus()
        for upload in list(self._uploads):
            if self._turns.held(upload.info.upload_id):
                continue
            if upload.result is not None:
                expired = upload.result.at < now - self._settings.keep_ended
            else:
                expired = not upload.complete and upload.touched_at < now - self._settings.keep
            if expired:
                await self._forget(upload)
