"""The township's page about priors: ask for a study of the county, see it, send it on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.exchange import return_turns, returns, sendings
from gateway.exchange.returns import ReturnState, ReturnView
from gateway.township.ports import ObjectFiles
from gateway.uploads.threads import finish_in_thread
from kernel.audit.trail import AuditEntry, AuditEvent
from kernel.clock import Clock
from kernel.errors import Conflict, Missing, Unavailable
from kernel.identifiers import AETitle, Uid
from kernel.identity import ae_table
from kernel.policy import Act, Subject, decide, require, roles_for
from kernel.sql.db import Database
from kernel.web import (
    ACCESS_LOG,
    ADDRESS,
    PRINCIPAL,
    describe,
    json_response,
    permit,
    read_json,
    saw,
)

_ROOT: Final = "/api/v1/priors"
_READERS: Final = roles_for(Act.READ_STUDY)
_PIECE_BYTES: Final = 1 << 20


class PriorBody(msgspec.Struct, frozen=True, kw_only=True):
    """Which study of the county."""

    study_instance_uid: str


class SendBody(msgspec.Struct, frozen=True, kw_only=True):
    """Where to."""

    ae_title: str


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A DICOM node of this house that listens."""

    ae_title: str


class DestinationList(msgspec.Struct, frozen=True, kw_only=True):
    """Where a study can be sent on to, by title."""

    items: list[Destination]


