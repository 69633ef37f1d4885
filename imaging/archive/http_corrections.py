"""``/api/v1/studies/{study}/corrections``: whose a study is, put right and taken back."""

import datetime as dt
from functools import partial
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from imaging.archive import correcting
from imaging.archive.amending import Hand, hand_of
from imaging.archive.amendment_tables import study_corrections
from imaging.archive.correcting import CorrectionMissing, Register, Target, TargetMissing
from imaging.archive.looks import look_at_study
from imaging.archive.tables import study
from kernel.dicom.shown import display_name
from kernel.errors import Invalid
from kernel.idempotency import once
from kernel.policy import Act, decide, masked_number, roles_for
from kernel.web import (
    ADDRESS,
    CLOCK,
    DATABASE,
    PRINCIPAL,
    describe,
    json_response,
    permit,
    read_ask,
    read_json,
    read_query,
    read_version,
)

_PATH: Final = "/api/v1/studies/{study}"
_ROLES: Final = roles_for(Act.CORRECT_STUDY)
_TARGETS: Final = 20
_TYPED_MOST: Final = 64
_DIGITS: Final = 18
SYSTEM: Final = "YILIAN"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is, and which order it is, as a comparison shows it."""

    patient_id: str
    name: str
    sex: str
    birth_date: str
    """YYYYMMDD, or empty."""
    accession_number: str


class TargetRow(msgspec.Struct, frozen=True, kw_only=True):
    """Whose the study could be."""

    key: str
    """What a correction takes as ``target``."""
    who: Person
    examination: str
    scheduled_at: dt.datetime | None
    state: str
    differs: list[str]
    """Fields of ``who`` in which the study says something else now."""


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """What the study says now, and whose it could be."""

    now: Person
    items: list[TargetRow]


class TargetQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of the search."""

    q: str


class CorrectionBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose the study is, and why."""

    target: str
    reason: str


class UndoBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why something is taken back."""

    reason: str


class CorrectionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One correction."""

    id: int
    target: str
    before: Person
    after: Person
    reason: str
    made_by: str
    made_at: dt.datetime
    undone_by: str
    undone_reason: str
    undone_at: dt.datetime | None


class Corrections(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a study, the newest first; the ETag names this state."""

    items: list[CorrectionRow]


class CorrectionDoor:
    """The routes of correcting."""

    def __init__(self, register: Register, *, chain: str) -> None:
        """Take targets from *register*; write into *chain* of the audit trail."""
        self._register = register
        self._chain = chain

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(f"{_PATH}/correction-targets", self.targets, allow_head=False),
            web.get(f"{_PATH}/corrections", self.listing, allow_head=False),
            web.post(f"{_PATH}/corrections", self.correct),
            web.post(f"{_PATH}/corrections/{{correction}}/undo", self.undo),
        ]

    @describe("Find whose a study could be", query=TargetQuery, answer=Targets)
    @permit(roles=_ROLES, machines=False)
    async def targets(self, request: web.Request) -> web.StreamResponse:
        """Answer orders and patients of the study's institution with that number or name."""
        typed = read_query(request, TargetQuery).q.strip()
        if not 1 <= len(typed) <= _TYPED_MOST:
            raise Invalid(f"1 to {_TYPED_MOST} characters", code="invalid-query")
        ref = await look_at_study(request, request.match_info["study"], Act.CORRECT_STUDY)

        def read(conn: sa.Connection) -> Targets:
            now = _now(conn, ref.id)
            whose = ref.subject.institution
            found = self._register.find(conn, whose, typed, limit=_TARGETS)
            return Targets(now=_shown(now), items=[_target(each, now) for each in found])

        return json_response(await request.app[DATABASE].read(read))

    @describe("List what was put right about a study", answer=Corrections)
    @permit(roles=_ROLES)
    async def listing(self, request: web.Request) -> web.StreamResponse:
        """Answer the study's corrections."""
        ref = await look_at_study(request, request.match_info["study"], Act.CORRECT_STUDY)
        return await _answer(request, ref.study_instance_uid)

    @describe("Say whose a study is", body=CorrectionBody, answer=Corrections)
    @permit(roles=_ROLES, machines=False)
    async def correct(self, request: web.Request) -> web.StreamResponse:
        """Answer the study's corrections, the new one first; 201."""
        body = await read_json(request, CorrectionBody)
        ask, seen = read_ask(request, body), read_version(request)
        ref = await look_at_study(request, request.match_info["study"], Act.CORRECT_STUDY)
        allowed = decide(request[PRINCIPAL], Act.CORRECT_STUDY, ref.subject).reason
        hand = self._hand(request, allowed, body.reason)

        def write(conn: sa.Connection) -> str:
            target = self._register.get(conn, ref.subject.institution, body.target)
            if target is None:
                raise TargetMissing
            row = correcting.correct(conn, ref.id, target, hand, seen=seen, system=SYSTEM)
            return str(row)

        await request.app[DATABASE].write(partial(once, ask=ask, act=write, at=hand.at))
        return await _answer(request, ref.study_instance_uid, status=201)

    @describe("Take a correction back", body=UndoBody, answer=Corrections)
    @permit(roles=_ROLES, machines=False)
    async def undo(self, request: web.Request) -> web.StreamResponse:
        """Answer the study's corrections as they then are."""
        body = await read_json(request, UndoBody)
        ask, seen = read_ask(request, body), read_version(request)
        ref = await look_at_study(request, request.match_info["study"], Act.CORRECT_STUDY)
        number = row_number(request.match_info["correction"])
        if number is None:
            raise CorrectionMissing
        allowed = decide(request[PRINCIPAL], Act.CORRECT_STUDY, ref.subject).reason
        hand = self._hand(request, allowed, body.reason)

        def write(conn: sa.Connection) -> str:
            correcting.undo(conn, ref.id, number, hand, seen=seen)
            return str(number)

        await request.app[DATABASE].write(partial(once, ask=ask, act=write, at=hand.at))
        return await _answer(request, ref.study_instance_uid)

    def _hand(self, request: web.Request, allowed: str, reason: str) -> Hand:
        return hand_of(
            request[PRINCIPAL],
            address=request.get(ADDRESS, ""),
            allowed=allowed,
            reason=reason,
            at=request.app[CLOCK].now(),
            chain=self._chain,
        )


