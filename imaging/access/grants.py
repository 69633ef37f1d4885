"""Grants: a durable reason to see a patient of another institution, given and taken back.

A room that gives somebody work on a patient (reading, referral, consultation, critical value)
calls ``give`` in the transaction that does so, and ``withdraw`` in the one that ends it; searches
and doors then know. Nothing else opens another institution's patient.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa

from imaging.access.settling import settle
from imaging.access.tables import grants
from imaging.archive.model import STUDY_UPDATED
from imaging.archive.study_rows import reach_of, rows_of
from imaging.archive.tables import study, study_reach
from kernel.events import EventDraft, publish_all
from kernel.policy import GRANTED, Reason

_TOLD_MAX: Final = 200
"""Of a patient's studies, so many newest are told of to the pages that are open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Why somebody may see something that is not theirs."""

    holder: str
    """Code of an institution, or ``kernel.policy.person_holder``."""
    reason: Reason
    given_by: str
    """What gave it, such as ``order:01J...``: ``withdraw`` goes by it."""
    until: dt.datetime | None = None
    """When it ends by itself, not included; None for when it is withdrawn."""
    patient: int | None = None
    """Row of the patient, all of whose studies it opens, those yet to come as well."""
    study: int | None = None
    """Row of the one study it opens; one of the two is set."""


def give(conn: sa.Connection, grant: Grant, *, at: dt.datetime) -> int:
    """Let the holder see it from *at* on, tell the pages that are open, and return its number.

    Giving the same again makes another grant; each is withdrawn by what gave it.

    Raises:
        ValueError: it names no patient or study, or both, or a reason that is not given.
    """
    if (grant.patient is None) == (grant.study is None) or grant.reason not in GRANTED:
        raise ValueError("a grant is of a patient or a study, for a reason that is given")
    made = conn.execute(
        sa.insert(grants)
        .values(
            holder=grant.holder,
            patient=grant.patient,
            study=grant.study,
            reason=grant.reason.value,
            given_by=grant.given_by,
            since=at,
            until=grant.until,
        )
        .returning(grants.c.id)
    ).scalar_one()
    opened = studies_of(conn, patient=grant.patient, study_row=grant.study)
    settle(conn, opened, at=at)
    _tell(conn, opened, at)
    return int(made)


def withdraw(conn: sa.Connection, given_by: str, *, at: dt.datetime) -> int:
    """End every grant given by *given_by*; returns how many were in force."""
    columns = grants.c
    live = (columns.given_by == given_by, columns.withdrawn_at.is_(None))
    found = conn.execute(sa.select(columns.id, columns.patient, columns.study).where(*live)).all()
    if not found:
        return 0
    conn.execute(sa.update(grants).where(*live).values(withdrawn_at=at))
    closed: set[int] = set()
    for row in found:
        closed.update(studies_of(conn, patient=row.patient, study_row=row.study))
    settle(conn, sorted(closed), at=at)
    return len(found)


def in_force(conn: sa.Connection, given_by: str, *, at: dt.datetime) -> bool:
    """Tell whether *given_by* gave a grant that has not ended at *at*."""
    columns = grants.c
    query = sa.select(columns.id).where(
        columns.given_by == given_by,
        columns.withdrawn_at.is_(None),
        sa.or_(columns.until.is_(None), columns.until > at),
    )
    return conn.execute(query.limit(1)).first() is not None


def studies_of(
    conn: sa.Connection, *, patient: int | None, study_row: int | None = None
) -> Sequence[int]:
    """Return the rows of the studies a grant of *patient* or of one study opens now."""
    if patient is None:
        return [] if study_row is None else [study_row]
    return list(conn.scalars(sa.select(study.c.id).where(study.c.patient == patient)))


def sweep(conn: sa.Connection, *, at: dt.datetime) -> int:
    """Drop from the searches' table what has ended by itself; returns how many rows that were.

    What has ended is found by nobody before this either; the grants themselves stay.
    """
    may = study_reach.c
    ended = (may.reason != "", may.until.is_not(None), may.until <= at)
    studies = sorted(set(conn.scalars(sa.select(may.study).where(*ended))))
    if studies:
        settle(conn, studies, at=at)
    return len(studies)


def _tell(conn: sa.Connection, studies: Sequence[int], at: dt.datetime) -> None:
    newest = sorted(studies, reverse=True)[:_TOLD_MAX]
    given = reach_of(conn, newest)
    rows = rows_of(conn, newest)
    drafts = [
        EventDraft(
            STUDY_UPDATED, msgspec.to_builtins(row), row.institution.code, given.get(number, ())
        )
        for number, row in zip(newest, rows, strict=True)
    ]
    publish_all(conn, drafts, at=at)
