"""A merge that a house's own system tells, written down where the county knows persons."""

import sqlalchemy as sa

from imaging.archive.amending import Hand, hand_of
from imaging.patients import persons
from imaging.patients.model import PatientIdentity
from imaging.patients.tables import persons as person_table
from kernel.clock import Clock
from kernel.errors import Missing
from referrals.orders.acts import person_of
from referrals.orders.ledger import By
from referrals.orders.model import Patient
from yilian.wiring.persons import OrderRegistrations


class PersonMerges:
    """Binds ``referrals.hl7.merges.PersonMerge`` to the persons of the archive."""

    def __init__(self, clock: Clock, *, chain: str) -> None:
        """Merge by *clock*, writing the audit trail's *chain*."""
        self._clock = clock
        self._chain = chain

    def __call__(self, conn: sa.Connection, kept: Patient, gone: Patient | str, by: By, /) -> None:
        """Say that *gone* is the person *kept*; raises as ``PersonMerge``."""
        now = self._clock.now()
        stays, goes = (
            persons.person_of(conn, row, at=now)
            for row in (self._row(conn, kept), self._gone_row(conn, kept, gone))
        )
        if stays == goes:
            return
        hand: Hand = hand_of(
            person_of(by),
            address=by.address,
            allowed=by.reason,
            reason="ADT^A40",
            at=now,
            chain=self._chain,
        )
        version = conn.scalar(sa.select(person_table.c.version).where(person_table.c.id == stays))
        persons.merge(conn, stays, goes, hand, seen=str(version))

    def _row(self, conn: sa.Connection, known: Patient) -> int:
        """Return the archive's row of somebody registered, who may be new to it."""
        told = OrderRegistrations().get(conn, known.id)
        if told is None:
            raise Missing("nobody is known of that number", code="patient-not-found")
        return persons.note_registered(
            conn,
            told.identity,
            told.demographics,
            told.numbers,
            source=told.source,
            at=self._clock.now(),
        )

    def _gone_row(self, conn: sa.Connection, kept: Patient, gone: Patient | str) -> int:
        if isinstance(gone, Patient):
            return self._row(conn, gone)
        identity = PatientIdentity.of(patient_id=gone, issuer="", institution=kept.institution)
        row = persons.row_of(conn, identity)
        if row is None:
            raise Missing("nobody is known of that number", code="patient-not-found")
        return row