class PriorInstance(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a prior."""

    series_instance_uid: str
    sop_instance_uid: str
    size_bytes: int
    state: returns.ObjectState
    code: str


class PriorList(msgspec.Struct, frozen=True, kw_only=True):
    """Studies from the county, those asked for last first."""

    items: list[ReturnView]


class PriorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One of them with its objects."""

    prior: ReturnView
    instances: list[PriorInstance]


class PriorUnknown(Missing):
    """Nobody asked for that study here."""

    code = "prior-not-here"


class NotEnrolled(Unavailable):
    """This node is enrolled at no county that could be asked."""

    code = "not-enrolled"


class NothingSetAside(Conflict):
    """Nothing of it has to be tried again."""

    code = "nothing-set-aside"


class PriorNotWhole(Conflict):
    """It is not wholly here yet."""

    code = "prior-not-whole"


@dataclass(frozen=True, slots=True)
class PriorsDoor:
    """The routes."""

    database: Database
    clock: Clock
    objects: ObjectFiles
    institution: str
    on_asked: Callable[[], None] | None
    """Called when a letter was written; None where this node is enrolled nowhere."""
    on_send: Callable[[], None]
    """Called when something is to be sent on."""
    on_retry: Callable[[], None] = lambda: None
    """Called when something may be fetched at once."""

    def routes(self) -> list[web.RouteDef]:
        """Return them."""
        one = f"{_ROOT}/{{study}}"
        return [
            web.get(_ROOT, self._list, allow_head=False),
            web.post(_ROOT, self._ask),
            web.get(one, self._show, allow_head=False),
            web.get(f"{one}/instances/{{instance}}", self._instance, allow_head=False),
            web.post(f"{one}/retry", self._retry),
            web.post(f"{one}/send", self._send),
            web.get("/api/v1/destinations", self._destinations, allow_head=False),
        ]

    @describe("Studies asked of the county, and how far they are", answer=PriorList)
    @permit(roles=_READERS)
    async def _list(self, request: web.Request) -> web.StreamResponse:
        self._require(request)
        items = await self.database.read(partial(returns.views, studies=None))
        return json_response(PriorList(items=items))

    @describe("Ask the county for a study", body=PriorBody, answer=ReturnView)
    @permit(roles=_READERS, machines=False)
    async def _ask(self, request: web.Request) -> web.StreamResponse:
        """202; it comes when the line allows, also when it is down now."""
        self._require(request)
        study = Uid.parse((await read_json(request, PriorBody)).study_instance_uid).value
        if self.on_asked is None:
            raise NotEnrolled("enrol this node first")
        by, at = request[PRINCIPAL].username, self.clock.now()
        await self._audit(request, AuditEvent.CHANGED, study, {"act": "ask-prior"})

        def ask(conn: sa.Connection) -> ReturnView:
            returns.ask(conn, study, by, at=at)
            return returns.views(conn, [study])[0]

        view = await self.database.write(ask)
        self.on_asked()
        return json_response(view, status=202)

    @describe("Try what of a study could not be had from the county again", answer=ReturnView)
    @permit(roles=_READERS, machines=False)
    async def _retry(self, request: web.Request) -> web.StreamResponse:
        """202; 409 where nothing of it is set aside."""
        self._require(request)
        if self.on_asked is None:
            raise NotEnrolled("enrol this node first")
        study, at = request.match_info["study"], self.clock.now()
        await self._view(study)
        await self._audit(request, AuditEvent.CHANGED, study, {"act": "retry-return"})

        def retry(conn: sa.Connection) -> ReturnView:
            if not return_turns.retry(conn, study, institution=self.institution, at=at):
                raise NothingSetAside("nothing of that study is set aside")
            return self._one(conn, study)

        view = await self.database.write(retry)
        self.on_asked()
        self.on_retry()
        return json_response(view, status=202)

    @describe("One study from the county with its objects", answer=PriorDetail)
    @permit(roles=_READERS)
    async def _show(self, request: web.Request) -> web.StreamResponse:
        self._require(request)
        study = request.match_info["study"]
        prior = await self._view(study)
        found = await self.database.read(partial(returns.objects_of, study=study))
        instances = [
            PriorInstance(
                series_instance_uid=one.series_instance_uid,
                sop_instance_uid=one.sop_instance_uid,
                size_bytes=one.size_bytes,
                state=one.state,
                code=one.code,
            )
            for one in found
        ]
        return json_response(PriorDetail(prior=prior, instances=instances))

    @describe("One object as a DICOM file")
    @permit(roles=_READERS)
    async def _instance(self, request: web.Request) -> web.StreamResponse:
        """404 while it is not here."""
        decision = decide(request[PRINCIPAL], Act.READ_STUDY, Subject(self.institution))
        if not decision.allowed:
            raise decision.error()
        study, sop = request.match_info["study"], request.match_info["instance"]
        one = await self.database.read(partial(returns.find_object, study=study, sop=sop))
        if one is None:
            raise PriorUnknown("no such object is here")
        await saw(request, subject=f"study:{study}", patient="", reason=decision.reason)
        source = await finish_in_thread(lambda: self.objects.open(one.object_key))
        with source:
            answer = web.StreamResponse(
                headers={
                    "Content-Type": f"application/dicom; transfer-syntax={one.transfer_syntax_uid}",
                    "Content-Disposition": f'attachment; filename="{one.sop_instance_uid}.dcm"',
                    "X-Content-Type-Options": "nosniff",
                    "Cache-Control": "private, no-store",
                }
            )
            answer.content_length = source.size
            await answer.prepare(request)
            for begin in range(0, source.size, _PIECE_BYTES):
                piece = await finish_in_thread(partial(source.read, begin, _PIECE_BYTES))
                await answer.write(piece)
            await answer.write_eof()
        return answer

    @describe("Send a study on to a DICOM node of this house", body=SendBody, answer=ReturnView)
    @permit(roles=_READERS, machines=False)
    async def _send(self, request: web.Request) -> web.StreamResponse:
        """202; 404 for a title that is not in the table of peers with host and port."""
        self._require(request)
        study = request.match_info["study"]
        title = AETitle.parse((await read_json(request, SendBody)).ae_title).value
        by, at = request[PRINCIPAL].username, self.clock.now()

        def check(conn: sa.Connection) -> None:
            if title not in self._listening(conn):
                raise Missing("no DICOM node of this house listens under that title", code="no-ae")
            view = self._one(conn, study)
            if view.state is not ReturnState.HERE:
                raise PriorNotWhole("it is not wholly here yet")

        def send(conn: sa.Connection) -> ReturnView:
            check(conn)
            sendings.ask_send(conn, study, title, by, at=at)
            return self._one(conn, study)

        # What cannot leave is no export; what can is in the trail before it does.
        await self.database.read(check)
        told = {"act": "send-on", "ae_title": title}
        await self._audit(request, AuditEvent.EXPORTED, study, told)
        view = await self.database.write(send)
        self.on_send()
        return json_response(view, status=202)

    @describe("DICOM nodes of this house a study can be sent on to", answer=DestinationList)
    @permit(roles=_READERS)
    async def _destinations(self, request: web.Request) -> web.StreamResponse:
        self._require(request)
        titles = await self.database.read(self._listening)
        return json_response(
            DestinationList(items=[Destination(ae_title=title) for title in titles])
        )

    def _listening(self, conn: sa.Connection) -> list[str]:
        return [
            peer.ae_title
            for peer in ae_table(conn)
            if peer.port and peer.institution == self.institution
        ]

    async def _view(self, study: str) -> ReturnView:
        return await self.database.read(lambda conn: self._one(conn, study))

    @staticmethod
    def _one(conn: sa.Connection, study: str) -> ReturnView:
        found = returns.views(conn, [study])
        if not found:
            raise PriorUnknown("nobody asked for that study here")
        return found[0]

    async def _audit(
        self, request: web.Request, event: AuditEvent, study: str, detail: dict[str, str]
    ) -> None:
        who = request[PRINCIPAL]
        entry = AuditEntry(
            at=self.clock.now(),
            event=event,
            user_id=who.user_id,
            username=who.username,
            institution=who.institution,
            address=request.get(ADDRESS, ""),
            subject=f"study:{study}",
            detail=detail,
        )
        await request.app[ACCESS_LOG].add(entry)

    def _require(self, request: web.Request) -> None:
        require(request[PRINCIPAL], Act.READ_STUDY, Subject(self.institution))
