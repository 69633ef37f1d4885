"""Finds a study for whoever may find it."""

from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from imaging.archive.model import StudyElsewhere, StudyMissing
from imaging.archive.tables import study, study_reach
from imaging.query.ways import given, lasting
from kernel.policy import Granted, Reach, Reason, Subject


@dataclass(frozen=True, slots=True)
class StudyRef:
    """A study somebody wants to look at, and who may."""

    id: int
    study_instance_uid: str
    patient_id: str
    subject: Subject


class Elsewhere(Protocol):
    """Knows the studies whose objects were here and are only at another node now."""

    def __call__(self, conn: sa.Connection, study_instance_uid: str, institution: str, /) -> bool:
        """Return whether that is so of a study that belongs to *institution*."""
        ...


def nowhere(conn: sa.Connection, study_instance_uid: str, institution: str, /) -> bool:
    """Know of none (``Elsewhere``): what is not here is nowhere."""
    del conn, study_instance_uid, institution
    return False


def absence(
    conn: sa.Connection, study_instance_uid: str, institution: str, *, elsewhere: Elsewhere
) -> StudyMissing:
    """Return why somebody of *institution* is not shown a study that was not found."""
    if elsewhere(conn, study_instance_uid, institution):
        return StudyElsewhere("its images are at the county and no longer here")
    return StudyMissing()


def find_study(conn: sa.Connection, study_instance_uid: str, reach: Reach) -> StudyRef | None:
    """Return the study, or None where it is not in *reach*; both look alike outside."""
    columns, may = study.c, study_reach.c
    row = conn.execute(
        sa.select(columns.id, columns.patient_id, columns.institution).where(
            columns.study_instance_uid == study_instance_uid, *_reachable(reach)
        )
    ).one_or_none()
    if row is None:
        return None
    theirs = conn.execute(
        sa.select(may.institution, may.reason).where(
            may.study == row.id,
            may.institution != row.institution,
            sa.or_(may.reason == "", may.institution.in_(reach.holders)),
            lasting(may.until, reach),
        )
    ).all()
    subject = Subject(
        row.institution,
        routed_to=frozenset(each.institution for each in theirs if not each.reason),
        granted=frozenset(
            Granted(each.institution, Reason(each.reason)) for each in theirs if each.reason
        ),
    )
    return StudyRef(row.id, study_instance_uid, row.patient_id, subject)


def _reachable(reach: Reach) -> list[sa.ColumnElement[bool]]:
    if reach.nothing:
        return [sa.false()]
    return [given(reach, study.c.id).correlate(study)]
