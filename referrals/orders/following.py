"""Whose an order is once its patient turned out to be another.

A node may order for somebody unknown while another finds out who that is, and two may find out
differently. So a version of an order says whom it was ordered for, and what is shown of it follows
from the patients known as well: nodes that know the same show the same, whatever they heard first,
and none of them has to write anything for it.
"""

import itertools
from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from referrals.orders import store
from referrals.orders.model import Order, Patient, PatientStatus
from referrals.orders.records import Record, RecordKind
from referrals.orders.store import KeptVersion

RECONCILE: Final = "reconcile"
"""Act of a version that says who a patient is."""
SETTLE: Final = "settle"
"""Act of a version somebody chose; its reason names the version that was kept."""


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
    """Return *order* for whom its patient is now; it keeps whom it was ordered for.

    What it says of whom that turned out to be is passed over: somebody may know better since.
    """
    first = order.first_patient or order.patient
    end = way_of(conn, first)[-1]
    return replace(order, patient=end, first_patient="" if end == first else first)


def as_ordered(record: Record) -> Record:
    """Return *record* as its versions say it: an order for whom it was ordered. Pure."""
    if isinstance(record, Patient):
        return record
    return replace(record, patient=record.first_patient or record.patient, first_patient="")


def people_of(conn: sa.Connection, order: Order) -> list[Patient]:
    """Return everybody *order* was for, in turn, as far as they are here; its patient is last."""
    way = way_of(conn, order.first_patient) if order.first_patient else ()
    ids = [*(each for each in way if each != order.patient), order.patient]
    people = store.patients_by_id(conn, ids)
    return [people[each] for each in ids if each in people]


def taken_along(conn: sa.Connection, order: Order, kept: list[KeptVersion]) -> list[KeptVersion]:
    """Return the *kept* versions of *order* with those of its patients it went over by.

    Not those that wrote a version of the order itself, as they once did.
    """
    written = {(each.change.act, each.change.at, each.change.by_username) for each in kept}
    lines = list(kept)
    way = way_of(conn, order.first_patient or order.patient)
    for patient, after in itertools.pairwise(way):
        said = _saying(conn, patient, after)
        if said and (said.change.act, said.change.at, said.change.by_username) not in written:
            at = said.change.at
            behind = [number for number, each in enumerate(lines, 1) if each.change.at <= at]
            lines.insert(max(behind, default=0), said)
    return lines


def _saying(conn: sa.Connection, patient: str, whom: str) -> KeptVersion | None:
    """Return the version that says of *patient* that it is *whom*, or else the choice of it."""
    kind, found = RecordKind.PATIENT, None
    for each in store.versions_of(conn, kind, patient):
        if each.change.act not in {RECONCILE, SETTLE}:
            continue
        record = store.record_at(conn, kind, patient, each.version)
        says = isinstance(record, Patient) and record.reconciled_with == whom
        if says and (found is None or each.change.act == RECONCILE):
            found = each
    return found
