"""Patients and orders as pages and events show them; numbers of people masked everywhere."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from kernel.arrival import Priority
from kernel.dicom.shown import LEGAL_TIME, Age, age_at
from kernel.identity import Principal
from kernel.policy import masked_id, masked_number, register_house, sees_own_orders_only
from referrals.orders import store
from referrals.orders.model import (
    Examination,
    Order,
    Patient,
    PatientClass,
    PatientStatus,
    Sex,
    State,
    Temporary,
    version_tag,
)
from referrals.orders.records import Record
from referrals.orders.tables import accession_claims, orders, patients

_PHONE_SHOWN: Final = 4
_IN_MAX: Final = 500


class RegisteredPatient(msgspec.Struct, frozen=True, kw_only=True):
    """A patient as lists, orders and events show them."""

    id: str
    patient_id: str
    """Masked where it is a resident number."""
    name: str
    name_pinyin: str
    sex: Sex
    birth_date: dt.date | None
    age: Age | None
    """At the examination, or today where it is about none."""
    age_estimated: bool
    masked_resident_id: str
    masked_phone: str
    temporary: Temporary | None
    status: PatientStatus
    reconciled_with: str
    registered_at: dt.datetime
    institution: str
    etag: str
    """Version to send as If-Match, in quotes."""
    conflicts: int


class PatientNow(msgspec.Struct, frozen=True, kw_only=True):
    """Who a patient turned out to be that nobody knew when the images were made."""

    name: str
    alphabetic_name: str
    """In pinyin, for reading and for finding them."""
    sex: Sex
    age: Age | None
    """On the day of the order."""
    age_estimated: bool
    patient_id: str
    """Masked where it is a resident number."""


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order as lists and events show it."""

    id: str
    patient: RegisteredPatient | None
    """None where the patient has not reached this node yet."""
    accession_number: str
    number_disputed: bool
    """Another order here has the same number; the county gives one of them a new one."""
    former_accession_numbers: tuple[str, ...]
    study_instance_uid: str
    examination: Examination
    station_ae_title: str
    scheduled_at: dt.datetime
    priority: Priority
    patient_class: PatientClass
    state: State
    ordered_by: str
    """Account of whoever ordered."""
    ordered_by_name: str
    ordered_at: dt.datetime
    performed_at: dt.datetime | None
    ended_at: dt.datetime | None
    recognition_checked: bool
    institution: str
    origin_node: str
    updated_at: dt.datetime
    etag: str
    """Version to send as If-Match, in quotes."""
    conflicts: int


def masked_phone(phone: str) -> str:
    """Return a telephone number with its last four characters only."""
    shown = phone[-_PHONE_SHOWN:] if len(phone) > _PHONE_SHOWN else ""
    return "*" * (len(phone) - len(shown)) + shown


def patient_row(patient: Patient, *, on: dt.date, conflicts: int = 0) -> RegisteredPatient:
    """Return *patient* with the age on the day *on*."""
    known = patient.temporary.estimated_age_years if patient.temporary else None
    birth = f"{patient.birth_date:%Y%m%d}" if patient.birth_date else ""
    age = age_at("", birth, f"{on:%Y%m%d}")
    estimated = age is None and known is not None
    return RegisteredPatient(
        id=patient.id,
        patient_id=masked_number(patient.patient_id),
        name=patient.name,
        name_pinyin=patient.name_pinyin,
        sex=patient.sex,
        birth_date=patient.birth_date,
        age=Age(known, "years") if estimated and known is not None else age,
        age_estimated=estimated,
        masked_resident_id=masked_id(patient.resident_id),
        masked_phone=masked_phone(patient.phone),
        temporary=patient.temporary,
        status=patient.status,
        reconciled_with=patient.reconciled_with,
        registered_at=patient.registered_at,
        institution=patient.institution,
        etag=version_tag(patient),
        conflicts=conflicts,
    )


