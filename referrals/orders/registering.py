"""How a patient and an order come to be, inside somebody else's transaction."""

import datetime as dt
import secrets
import uuid
from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from kernel.identifiers import new_id
from kernel.policy import register_house
from referrals.orders.asked import NewOrder, NewPatient
from referrals.orders.examinations import examination_called
from referrals.orders.gate import GateAsks, OrderGate, Outcome
from referrals.orders.ledger import By, Ledger, Page
from referrals.orders.model import AlreadyRegistered, Order, Patient
from referrals.orders.search import midnight
from referrals.orders.tables import patients
from referrals.orders.temporary import temporary_name, temporary_pinyin
from referrals.orders.views import local_day

_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Nothing here looks like another when it is typed at a modality."""
_DAY: Final = dt.timedelta(days=1)


def new_patient_id() -> str:
    """Return a number for somebody the house has none for: ``P`` and ten characters.

    Drawn from 2^49, so that nodes that cannot ask each other do not draw the same.
    """
    return "P" + "".join(secrets.choice(_ALPHABET) for _ in range(10))


def register(ledger: Ledger, page: Page, by: By, asked: NewPatient, *, now: dt.datetime) -> Patient:
    """Write down a new patient of *by*'s institution.

    Raises:
        InvalidRegistration: something typed cannot be.
        AlreadyRegistered: a patient of this institution has that number.
    """
    institution = register_house(by.principal) if by.principal else ""
    today = local_day(now)
    new = asked.checked(today)
    name, pinyin = new.name, new.name_pinyin
    if new.temporary is not None:
        number = _temporary_today(page.conn, institution, today) + 1
        name = temporary_name(new.sex, today, number)
        pinyin = temporary_pinyin(new.sex, today, number)
    patient = Patient(
        id=new_id(),
        institution=institution,
        patient_id=new.patient_id or new_patient_id(),
        name=name,
        name_pinyin=pinyin or ledger.spellings.romanised(name),
        sex=new.sex,
        birth_date=new.birth_date,
        resident_id=new.resident_id,
        phone=new.phone,
        temporary=new.temporary,
        registered_by=by.username,
        registered_at=now,
        updated_at=now,
        version=1,
        origin_node=ledger.node,
        written_by_node=ledger.node,
    )
    check_numbers_free(page.conn, patient)
    return ledger.write(page, patient, by.change("register", now), by)


def _temporary_today(conn: sa.Connection, institution: str, today: dt.date) -> int:
    """Return how many unknown patients were registered here today."""
    columns = patients.c
    names = conn.scalars(
        sa.select(columns.name).where(
            columns.institution == institution,
            columns.registered_at >= midnight(today),
            columns.registered_at < midnight(today + _DAY),
            columns.name.like(f"无名氏%{today:%m%d}-%"),
        )
    )
    taken = [int(tail) for name in names if (tail := name.rpartition("-")[2]).isdigit()]
    return max(taken, default=0)


def check_numbers_free(conn: sa.Connection, patient: Patient) -> None:
    """Raise ``AlreadyRegistered`` where another patient of the house has one of the numbers."""
    columns = patients.c
    for name in ("resident_id", "patient_id"):
        number = getattr(patient, name)
        if not number:
            continue
        other = conn.scalar(
            sa.select(columns.id)
            .where(
                columns.institution == patient.institution,
                columns[name] == number,
                columns.id != patient.id,
            )
            .order_by(columns.id)
            .limit(1)
        )
        if other is not None:
            error = AlreadyRegistered(f"another patient has this {name.replace('_', ' ')}")
            error.members = {"patient": other, "field": name}
            raise error


def order(  # noqa: PLR0913  # what an order is made of
    ledger: Ledger,
    gate: OrderGate,
    page: Page,
    by: By,
    patient: Patient,
    new: NewOrder,
    *,
    now: dt.datetime,
    replaces: str = "",
) -> Order:
    """Write down a new order, *new* having been checked.

    Raises:
        ExaminationMissing: the catalogue has no such examination.
        NoAccessionNumbers: this node has none left.
        InvalidAccessionNumber, AccessionNumberTaken: the number told cannot be this order's.
        GateAsks: there is a result that would do.
    """
    conn, institution = page.conn, patient.institution
    key = new_id()
    if foreign := new.accession_number:
        number = ledger.numbers.take_foreign(conn, institution, foreign, key, at=now)
    else:
        number = ledger.numbers.take(conn, institution, key, at=now)
    made = Order(
        id=key,
        institution=institution,
        patient=patient.id,
        accession_number=number,
        study_instance_uid=f"2.25.{uuid.uuid4().int}",
        requested_procedure_id=number,
        scheduled_procedure_step_id=number,
        examination=examination_called(conn, institution, new.examination),
        station_ae_title=new.station_ae_title,
        scheduled_at=new.scheduled_at or now,
        priority=new.priority,
        patient_class=new.patient_class,
        clinical_question=new.clinical_question,
        ordered_by=by.username,
        ordered_by_name=by.name,
        ordered_at=now,
        replaces=replaces,
        updated_at=now,
        version=1,
        origin_node=ledger.node,
        written_by_node=ledger.node,
    )
    answer = gate.check(conn, made, now)
    if answer.outcome is Outcome.ASK:
        error = GateAsks("a result that would do was found")
        error.members = {"reasons": list(answer.reasons)}
        raise error
    checked = answer.outcome is not Outcome.NOT_CHECKED
    reason = "" if checked else Outcome.NOT_CHECKED.value
    written = replace(made, recognition_checked=checked)
    return ledger.write(page, written, by.change("order", now, reason=reason), by)
