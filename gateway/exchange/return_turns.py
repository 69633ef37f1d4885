"""Which object is fetched now, and what became of it: SQL behind the fetcher."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from gateway.exchange import returns
from gateway.exchange.model import Kind
from gateway.exchange.outbox import write_letters
from gateway.exchange.report_classes import REPORT_CLASSES
from gateway.exchange.returns import (
    ObjectState,
    ReturnedObject,
    object_query,
    read_objects,
    settle,
    tell,
)
from gateway.exchange.tables import return_objects, returns as studies
from gateway.township.model import KeptObject
from gateway.township.spool_index import stands
from kernel.letter import Letter

WAIT_AT_MOST: Final = dt.timedelta(days=1)
"""No object waits longer before it is tried again."""


def next_object(conn: sa.Connection, at: dt.datetime | None = None) -> ReturnedObject | None:
    """Return the object to fetch now: a report, else of the study asked for first, in its order.

    Without *at* no object waits. What was set aside is tried again after all others.
    """
    columns = return_objects.c
    # Small, and somebody waits for them; a prior may take an hour.
    reports_first = sa.case((columns.sop_class_uid.in_(REPORT_CLASSES), 0), else_=1)
    tried = sa.case((columns.state == ObjectState.WAITING.value, 0), else_=1)
    query = (
        object_query()
        .join(studies, studies.c.study_instance_uid == columns.study_instance_uid)
        .where(columns.state != ObjectState.HERE.value)
        .order_by(
            tried, reports_first, studies.c.asked_at, columns.study_instance_uid, columns.place
        )
        .limit(1)
    )
    if at is not None:
        query = query.where(
            sa.or_(
                columns.not_before.is_(None),
                columns.not_before <= at,
                # The clock was put back since.
                columns.not_before > at + WAIT_AT_MOST,
            )
        )
    return next(iter(read_objects(conn, query)), None)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of fetching an object."""

    state: ObjectState
    code: str = ""
    object_key: str = ""
    failures: int = 0
    not_before: dt.datetime | None = None


def note_object(
    conn: sa.Connection,
    one: ReturnedObject,
    became: Fetched,
    *,
    institution: str,
    at: dt.datetime,
) -> list[KeptObject]:
    """Note what became of fetching *one*, and tell the pages when its study is over.

    Returns content nothing here stands for any more, which may be deleted.
    """
    columns = return_objects.c
    # What the county names otherwise by now, or a person has tried again, comes anew.
    mine = sa.and_(
        columns.study_instance_uid == one.study_instance_uid,
        columns.sop_instance_uid == one.sop_instance_uid,
        columns.dataset_digest == one.dataset_digest,
        columns.pixels_digest == one.pixels_digest,
    )
    changed: dict[str, object] = {
        "state": became.state.value,
        "code": became.code,
        "failures": became.failures,
        "not_before": became.not_before,
    }
    if became.state is ObjectState.HERE:
        changed["object_key"] = became.object_key
    else:
        mine = sa.and_(mine, columns.failures == one.failures)
    noted = conn.execute(sa.update(return_objects).where(mine).values(changed)).rowcount
    if became.state is one.state:
        # It still waits, or still lies aside: nothing is new for the pages.
        return []
    over = settle(conn, one.study_instance_uid, at=at)
    if over or became.state is ObjectState.SET_ASIDE:
        tell(conn, one.study_instance_uid, institution=institution, at=at)
    left = one.object_key if noted else became.object_key
    if became.state is not ObjectState.HERE or stands(conn, left):
        return []
    return [KeptObject(one.sop_instance_uid, left)]


def retry(conn: sa.Connection, study: str, *, institution: str, at: dt.datetime) -> int:
    """Try what is set aside of *study* again, now; returns how many objects that were.

    The county names it anew as well, for what it has may be another by now.
    """
    aside = returns.try_again(conn, study)
    if aside:
        ask_anew(conn, study, at=at)
        settle(conn, study, at=at)
        tell(conn, study, institution=institution, at=at)
    return aside


def ask_anew(conn: sa.Connection, study: str, *, at: dt.datetime) -> None:
    """Have the county name the objects of *study* again: it hands out others than it named."""
    only = returns.kind_of(conn, study) == Kind.REPORT.value
    letter = Letter(
        Kind.PRIOR_REQUEST.value,
        study,
        round(at.timestamp() * 1000),
        {"reports": True} if only else {},
    )
    write_letters(conn, [letter], at=at)
