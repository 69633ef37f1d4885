"""What an order says of the study made for it, bound: the order knows, queue and archive ask."""

import sqlalchemy as sa

from gateway.township.model import Patient
from gateway.township.ports import OrderedPerson, QueuedStudy
from imaging.archive.urgency import NamedStudy
from referrals.orders.model import Order
from referrals.orders.performing import Performed, examined, matching
from referrals.orders.views import PatientNow


def order_of(conn: sa.Connection, study: QueuedStudy | NamedStudy) -> Order | None:
    """Return the order *study* was made for, None where it has none or another patient's."""
    performed = Performed(
        institution=study.institution,
        study_instance_uid=study.study_instance_uid,
        accession_number=study.accession_number,
        patient_id=study.patient_id,
    )
    match = matching(conn, performed)
    return match.order if match is not None and match.same_patient else None


def ordered_person(conn: sa.Connection, study: QueuedStudy, /) -> OrderedPerson | None:
    """Return who *study* was ordered for (``OrderedPeople``), None where it has no order."""
    order = order_of(conn, study)
    if order is None:
        return None
    who = examined(conn, order, study.patient_id)
    now = who.is_now
    return OrderedPerson(who.age, who.estimated, None if now is None else _patient(now))


def guessed_age(conn: sa.Connection, study: NamedStudy, /) -> int | None:
    """Return the age in years *study* was ordered with where that is a guess (``GuessedAge``)."""
    order = order_of(conn, study)
    who = None if order is None else examined(conn, order, study.patient_id)
    return who.age.value if who is not None and who.age is not None and who.estimated else None


def _patient(now: PatientNow) -> Patient:
    return Patient(
        name=now.name,
        alphabetic_name=now.alphabetic_name,
        sex=now.sex.value,
        age=now.age,
        age_estimated=now.age_estimated,
        patient_id=now.patient_id,
    )
