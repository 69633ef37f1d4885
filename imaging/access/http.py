"""``/api/v1/emergency-looks`` and who looked at a study's patient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from imaging.access import store
from imaging.access.emergency import Asker, EmergencyDesk
from imaging.access.lookers import Trails, Watched
from imaging.access.model import (
    EmergencyRequest,
    LookersPage,
    LookersRequest,
    LookMissing,
    LookPage,
    LookRow,
    NobodyFound,
    OpenLook,
    OpenLooks,
    ReviewRequest,
    parse_number,
)
from imaging.access.numbers import named_by
from imaging.access.store import Look
from imaging.archive.http import for_eyes_of
from imaging.archive.looks import look_at_study
from imaging.archive.model import InstitutionRow, StudyRow
from imaging.archive.study_rows import institution_names, rows_of
from kernel.audit.trail import AuditEvent
from kernel.identity import Principal, Role
from kernel.policy import Act, masked_id, masked_name, roles_for
from kernel.web import (
    ADDRESS,
    CLOCK,
    DATABASE,
    PRINCIPAL,
    asked_reach,
    describe,
    json_response,
    permit,
    read_json,
    read_query,
    saw,
)

_ROOT: Final = "/api/v1/emergency-looks"
_LIMIT: Final = 200
_BODY_BYTES: Final = 8 * 1024
_NUMBER_DIGITS: Final = 18

RowNumber = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class LooksQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which emergency looks; ``before`` is the ``next_before`` of the page before."""

    waiting: bool = False
    before: RowNumber | None = None
    limit: int = 50


class LookersQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows; ``before`` is the ``next_before`` of the page before."""

    before: RowNumber | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class AccessDoor:
    """The routes of emergency looks and of who looked."""

    desk: EmergencyDesk
    trails: Trails

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = f"{_ROOT}/{{id}}"
        return [
            web.post(_ROOT, self.open),
            web.get(f"{_ROOT}/mine", self.mine, allow_head=False),
            web.get(_ROOT, self.listing, allow_head=False),
            web.delete(one, self.end),
            web.post(f"{one}/review", self.review),
            web.get("/api/v1/studies/{study}/looks", self.looks, allow_head=False),
            web.post("/api/v1/looks", self.looks_of_number),
        ]

    @describe("Open a patient in an emergency, for an hour", body=EmergencyRequest, answer=OpenLook)
    @permit(roles=roles_for(Act.BREAK_GLASS), machines=False, body_bytes=_BODY_BYTES)
    async def open(self, request: web.Request) -> web.StreamResponse:
        """201 with what is open now; the privacy officers know before this is answered."""
        body = await read_json(request, EmergencyRequest, limit=_BODY_BYTES)
        look = await self.desk.open(_asker(request), body)
        opened = await request.app[DATABASE].read(
            partial(_opened, look=look, who=request[PRINCIPAL])
        )
        return json_response(opened, status=201)

    @describe("Show the asker's own emergency looks that last", answer=OpenLooks)
    @permit(roles=roles_for(Act.BREAK_GLASS), machines=False)
    async def mine(self, request: web.Request) -> web.StreamResponse:
        """Answer them, newest first."""
        who, now = request[PRINCIPAL], request.app[CLOCK].now()

        def read(conn: sa.Connection) -> OpenLooks:
            found = store.lasting_looks(conn, who.user_id, at=now)
            return OpenLooks(items=[_opened(conn, look, who) for look in found])

        return json_response(await request.app[DATABASE].read(read))

    @describe("End an emergency look before its time")
    @permit(roles=roles_for(Act.BREAK_GLASS), machines=False)
    async def end(self, request: web.Request) -> web.StreamResponse:
        """204; what it opened is not there any more."""
        await self.desk.end(_asker(request), _number(request))
        return web.Response(status=204)

    @describe("List emergency looks, newest first", query=LooksQuery, answer=LookPage)
    @permit(roles=roles_for(Act.WATCH_GLASS), machines=False)
    async def listing(self, request: web.Request) -> web.StreamResponse:
        """Answer one page: the centre's watchers see all, others those of their house."""
        asked, who = read_query(request, LooksQuery), request[PRINCIPAL]
        limit = min(max(asked.limit, 1), _LIMIT)
        house = self.desk.house_of(who)
        await saw(
            request, subject="emergency-looks", patient="", reason="", event=AuditEvent.QUERIED
        )

        def read(conn: sa.Connection) -> LookPage:
            found = store.watched_looks(
                conn, house, waiting=asked.waiting, before=asked.before, limit=limit
            )
            return LookPage(
                items=_rows(conn, found, who),
                next_before=found[-1].id if len(found) == limit else None,
                waiting=store.count_waiting(conn, house),
            )

        return json_response(await request.app[DATABASE].read(read))

    @describe("Judge an emergency look", body=ReviewRequest, answer=LookRow)
    @permit(roles=roles_for(Act.REVIEW_GLASS), machines=False, body_bytes=_BODY_BYTES)
    async def review(self, request: web.Request) -> web.StreamResponse:
        """Answer it as it then is."""
        body = await read_json(request, ReviewRequest, limit=_BODY_BYTES)
        look = await self.desk.review(_asker(request), _number(request), body)
        read = partial(_rows, looks=[look], who=request[PRINCIPAL])
        return json_response((await request.app[DATABASE].read(read))[0])

    @describe("Who looked at a study's patient", query=LookersQuery, answer=LookersPage)
    @permit(roles=roles_for(Act.READ_LOOKS), machines=False)
    async def looks(self, request: web.Request) -> web.StreamResponse:
        """Answer one page of the trail; this look is in it before."""
        asked = read_query(request, LookersQuery)
        ref = await look_at_study(
            request, request.match_info["study"], Act.READ_LOOKS, event=AuditEvent.AUDIT_READ
        )
        read = partial(
            self.trails.of_study,
            ref=ref,
            reach=asked_reach(request, Act.READ_LOOKS),
            before=asked.before,
            limit=min(max(asked.limit, 1), _LIMIT),
        )
        return json_response(await request.app[DATABASE].read(read))

    @describe("Who looked at whom an exact number names", body=LookersRequest, answer=LookersPage)
    @permit(roles=roles_for(Act.READ_LOOKS), machines=False, body_bytes=_BODY_BYTES)
    async def looks_of_number(self, request: web.Request) -> web.StreamResponse:
        """Answer one page of the trail; this look is in it before, found or not."""
        asked = await read_json(request, LookersRequest, limit=_BODY_BYTES)
        number, reach = parse_number(asked), asked_reach(request, Act.READ_LOOKS)

        def find(conn: sa.Connection) -> Watched | None:
            try:
                named = named_by(conn, asked.kind, number, asked.institution, self.desk.registered)
                return self.trails.of_number(conn, named, reach)
            except NobodyFound:
                return None

        watched = await request.app[DATABASE].read(find)
        await saw(
            request,
            subject=f"looks:{asked.kind.value}",
            # What was typed wrongly may be somebody's whom the asker has nothing to do with.
            patient=number if watched is not None else "",
            reason="",
            event=AuditEvent.AUDIT_READ,
        )
        if watched is None:
            raise NobodyFound
        read = partial(
            self.trails.page,
            watched=watched,
            before=asked.before,
            limit=min(max(asked.limit, 1), _LIMIT),
        )
        return json_response(await request.app[DATABASE].read(read))


