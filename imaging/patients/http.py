"""``/api/v1/persons``: who may be one person, side by side, and what the centre says of it."""

import datetime as dt
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from imaging.archive.amending import Hand, hand_of
from imaging.archive.tables import patient, study
from imaging.patients import persons as store
from imaging.patients.matching import NumberKind, same_name
from imaging.patients.persons import PersonMissing, ProposalMissing
from imaging.patients.tables import match_proposals, person_merges, persons
from kernel.audit.trail import AuditEvent
from kernel.dicom.shown import display_name
from kernel.errors import Invalid
from kernel.idempotency import once
from kernel.policy import (
    Act,
    Subject,
    masked_id,
    masked_name,
    masked_number,
    require,
    roles_for,
    shows_full_name,
)
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
    saw,
)

_PATH: Final = "/api/v1/persons"
_ROLES: Final = roles_for(Act.IDENTIFY_PERSONS)
_PAGE_MOST: Final = 200
_DIGITS: Final = 18


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A patient of one house."""

    row: int
    person: int | None
    patient_id: str
    issuer: str
    """Issuer of Patient ID, or the code of the institution whose number it is."""
    name: str
    sex: str
    birth_date: str
    """YYYYMMDD, or empty."""
    resident_id: str
    """Masked."""
    phone: str
    """Masked."""
    studies: int


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Two patients who may be one person."""

    id: int
    etag: str
    state: str
    """``open``, ``confirmed`` or ``refused``."""
    one: Identity
    other: Identity
    agrees: list[str]
    differs: list[str]
    """Fields both have, with other values; what only one has is in neither list."""
    proposed_at: dt.datetime
    decided_by: str
    decided_at: dt.datetime | None


class ProposalPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of proposals, the newest first."""

    items: list[Proposal]
    next_cursor: str | None


class ProposalQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of the list."""

    state: str = store.OPEN
    limit: int = 50
    cursor: str = ""


class ReasonBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why."""

    reason: str


class MergeBody(ReasonBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which person this one is too, and why."""

    gone: int


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """One merge into a person."""

    id: int
    gone: int
    patients: list[int]
    basis: str
    """``number``, ``person``, or ``reconciliation``: the house said who somebody unknown is."""
    reason: str
    made_by: str
    made_at: dt.datetime
    undone_by: str
    undone_reason: str
    undone_at: dt.datetime | None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the county."""

    id: int
    etag: str
    merged_into: int | None
    identities: list[Identity]
    merges: list[Merge]


class PersonDoor:
    """The routes of the centre's persons."""

    def __init__(self, centre: str, *, chain: str) -> None:
        """Let people of *centre* decide; write into *chain* of the audit trail."""
        self._centre = centre
        self._chain = chain

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        asked = f"{_PATH}/proposals"
        return [
            web.get(asked, self.proposals, allow_head=False),
            web.post(f"{asked}/{{id}}/confirm", self.confirm),
            web.post(f"{asked}/{{id}}/refuse", self.refuse),
            web.get(f"{_PATH}/{{id}}", self.show, allow_head=False),
            web.post(f"{_PATH}/{{id}}/merge", self.merge),
            web.post(f"{_PATH}/{{id}}/merges/{{merge}}/undo", self.unmerge),
        ]

    @describe("List who may be one person", query=ProposalQuery, answer=ProposalPage)
    @permit(roles=_ROLES, machines=False)
    async def proposals(self, request: web.Request) -> web.StreamResponse:
        """Answer a page of proposals."""
        asked = read_query(request, ProposalQuery)
        if not 1 <= asked.limit <= _PAGE_MOST:
            raise Invalid(f"limit is 1 to {_PAGE_MOST}", code="invalid-query")
        before = _number(asked.cursor) if asked.cursor else None
        if asked.cursor and before is None:
            raise Invalid("cursor is what an answer gave as next_cursor", code="invalid-query")
        await self._look(request, "person-proposals", AuditEvent.QUERIED)
        columns = match_proposals.c
        query = sa.select(match_proposals).where(columns.state == asked.state)
        if before is not None:
            query = query.where(columns.id < before)
        query = query.order_by(columns.id.desc()).limit(asked.limit + 1)
        full = shows_full_name(request[PRINCIPAL])
        found = await request.app[DATABASE].read(lambda conn: _proposals(conn, query, full=full))
        more = len(found) > asked.limit
        return json_response(
            ProposalPage(
                items=found[: asked.limit],
                next_cursor=str(found[asked.limit - 1].id) if more else None,
            )
        )

    @describe("Say that two patients are one person", body=ReasonBody, answer=Proposal)
    @permit(roles=_ROLES, machines=False)
    async def confirm(self, request: web.Request) -> web.StreamResponse:
        """Answer the proposal as it then is."""
        return await self._decide(request, same=True)

    @describe("Say that two patients are two persons", body=ReasonBody, answer=Proposal)
    @permit(roles=_ROLES, machines=False)
    async def refuse(self, request: web.Request) -> web.StreamResponse:
        """Answer the proposal as it then is."""
        return await self._decide(request, same=False)

    async def _decide(self, request: web.Request, *, same: bool) -> web.StreamResponse:
        body = await read_json(request, ReasonBody)
        number, seen = _number(request.match_info["id"]), read_version(request)
        hand = self._hand(request, body.reason)
        if number is None:
            raise ProposalMissing

        def act(conn: sa.Connection) -> int:
            store.decide_proposal(conn, number, hand, same=same, seen=seen)
            return number

        await self._once(request, body, act)
        query = sa.select(match_proposals).where(match_proposals.c.id == number)
        full = shows_full_name(request[PRINCIPAL])
        (told,) = await request.app[DATABASE].read(lambda conn: _proposals(conn, query, full=full))
        return json_response(told, headers={"ETag": f'"{told.etag}"'})

    @describe("Show a person with the numbers of all houses", answer=Person)
    @permit(roles=_ROLES, machines=False)
    async def show(self, request: web.Request) -> web.StreamResponse:
        """Answer one person; the look is in the audit trail before."""
        person = _person_number(request)
        await self._look(request, f"person:{person}", AuditEvent.RECORD_SEEN)
        return await self._answer(request, person)

    @describe("Say that another person is this one", body=MergeBody, answer=Person)
    @permit(roles=_ROLES, machines=False)
    async def merge(self, request: web.Request) -> web.StreamResponse:
        """Answer the person as it then is."""
        body = await read_json(request, MergeBody)
        person, seen = _person_number(request), read_version(request)
        hand = self._hand(request, body.reason)
        await self._once(
            request, body, lambda conn: store.merge(conn, person, body.gone, hand, seen=seen)
        )
        return await self._answer(request, person)

    @describe("Take a merge back", body=ReasonBody, answer=Person)
    @permit(roles=_ROLES, machines=False)
    async def unmerge(self, request: web.Request) -> web.StreamResponse:
        """Answer the person as it then is."""
        body = await read_json(request, ReasonBody)
        person, seen = _person_number(request), read_version(request)
        hand, row = self._hand(request, body.reason), _number(request.match_info["merge"])
        if row is None:
            raise store.MergeMissing

        def act(conn: sa.Connection) -> int:
            store.unmerge(conn, person, row, hand, seen=seen)
            return row

        await self._once(request, body, act)
        return await self._answer(request, person)

    def _hand(self, request: web.Request, reason: str) -> Hand:
        who = request[PRINCIPAL]
        decision = require(who, Act.IDENTIFY_PERSONS, Subject(self._centre))
        return hand_of(
            who,
            address=request.get(ADDRESS, ""),
            allowed=decision.reason,
            reason=reason,
            at=request.app[CLOCK].now(),
            chain=self._chain,
        )

    async def _look(self, request: web.Request, subject: str, event: AuditEvent) -> None:
        decision = require(request[PRINCIPAL], Act.IDENTIFY_PERSONS, Subject(self._centre))
        await saw(request, subject=subject, patient="", reason=decision.reason, event=event)

    async def _once(
        self, request: web.Request, body: Any, act: Callable[[sa.Connection], int]
    ) -> None:
        ask, now = read_ask(request, body), request.app[CLOCK].now()

        await request.app[DATABASE].write(partial(once, ask=ask, act=act, at=now))

    async def _answer(self, request: web.Request, person: int) -> web.StreamResponse:
        full = shows_full_name(request[PRINCIPAL])
        told = await request.app[DATABASE].read(lambda conn: _person(conn, person, full=full))
        return json_response(told, headers={"ETag": f'"{told.etag}"'})


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def _person_number(request: web.Request) -> int:
    number = _number(request.match_info["id"])
    if number is None:
        raise PersonMissing
    return number


