"""``/api/v1/rejections``: what does not count, made so and taken back."""

import datetime as dt
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import sqlalchemy as sa
from aiohttp import web

from imaging.archive import rejecting
from imaging.archive.amending import Hand, hand_of
from imaging.archive.amendment_tables import rejected_contents, rejections
from imaging.archive.http_corrections import UndoBody, row_number
from imaging.archive.looks import look_at_list, look_at_study
from imaging.archive.note_keeper import UnkeptNote, note_uid, unkept_note
from imaging.archive.rejected_rows import Kind
from imaging.archive.rejecting import STANDS, UNDONE, RejectionMissing
from imaging.archive.rejection_note import MEANINGS, Title
from kernel.dicom.shown import display_name
from kernel.errors import Invalid, Missing
from kernel.idempotency import done_before, remember
from kernel.identity import Principal
from kernel.policy import Act, Decision, Subject, decide, masked_number, roles_for
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

_PATH: Final = "/api/v1/rejections"
_ROLES: Final = roles_for(Act.REJECT_IMAGES)
_PAGE_MOST: Final = 200


class Notes(Protocol):
    """Makes rejection notes durable."""

    async def keep(self, unkept: UnkeptNote, username: str) -> None:
        """Return once the note is on disk."""
        ...


class RejectionBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What does not count, and why; the whole study where no part of it is named."""

    title: Title
    reason: str
    series: list[str] = []
    """Series Instance UIDs."""
    instances: list[str] = []
    """SOP Instance UIDs."""


class RejectionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One rejection."""

    id: int
    etag: str
    study_instance_uid: str
    institution: str
    """Code of whose study it is."""
    patient_id: str
    name: str
    description: str
    """Of the study; these are empty where nothing of it was here."""
    title: Title
    meaning: str
    reason: str
    objects: int
    """How many do not count by it."""
    awaited: int
    """How many more the note names, which have not come."""
    sent_by: str
    """AE title of whoever sent the note; empty where it was made here."""
    made_by: str
    made_at: dt.datetime
    undone_by: str
    undone_reason: str
    undone_at: dt.datetime | None


class RejectionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of rejections, the newest first."""

    items: list[RejectionRow]
    next_cursor: str | None


class RejectionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of the list."""

    study: str = ""
    """Study Instance UID."""
    limit: int = 50
    cursor: str = ""


class RejectionDoor:
    """The routes of rejecting."""

    def __init__(self, notes: Notes, *, chain: str) -> None:
        """Keep notes by *notes*; write into *chain* of the audit trail."""
        self._notes = notes
        self._chain = chain

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/api/v1/studies/{study}/rejections", self.reject),
            web.get(_PATH, self.listing, allow_head=False),
            web.post(f"{_PATH}/{{rejection}}/undo", self.undo),
        ]

    @describe("Say that images do not count", body=RejectionBody, answer=RejectionRow)
    @permit(roles=_ROLES, machines=False)
    async def reject(self, request: web.Request) -> web.StreamResponse:
        """Answer the rejection, its note on disk; 201."""
        body = await read_json(request, RejectionBody)
        ask = read_ask(request, body)
        database, uid = request.app[DATABASE], request.match_info["study"]
        # A study that is gone because this very act was done before is not there any more.
        made = await database.read(partial(done_before, ask=ask))
        if made is None:
            ref = await look_at_study(request, uid, Act.REJECT_IMAGES)
            allowed = decide(request[PRINCIPAL], Act.REJECT_IMAGES, ref.subject)
            hand = self._hand(request, allowed, body.reason)

            def write(conn: sa.Connection) -> str:
                before = done_before(conn, ask)
                if before is not None:
                    return before
                named = rejecting.chosen(
                    conn, ref.id, series_uids=body.series, instance_uids=body.instances
                )
                uids = [each.sop_instance_uid for each in named]
                row = rejecting.reject(conn, ref.id, uids, body.title, hand, note=note_uid(ask))
                remember(conn, ask, str(row), at=hand.at)
                return str(row)

            made = await database.write(write)
        unkept = await database.read(partial(unkept_note, rejection=int(made)))
        if unkept is not None:
            await self._notes.keep(unkept, request[PRINCIPAL].username)
        return await self._answer(request, int(made), status=201)

    @describe("List what does not count", query=RejectionQuery, answer=RejectionPage)
    @permit(roles=_ROLES)
    async def listing(self, request: web.Request) -> web.StreamResponse:
        """Answer a page of the rejections the asker can take back."""
        asked = read_query(request, RejectionQuery)
        if not 1 <= asked.limit <= _PAGE_MOST:
            raise Invalid(f"limit is 1 to {_PAGE_MOST}", code="invalid-query")
        before = row_number(asked.cursor) if asked.cursor else None
        if asked.cursor and before is None:
            raise Invalid("cursor is what an answer gave as next_cursor", code="invalid-query")
        await look_at_list(request, "rejections")
        page = await request.app[DATABASE].read(
            lambda conn: _page(conn, asked, request[PRINCIPAL], before)
        )
        return json_response(page)

    @describe("Let rejected images count again", body=UndoBody, answer=RejectionRow)
    @permit(roles=_ROLES, machines=False)
    async def undo(self, request: web.Request) -> web.StreamResponse:
        """Answer the rejection as it then is."""
        body = await read_json(request, UndoBody)
        ask, seen = read_ask(request, body), read_version(request)
        number = row_number(request.match_info["rejection"])
        if number is None:
            raise RejectionMissing
        subject = await request.app[DATABASE].read(partial(_subject, rejection=number))
        if subject is None:
            raise RejectionMissing
        decision = decide(request[PRINCIPAL], Act.REJECT_IMAGES, subject)
        if not decision.allowed:
            error = decision.error()
            raise RejectionMissing if isinstance(error, Missing) else error
        hand = self._hand(request, decision, body.reason)

        def write(conn: sa.Connection) -> None:
            if done_before(conn, ask) is None:
                rejecting.undo(conn, number, hand, seen=seen)
                remember(conn, ask, str(number), at=hand.at)

        await request.app[DATABASE].write(write)
        return await self._answer(request, number)

    def _hand(self, request: web.Request, decision: Decision, reason: str) -> Hand:
        return hand_of(
            request[PRINCIPAL],
            address=request.get(ADDRESS, ""),
            allowed=decision.reason,
            reason=reason,
            at=request.app[CLOCK].now(),
            chain=self._chain,
        )

    async def _answer(
        self, request: web.Request, rejection: int, *, status: int = 200
    ) -> web.StreamResponse:
        row = await request.app[DATABASE].read(
            lambda conn: _row(conn.execute(_query().where(rejections.c.id == rejection)).one())
        )
        return json_response(row, status=status, headers={"ETag": f'"{row.etag}"'})


