"""``/api/v1/admin/audit``: the audit administrator's part."""

import datetime as dt
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from kernel.audit.access_log import AccessLog
from kernel.audit.reading import TrailFilter, TrailLine, read_trail
from kernel.audit.trail import AuditEntry, AuditEvent, Fault, verify
from kernel.clock import Clock
from kernel.identity import Role
from kernel.sql.db import Database
from kernel.web import ADDRESS, PRINCIPAL, describe, json_response, permit, read_query

_ROOT: Final = "/api/v1/admin/audit"
_AUDITOR: Final = frozenset({Role.AUDIT_ADMINISTRATOR})
_LIMIT: Final = 500
_VERIFY_WITHIN_S: Final = 600.0


class TrailQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows; ``before`` is the last id of the page before."""

    username: str = ""
    subject: str = ""
    patient: str = ""
    event: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    before: int | None = None
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
        """Return the two routes."""
        return [web.get(_ROOT, self.show), web.get(f"{_ROOT}/verification", self.verification)]

    @describe("The audit trail, newest first", query=TrailQuery, answer=TrailPage)
    @permit(roles=_AUDITOR)
    async def show(self, request: web.Request) -> web.StreamResponse:
        """Answer one page."""
        query = read_query(request, TrailQuery)
        limit = min(max(query.limit, 1), _LIMIT)
        wanted = TrailFilter(
            username=query.username,
            subject=query.subject,
            patient=query.patient,
            event=query.event,
            since=query.since,
            until=query.until,
        )
        await self._note(request, "read")
        lines = await self._database.read(
            partial(read_trail, wanted=wanted, before=query.before, limit=limit)
        )
        more = lines[-1].id if len(lines) == limit else None
        return json_response(TrailPage(items=lines, next_before=more))

    @describe("Check every chain of the trail", answer=VerificationView)
    @permit(roles=_AUDITOR)
    async def verification(self, request: web.Request) -> web.StreamResponse:
        """Answer the first bad row of each chain; none when all hold."""
        await self._note(request, "verify")
        faults = await self._database.read(verify, within_s=_VERIFY_WITHIN_S)
        return json_response(VerificationView(faults=faults))

    async def _note(self, request: web.Request, act: str) -> None:
        who = request[PRINCIPAL]
        entry = AuditEntry(
            at=self._clock.now(),
            event=AuditEvent.AUDIT_READ,
            user_id=who.user_id,
            username=who.username,
            institution=who.institution,
            address=request[ADDRESS],
            detail={"act": act},
        )
        await self._access_log.add(entry)
