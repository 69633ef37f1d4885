"""STOW-RS: objects over HTTP into the ingest journal, durable before they are answered for.

The body is never held: each part streams into the journal's draft as it comes. Where a UID was
there before, the answer waits a moment for the objects to be filed, so that a content kept beside
another one is said.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from imaging.archive.progress import FilingProgress
from imaging.dicomweb.answers import json_form, refusal
from imaging.dicomweb.multipart import (
    BodyEnds,
    MultipartReader,
    PartBegins,
    PartData,
    PartEnds,
)
from imaging.dicomweb.negotiate import DICOM, JSON, NotAcceptable, content_type
from imaging.dicomweb.resources import ROOT, STUDY
from imaging.dicomweb.stow_answer import Kept, answer, refused, status, warnings
from imaging.dicomweb.stow_batch import StowBatch
from imaging.dicomweb.stow_filed import StowFiled
from imaging.dicomweb.stow_metadata import MetadataBody
from imaging.dicomweb.unfiled import UnfiledStores
from kernel.arrival import Sender
from kernel.audit.access_log import Access
from kernel.audit.trail import AuditEvent
from kernel.clock import Clock
from kernel.errors import Busy, Invalid, PlatformError, TooLarge, Unavailable, Unsupported
from kernel.identifiers import Uid
from kernel.journal.writer import JournalWriter
from kernel.policy import Act, Reason, Subject, require, roles_for
from kernel.sql.db import Database
from kernel.web import ACCESS_LOG, ADDRESS, PRINCIPAL, SIGN_IN_ID, describe, permit

REQUEST_BYTES: Final = 64 << 30
OBJECT_BYTES: Final = 4 << 30
RETRY_AFTER_S: Final = 5
IDLE_S: Final = 30.0
_REQUESTS_AT_ONCE: Final = 16
_WALKS_AT_ONCE: Final = 2
_AGENT: Final = "299 yilian"


class TooManyStores(Busy):
    """As many requests store at once as this process takes."""

    code = "too-many-stores"


@dataclass(frozen=True, slots=True)
class StowJournal:
    """The journal this process writes, and how far it is filed."""

    writer: JournalWriter
    name: str
    """As the filer knows it."""
    progress: FilingProgress


class StowDoor:
    """Storing over HTTP."""

    def __init__(
        self,
        database: Database,
        journal: StowJournal,
        clock: Clock,
        unfiled: UnfiledStores,
        *,
        object_bytes: int = OBJECT_BYTES,
        idle_s: float = IDLE_S,
    ) -> None:
        """Store into *journal*.

        Args:
            database: tells what became of the objects.
            journal: of this process.
            clock: for the time of receipt.
            unfiled: takes down what is stored.
            object_bytes: largest object.
            idle_s: seconds after which a body that does not go on is given up.
        """
        self._unfiled = unfiled
        self._filed = StowFiled(database, journal.progress, journal.name, unfiled)
        self._journal = journal
        self._clock = clock
        self._object_bytes = object_bytes
        self._idle_s = idle_s
        self._requests = 0
        self._walks = asyncio.Semaphore(_WALKS_AT_ONCE)

    def routes(self) -> list[web.RouteDef]:
        """Return the two routes."""
        return [web.post(f"{ROOT}/studies", self.store), web.post(STUDY, self.store)]

    @describe("Store objects, multipart/related or one by itself")
    @permit(roles=roles_for(Act.STORE_STUDY), body_bytes=REQUEST_BYTES)
    async def store(self, request: web.Request) -> web.StreamResponse:
        """Answer which objects are kept: 200, 202, 409, or 503 when the same may be kept later."""
        principal = request[PRINCIPAL]
        require(principal, Act.STORE_STUDY, Subject(principal.institution))
        named = request.match_info.get("study")
        study = None if named is None else Uid.parse(named)
        try:
            media = json_form(request)
        except NotAcceptable as exc:
            return refusal(exc, HTTPStatus.NOT_ACCEPTABLE)
        form = _form(request)
        if self._requests >= _REQUESTS_AT_ONCE:
            raise TooManyStores("too many requests store at once")
        self._requests += 1
        batch = StowBatch(
            self._journal.writer,
            Sender(
                institution=principal.institution,
                address=request.get(ADDRESS, ""),
                username=principal.username,
            ),
            self._clock,
            study=study,
            object_bytes=self._object_bytes,
            walks=self._walks,
            known=self._filed.known,
        )
        try:
            return await self._store(request, batch, form, media)
        finally:
            batch.discard()
            self._requests -= 1

    async def _store(
        self, request: web.Request, batch: StowBatch, form: "_Form", media: str
    ) -> web.StreamResponse:
        trouble: PlatformError | None = None
        try:
            await self._take(request, batch, form)
        except PlatformError as exc:
            # The rest of the body cannot be read; what was whole before it is kept.
            trouble = exc
        await batch.finish()
        if trouble is not None:
            if not batch.committed:
                raise trouble
            batch.failed.append(refused(trouble))
        kept = await self._filed.with_warnings(batch.committed, within_s=self._unfiled.within_s)
        for each in batch.committed:
            uids = [kept.sop_instance_uid for kept in each.kept]
            self._unfiled.note(request[PRINCIPAL].user_id, each.position, uids)
        await _note(request, kept)
        # Without parameters: a client that compares the text finds an empty answer otherwise.
        headers = {"Content-Type": media, "Cache-Control": "no-store"}
        code = status(kept, batch.failed)
        if code == HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = str(RETRY_AFTER_S)
        body = msgspec.json.encode(answer(kept, batch.failed, origin=str(request.url.origin())))
        response = web.Response(body=body, status=code, headers=headers)
        for text in warnings(batch.failed):
            response.headers.add("Warning", f'{_AGENT} "{text}"')
        return response

    async def _take(self, request: web.Request, batch: StowBatch, form: "_Form") -> None:
        async with aclosing(self._body(request)) as body:
            if not form.boundary:
                batch.begin({})
                async for chunk in body:
                    await batch.write(chunk)
                await batch.end()
            elif form.metadata:
                taken = MetadataBody(self._journal.writer, batch, part_bytes=self._object_bytes)
                try:
                    await _read(body, form.boundary, taken)
                    await taken.finish()
                finally:
                    taken.discard()
            else:
                await _read(body, form.boundary, batch)

    async def _body(self, request: web.Request) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes, counting what really comes.

        Raises:
            Unavailable: nothing came for a while (``body-too-slow``).
            TooLarge: more than ``REQUEST_BYTES``.
            Invalid: the peer broke off (``body-broken``).
        """
        taken = 0
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    # As they came, where readany() would join them.
                    chunk, _ = await request.content.readchunk()
            except TimeoutError as exc:
                raise Unavailable("the body does not go on", code="body-too-slow") from exc
            except web.RequestPayloadError as exc:
                raise Invalid("the body broke off or is malformed", code="body-broken") from exc
            if not chunk:
                if request.content.at_eof():
                    return
                continue
            taken += len(chunk)
            if taken > REQUEST_BYTES:
                raise TooLarge(f"at most {REQUEST_BYTES} bytes")
            yield chunk


