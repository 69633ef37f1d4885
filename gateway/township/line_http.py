"""The line for the township's pages: how it is, holding it and letting it go."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.township import parcel_queue
from gateway.township.line import Line
from gateway.township.parcel_queue import HOLD_MOST_MINUTES
from gateway.township.queue_news import QueueNews
from kernel.audit.trail import AuditEntry, AuditEvent
from kernel.identity import Principal
from kernel.policy import Act, Subject, decide, require, roles_for
from kernel.web import (
    ACCESS_LOG,
    ADDRESS,
    PRINCIPAL,
    describe,
    json_response,
    permit,
    read_json,
)

_READERS: Final = roles_for(Act.READ_LIST)
_MOVERS: Final = roles_for(Act.MANAGE_QUEUE)


class HoldBody(msgspec.Struct, frozen=True, kw_only=True):
    """For how long no images and no trail shall be sent, emergencies included."""

    minutes: Annotated[int, Meta(ge=1, le=HOLD_MOST_MINUTES)] = 60


@dataclass(frozen=True, slots=True)
class LineDoor:
    """The line's routes."""

    news: QueueNews
    institution: str
    on_changed: Callable[[], None]
    """Called when something may have become due to be sent, or to be stopped."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the line."""
        return [
            web.get("/api/v1/line", self._get, allow_head=False),
            web.post("/api/v1/line/pause", self._pause),
            web.post("/api/v1/line/resume", self._resume),
        ]

    @describe("The line to the county as it is now", answer=Line)
    @permit(roles=_READERS)
    async def _get(self, request: web.Request) -> web.StreamResponse:
        who, house = request[PRINCIPAL], Subject(self.institution)
        # No patient is in it: also whoever only works in the house's register may know.
        if not decide(who, Act.READ_ORDERS, house).allowed:
            require(who, Act.READ_LIST, house)
        return json_response(self.news.line())

    @describe("Send no images and no trail for a while", body=HoldBody, answer=Line)
    @permit(roles=_MOVERS)
    async def _pause(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, HoldBody)
        until = self.news.now().at + dt.timedelta(minutes=body.minutes)
        return await self._hold(request, until)

    @describe("Let everything go again", answer=Line)
    @permit(roles=_MOVERS)
    async def _resume(self, request: web.Request) -> web.StreamResponse:
        return await self._hold(request, None)

    async def _hold(self, request: web.Request, until: dt.datetime | None) -> web.StreamResponse:
        who: Principal = request[PRINCIPAL]
        require(who, Act.MANAGE_QUEUE, Subject(self.institution))
        entry = AuditEntry(
            at=self.news.now().at,
            event=AuditEvent.NETWORK_CHANGED,
            user_id=who.user_id,
            username=who.username,
            institution=who.institution,
            address=request.get(ADDRESS, ""),
            subject="line:county",
            detail={
                "act": "hold-line" if until else "free-line",
                "held_until": until.isoformat() if until else "",
            },
        )
        await request.app[ACCESS_LOG].add(entry)
        change = partial(parcel_queue.hold_line, until=until, by=who.display_name)
        await self.news.write(change, lambda _: [])
        await self.news.held(until, who.display_name if until else "")
        self.on_changed()
        return json_response(self.news.line())
