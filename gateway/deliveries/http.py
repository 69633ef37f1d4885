"""``/api/v1/destinations``: the queues of other nodes, for system administrators."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.deliveries import acts, queue, views
from gateway.deliveries.model import DestinationLine, QueueLine, SetAsideLine
from gateway.deliveries.ports import Studies
from gateway.routing.places import Sending
from kernel.audit.access_log import AccessLog
from kernel.audit.trail import AuditEntry, AuditEvent
from kernel.clock import Clock
from kernel.errors import Invalid, Missing
from kernel.policy import Act, Reason, roles_for
from kernel.sql.db import Database
from kernel.web import (
    ACCESS_LOG,
    ADDRESS,
    PRINCIPAL,
    describe,
    json_response,
    permit,
    read_json,
    read_query,
)

_ROOT: Final = "/api/v1/destinations"
_SYSTEM: Final = roles_for(Act.MANAGE_SYSTEM)
_UID_MAX: Final = 64
Known = Callable[[], Awaitable[Mapping[str, Sending]]]


class QueueQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the queues."""

    destination: str = ""
    study_instance_uid: str = ""


class SetAsideQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose."""

    destination: str = ""


class StudyAct(msgspec.Struct, frozen=True, kw_only=True):
    """A study and a destination, such as ``dicom:PACS2``."""

    destination: str
    study_instance_uid: str


class RetryAct(msgspec.Struct, frozen=True, kw_only=True):
    """A destination, perhaps only one study of its queue."""

    destination: str
    study_instance_uid: str = ""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How many instances an act was about."""

    instances: int


class DeliveriesDoor:
    """Shows and moves the queues; no patient is named in them."""

    def __init__(self, database: Database, clock: Clock, studies: Studies, known: Known) -> None:
        """Work on *database*, send *studies* by hand to *known* destinations."""
        self._database = database
        self._clock = clock
        self._studies = studies
        self._known = known

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(_ROOT, self.destinations, allow_head=False),
            web.get(f"{_ROOT}/queue", self.queue, allow_head=False),
            web.get(f"{_ROOT}/quarantine", self.quarantine, allow_head=False),
            web.post(f"{_ROOT}/retry", self.retry),
            web.post(f"{_ROOT}/set-aside", self.set_aside),
            web.post(f"{_ROOT}/send", self.send),
        ]

    @describe("Every destination: what waits, and what it waits for", answer=list[DestinationLine])
    @permit(roles=_SYSTEM)
    async def destinations(self, _request: web.Request) -> web.StreamResponse:
        """Answer them by address."""
        known = await self._known()
        look = partial(views.destination_lines, known=tuple(known), now=self._clock.now())
        return json_response(await self._database.read(look))

    @describe("What is left to send, as it goes", query=QueueQuery, answer=list[QueueLine])
    @permit(roles=_SYSTEM)
    async def queue(self, request: web.Request) -> web.StreamResponse:
        """Answer at most 500 studies."""
        asked = read_query(request, QueueQuery)
        look = partial(
            views.queue_lines,
            destination=_bounded(asked.destination),
            study=_bounded(asked.study_instance_uid),
        )
        return json_response(await self._database.read(look))

    @describe("What was set aside, and why", query=SetAsideQuery, answer=list[SetAsideLine])
    @permit(roles=_SYSTEM)
    async def quarantine(self, request: web.Request) -> web.StreamResponse:
        """Answer at most 500 instances, the newest first."""
        asked = read_query(request, SetAsideQuery)
        look = partial(views.set_aside_lines, destination=_bounded(asked.destination))
        return json_response(await self._database.read(look))

    @describe(
        "Try again what was set aside, and the destination at once", body=RetryAct, answer=Counted
    )
    @permit(roles=_SYSTEM)
    async def retry(self, request: web.Request) -> web.StreamResponse:
        """Answer how many instances wait again."""
        body = await read_json(request, RetryAct)
        destination, study = _bounded(body.destination), _bounded(body.study_instance_uid)
        await self._must_be_known(destination)
        at = self._clock.now()
        moved = await self._database.write(
            lambda conn: acts.retry(conn, destination, at, study=study)
        )
        await self._write_down(request, "retry", destination, study)
        return json_response(Counted(instances=moved))

    @describe("Take a study out of a queue", body=StudyAct, answer=Counted)
    @permit(roles=_SYSTEM)
    async def set_aside(self, request: web.Request) -> web.StreamResponse:
        """Answer how many instances were taken out."""
        body = await read_json(request, StudyAct)
        destination, study = _bounded(body.destination), _bounded(body.study_instance_uid)
        at, by = self._clock.now(), request[PRINCIPAL].username
        if not study:
            raise Invalid("name the study", code="study-missing")
        moved = await self._database.write(
            lambda conn: acts.set_aside(conn, destination, study, at, by=by)
        )
        await self._write_down(request, "set-aside", destination, study)
        return json_response(Counted(instances=moved))

    @describe("Send a study to a destination", body=StudyAct, answer=Counted)
    @permit(roles=_SYSTEM)
    async def send(self, request: web.Request) -> web.StreamResponse:
        """202: it waits for its turn; answers how many instances joined the queue."""
        body = await read_json(request, StudyAct)
        destination, study = _bounded(body.destination), _bounded(body.study_instance_uid)
        await self._must_be_known(destination)
        at, by = self._clock.now(), request[PRINCIPAL].username

        def join(conn: sa.Connection) -> int:
            found = self._studies(conn, study)
            if found is None:
                raise Missing("no such study")
            return queue.join(
                conn, destination, study, found, rule="", priority=None, at=at, asked_by=by
            )

        await self._write_down(request, "send", destination, study)
        joined = await self._database.write(join)
        return json_response(Counted(instances=joined), status=202)

    async def _must_be_known(self, destination: str) -> None:
        if destination not in await self._known():
            raise Missing("no such destination", code="unknown-destination")

    async def _write_down(
        self, request: web.Request, act: str, destination: str, study: str
    ) -> None:
        who = request[PRINCIPAL]
        log: AccessLog = request.app[ACCESS_LOG]
        await log.add(
            AuditEntry(
                at=self._clock.now(),
                event=AuditEvent.CHANGED,
                user_id=who.user_id,
                username=who.username,
                institution=who.institution,
                address=request[ADDRESS],
                subject=f"study:{study}" if study else f"destination:{destination}",
                reason=Reason.OWN_DUTY,
                detail={"act": f"delivery-{act}", "destination": destination},
            )
        )


def _bounded(text: str) -> str:
    if len(text) > _UID_MAX * 2 or "\0" in text:
        raise Invalid("no such name", code="invalid-name")
    return text
