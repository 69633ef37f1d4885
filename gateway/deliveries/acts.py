"""What people do to the queues: try again, set aside."""

import datetime as dt

import sqlalchemy as sa

from gateway.deliveries.model import Step, ends_of
from gateway.deliveries.queue import settle
from gateway.deliveries.standing import try_now
from gateway.deliveries.tables import deliveries, instances


def retry(conn: sa.Connection, destination: str, at: dt.datetime, *, study: str = "") -> int:
    """Let what was set aside wait again and try *destination* at once; returns how many instances.

    Args:
        conn: the transaction.
        destination: its address.
        at: now.
        study: only of this study; empty for all.
    """
    moved = _move(conn, destination, study, Step.RETRY, at, attempts=0, not_before=None)
    opened = sa.select(deliveries.c.id).where(
        deliveries.c.destination == destination, deliveries.c.is_open
    )
    conn.execute(
        sa.update(instances).where(instances.c.delivery.in_(opened)).values(not_before=None)
    )
    try_now(conn, destination)
    return moved


def set_aside(
    conn: sa.Connection, destination: str, study: str, at: dt.datetime, *, by: str
) -> int:
    """Take what waits of *study* out of the queue of *destination*; returns how many instances.

    What is being sent just then goes on.
    """
    return _move(conn, destination, study, Step.PUT_ASIDE, at, status=None, reason=f"by {by}")


def _move(
    conn: sa.Connection,
    destination: str,
    study: str,
    step: Step,
    at: dt.datetime,
    **values: object,
) -> int:
    before, after = ends_of(step)
    columns = deliveries.c
    which = [columns.destination == destination]
    if study:
        which.append(columns.study_instance_uid == study)
    found = sa.select(columns.id).where(*which)
    touched = sa.select(instances.c.delivery).where(
        instances.c.delivery.in_(found), instances.c.state == before
    )
    rows = list(conn.scalars(touched.distinct()))
    moved = conn.execute(
        sa.update(instances)
        .where(instances.c.delivery.in_(found), instances.c.state == before)
        .values(state=after, changed_at=at, **values)
    )
    for delivery in rows:
        settle(conn, delivery, at)
    return moved.rowcount