async def _read(
    body: AsyncGenerator[bytes, None], boundary: str, taker: StowBatch | MetadataBody
) -> None:
    reader = MultipartReader(boundary)
    async for chunk in body:
        for event in reader.feed(chunk):
            match event:
                case PartBegins(headers):
                    taker.begin(dict(headers))
                case PartData(data):
                    await taker.write(data)
                case PartEnds():
                    await taker.end()
                case BodyEnds():
                    pass
    reader.finish()


@dataclass(frozen=True, slots=True)
class _Form:
    """What a body is."""

    boundary: str
    """Empty for one object by itself."""
    metadata: bool = False
    """Metadata and bulk values come apart."""


def _form(request: web.Request) -> _Form:
    """Return what the body of *request* says it is.

    Raises:
        Unsupported: another media type, or a compressed body.
        Invalid: a multipart without a boundary (``bad-boundary``).
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        raise Unsupported("send the body as it is", code="unsupported-encoding")
    given = content_type(request.headers.get("Content-Type", ""))
    takes = {DICOM, "*/*", JSON} if given is not None and given.multipart else {DICOM}
    if given is None or given.essence not in takes:
        raise Unsupported(f"send multipart/related of {DICOM} or {JSON}, or {DICOM}")
    if not given.multipart:
        return _Form("")
    if not given.parameters.get("boundary"):
        raise Invalid("the Content-Type names no boundary", code="bad-boundary")
    return _Form(given.parameters["boundary"], given.essence == JSON)


async def _note(request: web.Request, kept: Sequence[Kept]) -> None:
    """Write who handed in which studies into the audit trail."""
    principal = request[PRINCIPAL]
    for study in sorted({each.study_instance_uid for each in kept}):
        await request.app[ACCESS_LOG].saw(
            Access(
                principal,
                f"study:{study}",
                "",
                Reason.OWN_INSTITUTION,
                request.get(ADDRESS, ""),
                request.get(SIGN_IN_ID, ""),
                AuditEvent.STORED,
            )
        )
