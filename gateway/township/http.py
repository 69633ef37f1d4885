"""The township's queue for its pages: ``/api/v1/node`` and ``/api/v1/queue``."""

import asyncio
import datetime as dt
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.exchange.node_facts import note_expected
from gateway.exchange.priorities_up import tell_priority
from gateway.township import queue_acts
from gateway.township.disk_room import Disk, Room, room_of
from gateway.township.line import Line
from gateway.township.model import RANK, QueueItem
from gateway.township.queue_eyes import for_eyes_of
from gateway.township.queue_news import QueueNews
from gateway.township.queue_trail import patient_of, queue_act
from gateway.township.queue_view import (
    average_study_bytes,
    freeable_bytes,
    items_of,
    queue_items,
    totals,
)
from kernel.arrival import Priority
from kernel.audit.access_log import Access
from kernel.audit.trail import AuditEvent
from kernel.errors import Invalid, Missing
from kernel.events import last_event_id
from kernel.policy import Act, Subject, require, roles_for
from kernel.sql.db import Database
from kernel.web import (
    ACCESS_LOG,
    ADDRESS,
    PRINCIPAL,
    SIGN_IN_ID,
    describe,
    json_response,
    permit,
    read_json,
    read_query,
)

_PAGE_MAX: Final = 200
_READERS: Final = roles_for(Act.READ_LIST)
_MOVERS: Final = roles_for(Act.MANAGE_QUEUE)


class NamedInstitution(msgspec.Struct, frozen=True, kw_only=True):
    """An institution as a page shows it."""

    code: str
    name: str


class DicomDoor(msgspec.Struct, frozen=True, kw_only=True):
    """Where modalities send."""

    ae_title: str
    host: str
    port: int


class CountyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to call."""

    name: str
    phone: str


class TownshipFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says of this node."""

    name: str
    institution: NamedInstitution
    dicom: DicomDoor
    county: CountyFacts


class QueueSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The line above the queue; counts are studies of today and all that are not done."""

    safe_here: int
    on_the_line: int
    at_county: int
    needs_attention: int
    eta: dt.datetime | None
    line: Line
    disk: Disk


class QueuePage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the queue."""

    summary: QueueSummary
    items: list[QueueItem]
    next_cursor: str | None
    last_event_id: int


class QueueQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of the queue."""

    limit: int = 50
    cursor: str = ""


class PriorityBody(msgspec.Struct, frozen=True, kw_only=True):
    """How urgent a study is from now on."""

    priority: Priority


class PauseBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a study is held back."""

    paused: bool


class FirstBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a study goes before the others of its priority."""

    first: bool


class StudyNotQueued(Missing):
    """No such study was ever here."""

    code = "study-not-here"


@dataclass(frozen=True, slots=True)
class QueueDoor:
    """The queue's routes."""

    database: Database
    news: QueueNews
    facts: TownshipFacts
    objects: Path
    """Folder whose disk is shown."""
    on_changed: Callable[[], None]
    """Called when something may have become due to be sent."""
    reserve_bytes: int = 0
    """Free disk space below which the node accepts nothing more."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of node and queue."""
        study = "/api/v1/queue/{study}"
        return [
            web.get("/api/v1/node", self._node, allow_head=False),
            web.get("/api/v1/queue", self._list, allow_head=False),
            web.post(f"{study}/priority", self._priority),
            web.post(f"{study}/retry", self._retry),
            web.post(f"{study}/pause", self._pause),
            web.post(f"{study}/first", self._first),
            web.post(f"{study}/whole", self._whole),
        ]

    @describe("What this node is and whom to call", answer=TownshipFacts)
    @permit()
    async def _node(self, _request: web.Request) -> web.StreamResponse:
        return json_response(self.facts)

    @describe("The queue to the county", query=QueueQuery, answer=QueuePage)
    @permit(roles=_READERS)
    async def _list(self, request: web.Request) -> web.StreamResponse:
        asked = read_query(request, QueueQuery)
        if not 1 <= asked.limit <= _PAGE_MAX:
            raise Invalid(f"limit is 1 to {_PAGE_MAX}", code="invalid-query")
        if asked.cursor and not (asked.cursor.isascii() and asked.cursor.isdigit()):
            raise Invalid("cursor is what an answer gave as next_cursor", code="invalid-query")
        self._require(request, Act.READ_LIST)
        await request.app[ACCESS_LOG].saw(
            Access(
                request[PRINCIPAL],
                "queue",
                "",
                "",
                address=request.get(ADDRESS, ""),
                sign_in=request.get(SIGN_IN_ID, ""),
                event=AuditEvent.QUERIED,
            )
        )
        used = await asyncio.to_thread(shutil.disk_usage, self.objects)
        room = Room(used.total, used.free, self.reserve_bytes)
        page = await self.database.read(
            partial(self._page, limit=asked.limit, offset=int(asked.cursor[:9] or 0), disk=room)
        )
        items = [for_eyes_of(request[PRINCIPAL], item) for item in page.items]
        return json_response(msgspec.structs.replace(page, items=items))

    @describe("Send a study sooner or later", body=PriorityBody, answer=QueueItem)
    @permit(roles=_MOVERS)
    async def _priority(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, PriorityBody)
        at = self.news.now().at

        def choose(conn: sa.Connection, key: str) -> None:
            if queue_acts.set_rank(conn, key, RANK[body.priority]):
                tell_priority(conn, key, at=at)

        told = {"priority": body.priority.value}
        return await self._change(request, "priority", choose, told)

    @describe("Hold a study back, or let it go on", body=PauseBody, answer=QueueItem)
    @permit(roles=_MOVERS)
    async def _pause(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, PauseBody)
        change = partial(queue_acts.set_paused, paused=body.paused)
        return await self._change(request, "pause" if body.paused else "resume", change)

    @describe(
        "Put a study before the others of its priority, or back", body=FirstBody, answer=QueueItem
    )
    @permit(roles=_MOVERS)
    async def _first(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, FirstBody)
        at = self.news.now().at if body.first else None
        change = partial(queue_acts.put_first, at=at)
        return await self._change(request, "first" if body.first else "not-first", change)

    @describe("Take what is here of a study for all there is of it", answer=QueueItem)
    @permit(roles=_MOVERS)
    async def _whole(self, request: web.Request) -> web.StreamResponse:
        now = self.news.now()

        def settle(conn: sa.Connection, key: str) -> None:
            for item in items_of(conn, [key], now):
                note_expected(conn, key, item.completeness.here, at=now.at)

        return await self._change(request, "whole", settle)

    @describe("Try again what was set aside of a study", answer=QueueItem)
    @permit(roles=_MOVERS)
    async def _retry(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, "retry", queue_acts.retry)

    async def _change(
        self,
        request: web.Request,
        act_name: str,
        change: Callable[[sa.Connection, str], object],
        told: Mapping[str, str] | None = None,
    ) -> web.StreamResponse:
        self._require(request, Act.MANAGE_QUEUE)
        key = request.match_info["study"]
        patient = await self.database.read(partial(patient_of, study_key=key))
        if patient is None:
            raise StudyNotQueued("no such study is or was here")
        entry = queue_act(
            request[PRINCIPAL],
            {"act": act_name, **(told or {})},
            key,
            patient,
            at=self.news.now().at,
            address=request.get(ADDRESS, ""),
        )
        await request.app[ACCESS_LOG].add(entry)

        def act(conn: sa.Connection) -> QueueItem:
            change(conn, key)
            items = items_of(conn, [key], now)
            if not items:
                raise StudyNotQueued("no such study is or was here")
            return items[0]

        now = self.news.now()
        item = await self.news.write(act, lambda _: [key])
        self.on_changed()
        return json_response(for_eyes_of(request[PRINCIPAL], item))

    def _require(self, request: web.Request, act: Act) -> None:
        require(request[PRINCIPAL], act, Subject(self.facts.institution.code))

    def _page(self, conn: sa.Connection, *, limit: int, offset: int, disk: Room) -> QueuePage:
        now, since = self.news.now(), self.news.since()
        items = queue_items(conn, now, since=since, limit=limit + 1, offset=offset)
        counted = totals(conn, now, since=since)
        summary = QueueSummary(
            safe_here=counted.safe_here,
            on_the_line=counted.on_the_line,
            at_county=counted.at_county,
            needs_attention=counted.needs_attention,
            eta=counted.eta,
            line=self.news.line(),
            disk=room_of(disk, average_study_bytes(conn), freeable_bytes(conn)),
        )
        more = len(items) > limit
        return QueuePage(
            summary=summary,
            items=items[:limit],
            next_cursor=str(offset + limit) if more else None,
            last_event_id=last_event_id(conn),
        )
