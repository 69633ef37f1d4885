"""One patient or one order, whole: what is true, who did what when, and what lies in conflict."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from kernel.identity import Principal
from kernel.policy import Act as Duty, Subject, decide, masked_id
from referrals.orders import store
from referrals.orders.machine import acts_in
from referrals.orders.model import Order, Patient, PatientStatus, version_tag
from referrals.orders.records import Record, RecordKind, differing, kind_of
from referrals.orders.search import Narrow, list_orders, same_names
from referrals.orders.tables import orders
from referrals.orders.views import (
    OrderRow,
    PatientRow,
    local_day,
    masked_phone,
    rows_of_orders,
    rows_of_patients,
)

_ORDERS_SHOWN: Final = 50
_MASKS: Final = {"resident_id": masked_id, "phone": masked_phone}


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what when."""

    version: str
    node: str
    act: str
    at: dt.datetime
    by: str
    """Name of a person; empty where a modality or the county noted it."""
    reason: str


class OpenVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One of the contents in conflict."""

    version: str
    """What ``settle`` takes as ``keep``."""
    node: str
    act: str
    at: dt.datetime
    by: str
    shown: bool
    """Whether it is the one that is true until somebody settles it."""
    differs: dict[str, Any]
    """The fields in which it differs from the one shown, as it has them; numbers masked."""


class PatientView(msgspec.Struct, frozen=True, kw_only=True):
    """A patient's page."""

    patient: PatientRow
    real_patient: PatientRow | None
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
    first_patient: PatientRow | None
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
    narrow = Narrow(institution=patient.institution, patient=patient.id)
    found = list_orders(conn, narrow, limit=_ORDERS_SHOWN, before=None)
    opened = open_versions(conn, patient)
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
        found += ["settle"] if conflict else []
    return sorted(found)


def order_view(conn: sa.Connection, order: Order, principal: Principal) -> OrderView:
    """Return the page of *order* for *principal*."""
    (row,) = rows_of_orders(conn, [order])
    first = _own(conn, order.first_patient, order.institution)
    opened = open_versions(conn, order)
    allowed = decide(principal, Duty.ORDER_EXAMINATION, Subject(order.institution)).allowed
    actions = [str(act) for act in acts_in(order.state)] + (["settle"] if opened else [])
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
        actions=sorted(actions) if allowed else [],
        history=history(conn, RecordKind.ORDER, order.id),
        open_versions=opened,
    )


def _own(conn: sa.Connection, patient: str, institution: str) -> list[Patient]:
    """Return the patient where there is one and it is *institution*'s."""
    found = store.find_patient(conn, patient) if patient else None
    return [found] if found is not None and found.institution == institution else []


def history(conn: sa.Connection, kind: RecordKind, record: str) -> list[HistoryLine]:
    """Return who did what to the record, oldest first."""
    return [
        HistoryLine(
            version=f"{kept.version.version}.{kept.version.node}",
            node=kept.version.node,
            act=kept.change.act,
            at=kept.change.at,
            by=kept.change.by_name or kept.change.by_username,
            reason=kept.change.reason,
        )
        for kept in store.versions_of(conn, kind, record)
    ]


def open_versions(conn: sa.Connection, shown: Record) -> list[OpenVersion]:
    """Return the contents in conflict, and the one shown where it is none of them."""
    kind = kind_of(shown)
    now = store.standing_of(conn, kind, shown.id)
    if not now.open:
        return []
    found = []
    for kept in store.versions_of(conn, kind, shown.id):
        if kept.version not in {*now.open, now.shown}:
            continue
        record = store.record_at(conn, kind, shown.id, kept.version)
        found.append(
            OpenVersion(
                version=version_tag(record),
                node=kept.version.node,
                act=kept.change.act,
                at=kept.change.at,
                by=kept.change.by_name or kept.change.by_username,
                shown=kept.version == now.shown,
                differs=_masked(differing(shown, record)),
            )
        )
    return found


def _masked(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _MASKS[name](value) if name in _MASKS and isinstance(value, str) else value
        for name, value in fields.items()
    }
