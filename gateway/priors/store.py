"""Rows of earlier studies; each function is a part of one transaction."""

import datetime as dt
from collections.abc import Collection

import sqlalchemy as sa

from gateway.priors.model import Asked, Question, QuestionLine, plain, read
from gateway.priors.tables import fetched, questions


def ask(conn: sa.Connection, archive: str, asked: Asked, *, rule: str, at: dt.datetime) -> None:
    """Let *archive* be asked; once for each study that came."""
    columns = questions.c
    there = sa.select(columns.id).where(
        columns.archive == archive, columns.study_instance_uid == asked.study_instance_uid
    )
    if conn.scalar(there) is None:
        conn.execute(
            sa.insert(questions).values(
                archive=archive,
                study_instance_uid=asked.study_instance_uid,
                asked=plain(asked),
                rule=rule,
                made_at=at,
            )
        )


def due(conn: sa.Connection, now: dt.datetime) -> list[Question]:
    """Return what is to be asked now, oldest first."""
    columns = questions.c
    rows = conn.execute(
        sa.select(questions)
        .where(
            columns.done_at.is_(None),
            sa.or_(columns.next_try_at.is_(None), columns.next_try_at <= now),
        )
        .order_by(columns.id)
        .limit(100)
    )
    return [
        Question(id=row.id, archive=row.archive, asked=read(row.asked), failures=row.failures)
        for row in rows
    ]


def waiting(conn: sa.Connection, *, most: int = 500) -> list[QuestionLine]:
    """Return what waits for an archive's answer, oldest first."""
    columns = questions.c
    rows = conn.execute(
        sa.select(questions).where(columns.done_at.is_(None)).order_by(columns.id).limit(most)
    )
    return [
        QuestionLine(
            archive=row.archive,
            study_instance_uid=row.study_instance_uid,
            rule=row.rule,
            failures=row.failures,
            waits_for=row.reason or (f"the hours {hours}" if (hours := row.asked["hours"]) else ""),
            next_try_at=row.next_try_at,
            made_at=row.made_at,
        )
        for row in rows
    ]


def done(conn: sa.Connection, question: int, at: dt.datetime) -> None:
    """Note that all that was wanted was sent."""
    conn.execute(
        sa.update(questions)
        .where(questions.c.id == question)
        .values(done_at=at, failures=0, reason="", next_try_at=None)
    )


def failed(
    conn: sa.Connection, question: int, failures: int, reason: str, next_try_at: dt.datetime
) -> None:
    """Note that it could not be asked, or not all was sent."""
    conn.execute(
        sa.update(questions)
        .where(questions.c.id == question)
        .values(failures=failures, reason=reason, next_try_at=next_try_at)
    )


def expect(conn: sa.Connection, study: str, for_study: str, archive: str, at: dt.datetime) -> None:
    """Note that *study* comes because it was asked for."""
    columns = fetched.c
    there = sa.select(columns.archive).where(
        columns.study_instance_uid == study, columns.for_study == for_study
    )
    if conn.scalar(there) is None:
        conn.execute(
            sa.insert(fetched).values(
                study_instance_uid=study, for_study=for_study, archive=archive, asked_at=at
            )
        )


def expected_for(conn: sa.Connection, study: str) -> Collection[str]:
    """Return the studies for which *study* was asked; empty where it came by itself."""
    columns = fetched.c
    found = sa.select(columns.for_study).where(columns.study_instance_uid == study)
    return list(conn.scalars(found))
