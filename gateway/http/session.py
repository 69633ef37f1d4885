"""``/api/v1/session``: sign in, who am I, sign out, new password."""

import datetime as dt
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.accounts.model import SignIn
from gateway.accounts.service import SignIns
from gateway.http.auth import PEER, Auth
from kernel.clock import Clock
from kernel.identity import find_institution
from kernel.sql.db import Database
from kernel.web import describe, json_response, permit, read_json

_PATH = "/api/v1/session"
_BODY_BYTES = 4096


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a page learns about the node before anybody signs in."""

    node: str
    """``county`` or ``township``."""
    name: str
    demo: bool = False
    websocket_url: str | None = None
    node_id: str = ""
    """By which those who send know the node again (``yilian send``)."""
    receipt_key: str = ""
    """Public half of what a county signs receipts with, hex; empty at a township."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a person types."""

    username: str
    password: str


class PasswordChange(msgspec.Struct, frozen=True, kw_only=True):
    """The old and the new password."""

    old: str
    new: str


class InstitutionView(msgspec.Struct, frozen=True, kw_only=True):
    """The house somebody acts for."""

    code: str
    name: str
    kind: str


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in."""

    username: str
    display_name: str
    roles: list[str]
    institution: InstitutionView
    orders_at: InstitutionView | None = None
    """For people of a village house: in whose register they find and order, and who examines."""


class SessionView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a page needs to begin."""

    authenticated: bool
    csrf: str
    node: str
    node_name: str
    server_time: dt.datetime
    demo: bool
    idle_lock_s: int
    ws: str | None = None
    node_id: str = ""
    """Of this node, for whoever is signed in: what it acknowledged, it has."""
    receipt_key: str = ""
    """Of a county, for whoever is signed in: what its receipts are checked with."""
    user: UserView | None = None
    password_change_due: bool = False
    """The password is old or was set by somebody else."""
    offline_until: dt.datetime | None = None
    """Until when one may sign in here while the county is not heard of; absent at the county, and
    for accounts of the node itself."""


class SessionDoor:
    """The four routes."""

    def __init__(
        self, sign_ins: SignIns, auth: Auth, database: Database, clock: Clock, facts: NodeFacts
    ) -> None:
        self._sign_ins = sign_ins
        self._auth = auth
        self._database = database
        self._clock = clock
        self._facts = facts

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the session."""
        return [
            web.get(_PATH, self.show, allow_head=False),
            web.post(_PATH, self.sign_in),
            web.delete(_PATH, self.sign_out),
            web.post(f"{_PATH}/password", self.change_password),
        ]

    @describe("Who is signed in, and what a page needs to begin", answer=SessionView)
    @permit(public=True)
    async def show(self, request: web.Request) -> web.StreamResponse:
        """Answer the session, also when there is none."""
        sign_in = await self._auth.identify(request)
        answer = json_response(await self._view(sign_in))
        if sign_in is None and self._auth.secret(request):
            self._auth.clear_cookie(request, answer)
        return answer

    @describe("Sign in with name and password", body=Credentials, answer=SessionView)
    @permit(public=True, body_bytes=_BODY_BYTES)
    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """Open a session; 401 ``sign-in-failed``, 429 ``sign-in-locked``."""
        self._auth.check_protected(request)
        asked = await read_json(request, Credentials, limit=_BODY_BYTES)
        before = self._auth.secret(request)
        opened = await self._sign_ins.sign_in(
            asked.username, asked.password, address=request[PEER].address
        )
        if before:
            await self._sign_ins.sign_out(before)
        answer = json_response(await self._view(opened.sign_in))
        self._auth.set_cookie(request, answer, opened.secret)
        return answer

    @describe("Sign out")
    @permit(machines=False)
    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """End the session; 204."""
        await self._sign_ins.sign_out(self._auth.secret(request))
        answer = web.Response(status=204)
        answer.headers["Clear-Site-Data"] = '"cache"'
        self._auth.clear_cookie(request, answer)
        return answer

    @describe("Change one's own password; all other sessions end", body=PasswordChange)
    @permit(machines=False, body_bytes=_BODY_BYTES)
    async def change_password(self, request: web.Request) -> web.StreamResponse:
        """204; 401 ``sign-in-failed`` for a wrong old one, 400 ``weak-password``."""
        asked = await read_json(request, PasswordChange, limit=_BODY_BYTES)
        await self._sign_ins.change_password(
            self._auth.secret(request), old=asked.old, new=asked.new, address=request[PEER].address
        )
        return web.Response(status=204)

    async def _view(self, sign_in: SignIn | None) -> SessionView:
        return SessionView(
            authenticated=sign_in is not None,
            csrf=sign_in.csrf if sign_in else "",
            node=self._facts.node,
            node_name=self._facts.name,
            server_time=self._clock.now(),
            demo=self._facts.demo,
            idle_lock_s=int(self._sign_ins.times.idle.total_seconds()),
            ws=self._facts.websocket_url,
            node_id=self._facts.node_id if sign_in else "",
            receipt_key=self._facts.receipt_key if sign_in else "",
            user=await self._user(sign_in) if sign_in else None,
            password_change_due=sign_in.password_change_due if sign_in else False,
            offline_until=await self._sign_ins.good_until(sign_in) if sign_in else None,
        )

    async def _user(self, sign_in: SignIn) -> UserView:
        who = sign_in.principal

        def houses(conn: sa.Connection) -> tuple[InstitutionView, InstitutionView | None]:
            own = _house(conn, who.institution)
            return own, _house(conn, who.township) if who.township else None

        own, orders_at = await self._database.read(houses)
        return UserView(
            username=who.username,
            display_name=who.display_name,
            roles=sorted(who.roles),
            institution=own,
            orders_at=orders_at,
        )


def _house(conn: sa.Connection, code: str) -> InstitutionView:
    found = find_institution(conn, code)
    if found is None:
        return InstitutionView(code=code, name=code, kind="")
    return InstitutionView(code=found.code, name=found.name, kind=found.kind)
