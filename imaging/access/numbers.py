"""Whom an exact number names. Never a name, a part of a number, or a likeness."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from imaging.access.model import NobodyFound, NotOne, NumberKind
from imaging.archive.tables import patient, study
from imaging.patients.model import PatientIdentity


class Registered(Protocol):
    """Knows the registers of the houses."""

    def __call__(self, conn: sa.Connection, resident_id: str, /) -> Sequence[PatientIdentity]:
        """Return the numbers under which houses registered who has *resident_id*."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """What a number names."""

    patients: tuple[int, ...] = ()
    """Rows of one person, who may be a patient of several houses."""
    studies: tuple[int, ...] = ()
    """Rows of studies of nobody known, which have no patient."""


def patients_of_resident(
    conn: sa.Connection, resident_id: str, registered: Registered
) -> tuple[int, ...]:
    """Return the rows of the patients who have exactly *resident_id*, in their order.

    Houses that use it as Patient ID say so themselves; for the others their registers do.
    """
    columns = patient.c
    rows = set(conn.scalars(sa.select(columns.id).where(columns.patient_id == resident_id)))
    for identity in registered(conn, resident_id):
        found = sa.select(columns.id).where(
            columns.patient_id == identity.patient_id,
            columns.issuer == identity.issuer,
            columns.assigner == identity.assigner,
        )
        rows.update(conn.scalars(found))
    return tuple(sorted(rows))


def named_by(
    conn: sa.Connection,
    kind: NumberKind,
    number: str,
    institution: str,
    registered: Registered,
) -> Named:
    """Return whom *number* names.

    Raises:
        NobodyFound: nobody.
        NotOne: patients of one house who are not known to be one person.
    """
    if kind is NumberKind.RESIDENT_ID:
        rows = patients_of_resident(conn, number, registered)
        if not rows:
            raise NobodyFound
        return Named(patients=rows)
    column = study.c.patient_id if kind is NumberKind.PATIENT_ID else study.c.accession_number
    found = conn.execute(
        sa.select(study.c.id, study.c.patient)
        .where(column == number, study.c.institution == institution)
        .order_by(study.c.id)
    ).all()
    rows = tuple(sorted({row.patient for row in found if row.patient is not None}))
    loose = tuple(row.id for row in found if row.patient is None)
    if not found:
        raise NobodyFound
    if len(rows) + len(loose) > 1:
        raise NotOne
    return Named(patients=rows, studies=loose)
