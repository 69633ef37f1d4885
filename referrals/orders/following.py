"""Whose an order is once its patient turned out to be another.

A node may order for somebody unknown while another finds out who that is. So what is shown of an
order follows from the patients known as well: nodes that know the same show the same, whatever
they heard first, and none of them has to write anything for it.
"""

from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from referrals.orders import store
from referrals.orders.model import Order, Patient, PatientStatus
from referrals.orders.records import RecordKind
from referrals.orders.store import KeptVersion

RECONCILE: Final = "reconcile"
"""Act of a version that says who a patient is, and of one in which an order went over."""


def way_of(conn: sa.Connection, patient: str) -> tuple[str, ...]:
    """Return the ids from *patient* to whom they are now, both with it; at least one.

    Two that were found to be each other, as nodes can that do not hear of each other, are whoever
    was registered first: a circle has that end for everybody who comes to it.
    """
    way = [patient]
    while (after := _after(conn, way[-1])) and after not in way:
        way.append(after)
    if not after:
        return tuple(way)
    first = min(way[way.index(after) :])
    return tuple(way[: way.index(first) + 1])


def _after(conn: sa.Connection, patient: str) -> str:
    found = store.find_patient(conn, patient)
    return found.reconciled_with if found and found.status is PatientStatus.RECONCILED else ""


def followed(conn: sa.Connection, order: Order) -> Order:
    """Return *order* for whom its patient is now; it keeps whom it was ordered for."""
    end = way_of(conn, order.patient)[-1]
    if end == order.patient:
        return order
    return replace(order, patient=end, first_patient=order.first_patient or order.patient)


def people_of(conn: sa.Connection, order: Order) -> list[Patient]:
    """Return everybody *order* was for, in turn, as far as they are here; its patient is last."""
    way = way_of(conn, order.first_patient) if order.first_patient else ()
    ids = [*(each for each in way if each != order.patient), order.patient]
    people = store.patients_by_id(conn, ids)
    return [people[each] for each in ids if each in people]


def taken_along(conn: sa.Connection, order: Order, kept: list[KeptVersion]) -> list[KeptVersion]:
    """Return the *kept* versions of *order* with those of its patients it went over by.

    Not those that wrote a version of the order itself.
    """
    written = {(each.change.act, each.change.at, each.change.by_username) for each in kept}
    lines = list(kept)
    for patient in way_of(conn, order.first_patient or order.patient)[:-1]:
        said = [
            each
            for each in store.versions_of(conn, RecordKind.PATIENT, patient)
            if each.change.act == RECONCILE
        ]
        if said and (RECONCILE, said[-1].change.at, said[-1].change.by_username) not in written:
            at = said[-1].change.at
            behind = [number for number, each in enumerate(lines, 1) if each.change.at <= at]
            lines.insert(max(behind, default=0), said[-1])
    return lines
