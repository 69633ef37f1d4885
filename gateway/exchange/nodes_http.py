"""The county's pages about its nodes: ``/api/v1/nodes`` and ``/api/v1/nodes/{id}``."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.exchange.completeness import Fullness, counted
from gateway.exchange.cut_off import untold
from gateway.exchange.enrolment import NodeUnknown
from gateway.exchange.heartbeat import (
    STUDIES_MAX,
    DiskFacts,
    Heartbeat,
    LaneState,
    LineFacts,
    StudyState,
)
from gateway.exchange.node_status import LATE_AFTER, Status, statuses, studies_of
from gateway.exchange.nodes import Node, all_nodes, find_node
from gateway.exchange.ports import Archived
from gateway.exchange.steps_up import by_steps, told_by_steps
from kernel.clock import Clock
from kernel.identity import Principal
from kernel.policy import Act, Subject, decide, require, roles_for
from kernel.sql.db import Database
from kernel.web import PRINCIPAL, describe, json_response, permit


class NodeState(StrEnum):
    """How a node is, in one word."""

    NEVER = "never"
    """Enrolled, and not yet heard of."""
    UP = "up"
    LATE = "late"
    """Two heartbeats missed: the line is down since ``down_since``."""
    SILENT = "silent"
    """Three minutes without a word; somebody has been told."""
    REVOKED = "revoked"


class NodeHouse(msgspec.Struct, frozen=True, kw_only=True):
    """Whose node it is."""

    code: str
    name: str


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """One node."""

    id: str
    institution: NodeHouse
    state: NodeState
    enrolled_at: dt.datetime
    revoked_at: dt.datetime | None
    heard_at: dt.datetime | None
    """When it last spoke, by the county's clock."""
    down_since: dt.datetime | None
    """Since when nothing is heard, where ``state`` is late or silent."""
    program: str
    protocol: int | None
    clock_off_s: int | None
    """How far the node's clock was ahead when it last spoke; negative where it was behind."""
    line: LineFacts | None
    """As the node saw it when it last spoke."""
    disk: DiskFacts | None
    lanes: list[LaneState]
    letters_waiting: int
    letters_refused: int
    set_aside: int
    """What it could not send, and what could not come back to it."""
    returns_set_aside: int
    """Of these, what could not come back."""
    maybe_more: int
    """Studies that were still coming when the line went down: what is here may not be all."""
    audit_fault: str
    """The first place where its audit trail does not hold; empty while it does."""


class NodeList(msgspec.Struct, frozen=True, kw_only=True):
    """Every node the asker may know of."""

    items: list[NodeView]


class NodeDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One node with what it is about."""

    node: NodeView
    studies: list[StudyState]
    """Those not complete first; the letters that were refused: ``/letters``."""


@dataclass(frozen=True, slots=True)
class NodesDoor:
    """The two routes."""

    database: Database
    clock: Clock
    centre: str
    """Code of the institution that may know of every node."""
    archive: Archived

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/api/v1/nodes", self._list, allow_head=False),
            web.get("/api/v1/nodes/{node}", self._show, allow_head=False),
        ]

    @describe("The township nodes and how they are", answer=NodeList)
    @permit(roles=roles_for(Act.WATCH_NODES))
    async def _list(self, request: web.Request) -> web.StreamResponse:
        principal = request[PRINCIPAL]
        return json_response(await self.database.read(partial(self._items, principal=principal)))

    @describe("One township node and its studies on the way", answer=NodeDetail)
    @permit(roles=roles_for(Act.WATCH_NODES))
    async def _show(self, request: web.Request) -> web.StreamResponse:
        read = partial(
            self._detail, principal=request[PRINCIPAL], node_id=request.match_info["node"]
        )
        return json_response(await self.database.read(read))

    def _items(self, conn: sa.Connection, *, principal: Principal) -> NodeList:
        known = statuses(conn)
        seen = [
            node
            for node in all_nodes(conn)
            if decide(principal, Act.WATCH_NODES, self._subject(node)).allowed
        ]
        now = self.clock.now()
        return NodeList(items=[self._view(conn, node, known.get(node.id), now) for node in seen])

    def _view(
        self, conn: sa.Connection, node: Node, status: Status | None, now: dt.datetime
    ) -> NodeView:
        view = view_of(node, status, now)
        if view.down_since is None:
            return view
        studies = self._studies(conn, node, now)
        growing = sum(each.completeness.state is Fullness.GROWING for each in studies)
        return msgspec.structs.replace(view, maybe_more=growing)

    def _studies(self, conn: sa.Connection, node: Node, now: dt.datetime) -> list[StudyState]:
        """Return what the node told of and what it no longer could, as counted here."""
        told = _with_steps(conn, studies_of(conn, node.id, limit=STUDIES_MAX), now)
        filed = self.archive.filed(conn, [each.study_instance_uid for each in told])
        return [
            *untold(conn, node.institution, self.archive, now),
            *(
                msgspec.structs.replace(
                    each,
                    completeness=counted(each.completeness, filed.get(each.study_instance_uid, 0)),
                )
                for each in told
            ),
        ]

    def _detail(self, conn: sa.Connection, *, principal: Principal, node_id: str) -> NodeDetail:
        node = find_node(conn, node_id)
        if node is None:
            raise NodeUnknown("no such node")
        require(principal, Act.WATCH_NODES, self._subject(node))
        status = statuses(conn, [node_id]).get(node_id)
        now = self.clock.now()
        studies = self._studies(conn, node, now)
        studies.sort(key=lambda each: each.completeness.state is Fullness.COMPLETE)
        return NodeDetail(node=self._view(conn, node, status, now), studies=studies)

    def _subject(self, node: Node) -> Subject:
        return Subject(node.institution, frozenset({self.centre}))


def _with_steps(
    conn: sa.Connection, words: Sequence[tuple[StudyState, dt.datetime]], now: dt.datetime
) -> list[StudyState]:
    """Return what the node said of its studies, with what its devices said since."""
    steps = told_by_steps(conn, [state.study_instance_uid for state, _ in words])
    return [
        msgspec.structs.replace(
            state,
            completeness=by_steps(
                state.completeness, steps.get(state.study_instance_uid), since=told_at, at=now
            ),
        )
        for state, told_at in words
    ]


def state_of(node: Node, status: Status | None, now: dt.datetime) -> NodeState:
    """Return the one word for a node."""
    if node.revoked_at is not None:
        return NodeState.REVOKED
    if status is None:
        return NodeState.NEVER
    if status.silent_at is not None:
        return NodeState.SILENT
    return NodeState.LATE if now - status.heard_at >= LATE_AFTER else NodeState.UP


def view_of(node: Node, status: Status | None, now: dt.datetime) -> NodeView:
    """Return *node* as pages show it."""
    state = state_of(node, status, now)
    beat: Heartbeat | None = status.heartbeat if status else None
    down = status is not None and state in (NodeState.LATE, NodeState.SILENT)
    return NodeView(
        id=node.id,
        institution=NodeHouse(code=node.institution, name=node.institution_name),
        state=state,
        enrolled_at=node.enrolled_at,
        revoked_at=node.revoked_at,
        heard_at=status.heard_at if status else None,
        down_since=status.heard_at if status is not None and down else None,
        program=beat.program if beat else "",
        protocol=status.protocol if status else None,
        clock_off_s=status.clock_off_s if status else None,
        line=beat.line if beat else None,
        disk=beat.disk if beat else None,
        lanes=beat.lanes if beat else [],
        letters_waiting=beat.letters_waiting if beat else 0,
        letters_refused=beat.letters_refused if beat else 0,
        set_aside=beat.set_aside if beat else 0,
        returns_set_aside=beat.returns_set_aside if beat else 0,
        maybe_more=0,
        audit_fault=status.audit_fault if status else "",
    )