def row_number(text: str) -> int | None:
    """Return the row *text* names, None where it names none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


async def _answer(
    request: web.Request, study_instance_uid: str, *, status: int = 200
) -> web.StreamResponse:
    def read(conn: sa.Connection) -> tuple[Corrections, str]:
        found = Corrections(items=_rows(conn, study_instance_uid))
        return found, correcting.version_of(conn, study_instance_uid)

    found, version = await request.app[DATABASE].read(read)
    return json_response(found, status=status, headers={"ETag": f'"{version}"'})


def _rows(conn: sa.Connection, study_instance_uid: str) -> list[CorrectionRow]:
    columns = study_corrections.c
    query = (
        sa.select(*(column for column in columns))
        .where(columns.study_instance_uid == study_instance_uid)
        .order_by(columns.id.desc())
    )
    return [
        CorrectionRow(
            id=row.id,
            target=row.target,
            before=_shown(_person(row.before["study"])),
            after=_shown(_person(_columns_of(row.correction["values"], row.before["study"]))),
            reason=row.reason,
            made_by=row.made_by_name or row.made_by,
            made_at=row.made_at,
            undone_by=row.undone_by_name or row.undone_by,
            undone_reason=row.undone_reason,
            undone_at=row.undone_at,
        )
        for row in conn.execute(query)
    ]


def _shown(person: Person) -> Person:
    return msgspec.structs.replace(person, patient_id=masked_number(person.patient_id))


def _columns_of(values: dict[str, str], before: dict[str, Any]) -> dict[str, Any]:
    return {
        "patient_id": values["00100020"],
        "patient_name": values["00100010"],
        "patient_sex": values["00100040"],
        "patient_birth_date": values["00100030"],
        "accession_number": values.get("00080050", before["accession_number"]),
    }


def _person(columns: Any) -> Person:
    return Person(
        patient_id=columns["patient_id"],
        name=display_name(columns["patient_name"]),
        sex=columns["patient_sex"],
        birth_date=columns["patient_birth_date"],
        accession_number=columns["accession_number"],
    )


def _now(conn: sa.Connection, study_row: int) -> Person:
    names = (
        "patient_id",
        "patient_name",
        "patient_sex",
        "patient_birth_date",
        "accession_number",
    )
    query = sa.select(*(study.c[name] for name in names)).where(study.c.id == study_row)
    return _person(conn.execute(query).one()._mapping)


def _target(target: Target, now: Person) -> TargetRow:
    who = Person(
        patient_id=target.patient_id,
        name=display_name(target.name),
        sex=target.sex,
        birth_date=target.birth_date,
        # A patient without an order leaves the study's number as it is.
        accession_number=target.accession_number or now.accession_number,
    )
    return TargetRow(
        key=target.key,
        who=_shown(who),
        examination=target.examination,
        scheduled_at=target.scheduled_at,
        state=target.state,
        differs=[
            name for name in who.__struct_fields__ if getattr(who, name) != getattr(now, name)
        ],
    )
