"""Patients in SQL: one row for one identity, whoever comes first."""

import datetime as dt

import sqlalchemy as sa

from imaging.archive.tables import patient
from imaging.patients.model import Demographics, PatientIdentity


def ensure_patient(
    conn: sa.Connection, identity: PatientIdentity, demographics: Demographics, *, at: dt.datetime
) -> int:
    """Return the row of *identity*, made where there is none, its gaps filled.

    What is already known is never overwritten: which of two spellings is right is for a person to
    decide.
    """
    columns = patient.c
    found = conn.execute(
        sa.select(columns.id, columns.name, columns.sex, columns.birth_date).where(
            columns.patient_id == identity.patient_id,
            columns.issuer == identity.issuer,
            columns.assigner == identity.assigner,
        )
    ).one_or_none()
    if found is None:
        made = conn.execute(
            sa.insert(patient).values(
                patient_id=identity.patient_id,
                issuer=identity.issuer,
                assigner=identity.assigner,
                name=demographics.name,
                sex=demographics.sex,
                birth_date=demographics.birth_date,
                first_seen_at=at,
            )
        )
        assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
        return int(made.inserted_primary_key[0])
    told = {
        "name": demographics.name,
        "sex": demographics.sex,
        "birth_date": demographics.birth_date,
    }
    gaps = {name: value for name, value in told.items() if value and not getattr(found, name)}
    if gaps:
        filled = gaps | {"to_match": True}
        conn.execute(sa.update(patient).where(columns.id == found.id).values(filled))
    return int(found.id)
