"""How the nodes are, as the county knows it: what they last said, and since when they say nothing.

Every time here is the county's own; a node's clock is only looked at to tell how far off it is.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from gateway.exchange.completeness import Completeness
from gateway.exchange.heartbeat import Heartbeat, StudyState
from gateway.exchange.nodes import Node
from gateway.exchange.tables import node_status, node_studies, nodes
from kernel.events import EventDraft, publish_all

LATE_AFTER: Final = dt.timedelta(seconds=75)
"""Two heartbeats missed: the line is taken to be down since the last one."""
SILENT_AFTER: Final = dt.timedelta(minutes=3)
"""From here on somebody is told."""
_CLOCK_OFF: Final = "clock_off_s"
"""Beside the heartbeat as it came: how far the node's clock was ahead when it did."""
_STUDIES_KEPT: Final = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Heard:
    """A node has spoken."""

    node: Node
    heartbeat: Heartbeat | None
    protocol: int
    centre: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Status:
    """How one node is."""

    heard_at: dt.datetime
    protocol: int
    heartbeat: Heartbeat | None
    clock_off_s: int | None
    silent_at: dt.datetime | None
    audit_fault: str


def hear(conn: sa.Connection, heard: Heard) -> None:
    """Keep what a node says of itself, and tell the pages what is new of it."""
    before = statuses(conn, [heard.node.id]).get(heard.node.id)
    values: dict[str, Any] = {"heard_at": heard.at, "protocol": heard.protocol, "silent_at": None}
    if heard.heartbeat is not None:
        bare = msgspec.structs.replace(heard.heartbeat, studies=None)
        off_s = round((heard.heartbeat.node_time - heard.at).total_seconds())
        values["heartbeat"] = msgspec.to_builtins(bare) | {_CLOCK_OFF: off_s}
    table, node_id = node_status, heard.node.id
    if before is None:
        conn.execute(sa.insert(table).values(node=node_id, **values))
    else:
        conn.execute(sa.update(table).where(table.c.node == node_id).values(values))
    drafts = _told_studies(conn, heard)
    if before is not None and before.silent_at is not None:
        silent_s = round((heard.at - before.heard_at).total_seconds())
        drafts.append(_draft(heard, "node.back", {"silent_s": silent_s}))
    if before is None or before.silent_at is not None or _differs(before.heartbeat, heard):
        drafts.append(_draft(heard, "node.updated", {}))
    publish_all(conn, drafts, at=heard.at)


def _differs(before: Heartbeat | None, heard: Heard) -> bool:
    """Tell whether a page would show anything else than before."""
    now = heard.heartbeat
    if now is None:
        return False
    if before is None or now.studies is not None:
        return True
    return _shown(before) != _shown(now)


def _shown(beat: Heartbeat) -> tuple[object, ...]:
    line = beat.line
    held = (line.held_until, line.held_by)
    return (beat.lanes, line.state, held, beat.set_aside, beat.returns_set_aside, beat.program)


def _draft(heard: Heard, topic: str, more: Mapping[str, Any]) -> EventDraft:
    return draft_of(heard.node, topic, more, heard.centre)


def draft_of(node: Node, topic: str, more: Mapping[str, Any], centre: str) -> EventDraft:
    """Return an event about *node*, for its own house and the centre."""
    payload = {
        "node": node.id,
        "institution": {"code": node.institution, "name": node.institution_name},
        **more,
    }
    return EventDraft(topic, payload, node.institution, [centre])


