"""``/api/v1/admin/audit``: who saw what, for the audit administrator and privacy officers.

Whoever reads the trail is in it, with what was asked for: to look for a patient's number is to look
at the patient.
"""

import datetime as dt
from dataclasses import replace
from functools import partial
from typing import Annotated, Final

import msgspec
from aiohttp import web

from gateway.http.trail_table import as_csv
from kernel.audit.access_log import AccessLog
from kernel.audit.reading import TrailFilter, TrailLine, read_trail
from kernel.audit.trail import AuditEntry, AuditEvent, Fault, verify
from kernel.clock import Clock
from kernel.identity import Role
from kernel.policy import Act, masked_id, roles_for
from kernel.sql.db import Database
from kernel.web import ADDRESS, PRINCIPAL, describe, json_response, permit, read_query

_ROOT: Final = "/api/v1/admin/audit"
_READERS: Final = roles_for(Act.READ_AUDIT)
_CHECKER: Final = frozenset({Role.AUDIT_ADMINISTRATOR})
_LIMIT: Final = 500
_EXPORT_ROWS: Final = 10_000
_TOLD: Final = ("username", "institution", "subject", "event", "since", "until")
"""Of a question, what its row says besides the patient."""
_VERIFY_WITHIN_S: Final = 600.0


RowNumber = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class TrailQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows; ``before`` is the last id of the page before."""

    username: str = ""
    institution: str = ""
    """Code of the institution whose people acted; a privacy officer's is always their own."""
    subject: str = ""
    patient: str = ""
    event: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    before: RowNumber | None = None
    limit: int = 100


class TrailPage(msgspec.Struct, frozen=True, kw_only=True):
    """Rows, newest first."""

    items: list[TrailLine]
    next_before: int | None


class VerificationView(msgspec.Struct, frozen=True, kw_only=True):
    """The first bad row of each chain that has one."""

    faults: list[Fault]


class TrailDoor:
    """Reading and checking the trail; both leave a row in it."""

    def __init__(self, database: Database, access_log: AccessLog, clock: Clock) -> None:
        self._database = database
        self._access_log = access_log
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(_ROOT, self.show),
            web.get(f"{_ROOT}/export", self.export),
            web.get(f"{_ROOT}/verification", self.verification),
        ]

    @describe("The audit trail, newest first", query=TrailQuery, answer=TrailPage)
    @permit(roles=_READERS)
    async def show(self, request: web.Request) -> web.StreamResponse:
        """Answer one page, patients' numbers masked.

        A privacy officer reads what people of their own institution did.
        """
        query = read_query(request, TrailQuery)
        limit = min(max(query.limit, 1), _LIMIT)
        wanted = _wanted(request, query)
        await self._note(request, "read", query)
        lines = await self._database.read(
            partial(read_trail, wanted=wanted, before=query.before, limit=limit)
        )
        more = lines[-1].id if len(lines) == limit else None
        shown = [replace(line, patient=masked_id(line.patient)) for line in lines]
        return json_response(TrailPage(items=shown, next_before=more))

    @describe("The audit trail as a table for spreadsheets, newest first", query=TrailQuery)
    @permit(roles=_READERS)
    async def export(self, request: web.Request) -> web.StreamResponse:
        """Answer at most 10,000 rows as CSV (RFC 4180), patients' numbers masked.

        Whoever sees which rows is as in the list; ``limit`` counts for nothing here.
        """
        query = read_query(request, TrailQuery)
        wanted = _wanted(request, query)
        await self._note(request, "export", query, AuditEvent.EXPORTED)
        lines: list[TrailLine] = []
        before = query.before
        while len(lines) < _EXPORT_ROWS:
            page = await self._database.read(
                partial(read_trail, wanted=wanted, before=before, limit=_LIMIT)
            )
            lines += page
            if len(page) < _LIMIT:
                break
            before = page[-1].id
        table = as_csv(replace(line, patient=masked_id(line.patient)) for line in lines)
        return web.Response(
            body=table,
            headers={
                "Content-Type": "text/csv; charset=utf-8; header=present",
                "Content-Disposition": 'attachment; filename="audit.csv"',
                "Cache-Control": "no-store",
            },
        )

    @describe("Check every chain of the trail", answer=VerificationView)
    @permit(roles=_CHECKER)
    async def verification(self, request: web.Request) -> web.StreamResponse:
        """Answer the first bad row of each chain; none when all hold."""
        await self._note(request, "verify")
        faults = await self._database.read(verify, within_s=_VERIFY_WITHIN_S)
        return json_response(VerificationView(faults=faults))

    async def _note(
        self,
        request: web.Request,
        act: str,
        query: TrailQuery | None = None,
        event: AuditEvent = AuditEvent.AUDIT_READ,
    ) -> None:
        who = request[PRINCIPAL]
        asked = {} if query is None else msgspec.to_builtins(query)
        told = {name: str(asked[name]) for name in _TOLD if asked.get(name)}
        entry = AuditEntry(
            at=self._clock.now(),
            event=event,
            user_id=who.user_id,
            username=who.username,
            institution=who.institution,
            address=request[ADDRESS],
            patient=query.patient if query is not None else "",
            detail={"act": act} | told,
        )
        await self._access_log.add(entry)


def _wanted(request: web.Request, query: TrailQuery) -> TrailFilter:
    who = request[PRINCIPAL]
    return TrailFilter(
        username=query.username,
        subject=query.subject,
        patient=query.patient,
        event=query.event,
        institution=query.institution if who.has(*_CHECKER) else who.institution,
        since=query.since,
        until=query.until,
    )
