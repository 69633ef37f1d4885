"""``…/application-entities/{ae_title}/echo``: does the device of the table answer?"""

from typing import Final

import msgspec
from aiohttp import web

from gateway.dimse.echoing import DeviceEcho, EchoAnswer
from kernel.audit.trail import AuditEntry, AuditEvent
from kernel.policy import Act, roles_for
from kernel.web import ACCESS_LOG, ADDRESS, CLOCK, PRINCIPAL, describe, json_response, permit

_SYSTEM: Final = roles_for(Act.MANAGE_SYSTEM)


class EchoView(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the question."""

    answer: EchoAnswer
    took_ms: int
    our_title: str
    """What this node called itself."""
    detail: str
    """One English line for the help desk; may be empty."""


class EchoDoor:
    """Asks a device by C-ECHO; no address comes from the request."""

    def __init__(self, devices: DeviceEcho) -> None:
        self._devices = devices

    def routes(self) -> list[web.RouteDef]:
        """Return the one route."""
        return [web.post("/api/v1/admin/application-entities/{ae_title}/echo", self.ask)]

    @describe("Ask a DICOM peer of the table whether it answers", answer=EchoView)
    @permit(roles=_SYSTEM)
    async def ask(self, request: web.Request) -> web.StreamResponse:
        """200 with what it answered, within some twenty seconds; 404, or 429."""
        title = request.match_info["ae_title"]
        echoed = await self._devices.ask(title)
        who = request[PRINCIPAL]
        entry = AuditEntry(
            at=request.app[CLOCK].now(),
            event=AuditEvent.QUERIED,
            user_id=who.user_id,
            username=who.username,
            institution=who.institution,
            address=request[ADDRESS],
            subject=f"ae:{title}",
            detail={"act": "echo", "answer": str(echoed.answer)},
        )
        await request.app[ACCESS_LOG].add(entry)
        return json_response(
            EchoView(
                answer=echoed.answer,
                took_ms=echoed.took_ms,
                our_title=self._devices.our_title,
                detail=echoed.detail,
            )
        )
