"""Who becomes a node and who is one no longer, as the centre's people decide it at their page.

The code is in the one answer that makes it, and nowhere else.
"""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.accounts.tables import accounts
from gateway.exchange.enrolment import Enrolment
from gateway.exchange.node_status import statuses
from gateway.exchange.nodes import all_invitations, all_nodes
from gateway.exchange.nodes_http import NodeHouse, NodeView, view_of
from gateway.exchange.tables import invitations
from kernel.clock import Clock
from kernel.identity import all_institutions
from kernel.policy import Act, Subject, require, roles_for
from kernel.sql.db import Database
from kernel.web import ADDRESS, PRINCIPAL, describe, json_response, permit, read_json

_SMALL_BYTES: Final = 1024


class InviteBody(msgspec.Struct, frozen=True, kw_only=True):
    """For whom."""

    institution: str
    """Code of the institution the node will speak for."""


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """A code that makes one node; shown this once."""

    id: str
    """As in ``OpenInvitation``."""
    code: str
    institution: NodeHouse
    expires_at: dt.datetime


class OpenInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """A code nobody has used yet; the code itself is kept nowhere."""

    id: str
    """To take it back by; it leads to no code."""
    institution: NodeHouse
    made_by: str
    """As people call them."""
    made_at: dt.datetime
    expires_at: dt.datetime


class HouseToInvite(msgspec.Struct, frozen=True, kw_only=True):
    """An institution that may have a node."""

    institution: NodeHouse
    nodes: int
    """How many it has now."""


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """Whom one can invite, and whom one has."""

    houses: list[HouseToInvite]
    open: list[OpenInvitation]
    """The newest first."""


@dataclass(frozen=True, slots=True)
class AdmissionDoor:
    """The four routes."""

    database: Database
    clock: Clock
    enrolment: Enrolment
    centre: str
    """Code of the institution that decides."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/api/v1/node-invitations", self._list, allow_head=False),
            web.post("/api/v1/node-invitations", self._invite),
            web.post("/api/v1/node-invitations/{invitation}/withdraw", self._withdraw),
            web.post("/api/v1/nodes/{node}/revoke", self._revoke),
        ]

    @describe("Institutions that may have a node, and codes not used yet", answer=Admission)
    @permit(roles=roles_for(Act.ADMIT_NODES))
    async def _list(self, request: web.Request) -> web.StreamResponse:
        require(request[PRINCIPAL], Act.ADMIT_NODES, Subject(self.centre))
        return json_response(await self.database.read(self._admission))

    @describe("A code that makes one node within 24 hours", body=InviteBody, answer=Invitation)
    @permit(roles=roles_for(Act.ADMIT_NODES), body_bytes=_SMALL_BYTES)
    async def _invite(self, request: web.Request) -> web.StreamResponse:
        who = request[PRINCIPAL]
        require(who, Act.ADMIT_NODES, Subject(self.centre))
        body = await read_json(request, InviteBody, limit=_SMALL_BYTES)
        made = await self.enrolment.invite(who, body.institution, address=request[ADDRESS])
        names = await self.database.read(_names)
        answer = Invitation(
            id=made.id,
            code=made.code,
            institution=_house(names, made.institution),
            expires_at=made.expires_at,
        )
        return json_response(answer, status=201)

    @describe("Take a code back that nobody has used", answer=Admission)
    @permit(roles=roles_for(Act.ADMIT_NODES))
    async def _withdraw(self, request: web.Request) -> web.StreamResponse:
        who = request[PRINCIPAL]
        require(who, Act.ADMIT_NODES, Subject(self.centre))
        await self.enrolment.withdraw(
            who, request.match_info["invitation"], address=request[ADDRESS]
        )
        return json_response(await self.database.read(self._admission))

    @describe("Let a node go: it is out within a minute", answer=NodeView)
    @permit(roles=roles_for(Act.ADMIT_NODES))
    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        who = request[PRINCIPAL]
        require(who, Act.ADMIT_NODES, Subject(self.centre))
        node = await self.enrolment.revoke(
            who, request.match_info["node"], address=request[ADDRESS]
        )
        known = await self.database.read(partial(statuses, ids=[node.id]))
        return json_response(view_of(node, known.get(node.id), self.clock.now()))

    def _admission(self, conn: sa.Connection) -> Admission:
        now, names = self.clock.now(), _names(conn)
        people = _people(conn)
        standing = [node.institution for node in all_nodes(conn) if node.revoked_at is None]
        return Admission(
            houses=[
                HouseToInvite(institution=_house(names, code), nodes=standing.count(code))
                for code in names
                if code != self.centre
            ],
            open=[
                OpenInvitation(
                    id=each.id,
                    institution=_house(names, each.institution),
                    made_by=people.get(each.made_by, each.made_by),
                    made_at=each.made_at,
                    expires_at=each.expires_at,
                )
                for each in all_invitations(conn)
                if each.used_at is None and each.withdrawn_at is None and each.expires_at > now
            ],
        )


def _people(conn: sa.Connection) -> dict[str, str]:
    columns = accounts.c
    made = sa.select(invitations.c.made_by)
    rows = conn.execute(
        sa.select(columns.username, columns.display_name).where(columns.username.in_(made))
    )
    return {row.username: row.display_name for row in rows}


def _names(conn: sa.Connection) -> dict[str, str]:
    return {each.code: each.name for each in all_institutions(conn)}


def _house(names: dict[str, str], code: str) -> NodeHouse:
    return NodeHouse(code=code, name=names.get(code, code))
