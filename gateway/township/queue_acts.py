"""What people and the node itself do to the queue's rows, besides sending them."""

import datetime as dt
from typing import Final

import sqlalchemy as sa

from gateway.township.model import InstanceState
from gateway.township.parcel_index import settle_study
from gateway.township.tables import instances, studies

_UNDELIVERED: Final = (InstanceState.WAITING, InstanceState.PACKED, InstanceState.SENT)


def set_aside(conn: sa.Connection, instance_id: int, code: str, detail: str) -> None:
    """Take one undelivered instance out of the queue, with its reason."""
    conn.execute(
        sa.update(instances)
        .where(instances.c.id == instance_id, instances.c.state.in_(_UNDELIVERED))
        .values(
            state=InstanceState.SET_ASIDE,
            reason_code=code,
            reason=detail,
            parcel_id=None,
            half="",
        )
    )


def retry(conn: sa.Connection, study_key: str) -> int:
    """Let what was set aside of a study wait again, each on its own; returns how many."""
    return _again(conn, instances.c.study_instance_uid == study_key)


def retry_one(conn: sa.Connection, instance_id: int) -> int:
    """Let one instance that was set aside wait again, on its own; returns whether there was one."""
    return _again(conn, instances.c.id == instance_id)


def _again(conn: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    freed = conn.execute(
        sa.update(instances)
        .where(which, instances.c.state == InstanceState.SET_ASIDE, instances.c.object_key != "")
        .values(state=InstanceState.WAITING, reason_code="", reason="", alone=True)
    )
    return freed.rowcount


def release(
    conn: sa.Connection, instance_id: int, at: dt.datetime, *, released: bool = True
) -> str | None:
    """Let nobody wait for an instance that was set aside, or take that back.

    Its bytes stay: the county does not have them. Where it was the last, its study is done.

    Args:
        conn: the transaction.
        instance_id: of the row.
        at: now.
        released: False sets it aside again.

    Returns:
        The study; None where no such instance is in the state it would leave.
    """
    states = (InstanceState.SET_ASIDE, InstanceState.RELEASED)
    before, after = states if released else states[::-1]
    changed = conn.execute(
        sa.update(instances)
        .where(instances.c.id == instance_id, instances.c.state == before)
        .values(state=after)
    )
    if changed.rowcount == 0:
        return None
    study_key = conn.scalar(
        sa.select(instances.c.study_instance_uid).where(instances.c.id == instance_id)
    )
    if study_key is not None:
        settle_study(conn, study_key, at)
    return study_key


def set_rank(conn: sa.Connection, study_key: str, rank: int) -> bool:
    """Give a study the priority a person chose; returns whether it is known.

    From now on neither its images nor its order change it.
    """
    return _change(conn, study_key, rank=rank, rank_choices=studies.c.rank_choices + 1)


def set_paused(conn: sa.Connection, study_key: str, *, paused: bool) -> bool:
    """Hold a study back or let it go; returns whether it is known."""
    return _change(conn, study_key, paused=paused)


def put_first(conn: sa.Connection, study_key: str, at: dt.datetime | None) -> bool:
    """Put a study before the others of its priority, or None back among them."""
    return _change(conn, study_key, put_first_at=at)


def _change(conn: sa.Connection, study_key: str, **values: object) -> bool:
    changed = conn.execute(
        sa.update(studies).where(studies.c.study_instance_uid == study_key).values(values)
    )
    return changed.rowcount > 0
