"""The county's persons, bound to the register of patients and to the node's events."""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from imaging.patients.follower import FoundToBe, PersonFollower, Registered
from imaging.patients.matching import NumberKind
from imaging.patients.model import Demographics, PatientIdentity
from referrals.orders import store
from referrals.orders.model import Patient, PatientStatus
from referrals.orders.tables import patients
from referrals.orders.worklist import person_name
from yilian.wiring.context import Context, follow_outbox


class OrderRegistrations:
    """Binds ``imaging.patients.follower.Registrations`` to the orders."""

    def all_after(self, conn: sa.Connection, last: str, /, *, limit: int) -> Sequence[str]:
        """Return ids of registered patients behind *last*, in order."""
        columns = patients.c
        query = sa.select(columns.id).where(columns.id > last).order_by(columns.id).limit(limit)
        return list(conn.scalars(query))

    def get(self, conn: sa.Connection, patient: str, /) -> Registered | None:
        """Return the one of that id; None for who is unknown, or turned out to be another."""
        found = store.find_patient(conn, patient)
        if found is None or found.temporary or found.status is not PatientStatus.ACTIVE:
            return None
        return _registered(found)

    def found_to_be(self, conn: sa.Connection, patient: str, /) -> Sequence[FoundToBe]:
        """Return what is said of who the one of that id is, and of all that were found to be it."""
        columns = patients.c
        query = sa.select(columns.id).where(
            columns.reconciled_with == patient,
            # As the index says it.
            columns.reconciled_with != sa.literal_column("''"),
        )
        people = store.patients_by_id(conn, [patient, *conn.scalars(query)])
        return [_found_to_be(conn, each) for each in people.values()]


def _found_to_be(conn: sa.Connection, found: Patient) -> FoundToBe:
    said = store.change_at(conn, found)
    real = None
    if found.status is PatientStatus.RECONCILED:
        real = store.find_patient(conn, found.reconciled_with)
    # A house says of its own patients only who they are.
    ours = real is not None and real.institution == found.institution
    return FoundToBe(
        patient=_registered(found),
        real=_registered(real) if real is not None and ours else None,
        username=said.by_username,
        name=said.by_name,
    )


def _registered(found: Patient) -> Registered:
    born = found.birth_date.strftime("%Y%m%d") if found.birth_date else ""
    name = person_name(found.name, found.name_pinyin)
    return Registered(
        identity=PatientIdentity.of(
            patient_id=found.patient_id, issuer="", institution=found.institution
        ),
        demographics=Demographics(name, found.sex.value, born),
        numbers={NumberKind.RESIDENT_ID: found.resident_id, NumberKind.PHONE: found.phone},
        source=f"registration:{found.id}",
    )


def watch_persons(context: Context) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return what matches persons while patients are registered and images come."""
    follower = PersonFollower(
        context.database, context.clock, OrderRegistrations(), institution=context.institution
    )
    return partial(follow_outbox, context, follower.look)
