"""The queues as people see them; read only."""

import datetime as dt
from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from gateway.deliveries.model import DestinationLine, QueueLine, SetAsideLine, State
from gateway.deliveries.tables import deliveries, instances, places
from kernel.arrival import Priority

PAGE_MAX: Final = 500
_PRIORITIES: Final = tuple(Priority)


def destination_lines(
    conn: sa.Connection, known: Collection[str], now: dt.datetime
) -> list[DestinationLine]:
    """Return a line for each of *known* and for each other that has a queue."""
    columns = deliveries.c
    counts = conn.execute(
        sa.select(columns.destination, instances.c.state, sa.func.count())
        .join(instances, instances.c.delivery == columns.id)
        .group_by(columns.destination, instances.c.state)
    ).all()
    opened = conn.execute(
        sa.select(columns.destination, sa.func.count())
        .where(columns.is_open)
        .group_by(columns.destination)
    ).all()
    studies = {row[0]: int(row[1]) for row in opened}
    stood = {row.destination: row for row in conn.execute(sa.select(places))}
    by_state = {(destination, state): int(count) for destination, state, count in counts}
    lines = []
    for address in sorted({*known, *(row[0] for row in counts)}):
        place = stood.get(address)
        many = {state: by_state.get((address, state), 0) for state in State}
        waits = place is not None and bool(many[State.PENDING] or many[State.SENDING])
        next_try = place.next_try_at if place is not None and waits else None
        why = place.reason if place is not None and waits else ""
        if many[State.PENDING] and address not in known:
            why = "no rule and no table names it any more"
        lines.append(
            DestinationLine(
                destination=address,
                studies=studies.get(address, 0),
                pending=many[State.PENDING],
                sending=many[State.SENDING],
                done=many[State.DONE],
                quarantined=many[State.SET_ASIDE],
                failures=place.failures if place is not None else 0,
                waits_for=why,
                next_try_at=next_try if next_try is None or next_try > now else None,
                succeeded_at=place.succeeded_at if place is not None else None,
            )
        )
    return lines


def queue_lines(
    conn: sa.Connection, *, destination: str = "", study: str = "", most: int = PAGE_MAX
) -> list[QueueLine]:
    """Return what is left to send in the order it goes; of one *study* also what is done."""
    columns = deliveries.c
    query = sa.select(deliveries).where(
        columns.study_instance_uid == study if study else columns.is_open
    )
    if destination:
        query = query.where(columns.destination == destination)
    rows = conn.execute(
        query.order_by(columns.destination, columns.priority, columns.turn, columns.id).limit(most)
    ).all()
    counts = conn.execute(
        sa.select(instances.c.delivery, instances.c.state, sa.func.count())
        .where(instances.c.delivery.in_([row.id for row in rows]))
        .group_by(instances.c.delivery, instances.c.state)
    ).all()
    many = {(delivery, state): int(count) for delivery, state, count in counts}
    return [
        QueueLine(
            destination=row.destination,
            study_instance_uid=row.study_instance_uid,
            institution=row.institution,
            priority=_PRIORITIES[row.priority].value,
            rule=row.rule,
            asked_by=row.asked_by,
            pending=many.get((row.id, State.PENDING), 0),
            sending=many.get((row.id, State.SENDING), 0),
            done=many.get((row.id, State.DONE), 0),
            quarantined=many.get((row.id, State.SET_ASIDE), 0),
            changed_at=row.changed_at,
        )
        for row in rows
    ]


def set_aside_lines(
    conn: sa.Connection, *, destination: str = "", most: int = PAGE_MAX
) -> list[SetAsideLine]:
    """Return what was set aside, with its reason, the newest first."""
    columns = instances.c
    query = (
        sa.select(instances, deliveries.c.destination, deliveries.c.study_instance_uid)
        .join(deliveries, deliveries.c.id == columns.delivery)
        .where(columns.state == State.SET_ASIDE)
        .order_by(columns.changed_at.desc(), columns.delivery, columns.number)
        .limit(most)
    )
    if destination:
        query = query.where(deliveries.c.destination == destination)
    return [
        SetAsideLine(
            destination=row.destination,
            study_instance_uid=row.study_instance_uid,
            sop_instance_uid=row.sop_instance_uid,
            status="" if row.status is None else f"{row.status:04X}",
            reason=row.reason,
            attempts=row.attempts,
            changed_at=row.changed_at,
        )
        for row in conn.execute(query)
    ]
