"""How much of each study has come to the county: nodes, devices and the archive together."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from gateway.exchange.completeness import QUIET, completeness
from gateway.exchange.node_status import LATE_AFTER, StudyWord, words_of
from gateway.exchange.steps_up import ToldBySteps, by_steps, told_by_steps
from imaging.archive.http import Arrivals
from imaging.archive.model import StudyArrival
from imaging.archive.tables import study
from kernel.clock import Clock


def arrivals(clock: Clock) -> Arrivals:
    """Return what the study list asks about studies that are still on their way."""

    def told(conn: sa.Connection, studies: Sequence[str], /) -> Mapping[str, StudyArrival]:
        now = clock.now()
        steps, words = told_by_steps(conn, studies), words_of(conn, studies)
        filed = _filed(conn, steps.keys() - words.keys())
        by_word = {uid: _arrival(word, steps.get(uid), now) for uid, word in words.items()}
        return by_word | {uid: _only_steps(steps[uid], count, now) for uid, count in filed.items()}

    return told


def _only_steps(steps: ToldBySteps, filed: int, now: dt.datetime) -> StudyArrival:
    """Return what is known of a study no heartbeat tells of: after a month, or of a new box."""
    known = completeness(
        told=steps.instances,
        here=filed,
        arrived=filed,
        quiet_for=now - steps.told_at,
        quiet=QUIET,
    )
    return StudyArrival(
        node=steps.node,
        expected=known.expected,
        basis=known.basis.value,
        here=known.here,
        arrived=known.arrived,
        state=known.state.value,
        told_at=steps.told_at,
        down_since=None,
    )


def _arrival(word: StudyWord, steps: ToldBySteps | None, now: dt.datetime) -> StudyArrival:
    known = by_steps(word.completeness, steps, since=word.told_at, at=now)
    return StudyArrival(
        node=word.node,
        expected=known.expected,
        basis=known.basis.value,
        here=known.here,
        arrived=known.arrived,
        state=known.state.value,
        told_at=word.told_at,
        down_since=word.heard_at if now - word.heard_at >= LATE_AFTER else None,
    )


def _filed(conn: sa.Connection, studies: Collection[str]) -> dict[str, int]:
    """Return how many instances the archive has of each of a page's *studies*."""
    columns = study.c
    query = sa.select(columns.study_instance_uid, columns.instance_count).where(
        columns.study_instance_uid.in_(sorted(studies))
    )
    return {row.study_instance_uid: row.instance_count for row in conn.execute(query)}