def _asker(request: web.Request) -> Asker:
    return Asker(request[PRINCIPAL], request.get(ADDRESS, ""))


def _number(request: web.Request) -> int:
    text = request.match_info["id"]
    if not (text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS):
        raise LookMissing
    return int(text)


def _opened(conn: sa.Connection, look: Look, who: Principal) -> OpenLook:
    found = rows_of(conn, store.opened_studies(conn, look.grant))
    return OpenLook(
        id=look.id,
        since=look.since,
        until=look.until,
        studies=[for_eyes_of(who, each) for each in found],
    )


def _rows(conn: sa.Connection, looks: Sequence[Look], who: Principal) -> list[LookRow]:
    """Return *looks* for the eyes of *who*; only privacy officers know whom they were at."""
    names = institution_names(conn, {code for each in looks for code in _codes(each)})
    knows = who.has(Role.PRIVACY_OFFICER)
    return [_row(look, names, _newest(conn, look) if knows else None) for look in looks]


def _codes(look: Look) -> tuple[str, str]:
    return look.institution, look.owner


def _newest(conn: sa.Connection, look: Look) -> StudyRow | None:
    found = rows_of(conn, store.opened_studies(conn, look.grant)[:1])
    return found[0] if found else None


def _row(look: Look, names: Mapping[str, str], newest: StudyRow | None) -> LookRow:
    return LookRow(
        id=look.id,
        username=look.username,
        display_name=look.display_name,
        institution=InstitutionRow(look.institution, names.get(look.institution, look.institution)),
        owner=InstitutionRow(look.owner, names.get(look.owner, look.owner)),
        why=look.why,
        since=look.since,
        until=look.until,
        ended_at=look.ended_at,
        patient_name=masked_name(newest.patient.name) if newest else "",
        patient_id=masked_id(newest.patient.patient_id) if newest else "",
        study_instance_uid=newest.study_instance_uid if newest else "",
        verdict=look.verdict,
        note=look.note,
        reviewed_by=look.reviewed_by,
        reviewed_at=look.reviewed_at,
    )
