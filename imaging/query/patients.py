"""Patients as a level of its own (patient root model): each as its newest study states it."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from imaging.archive.tables import study
from imaging.query.attributes import (
    PATIENT_INSTANCES,
    PATIENT_SERIES,
    PATIENT_STUDIES,
    PATIENT_TAGS,
    Level,
)
from imaging.query.conditions import Compiled, compile_key
from imaging.query.model import Key, Query
from imaging.query.run import EVERY_ROW, Page
from imaging.query.ways import given, shortest_way, within_reach
from kernel.policy import Reach


def run_patients(
    conn: sa.Connection, query: Query, reach: Reach, *, bound: int | None = None
) -> Page:
    """Return the page of patients of *query* with a study in *reach*, newest study first.

    A row is that of the patient's newest study in reach, by which its keys are matched; keys of
    lower levels ask for one study that has them all. What belongs to no patient is no row.

    Args:
        conn: a connection to read from.
        query: what is asked for, at the level of patients.
        reach: whose studies the asker may find.
        bound: what the first page said; None for a first page.
    """
    if bound is None:
        bound = conn.scalar(sa.select(sa.func.max(study.c.id))) or 0
    if reach.nothing:
        return Page([], more=False, bound=bound)
    own = [key for key in query.keys if key.attribute.tag in PATIENT_TAGS]
    lower = [key for key in query.keys if key.attribute.tag not in PATIENT_TAGS]
    compiled = _compiled(conn, own)
    statement = EVERY_ROW[Level.STUDY].where(
        study.c.id <= bound,
        study.c.patient.is_not(None),
        within_reach(reach),
        ~_newer(reach, bound),
        *(each.condition for each in compiled),
    )
    few = shortest_way(conn, compiled, reach)
    if few is not None:
        statement = statement.where(study.c.id.in_(few))
    if lower:
        theirs = study.alias()
        patients = _with_study(conn, lower, reach)
        found_by = sa.select(theirs.c.id).where(theirs.c.patient.in_(patients))
        statement = statement.where(study.c.id.in_(found_by))
    statement = statement.order_by(study.c.id.desc()).limit(query.limit + 1).offset(query.offset)
    found = [dict(row) for row in conn.execute(statement).mappings()]
    return Page(found[: query.limit], more=len(found) > query.limit, bound=bound)


def related(
    conn: sa.Connection, rows: Sequence[Mapping[str, Any]], reach: Reach
) -> dict[int, dict[int, int]]:
    """Return, by ``id`` of a row, how many studies, series and instances its patient has in reach.

    The counts stand under their tags.
    """
    one, other = study.alias(), study
    counted = (
        sa.select(
            one.c.id,
            sa.func.count().label("studies"),
            sa.func.sum(other.c.series_count).label("series"),
            sa.func.sum(other.c.instance_count).label("instances"),
        )
        .select_from(one)
        .join(other, other.c.patient == one.c.patient)
        .where(one.c.id.in_([row["id"] for row in rows]), within_reach(reach))
        .group_by(one.c.id)
    )
    return {
        row.id: {
            PATIENT_STUDIES: int(row.studies),
            PATIENT_SERIES: int(row.series),
            PATIENT_INSTANCES: int(row.instances),
        }
        for row in conn.execute(counted)
    }


def _compiled(conn: sa.Connection, keys: Sequence[Key]) -> list[Compiled]:
    return [compile_key(key, Level.STUDY, conn.dialect.name) for key in keys]


def _with_study(conn: sa.Connection, keys: Sequence[Key], reach: Reach) -> sa.Select[int]:
    """Return the search for patients of whom one study in *reach* has all of *keys*."""
    compiled = _compiled(conn, keys)
    patients = sa.select(study.c.patient).where(
        study.c.patient.is_not(None),
        within_reach(reach),
        *(each.condition for each in compiled),
    )
    few = shortest_way(conn, compiled, reach)
    if few is not None:
        patients = patients.where(study.c.id.in_(few))
    return patients.correlate(None)


def _newer(reach: Reach, bound: int) -> sa.Exists:
    newer = study.alias()
    # One inside the other: joined, SQLite would go through all that is in reach, and not through
    # the patient's own few studies.
    theirs = given(reach, newer.c.id)
    return (
        sa.exists()
        .where(
            newer.c.patient == study.c.patient,
            newer.c.id > study.c.id,
            newer.c.id <= bound,
            theirs.correlate(newer),
        )
        .correlate(study)
    )
