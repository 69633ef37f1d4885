"""The county's persons, bound to the register of patients and to the node's events."""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from imaging.patients.follower import PersonFollower, Registered
from imaging.patients.matching import NumberKind
from imaging.patients.model import Demographics, PatientIdentity
from referrals.orders import store
from referrals.orders.model import PatientStatus
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
