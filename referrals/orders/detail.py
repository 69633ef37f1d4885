"""One patient or one order, whole: what is true, who did what when, and what lies in conflict."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from kernel.identity import Principal
from kernel.policy import Act as Duty, Subject, decide, sees_own_orders_only
from referrals.orders import store
from referrals.orders.following import taken_along
from referrals.orders.machine import PERFORMING, acts_in
from referrals.orders.model import Order, Patient, PatientStatus
from referrals.orders.records import Record, RecordKind, kind_of
from referrals.orders.search import Narrow, list_orders, same_names
from referrals.orders.settling import OpenVersion, choice_of, open_versions
from referrals.orders.store import KeptVersion
from referrals.orders.tables import orders
from referrals.orders.views import (
    OrderRow,
    RegisteredPatient,
    local_day,
    rows_of_orders,
    rows_of_patients,
)

_ORDERS_SHOWN: Final = 50


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what when."""

    version: str
    node: str
    act: str
    at: dt.datetime
    by: str
    """Name of a person; empty where a modality or the county noted it."""
    reason: str


class PatientView(msgspec.Struct, frozen=True, kw_only=True):
    """A patient's page."""

    patient: RegisteredPatient
    real_patient: RegisteredPatient | None
    """Who this unknown patient turned out to be."""
    same_names: int
    """Other patients of this institution with the same name."""
    orders: list[OrderRow]
    """The latest fifty."""
    actions: list[str]
    """What the asker may do now: correct, order, reconcile, settle, reveal."""
    history: list[HistoryLine]
    open_versions: list[OpenVersion]


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order's page."""

    order: OrderRow
    clinical_question: str
    ended_reason: str
    requested_procedure_id: str
    scheduled_procedure_step_id: str
    first_patient: RegisteredPatient | None
    """Whom it was ordered for, where that patient turned out to be another."""
    replaces: str
    """Id of the order this one repeats."""
    replaced_by: list[str]
    """Ids of the orders that repeat this one."""
    actions: list[str]
    """What the asker may do now: change, begin, complete, discontinue, cancel, reorder, settle."""
    history: list[HistoryLine]
    open_versions: list[OpenVersion]


def patient_view(
    conn: sa.Connection, patient: Patient, principal: Principal, *, now: dt.datetime
) -> PatientView:
    """Return the page of *patient* for *principal*."""
    people = [patient]
    if patient.reconciled_with:
        people += _own(conn, patient.reconciled_with, patient.institution)
    rows = rows_of_patients(conn, people, on=local_day(now))
    mine = principal.username if sees_own_orders_only(principal) else ""
    narrow = Narrow(institution=patient.institution, patient=patient.id, ordered_by=mine)
    found = list_orders(conn, narrow, limit=_ORDERS_SHOWN, before=None)
    opened = _in_conflict(conn, patient, now)
    return PatientView(
        patient=rows[0],
        real_patient=rows[1] if len(rows) > 1 else None,
        same_names=same_names(conn, patient),
        orders=rows_of_orders(conn, found),
        actions=_patient_actions(patient, principal, conflict=bool(opened)),
        history=history(conn, kind_of(patient), patient.id),
        open_versions=opened,
    )


def _patient_actions(patient: Patient, principal: Principal, *, conflict: bool) -> list[str]:
    subject = Subject(patient.institution)
    found = ["reveal"]
    active = patient.status is PatientStatus.ACTIVE
    if decide(principal, Duty.ORDER_EXAMINATION, subject).allowed and active:
        found.append("order")
    if decide(principal, Duty.REGISTER_PATIENT, subject).allowed:
        found += ["correct"] if active else []
        found += ["reconcile"] if active and patient.temporary is not None else []
    if conflict and decide(principal, Duty.SETTLE_CONFLICT, subject).allowed:
        found.append("settle")
    return sorted(found)


def order_view(
    conn: sa.Connection, order: Order, principal: Principal, *, now: dt.datetime
) -> OrderView:
    """Return the page of *order* for *principal*."""
    (row,) = rows_of_orders(conn, [order])
    first = _own(conn, order.first_patient, order.institution)
    opened = _in_conflict(conn, order, now)
    subject = Subject(order.institution)
    orders_there = decide(principal, Duty.ORDER_EXAMINATION, subject).allowed
    performs = decide(principal, Duty.PERFORM_EXAMINATION, subject).allowed
    settles = decide(principal, Duty.SETTLE_CONFLICT, subject).allowed
    acts = [act for act in acts_in(order.state) if performs or act not in PERFORMING]
    actions = [str(act) for act in acts]
    actions += ["settle"] if opened and settles else []
    columns = orders.c
    again = sa.select(columns.id).where(
        columns.patient == order.patient, columns.replaces == order.id
    )
    on = local_day(order.scheduled_at)
    return OrderView(
        order=row,
        clinical_question=order.clinical_question,
        ended_reason=order.ended_reason,
        requested_procedure_id=order.requested_procedure_id,
        scheduled_procedure_step_id=order.scheduled_procedure_step_id,
        first_patient=next(iter(rows_of_patients(conn, first, on=on)), None),
        replaces=order.replaces,
        replaced_by=list(conn.scalars(again.order_by(columns.id))),
        actions=sorted(actions) if orders_there else [],
        history=history(conn, RecordKind.ORDER, order.id),
        open_versions=opened,
    )


def _own(conn: sa.Connection, patient: str, institution: str) -> list[Patient]:
    """Return the patient where there is one and it is *institution*'s."""
    found = store.find_patient(conn, patient) if patient else None
    return [found] if found is not None and found.institution == institution else []


def history(conn: sa.Connection, kind: RecordKind, record: str) -> list[HistoryLine]:
    """Return who did what to the record, oldest first; what machines noted once each.

    Of an order also who said that its patient is another.
    """
    kept = store.versions_of(conn, kind, record)
    order = store.find_order(conn, record) if kind is RecordKind.ORDER else None
    if order is not None and order.first_patient:
        kept = taken_along(conn, order, kept)
    return [
        HistoryLine(
            version=f"{each.version.version}.{each.version.node}",
            node=each.version.node,
            act=each.change.act,
            at=each.change.at,
            by=each.change.by_name or each.change.by_username,
            reason=each.change.reason,
        )
        for each in noted_once(kept)
    ]


def noted_once(kept: Sequence[KeptVersion]) -> list[KeptVersion]:
    """Return *kept* with each thing a machine noted where it was noted first.

    The modality's step says at the township that an examination has begun, and the first image at
    the county, before either has heard of the other: two versions, and one beginning. What people
    did is all there.
    """
    first: dict[str, KeptVersion] = {}
    for one in kept:
        if one.change.act in PERFORMING and not one.change.by_username:
            before = first.get(one.change.act)
            if before is None or one.change.at < before.change.at:
                first[one.change.act] = one
    return [one for one in kept if one.change.by_username or first.get(one.change.act, one) is one]


def _in_conflict(conn: sa.Connection, shown: Record, now: dt.datetime) -> list[OpenVersion]:
    """Return the contents nobody has chosen from yet, at most twenty."""
    kind = kind_of(shown)
    choice = choice_of(store.versions_of(conn, kind, shown.id), now)
    return [] if choice.chosen else open_versions(conn, shown, choice)
