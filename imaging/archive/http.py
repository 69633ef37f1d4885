"""The study list of the workstation: ``/api/v1/studies``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import msgspec
import sqlalchemy as sa
from aiohttp import web

from imaging.archive.conflicts import After, conflicts_page
from imaging.archive.locate import Elsewhere, nowhere
from imaging.archive.looks import look_at_list, look_at_study
from imaging.archive.model import (
    ConflictPage,
    ConflictRow,
    Revealed,
    RevealRequest,
    StudyArrival,
    StudyDetail,
    StudyPage,
    StudyRow,
)
from imaging.archive.study_list import PAGE_MAX, Narrow, read_detail, read_page
from imaging.query.matching import normal_date
from kernel.audit.trail import AuditEvent
from kernel.errors import Invalid
from kernel.identity import Principal
from kernel.policy import Act, masked_id, masked_name, masked_number, roles_for, shows_full_name
from kernel.web import (
    CLOCK,
    DATABASE,
    PRINCIPAL,
    asked_reach,
    describe,
    json_response,
    permit,
    read_json,
    read_query,
)

_SMALL_BYTES: Final = 1024


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of the study list."""

    q: str = ""
    modality: str = ""
    institution: str = ""
    date_from: str = ""
    date_to: str = ""
    unidentified: bool = False
    conflicts: bool = False
    limit: int = 50
    cursor: str = ""


class ConflictsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of a study's conflicts."""

    limit: int = 50
    cursor: str = ""


class InvalidListQuery(Invalid):
    """A parameter of the list is no value of its kind."""

    code = "invalid-query"


class Arrivals(Protocol):
    """Knows what townships say of their studies."""

    def __call__(
        self, conn: sa.Connection, studies: Sequence[str], /
    ) -> Mapping[str, StudyArrival]:
        """Return it for those of *studies* that a township told of."""
        ...


def nothing_told(conn: sa.Connection, studies: Sequence[str], /) -> Mapping[str, StudyArrival]:
    """Know nothing, for a county without townships (``Arrivals``)."""
    del conn, studies
    return {}


def routes(arrivals: Arrivals = nothing_told, elsewhere: Elsewhere = nowhere) -> list[web.RouteDef]:
    """Return the routes of the study list.

    Args:
        arrivals: tells of each study how much of it its township has sent.
        elsewhere: knows the studies that were here and are only at another node now.
    """
    door = _StudyDoor(arrivals, elsewhere)
    return [
        web.get("/api/v1/studies", door.list_studies),
        web.get("/api/v1/studies/{study}", door.show_study),
        web.get("/api/v1/studies/{study}/conflicts", door.list_conflicts),
        web.post("/api/v1/studies/{study}/reveal", door.reveal),
    ]


