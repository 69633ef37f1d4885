"""The queue's rows: what joins, whose turn it is, what became of it.

Each function is a part of one transaction.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from gateway.deliveries.model import Contents, State, Step, Turn, ends_of
from gateway.deliveries.tables import deliveries, instances, places

_ROWS_AT_ONCE: Final = 500
_LEFT: Final = (State.PENDING, State.SENDING)


def join(  # noqa: PLR0913  # a row's worth
    conn: sa.Connection,
    destination: str,
    study: str,
    contents: Contents,
    *,
    rule: str,
    priority: int | None,
    at: dt.datetime,
    asked_by: str = "",
) -> int:
    """Let what is not yet in *destination*'s queue of the study join it; return how many did.

    Doing it again changes nothing but what came to the study since; its priority only rises.

    Args:
        conn: the transaction.
        destination: its address.
        study: Study Instance UID.
        contents: the study as it is now.
        rule: names of the rules that send it.
        priority: what a rule says; None for the study's own.
        at: now.
        asked_by: who has it sent by hand.
    """
    rank = contents.priority if priority is None else min(priority, contents.priority)
    columns = deliveries.c
    there = conn.execute(
        sa.select(columns.id, columns.priority).where(
            columns.destination == destination, columns.study_instance_uid == study
        )
    ).one_or_none()
    if there is None:
        made = conn.execute(
            sa.insert(deliveries)
            .values(
                destination=destination,
                study_instance_uid=study,
                institution=contents.institution,
                priority=rank,
                rule=rule,
                asked_by=asked_by,
                is_open=False,
                made_at=at,
                changed_at=at,
            )
            .returning(columns.id)
        )
        delivery = int(made.scalar_one())
    else:
        delivery = there.id
        if rank < there.priority:
            _change(conn, delivery, priority=rank)
    return _add(conn, delivery, contents.sop_instance_uids, at)


def grown(conn: sa.Connection, study: str, contents: Contents, *, at: dt.datetime) -> int:
    """Let what came to the study join every queue it is in; return how many instances did."""
    columns = deliveries.c
    rows = conn.execute(
        sa.select(columns.id, columns.priority).where(columns.study_instance_uid == study)
    ).all()
    added = 0
    for row in rows:
        if contents.priority < row.priority:
            _change(conn, row.id, priority=contents.priority)
        added += _add(conn, row.id, contents.sop_instance_uids, at)
    return added


def _add(conn: sa.Connection, delivery: int, uids: Collection[str], at: dt.datetime) -> int:
    columns = instances.c
    known = set(
        conn.scalars(sa.select(columns.sop_instance_uid).where(columns.delivery == delivery))
    )
    rows = [
        {
            "delivery": delivery,
            "sop_instance_uid": uid,
            "number": number,
            "state": State.PENDING.value,
            "changed_at": at,
        }
        for number, uid in enumerate(uids, len(known))
        if uid not in known
    ]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        conn.execute(sa.insert(instances), rows[start : start + _ROWS_AT_ONCE])
    if rows:
        _change(conn, delivery, is_open=True, changed_at=at)
    return len(rows)


def recover(conn: sa.Connection) -> None:
    """Put back what was being sent when the county ended; its answer was never written down."""
    before, after = ends_of(Step.PUT_BACK)
    opened = sa.select(deliveries.c.id).where(deliveries.c.is_open)
    conn.execute(
        sa.update(instances)
        .where(instances.c.delivery.in_(opened), instances.c.state == before)
        .values(state=after)
    )


def due(conn: sa.Connection, now: dt.datetime) -> list[str]:
    """Return the destinations that have something left to send and need not wait."""
    opened = deliveries.c.destination
    waits = sa.select(places.c.destination).where(places.c.next_try_at > now)
    ready = sa.exists().where(instances.c.delivery == deliveries.c.id, _may_go(now))
    return list(
        conn.scalars(
            sa.select(opened)
            .distinct()
            .where(deliveries.c.is_open, opened.not_in(waits), ready)
            .order_by(opened)
        )
    )


def _may_go(now: dt.datetime) -> sa.ColumnElement[bool]:
    columns = instances.c
    return sa.and_(
        columns.state == State.PENDING,
        sa.or_(columns.not_before.is_(None), columns.not_before <= now),
    )


def take_turn(conn: sa.Connection, destination: str, now: dt.datetime, *, most: int) -> Turn | None:
    """Return what goes to *destination* next, marked as being sent; None where nothing waits.

    The most urgent study first, of those the one that has waited longest for a turn; in it first
    what has not failed yet.
    """
    columns = deliveries.c
    ready = sa.exists().where(instances.c.delivery == columns.id, _may_go(now))
    row = conn.execute(
        sa.select(columns.id, columns.study_instance_uid, columns.rule, columns.asked_by)
        .where(columns.destination == destination, columns.is_open, ready)
        .order_by(columns.priority, columns.turn, columns.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    _, after = ends_of(Step.TAKE_TURN)
    chosen = conn.execute(
        sa.select(instances.c.sop_instance_uid, instances.c.attempts)
        .where(instances.c.delivery == row.id, _may_go(now))
        .order_by(instances.c.attempts, instances.c.number)
        .limit(most)
    ).all()
    # One that has failed goes alone, or it might cost others their answer.
    fresh = [each.sop_instance_uid for each in chosen if not each.attempts]
    uids = fresh or [chosen[0].sop_instance_uid]
    _set(conn, row.id, uids, state=after, changed_at=now)
    last = conn.scalar(
        sa.select(sa.func.max(columns.turn)).where(columns.destination == destination)
    )
    _change(conn, row.id, turn=(last or 0) + 1)
    return Turn(
        delivery=row.id,
        destination=destination,
        study_instance_uid=row.study_instance_uid,
        rule=row.rule,
        asked_by=row.asked_by,
        sop_instance_uids=tuple(uids),
        again=not fresh,
    )


def answered(  # noqa: PLR0913  # a row's worth
    conn: sa.Connection,
    delivery: int,
    uid: str,
    step: Step,
    at: dt.datetime,
    *,
    status: int | None = None,
    reason: str = "",
) -> None:
    """Write down that *uid* was taken or refused."""
    before, after = ends_of(step)
    conn.execute(
        sa.update(instances)
        .where(
            instances.c.delivery == delivery,
            instances.c.sop_instance_uid == uid,
            instances.c.state == before,
        )
        .values(state=after, status=status, reason=reason, changed_at=at)
    )


def end_turn(
    conn: sa.Connection,
    turn: Turn,
    at: dt.datetime,
    *,
    failed: str = "",
    reason: str = "",
    not_before: dt.datetime | None = None,
) -> None:
    """Put back what was not answered in *turn*.

    Args:
        conn: the transaction.
        turn: whose.
        at: now.
        failed: the instance the line broke with; empty where there is none.
        reason: why it broke.
        not_before: when *failed* may go again.
    """
    before, after = ends_of(Step.PUT_BACK)
    mine = (instances.c.delivery == turn.delivery, instances.c.state == before)
    if failed:
        conn.execute(
            sa.update(instances)
            .where(*mine, instances.c.sop_instance_uid == failed)
            .values(
                attempts=instances.c.attempts + 1,
                reason=reason,
                not_before=not_before,
                changed_at=at,
            )
        )
    for start in range(0, len(turn.sop_instance_uids), _ROWS_AT_ONCE):
        some = turn.sop_instance_uids[start : start + _ROWS_AT_ONCE]
        conn.execute(
            sa.update(instances)
            .where(*mine, instances.c.sop_instance_uid.in_(some))
            .values(state=after)
        )
    settle(conn, turn.delivery, at)


def settle(conn: sa.Connection, delivery: int, at: dt.datetime) -> None:
    """Close a delivery nothing is left of, or open it again."""
    left = sa.exists().where(instances.c.delivery == delivery, instances.c.state.in_(_LEFT))
    is_open = bool(conn.scalar(sa.select(left)))
    _change(conn, delivery, is_open=is_open, changed_at=at)


@dataclass(frozen=True, slots=True)
class Broken:
    """How often the line broke with an instance, and when it last did."""

    attempts: int
    since: dt.datetime


def broken(conn: sa.Connection, delivery: int, uid: str) -> Broken:
    """Return what is known of an instance with which the line broke."""
    columns = instances.c
    row = conn.execute(
        sa.select(columns.attempts, columns.changed_at).where(
            columns.delivery == delivery, columns.sop_instance_uid == uid
        )
    ).one()
    return Broken(row.attempts, row.changed_at)


def _set(conn: sa.Connection, delivery: int, uids: Collection[str], **values: object) -> None:
    conn.execute(
        sa.update(instances)
        .where(instances.c.delivery == delivery, instances.c.sop_instance_uid.in_(uids))
        .values(values)
    )


def _change(conn: sa.Connection, delivery: int, **values: object) -> None:
    conn.execute(sa.update(deliveries).where(deliveries.c.id == delivery).values(values))


def is_queued(conn: sa.Connection, study: str) -> bool:
    """Return whether the study is, or was, in any queue."""
    columns = deliveries.c
    found = sa.select(columns.id).where(columns.study_instance_uid == study).limit(1)
    return conn.scalar(found) is not None