def _subject(conn: sa.Connection, *, rejection: int) -> Subject | None:
    columns = rejections.c
    row = conn.execute(
        sa.select(columns.institution, columns.shelf).where(columns.id == rejection)
    ).one_or_none()
    return None if row is None else _subject_of(row)


def _subject_of(row: Any) -> Subject:
    given = {each["institution"] for each in row.shelf.get("reach", [])}
    return Subject(row.institution, frozenset(given - {row.institution}))


def _query() -> sa.Select[Any]:
    columns, contents = rejections.c, rejected_contents.c

    def count(kind: Kind) -> sa.ColumnElement[int]:
        return (
            sa.select(sa.func.count())
            .where(contents.rejection == columns.id, contents.kind == kind)
            .scalar_subquery()
        )

    return sa.select(
        *columns, count(Kind.ANSWERS).label("objects"), count(Kind.AWAITED).label("awaited")
    )


def _page(
    conn: sa.Connection, asked: RejectionQuery, principal: Principal, before: int | None
) -> RejectionPage:
    columns, mine = rejections.c, principal.institution
    # Where a study was routed stands on the shelf. Who is only named there may not, and is left out
    # of a page that is then shorter.
    named = sa.cast(columns.shelf, sa.Text).contains(f'"{mine}"', autoescape=True)
    query = _query().where((columns.institution == mine) | named)
    if asked.study:
        query = query.where(columns.study_instance_uid == asked.study)
    if before is not None:
        query = query.where(columns.id < before)
    rows = conn.execute(query.order_by(columns.id.desc()).limit(asked.limit + 1)).all()
    shown = [
        _row(row)
        for row in rows[: asked.limit]
        if decide(principal, Act.REJECT_IMAGES, _subject_of(row)).allowed
    ]
    more = len(rows) > asked.limit
    return RejectionPage(items=shown, next_cursor=str(rows[asked.limit - 1].id) if more else None)


def _row(row: Any) -> RejectionRow:
    told = row.shelf.get("study", {})
    return RejectionRow(
        id=row.id,
        etag=STANDS if row.undone_at is None else UNDONE,
        study_instance_uid=row.study_instance_uid,
        institution=row.institution,
        patient_id=masked_number(told.get("patient_id", "")),
        name=display_name(told.get("patient_name", "")),
        description=told.get("study_description", ""),
        title=Title(row.title),
        meaning=MEANINGS[Title(row.title)],
        reason=row.reason,
        objects=row.objects,
        awaited=row.awaited,
        sent_by=row.sent_by,
        made_by=row.made_by_name or row.made_by,
        made_at=row.made_at,
        undone_by=row.undone_by_name or row.undone_by,
        undone_reason=row.undone_reason,
        undone_at=row.undone_at,
    )
