"""Which object is fetched now, and what became of it: SQL behind the fetcher."""

import datetime as dt
from dataclasses import dataclass

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
from gateway.township.tables import instances
from kernel.letter import Letter


def next_object(conn: sa.Connection) -> ReturnedObject | None:
    """Return the object to fetch now: a report, else of the study asked for first, in its order."""
    columns = return_objects.c
    # Small, and somebody waits for them; a prior may take an hour.
    reports_first = sa.case((columns.sop_class_uid.in_(REPORT_CLASSES), 0), else_=1)
    query = (
        object_query()
        .join(studies, studies.c.study_instance_uid == columns.study_instance_uid)
        .where(columns.state == ObjectState.WAITING.value)
        .order_by(reports_first, studies.c.asked_at, columns.study_instance_uid, columns.place)
        .limit(1)
    )
    return next(iter(read_objects(conn, query)), None)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of fetching an object."""

    state: ObjectState
    code: str = ""
    object_key: str = ""


def note_object(
    conn: sa.Connection,
    one: ReturnedObject,
    became: Fetched,
    *,
    institution: str,
    at: dt.datetime,
) -> list[KeptObject]:
    """Note what became of fetching *one*, and tell the pages when its study is over.

    Returns the earlier content it stands for now; where the queue holds that as well, none.
    """
    columns = return_objects.c
    # What the county names otherwise by now comes anew: nothing is noted of the earlier name.
    mine = sa.and_(
        columns.study_instance_uid == one.study_instance_uid,
        columns.sop_instance_uid == one.sop_instance_uid,
        columns.dataset_digest == one.dataset_digest,
        columns.pixels_digest == one.pixels_digest,
    )
    changed = {"state": became.state.value, "code": became.code}
    if became.object_key:
        changed["object_key"] = became.object_key
    noted = conn.execute(sa.update(return_objects).where(mine).values(changed)).rowcount
    over = settle(conn, one.study_instance_uid, at=at)
    if over or became.state is ObjectState.SET_ASIDE:
        tell(conn, one.study_instance_uid, institution=institution, at=at)
    if not noted or one.object_key in ("", became.object_key) or not became.object_key:
        return []
    held = sa.select(instances.c.id).where(
        instances.c.object_key == one.object_key, instances.c.deleted_at.is_(None)
    )
    if conn.scalar(held.limit(1)) is not None:
        return []
    return [KeptObject(one.sop_instance_uid, one.object_key)]


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
