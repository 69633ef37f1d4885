"""Whose a study can be said to be: the register of patients and orders, for the archive."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from imaging.archive.correcting import Target
from imaging.patients.names import fold
from referrals.orders import store
from referrals.orders.model import Order, Patient, PatientStatus
from referrals.orders.search import Narrow, list_orders, list_patients
from referrals.orders.worklist import person_name

_ORDER: Final = "order:"
_PATIENT: Final = "patient:"


class OrderRegister:
    """Binds ``imaging.archive.correcting.Register`` to the orders."""

    def find(
        self, conn: sa.Connection, institution: str, typed: str, /, *, limit: int
    ) -> Sequence[Target]:
        """Return the institution's orders and patients of that number or name, orders first."""
        narrow = Narrow(institution=institution, typed=typed, folded=fold(typed))
        ordered = list_orders(conn, narrow, limit=limit, before=None)
        people = store.patients_by_id(conn, {order.patient for order in ordered})
        found = [
            _of_order(order, people[order.patient]) for order in ordered if order.patient in people
        ]
        registered = list_patients(conn, narrow, limit=limit)
        return [*found, *(_of_patient(each) for each in registered if _stands(each))]

    def get(self, conn: sa.Connection, institution: str, key: str, /) -> Target | None:
        """Return the one called *key*, None where *institution* has none of it."""
        if key.startswith(_ORDER):
            order = store.find_order(conn, key.removeprefix(_ORDER))
            if order is None or order.institution != institution:
                return None
            patient = store.find_patient(conn, order.patient)
            return None if patient is None else _of_order(order, patient)
        patient = store.find_patient(conn, key.removeprefix(_PATIENT))
        if patient is None or patient.institution != institution or not _stands(patient):
            return None
        return _of_patient(patient)


def _stands(patient: Patient) -> bool:
    return patient.status is PatientStatus.ACTIVE


def _of_patient(patient: Patient) -> Target:
    return Target(
        key=f"{_PATIENT}{patient.id}",
        patient_id=patient.patient_id,
        name=person_name(patient.name, patient.name_pinyin),
        sex=patient.sex.value,
        birth_date=patient.birth_date.strftime("%Y%m%d") if patient.birth_date else "",
    )


def _of_order(order: Order, patient: Patient) -> Target:
    who = _of_patient(patient)
    return Target(
        key=f"{_ORDER}{order.id}",
        patient_id=who.patient_id,
        name=who.name,
        sex=who.sex,
        birth_date=who.birth_date,
        accession_number=order.accession_number,
        requested_procedure_id=order.requested_procedure_id,
        scheduled_procedure_step_id=order.scheduled_procedure_step_id,
        examination=order.examination.name,
        scheduled_at=order.scheduled_at,
        state=order.state.value,
    )