def _told_studies(conn: sa.Connection, heard: Heard) -> list[EventDraft]:
    told = heard.heartbeat.studies if heard.heartbeat is not None else None
    if told is None:
        return []
    columns, node_id = node_studies.c, heard.node.id
    known = {
        row.study_instance_uid: row.state
        for row in conn.execute(
            sa.select(columns.study_instance_uid, columns.state).where(
                columns.node == node_id,
                columns.study_instance_uid.in_([each.study_instance_uid for each in told]),
            )
        )
    }
    drafts = []
    for each in told:
        state = msgspec.to_builtins(each)
        uid = each.study_instance_uid
        if known.get(uid) == state:
            continue
        values = {"state": state, "told_at": heard.at}
        if uid in known:
            mine = (columns.node == node_id) & (columns.study_instance_uid == uid)
            conn.execute(sa.update(node_studies).where(mine).values(values))
        else:
            conn.execute(
                sa.insert(node_studies).values(node=node_id, study_instance_uid=uid, **values)
            )
        if (known.get(uid) or {}).get("completeness") != state["completeness"]:
            more = {"study_instance_uid": uid, "completeness": state["completeness"]}
            drafts.append(_draft(heard, "study.completeness", more))
    _let_go(conn, heard, {each.study_instance_uid for each in told})
    return drafts


def _let_go(conn: sa.Connection, heard: Heard, told: Collection[str]) -> None:
    """Forget studies the node has told nothing of for a month."""
    columns = node_studies.c
    conn.execute(
        sa.delete(node_studies).where(
            columns.node == heard.node.id,
            columns.told_at < heard.at - _STUDIES_KEPT,
            columns.study_instance_uid.not_in(list(told)),
        )
    )


def statuses(conn: sa.Connection, ids: Sequence[str] | None = None) -> dict[str, Status]:
    """Return by node how it is; nodes that never spoke are left out."""
    columns = node_status.c
    query = sa.select(
        columns.node,
        columns.heard_at,
        columns.protocol,
        columns.heartbeat,
        columns.silent_at,
        columns.audit_fault,
    )
    if ids is not None:
        query = query.where(columns.node.in_(ids))
    return {
        row.node: Status(
            row.heard_at,
            row.protocol,
            None if row.heartbeat is None else msgspec.convert(row.heartbeat, Heartbeat),
            None if row.heartbeat is None else row.heartbeat.get(_CLOCK_OFF),
            row.silent_at,
            row.audit_fault,
        )
        for row in conn.execute(query)
    }


def line_down_since(heard_at: dt.datetime, now: dt.datetime) -> dt.datetime | None:
    """Return since when a node heard last *heard_at* is cut off; None where it is not."""
    return heard_at if now - heard_at >= LATE_AFTER else None


def studies_of(
    conn: sa.Connection, node: str, *, limit: int
) -> list[tuple[StudyState, dt.datetime]]:
    """Return what *node* last told of its studies and when, the newest word first."""
    columns = node_studies.c
    query = (
        sa.select(columns.state, columns.told_at)
        .where(columns.node == node)
        .order_by(columns.told_at.desc(), columns.study_instance_uid)
        .limit(limit)
    )
    return [(msgspec.convert(row.state, StudyState), row.told_at) for row in conn.execute(query)]


@dataclass(frozen=True, slots=True)
class StudyWord:
    """What a node last said of one study."""

    node: str
    institution: str
    completeness: Completeness
    told_at: dt.datetime
    heard_at: dt.datetime


def words_of(conn: sa.Connection, studies: Collection[str]) -> dict[str, StudyWord]:
    """Return by study what a node last said of it; studies nobody told of are left out."""
    columns = node_studies.c
    query = (
        sa.select(
            columns.study_instance_uid,
            columns.node,
            nodes.c.institution,
            columns.state,
            columns.told_at,
            node_status.c.heard_at,
        )
        .join(nodes, nodes.c.id == columns.node)
        .join(node_status, node_status.c.node == columns.node)
        .where(columns.study_instance_uid.in_(list(studies)))
        # Of two nodes that tell of one study the later word stays.
        .order_by(columns.told_at)
    )
    return {
        row.study_instance_uid: StudyWord(
            row.node,
            row.institution,
            msgspec.convert(row.state, StudyState).completeness,
            row.told_at,
            row.heard_at,
        )
        for row in conn.execute(query)
    }
