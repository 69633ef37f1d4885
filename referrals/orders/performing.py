"""What modalities and images say of an order: that it has begun, ended, or is somebody else's."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from kernel.dicom.shown import Age
from referrals.orders import numbers, store
from referrals.orders.following import people_of
from referrals.orders.ledger import STUDY_MISMATCH, By, Ledger, Page
from referrals.orders.machine import TRANSITIONS, Act
from referrals.orders.model import Order, Patient, State
from referrals.orders.moves import moved
from referrals.orders.search import with_former_number
from referrals.orders.tables import orders
from referrals.orders.views import PatientNow, local_day, patient_row

_NEAR: Final = 20
"""Orders of one study or number looked at; more than a few is a fault of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """A study or a procedure step, as far as it names an order."""

    institution: str
    study_instance_uid: str = ""
    accession_number: str = ""
    patient_id: str = ""
    """Empty where the modality states none."""


@dataclass(frozen=True, slots=True)
class Match:
    """An order somebody performs, and whether it is the same patient."""

    order: Order
    same_patient: bool


@dataclass(frozen=True, slots=True)
class Examined:
    """Who was examined, as they were known then."""

    age: Age | None = None
    """On the day of the order."""
    estimated: bool = False
    """Guessed by whoever registered somebody nobody knows."""
    is_now: PatientNow | None = None
    """Who they turned out to be, where that is another than the images name."""
    now: Patient | None = None
    """That one as registered, numbers and all: for the trail, not for pages."""


def matching(conn: sa.Connection, performed: Performed) -> Match | None:
    """Return the order that *performed* belongs to, None where it belongs to none.

    The study's UID decides, which modalities take from the worklist; else the accession number,
    also one the order had to give up. A number typed wrongly is another patient's: ``Match`` tells.
    """
    found = _by_study(conn, performed)
    if performed.accession_number:
        found = found or _by_number(conn, performed)
    if not found:
        return None
    matches = [Match(order, _same_patient(conn, order, performed)) for order in found]
    return next((match for match in matches if match.same_patient), matches[0])


def _by_study(conn: sa.Connection, performed: Performed) -> list[Order]:
    if not performed.study_instance_uid:
        return []
    columns = orders.c
    ids = conn.scalars(
        sa.select(columns.id)
        .where(
            columns.study_instance_uid == performed.study_instance_uid,
            columns.institution == performed.institution,
        )
        .limit(_NEAR)
    )
    return [order for key in list(ids) if (order := store.find_order(conn, key)) is not None]


def _by_number(conn: sa.Connection, performed: Performed) -> list[Order]:
    number = performed.accession_number.strip().upper()
    owner = numbers.owner_of(conn, performed.institution, number)
    keys = [owner] if owner else []
    keys += with_former_number(conn, performed.institution, number, limit=_NEAR)
    return [order for key in keys if (order := store.find_order(conn, key)) is not None]


def _same_patient(conn: sa.Connection, order: Order, performed: Performed) -> bool:
    if not performed.patient_id:
        return True
    known = {patient.patient_id for patient in people_of(conn, order)}
    return not known or performed.patient_id in known


def examined(conn: sa.Connection, order: Order, patient_id: str) -> Examined:
    """Return who the images are of that were made for *order* and bear the number *patient_id*.

    Images keep the name they were made under, so the age beside it stays that name's, a guess
    where it was one, also once somebody knows better.
    """
    people, on = people_of(conn, order), local_day(order.scheduled_at)
    if not people:
        return Examined()
    now = people[-1]
    who = next((each for each in people if each.patient_id == patient_id), now)
    row = patient_row(who, on=on)
    # What a node told of an order opens no other institution's patient.
    if who.id == now.id or now.institution != order.institution:
        return Examined(row.age, row.age_estimated)
    real = patient_row(now, on=on)
    is_now = PatientNow(
        name=real.name,
        alphabetic_name=real.name_pinyin,
        sex=real.sex,
        age=real.age,
        age_estimated=real.age_estimated,
        patient_id=real.patient_id,
    )
    return Examined(row.age, row.age_estimated, is_now, now)


def act_of_steps(states: Collection[str]) -> Act:
    """Return what the procedure steps of one study mean to its order: it ends with the last.

    Args:
        states: ``IN PROGRESS``, ``COMPLETED`` or ``DISCONTINUED`` (PS3.3 C.4.14), one of each step.
    """
    if "IN PROGRESS" in states:
        return Act.BEGIN
    return Act.COMPLETE if "COMPLETED" in states else Act.DISCONTINUE


def note(
    ledger: Ledger, page: Page, performed: Performed, act: Act, by: By, *, at: dt.datetime
) -> Order | None:
    """Do *act* to the order that *performed* belongs to, where its state takes it.

    Pages hear of a study whose order is another patient's, or was cancelled; such an order stays
    as it is.

    Returns:
        The order as it then is, None where there is none or it is another patient's.
    """
    match = matching(page.conn, performed)
    if match is None:
        return None
    order = match.order
    told = {"study_instance_uid": performed.study_instance_uid, "noted_by": by.machine}
    if not match.same_patient:
        ledger.tell(page, STUDY_MISMATCH, order, told | {"reason": "other-patient"})
        return None
    if order.state is State.CANCELLED:
        ledger.tell(page, STUDY_MISMATCH, order, told | {"reason": "order-cancelled"})
        return order
    if (order.state, act) not in TRANSITIONS:
        return order
    return ledger.write(page, moved(order, act, at), by.change(act, at), by)