def order_row(
    order: Order, patient: RegisteredPatient | None, *, conflicts: int, disputed: bool
) -> OrderRow:
    """Return *order* as lists show it."""
    return OrderRow(
        id=order.id,
        patient=patient,
        accession_number=order.accession_number,
        number_disputed=disputed,
        former_accession_numbers=order.former_accession_numbers,
        study_instance_uid=order.study_instance_uid,
        examination=order.examination,
        station_ae_title=order.station_ae_title,
        scheduled_at=order.scheduled_at,
        priority=order.priority,
        patient_class=order.patient_class,
        state=order.state,
        ordered_by=order.ordered_by,
        ordered_by_name=order.ordered_by_name,
        ordered_at=order.ordered_at,
        performed_at=order.performed_at,
        ended_at=order.ended_at,
        recognition_checked=order.recognition_checked,
        institution=order.institution,
        origin_node=order.origin_node,
        updated_at=order.updated_at,
        etag=version_tag(order),
        conflicts=conflicts,
    )


def may_see(order: Order, principal: Principal) -> bool:
    """Tell whether *order* is there for *principal*, who may read orders where they work."""
    mine = not sees_own_orders_only(principal) or order.ordered_by == principal.username
    return order.institution == register_house(principal) and mine


def local_day(at: dt.datetime) -> dt.date:
    """Return the day of *at* in legal time."""
    return at.astimezone(LEGAL_TIME).date()


def rows_of_orders(conn: sa.Connection, found: Sequence[Order]) -> list[OrderRow]:
    """Return *found* as rows, in their order, with their patients."""
    people = store.patients_by_id(conn, (order.patient for order in found))
    open_orders = conflicts_of(conn, orders, (order.id for order in found))
    open_people = conflicts_of(conn, patients, people)
    disputed = _disputed(conn, found)
    rows = []
    for order in found:
        patient = people.get(order.patient)
        shown = None
        # What a node told of an order opens no other institution's patient.
        if patient is not None and patient.institution == order.institution:
            on = local_day(order.scheduled_at)
            shown = patient_row(patient, on=on, conflicts=open_people.get(patient.id, 0))
        rows.append(
            order_row(
                order,
                shown,
                conflicts=open_orders.get(order.id, 0),
                disputed=order.id in disputed,
            )
        )
    return rows


def rows_of_patients(
    conn: sa.Connection, found: Sequence[Patient], *, on: dt.date
) -> list[RegisteredPatient]:
    """Return *found* as rows, in their order, with the age on the day *on*."""
    open_people = conflicts_of(conn, patients, (patient.id for patient in found))
    return [
        patient_row(patient, on=on, conflicts=open_people.get(patient.id, 0)) for patient in found
    ]


def conflicts_of(conn: sa.Connection, table: sa.Table, ids: Iterable[str]) -> dict[str, int]:
    """Return how many contents lie open beside each of the records *ids* that have any."""
    wanted, found = sorted(set(ids)), {}
    for at in range(0, len(wanted), _IN_MAX):
        query = sa.select(table.c.id, table.c.conflicts).where(
            table.c.id.in_(wanted[at : at + _IN_MAX]), table.c.conflicts > 0
        )
        found.update({row.id: row.conflicts for row in conn.execute(query)})
    return found


def _disputed(conn: sa.Connection, found: Sequence[Order]) -> set[str]:
    columns, disputed = accession_claims.c, set()
    for at in range(0, len(found), _IN_MAX):
        part = found[at : at + _IN_MAX]
        query = sa.select(columns.institution, columns.accession_number, columns.order).where(
            columns.accession_number.in_(sorted({order.accession_number for order in part}))
        )
        owners = {(row[0], row[1]): row[2] for row in conn.execute(query)}
        disputed |= {
            order.id
            for order in part
            if owners.get((order.institution, order.accession_number), order.id) != order.id
        }
    return disputed


def event_payload(conn: sa.Connection, record: Record) -> Mapping[str, Any]:
    """Return what an event says of *record*: its row as lists show it."""
    row: RegisteredPatient | OrderRow
    if isinstance(record, Patient):
        (row,) = rows_of_patients(conn, [record], on=local_day(record.updated_at))
    else:
        (row,) = rows_of_orders(conn, [record])
    payload: Mapping[str, Any] = msgspec.to_builtins(row)
    return payload


def patient_number(conn: sa.Connection, record: Record) -> str:
    """Return the Patient ID *record* is about, empty where it is not here yet."""
    if isinstance(record, Patient):
        return record.patient_id
    found = store.find_patient(conn, record.patient)
    return found.patient_id if found and found.institution == record.institution else ""