@dataclass(frozen=True, slots=True)
class _StudyDoor:
    arrivals: Arrivals
    elsewhere: Elsewhere

    async def _with_arrivals(
        self, request: web.Request, rows: Sequence[StudyRow]
    ) -> list[StudyRow]:
        uids = [row.study_instance_uid for row in rows]
        told = await request.app[DATABASE].read(lambda conn: self.arrivals(conn, uids))
        principal = request[PRINCIPAL]
        return [
            msgspec.structs.replace(
                for_eyes_of(principal, row), completeness=told.get(row.study_instance_uid)
            )
            for row in rows
        ]

    @describe(
        "List studies, newest first, emergencies of now besides", query=ListQuery, answer=StudyPage
    )
    @permit(roles=roles_for(Act.READ_LIST))
    async def list_studies(self, request: web.Request) -> web.Response:
        """Answer one page of the studies in the asker's reach."""
        asked = read_query(request, ListQuery)
        _check_limit(asked.limit)
        if asked.cursor and not (asked.cursor.isascii() and asked.cursor.isdigit()):
            raise InvalidListQuery("cursor is what an answer gave as next_cursor")
        narrow = Narrow(
            typed=asked.q.strip(),
            modality=asked.modality,
            institution=asked.institution,
            date_from=_day(asked.date_from),
            date_to=_day(asked.date_to),
            unidentified=asked.unidentified,
            conflicts=asked.conflicts,
        )
        await look_at_list(request, "studies")
        page = await request.app[DATABASE].read(
            partial(
                read_page,
                narrow=narrow,
                reach=asked_reach(request),
                limit=asked.limit,
                before=int(asked.cursor[:18]) if asked.cursor else None,
                at=request.app[CLOCK].now(),
            )
        )
        rows = await self._with_arrivals(request, [*page.items, *page.pinned])
        items, pinned = rows[: len(page.items)], rows[len(page.items) :]
        return json_response(msgspec.structs.replace(page, items=items, pinned=pinned))

    @describe(
        "List what of a study a person must decide", query=ConflictsQuery, answer=ConflictPage
    )
    @permit(roles=roles_for(Act.READ_LIST))
    async def list_conflicts(self, request: web.Request) -> web.Response:
        """Answer one page of the study's conflicts; the look is in the audit trail before."""
        asked = read_query(request, ConflictsQuery)
        _check_limit(asked.limit)
        after = After.parse(asked.cursor)
        ref = await look_at_study(request, request.match_info["study"])
        read = partial(conflicts_page, ref=ref, limit=asked.limit, after=after)
        page = await request.app[DATABASE].read(read)
        items = _for_eyes(request[PRINCIPAL], page.items)
        return json_response(msgspec.structs.replace(page, items=items))

    @describe("Show a study with its series and first conflicts", answer=StudyDetail)
    @permit(roles=roles_for(Act.READ_LIST))
    async def show_study(self, request: web.Request) -> web.Response:
        """Answer one study; the look is in the audit trail before."""
        study = request.match_info["study"]
        ref = await look_at_study(request, study, elsewhere=self.elsewhere)
        detail = await request.app[DATABASE].read(partial(read_detail, ref=ref))
        [row] = await self._with_arrivals(request, [detail.study])
        conflicts = _for_eyes(request[PRINCIPAL], detail.conflicts)
        return json_response(msgspec.structs.replace(detail, study=row, conflicts=conflicts))

    @describe(
        "Show one masked field; every look is written down", body=RevealRequest, answer=Revealed
    )
    @permit(roles=roles_for(Act.READ_STUDY), machines=False, body_bytes=_SMALL_BYTES)
    async def reveal(self, request: web.Request) -> web.Response:
        """Answer the patient's number once the look at it is in the audit trail."""
        body = await read_json(request, RevealRequest, limit=_SMALL_BYTES)
        ref = await look_at_study(
            request,
            request.match_info["study"],
            Act.READ_STUDY,
            event=AuditEvent.REVEALED,
            field=body.field,
        )
        return json_response(Revealed(field=body.field, value=ref.patient_id))


def for_eyes_of(principal: Principal, row: StudyRow) -> StudyRow:
    """Return *row* as *principal* may see it: resident numbers masked for everybody.

    Who does not need to know the patient gets the name, the whole number and the birth date masked
    besides.
    """
    if shows_full_name(principal):
        number = masked_number(row.patient.patient_id)
        shown = msgspec.structs.replace(row.patient, patient_id=number, masked_id=number)
        return msgspec.structs.replace(row, patient=shown)
    number = masked_id(row.patient.patient_id)
    patient = msgspec.structs.replace(
        row.patient,
        name=masked_name(row.patient.name),
        alphabetic_name=masked_name(row.patient.alphabetic_name),
        patient_id=number,
        masked_id=number,
        birth_date=None,
    )
    return msgspec.structs.replace(row, patient=patient)


def _for_eyes(principal: Principal, rows: Sequence[ConflictRow]) -> list[ConflictRow]:
    """Leave out what contents say, for whoever need not know the patient."""
    if shows_full_name(principal):
        return list(rows)
    return [msgspec.structs.replace(row, says=[]) for row in rows]


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidListQuery(f"limit is 1 to {PAGE_MAX}")


def _day(text: str) -> str:
    if not text:
        return ""
    day = normal_date(text.replace("-", ""))
    if not day:
        raise InvalidListQuery("a date is YYYY-MM-DD")
    return day
