"""What a node told that the county could not take, and what people did there: two pages of it."""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.exchange.audit_up import FAULTS_MAX, clear_fault
from gateway.exchange.enrolment import NodeUnknown
from gateway.exchange.node_trail import NodeTrailLine, TrailPlace, read_node_trail
from gateway.exchange.nodes import Node, find_node
from gateway.exchange.taking import KeptLetter, kept_letters
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import Clock
from kernel.identity import Role
from kernel.policy import Act, Subject, require, roles_for
from kernel.sql.db import Database
from kernel.web import (
    ACCESS_LOG,
    ADDRESS,
    PRINCIPAL,
    describe,
    json_response,
    permit,
    read_json,
    read_query,
)

_Limit = Annotated[int, msgspec.Meta(ge=1, le=200)]
_LetterNumber = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
_SMALL_BYTES: Final = 1024
_EVERY_HOUSE: Final = Role.AUDIT_ADMINISTRATOR


class LettersQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go on: ``next_cursor`` of the page before."""

    cursor: _LetterNumber | None = None
    limit: _Limit = 50


class KeptView(msgspec.Struct, frozen=True, kw_only=True):
    """A letter of the node that could not be taken; kept whole."""

    id: int
    kind: str
    key: str
    """Names what it is about; no patient is in it."""
    code: str
    """Why, in one word."""
    detail: str
    at: dt.datetime


class KeptPage(msgspec.Struct, frozen=True, kw_only=True):
    """Letters that could not be taken, the newest first."""

    items: list[KeptView]
    next_cursor: int | None


class FaultChecked(msgspec.Struct, frozen=True, kw_only=True):
    """Which fault somebody has looked into."""

    fault: Annotated[str, msgspec.Meta(min_length=1, max_length=2 * FAULTS_MAX)]
    """``audit_fault`` of the node as it was shown."""


class NodeTrailQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go on: ``next_cursor`` of the page before."""

    cursor: str = ""
    limit: _Limit = 50


class NodeTrailPage(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of the node's trail, the newest first."""

    items: list[NodeTrailLine]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class NodeRecordsDoor:
    """The three routes."""

    database: Database
    clock: Clock
    centre: str
    """Code of the institution that may know of every node."""
    chain: str
    """Of the county's own trail, where an auditor's word is kept."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = "/api/v1/nodes/{node}"
        return [
            web.get(f"{one}/letters", self._letters, allow_head=False),
            web.get(f"{one}/audit", self._audit, allow_head=False),
            web.post(f"{one}/audit/checked", self._checked),
        ]

    @describe("Letters of a node that could not be taken", query=LettersQuery, answer=KeptPage)
    @permit(roles=roles_for(Act.WATCH_NODES))
    async def _letters(self, request: web.Request) -> web.StreamResponse:
        node = await self._node(request)
        subject = Subject(node.institution, frozenset({self.centre}))
        require(request[PRINCIPAL], Act.WATCH_NODES, subject)
        asked = read_query(request, LettersQuery)
        found = await self.database.read(
            partial(kept_letters, source=node.id, before=asked.cursor, limit=asked.limit + 1)
        )
        shown = found[: asked.limit]
        more = shown[-1].id if len(found) > asked.limit else None
        return json_response(KeptPage(items=[_view(each) for each in shown], next_cursor=more))

    @describe(
        "What people did at a node, the newest first", query=NodeTrailQuery, answer=NodeTrailPage
    )
    @permit(roles=roles_for(Act.READ_AUDIT))
    async def _audit(self, request: web.Request) -> web.StreamResponse:
        """Answer one page; whoever reads it is in the county's own trail.

        A privacy officer reads the trail of nodes of their own institution.
        """
        node = await self._to_audit(request)
        asked = read_query(request, NodeTrailQuery)
        before = TrailPlace.parse(asked.cursor) if asked.cursor else None
        await request.app[ACCESS_LOG].add(self._entry(request, node, {"act": "read"}))
        found = await self.database.read(
            partial(read_node_trail, node=node.id, before=before, limit=asked.limit + 1)
        )
        shown = found[: asked.limit]
        more = TrailPlace.of(shown[-1]).text if len(found) > asked.limit else None
        return json_response(NodeTrailPage(items=shown, next_cursor=more))

    @describe("Say that a trail which does not hold was looked into", body=FaultChecked)
    @permit(roles=roles_for(Act.READ_AUDIT), body_bytes=_SMALL_BYTES)
    async def _checked(self, request: web.Request) -> web.StreamResponse:
        """Answer 204; a fault that comes later is said again. 409 where it is another by now."""
        node = await self._to_audit(request)
        body = await read_json(request, FaultChecked, limit=_SMALL_BYTES)
        entry = self._entry(request, node, {"act": "checked", "fault": body.fault})

        def write(conn: sa.Connection) -> None:
            clear_fault(conn, node, body.fault, self.centre, at=entry.at)
            record(conn, self.chain, entry)

        await self.database.write(write)
        return web.Response(status=204)

    async def _to_audit(self, request: web.Request) -> Node:
        node = await self._node(request)
        who = request[PRINCIPAL]
        require(who, Act.READ_AUDIT, Subject())
        if not who.has(_EVERY_HOUSE) and who.institution != node.institution:
            raise NodeUnknown("no such node")
        return node

    def _entry(self, request: web.Request, node: Node, detail: dict[str, Any]) -> AuditEntry:
        who = request[PRINCIPAL]
        return AuditEntry(
            at=self.clock.now(),
            event=AuditEvent.AUDIT_READ,
            user_id=who.user_id,
            username=who.username,
            institution=who.institution,
            address=request[ADDRESS],
            subject=f"node:{node.id}",
            detail=detail,
        )

    async def _node(self, request: web.Request) -> Node:
        node_id = request.match_info["node"]
        found = await self.database.read(partial(find_node, node_id=node_id))
        if found is None:
            raise NodeUnknown("no such node")
        return found


def _view(kept: KeptLetter) -> KeptView:
    return KeptView(
        id=kept.id, kind=kept.kind, key=kept.key, code=kept.code, detail=kept.detail, at=kept.at
    )