def _identities(conn: sa.Connection, rows: Collection[int], *, full: bool) -> dict[int, Identity]:
    """Return the patients *rows* as pages show them."""
    columns, wanted = patient.c, sorted(set(rows))
    count = sa.select(sa.func.count()).where(study.c.patient == columns.id).scalar_subquery()
    numbers = store.known(conn, wanted)
    found: dict[int, Identity] = {}
    for row in conn.execute(
        sa.select(patient, count.label("studies")).where(columns.id.in_(wanted))
    ):
        given = numbers[row.id].numbers
        name = display_name(row.name)
        found[row.id] = Identity(
            row=row.id,
            person=row.person,
            patient_id=masked_number(row.patient_id) if full else masked_id(row.patient_id),
            issuer=row.issuer or row.assigner,
            name=name if full else masked_name(name),
            sex=row.sex,
            birth_date=row.birth_date if full else "",
            resident_id=masked_id(given.get(NumberKind.RESIDENT_ID, "")),
            phone=masked_id(given.get(NumberKind.PHONE, "")),
            studies=row.studies,
        )
    return found


def _proposals(conn: sa.Connection, query: sa.Select[Any], *, full: bool) -> list[Proposal]:
    rows = conn.execute(query).all()
    both = {each for row in rows for each in (row.one, row.other)}
    told, shown = store.known(conn, both), _identities(conn, both, full=full)
    made = []
    for row in rows:
        one, other = told[row.one], told[row.other]
        pairs = {
            "name": (one.name and other.name, same_name(one.name, other.name)),
            "sex": (one.sex and other.sex, one.sex == other.sex),
            "birth_date": (
                one.birth_date and other.birth_date,
                one.birth_date == other.birth_date,
            ),
        }
        for kind in NumberKind:
            first, second = one.numbers.get(kind, ""), other.numbers.get(kind, "")
            pairs[kind.value] = (first and second, first == second)
        made.append(
            Proposal(
                id=row.id,
                etag=str(row.version),
                state=row.state,
                one=shown[row.one],
                other=shown[row.other],
                agrees=[name for name, (both_told, same) in pairs.items() if both_told and same],
                differs=[
                    name for name, (both_told, same) in pairs.items() if both_told and not same
                ],
                proposed_at=row.proposed_at,
                decided_by=row.decided_by_name or row.decided_by,
                decided_at=row.decided_at,
            )
        )
    return made


def _person(conn: sa.Connection, person: int, *, full: bool) -> Person:
    row = conn.execute(sa.select(persons).where(persons.c.id == person)).one_or_none()
    if row is None:
        raise PersonMissing
    columns = person_merges.c
    merged = conn.execute(
        sa.select(person_merges).where(columns.kept == person).order_by(columns.id.desc())
    )
    shown = _identities(conn, store.members(conn, person), full=full)
    return Person(
        id=row.id,
        etag=str(row.version),
        merged_into=row.merged_into,
        identities=[shown[each] for each in sorted(shown)],
        merges=[
            Merge(
                id=each.id,
                gone=each.gone,
                patients=each.patients,
                basis=each.basis,
                reason=each.reason,
                made_by=each.made_by_name or each.made_by,
                made_at=each.made_at,
                undone_by=each.undone_by_name or each.undone_by,
                undone_reason=each.undone_reason,
                undone_at=each.undone_at,
            )
            for each in merged
        ],
    )
