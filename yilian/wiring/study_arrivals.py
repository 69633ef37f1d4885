"""How much of each study has come to the county: nodes, devices and the archive together."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from gateway.exchange.completeness import QUIET, Basis, Fullness, completeness
from gateway.exchange.cut_off import cut_off, heard_of_houses
from gateway.exchange.node_status import StudyWord, line_down_since, words_of
from gateway.exchange.ports import FiledStudy
from gateway.exchange.steps_up import ToldBySteps, by_steps, told_by_steps
from imaging.archive.http import Arrivals
from imaging.archive.model import PRIORITY_ORDER, StudyArrival
from imaging.archive.tables import series, study
from kernel.clock import Clock

_NEWEST: Final = 300
"""Of a house, those looked through for one that was still coming."""


def arrivals(clock: Clock) -> Arrivals:
    """Return what the study list asks about studies that are still on their way."""

    def told(conn: sa.Connection, studies: Sequence[str], /) -> Mapping[str, StudyArrival]:
        now = clock.now()
        steps, words = told_by_steps(conn, studies), words_of(conn, studies)
        filed = _filed(conn, steps.keys() - words.keys())
        by_word = {uid: _arrival(word, steps.get(uid), now) for uid, word in words.items()}
        by_steps_only = {uid: _only_steps(steps[uid], count, now) for uid, count in filed.items()}
        untold = set(studies) - by_word.keys() - by_steps_only.keys()
        return by_word | by_steps_only | _cut_off(conn, untold, now)

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
        down_since=line_down_since(word.heard_at, now),
    )


def _cut_off(
    conn: sa.Connection, studies: Collection[str], now: dt.datetime
) -> dict[str, StudyArrival]:
    """Return what came of the *studies* nobody told of while their line was cut."""
    filed = {each.study_instance_uid: (house, each) for house, each in _of_studies(conn, studies)}
    heard = heard_of_houses(conn, {house for house, _ in filed.values()})
    cut = cut_off({uid: (house, each.grew_at) for uid, (house, each) in filed.items()}, heard, now)
    return {
        uid: StudyArrival(
            node="",
            expected=None,
            basis=Basis.NONE.value,
            here=filed[uid][1].instances,
            arrived=filed[uid][1].instances,
            state=Fullness.GROWING.value,
            told_at=filed[uid][1].grew_at,
            down_since=since,
        )
        for uid, since in cut.items()
    }


class ArchivedStudies:
    """What the archive has, for the pages about nodes (``gateway.exchange.ports.Archived``)."""

    def filed(self, conn: sa.Connection, studies: Collection[str], /) -> Mapping[str, int]:
        """Return how many instances there are of those of *studies* that are here."""
        return _filed(conn, studies)

    def grown(
        self, conn: sa.Connection, institution: str, since: dt.datetime, /
    ) -> Sequence[FiledStudy]:
        """Return the newest studies of *institution* that grew at or after *since*."""
        columns = study.c
        query = (
            sa.select(columns.study_instance_uid)
            .where(columns.institution == institution)
            .order_by(columns.id.desc())
            .limit(_NEWEST)
        )
        found = _of_studies(conn, list(conn.scalars(query)))
        return [each for _, each in found if each.grew_at >= since]


def _of_studies(conn: sa.Connection, studies: Collection[str]) -> list[tuple[str, FiledStudy]]:
    """Return of *studies* whose they are and how they grew; a study's priority is no growth."""
    columns = study.c
    grew = sa.func.max(series.c.updated_at, type_=series.c.updated_at.type)
    query = (
        sa.select(
            columns.study_instance_uid,
            columns.institution,
            columns.modalities,
            columns.priority,
            columns.instance_count,
            columns.received_at,
            grew.label("grew_at"),
        )
        .join(series, series.c.study == columns.id)
        .where(columns.study_instance_uid.in_(sorted(studies)))
        .group_by(columns.id)
    )
    return [
        (
            row.institution,
            FiledStudy(
                study_instance_uid=row.study_instance_uid,
                modality=row.modalities.split("\\")[0],
                priority=PRIORITY_ORDER[row.priority],
                instances=row.instance_count,
                first_received_at=row.received_at,
                grew_at=row.grew_at,
            ),
        )
        for row in conn.execute(query)
    ]


def _filed(conn: sa.Connection, studies: Collection[str]) -> dict[str, int]:
    """Return how many instances the archive has of each of a page's *studies*."""
    columns = study.c
    query = sa.select(columns.study_instance_uid, columns.instance_count).where(
        columns.study_instance_uid.in_(sorted(studies))
    )
    return {row.study_instance_uid: row.instance_count for row in conn.execute(query)}
