"""Whom registers know by an exact number; no part of one and no name."""

import sqlalchemy as sa

from referrals.orders.model import Patient, PatientStatus
from referrals.orders.store import PATIENT_COLUMNS, named, patient_of
from referrals.orders.tables import patients

_MOST = 100
"""More rows than one person has in all registers of a county."""


def patients_of_resident_id(conn: sa.Connection, resident_id: str) -> list[Patient]:
    """Return who is registered under exactly *resident_id*, at whatever house; none for none."""
    if not resident_id:
        return []
    return _found(conn, patients.c.resident_id == resident_id)


def numbered(conn: sa.Connection, institution: str, patient_id: str) -> list[Patient]:
    """Return whom the house knows by exactly *patient_id*; two where two nodes gave it out."""
    return _found(
        conn, sa.and_(patients.c.institution == institution, patients.c.patient_id == patient_id)
    )


def _found(conn: sa.Connection, which: sa.ColumnElement[bool]) -> list[Patient]:
    query = (
        sa.select(*PATIENT_COLUMNS)
        .where(which, patients.c.status == PatientStatus.ACTIVE.value)
        .order_by(patients.c.id)
        .limit(_MOST)
    )
    return [patient_of(named(row)) for row in conn.execute(query).mappings()]
