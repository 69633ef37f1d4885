"""What devices say of their procedure steps (MPPS) goes up, so that the county counts as they do.

A heartbeat tells how full a study is while it is under way; a step says how many images there are,
also long after, also from a node that was away for days. Of a step only that goes up, not the list
of its images, which may be longer than any letter.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa

from gateway.exchange.completeness import QUIET, Basis, Completeness, completeness
from gateway.exchange.model import Kind, Source
from gateway.exchange.node_status import draft_of, words_of
from gateway.exchange.nodes import find_node
from gateway.exchange.ports import Handler
from gateway.exchange.tables import node_steps
from gateway.exchange.taking import ForeignLetter
from gateway.procedure_steps.machine import State
from gateway.procedure_steps.model import PerformedStep
from kernel.events import publish_all
from kernel.letter import InvalidLetter, Letter

_UID_MAX: Final = 64
_AE_MAX: Final = 16
_IN_MAX: Final = 500


class StepBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a letter of kind ``procedure-step`` says; its key is the step's SOP Instance UID."""

    institution: str
    study_instance_uid: str
    ae_title: str
    state: State
    instances: int
    """How many the device says it made; 0 where it does not count them."""


@dataclass(frozen=True, slots=True)
class ToldBySteps:
    """What the steps of one study say together, once all have ended."""

    node: str
    """Id of the node that told of the last."""
    instances: int
    told_at: dt.datetime
    """When the county heard of the last."""


def step_letter(step: PerformedStep) -> Letter | None:
    """Return the letter that tells the county of *step*; None while nothing new is to be told.

    It is told when it begins and when it ends.
    """
    if step.state is State.IN_PROGRESS and step.version > 1:
        return None
    body = StepBody(
        institution=step.institution,
        study_instance_uid=step.study_instance_uid,
        ae_title=step.ae_title,
        state=step.state,
        instances=len(set(step.instances())) if step.counts else 0,
    )
    told = msgspec.to_builtins(body)
    return Letter(Kind.PROCEDURE_STEP.value, step.sop_instance_uid, step.version, told)


def take_steps(centre: str) -> Handler:
    """Return who reads steps at the county (``ports.Handler``).

    Args:
        centre: code of the county's own institution, whose pages are told.
    """

    def take(conn: sa.Connection, letter: Letter, source: Source, /) -> None:
        body = msgspec.convert(letter.body, StepBody)
        if max(len(letter.key), len(body.study_instance_uid)) > _UID_MAX:
            raise InvalidLetter("a UID has at most 64 characters")
        if len(body.ae_title) > _AE_MAX or not 0 <= body.instances < 2**31:
            raise InvalidLetter("no device says that")
        if body.institution != source.institution:
            raise ForeignLetter("a step of another institution")
        if _keep(conn, letter, body, source):
            _tell(conn, body.study_instance_uid, source, centre)

    return take


def _keep(conn: sa.Connection, letter: Letter, body: StepBody, source: Source) -> bool:
    """Keep the step; returns False where the same or a newer version is here."""
    columns = node_steps.c
    mine = columns.sop_instance_uid == letter.key
    there = conn.execute(sa.select(columns.version, columns.institution).where(mine)).one_or_none()
    if there is not None and there.institution != source.institution:
        raise ForeignLetter("a step of another institution")
    if there is not None and there.version >= letter.version:
        return False
    values = {
        "institution": body.institution,
        "node": source.node,
        "study_instance_uid": body.study_instance_uid,
        "ae_title": body.ae_title,
        "state": body.state.value,
        "instances": body.instances,
        "version": letter.version,
        "told_at": source.at,
    }
    if there is None:
        conn.execute(sa.insert(node_steps).values(sop_instance_uid=letter.key, **values))
    else:
        conn.execute(sa.update(node_steps).where(mine).values(values))
    return True


def _tell(conn: sa.Connection, study: str, source: Source, centre: str) -> None:
    """Tell the pages where the step says more than the last heartbeat did."""
    word, node = words_of(conn, [study]).get(study), find_node(conn, source.node)
    told = told_by_steps(conn, [study]).get(study)
    if word is None or node is None or told is None:
        return
    now = by_steps(word.completeness, told, since=word.told_at, at=source.at)
    if now != word.completeness:
        more = {"study_instance_uid": study, "completeness": msgspec.to_builtins(now)}
        publish_all(conn, [draft_of(node, "study.completeness", more, centre)], at=source.at)


def told_by_steps(conn: sa.Connection, studies: Collection[str]) -> dict[str, ToldBySteps]:
    """Return by study what its steps say; one with a step that still runs is left out.

    So is one with a completed step that does not count its instances.
    """
    columns, wanted = node_steps.c, sorted(set(studies))
    found: dict[str, ToldBySteps] = {}
    untold: set[str] = set()
    for at in range(0, len(wanted), _IN_MAX):
        query = (
            sa.select(
                columns.study_instance_uid,
                columns.node,
                columns.state,
                columns.instances,
                columns.told_at,
            )
            .where(columns.study_instance_uid.in_(wanted[at : at + _IN_MAX]))
            .order_by(columns.told_at)
        )
        for row in conn.execute(query):
            uid = row.study_instance_uid
            if row.state == State.IN_PROGRESS or not (
                row.instances or row.state == State.DISCONTINUED
            ):
                untold.add(uid)
            before = found[uid].instances if uid in found else 0
            found[uid] = ToldBySteps(row.node, before + row.instances, row.told_at)
    return {uid: told for uid, told in found.items() if uid not in untold and told.instances}


def by_steps(
    word: Completeness, told: ToldBySteps | None, *, since: dt.datetime, at: dt.datetime
) -> Completeness:
    """Return how full a study is where its steps may say more than its node's last word.

    A word that already counts by the modality stands: the node knows images two steps both name.

    Args:
        word: what the node last said.
        told: what the steps say; None where they say nothing.
        since: when the node said it.
        at: now.
    """
    if told is None or word.basis is Basis.MPPS:
        return word
    return completeness(
        told=told.instances,
        here=max(word.here, word.arrived),
        arrived=word.arrived,
        quiet_for=at - since,
        quiet=QUIET,
    )
