"""SQL of patients and orders: what is true now, and every version there ever was."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from kernel.errors import Conflict
from referrals.orders.merge import Standing, Version, standing
from referrals.orders.model import Order, Patient
from referrals.orders.records import (
    Change,
    Record,
    RecordKind,
    from_body,
    kind_of,
    to_body,
    urgency_of,
    version_of,
)
from referrals.orders.tables import accession_former, orders, patient_terms, patients, versions

_IN_MAX: Final = 500
_PRIORITY: Final = "priority"
_NATIVE: Final = (dt.datetime, dt.date)
PATIENT_COLUMNS: Final = tuple(column for column in patients.c if column.name != "conflicts")
ORDER_COLUMNS: Final = tuple(column for column in orders.c if column.name != "conflicts")
_EXAMINATION: Final = {
    "examination_code": "code",
    "examination_name": "name",
    "modality": "modality",
    "body_part": "body_part",
    "examination_example": "example",
}


def patient_of(row: Mapping[str, Any]) -> Patient:
    """Return the patient in a row of ``order_patients``."""
    return msgspec.convert(dict(row), Patient)


def order_of(row: Mapping[str, Any]) -> Order:
    """Return the order in a row of ``orders``."""
    examination = {field: row[column] for column, field in _EXAMINATION.items()}
    return msgspec.convert({**row, "examination": examination}, Order)


def find_patient(conn: sa.Connection, patient: str) -> Patient | None:
    """Return the patient of that id, or None."""
    return patients_by_id(conn, [patient]).get(patient)


def patients_by_id(conn: sa.Connection, ids: Iterable[str]) -> dict[str, Patient]:
    """Return the patients *ids*; those not there are left out."""
    wanted, found = sorted(set(ids)), {}
    for at in range(0, len(wanted), _IN_MAX):
        query = sa.select(*PATIENT_COLUMNS).where(patients.c.id.in_(wanted[at : at + _IN_MAX]))
        for row in conn.execute(query).mappings():
            found[row["id"]] = patient_of(named(row))
    return found


def institution_of(conn: sa.Connection, kind: RecordKind, record: str) -> str | None:
    """Return whose the record is, None where it is not here."""
    table = patients if kind is RecordKind.PATIENT else orders
    return conn.scalar(sa.select(table.c.institution).where(table.c.id == record))


def find_order(conn: sa.Connection, order: str) -> Order | None:
    """Return the order of that id, or None."""
    row = conn.execute(sa.select(*ORDER_COLUMNS).where(orders.c.id == order)).mappings().first()
    return None if row is None else order_of(named(row))


def named(row: sa.RowMapping) -> dict[str, Any]:
    """Return a row as a plain mapping."""
    return {str(name): value for name, value in row.items()}


def orders_of_patient(conn: sa.Connection, patient: str) -> list[Order]:
    """Return all orders for the patient, oldest first."""
    query = sa.select(*ORDER_COLUMNS).where(orders.c.patient == patient).order_by(orders.c.id)
    return [order_of(named(row)) for row in conn.execute(query).mappings()]


def put(
    conn: sa.Connection, record: Record, *, conflicts: int, terms: Iterable[str] | None = None
) -> None:
    """Make *record* what is true now.

    Args:
        conn: the transaction.
        record: a patient or an order.
        conflicts: how many contents lie open beside it.
        terms: texts by which a patient is found; None leaves them as they are.
    """
    values: dict[str, Any] = msgspec.to_builtins(record, builtin_types=_NATIVE)
    values["conflicts"] = conflicts
    table = patients
    if isinstance(record, Order):
        table = orders
        examination = values.pop("examination")
        values |= {column: examination[field] for column, field in _EXAMINATION.items()}
    key = values.pop("id")
    if conn.execute(sa.update(table).where(table.c.id == key).values(values)).rowcount == 0:
        conn.execute(sa.insert(table).values(id=key, **values))
    if isinstance(record, Order):
        _put_former(conn, record)
    if terms is not None:
        _put_terms(conn, record, set(terms))


def conflicts_of(conn: sa.Connection, kind: RecordKind, record: str) -> int:
    """Return how many contents lie open beside the record; 0 where it is not here."""
    columns = (patients if kind is RecordKind.PATIENT else orders).c
    return conn.scalar(sa.select(columns.conflicts).where(columns.id == record)) or 0


def _put_former(conn: sa.Connection, order: Order) -> None:
    columns = accession_former.c
    there = set(conn.scalars(sa.select(columns.accession_number).where(columns.order == order.id)))
    for number in set(order.former_accession_numbers) - there:
        conn.execute(
            sa.insert(accession_former).values(
                institution=order.institution, accession_number=number, order=order.id
            )
        )


def _put_terms(conn: sa.Connection, record: Record, terms: set[str]) -> None:
    columns = patient_terms.c
    there = set(conn.scalars(sa.select(columns.text).where(columns.patient == record.id)))
    for gone in there - terms:
        conn.execute(
            sa.delete(patient_terms).where(columns.patient == record.id, columns.text == gone)
        )
    rows = [
        {"institution": record.institution, "text": text, "patient": record.id}
        for text in sorted(terms - there)
    ]
    if rows:
        conn.execute(sa.insert(patient_terms), rows)


class VersionDiffers(Conflict):
    """Another content is kept under this version of this node."""

    code = "version-differs"


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """One version with who made it."""

    version: Version
    change: Change


def add_version(conn: sa.Connection, record: Record, change: Change) -> bool:
    """Keep this version for good; returns False where it is known already.

    Raises:
        VersionDiffers: the same node wrote something else under this version before, as one does
            that was set back to an older copy of its database.
    """
    made = version_of(record, change)
    kind = kind_of(record)
    for kept in versions_of(conn, kind, record.id):
        if (kept.version.version, kept.version.node) == (made.version, made.node):
            if kept.version.content != made.content:
                raise VersionDiffers("one node wrote two contents under one version")
            return False
    conn.execute(
        sa.insert(versions).values(
            kind=kind.value,
            record=record.id,
            version=made.version,
            node=made.node,
            weight=made.weight,
            settles=made.settles,
            content=made.content,
            act=change.act,
            at=change.at,
            by_username=change.by_username,
            by_name=change.by_name,
            reason=change.reason,
            body=to_body(record),
        )
    )
    return True


def versions_of(conn: sa.Connection, kind: RecordKind, record: str) -> list[KeptVersion]:
    """Return every version known of the record, oldest first."""
    columns = versions.c
    query = (
        sa.select(
            columns.version,
            columns.node,
            columns.content,
            columns.weight,
            columns.body[_PRIORITY].as_string().label(_PRIORITY),
            columns.settles,
            columns.act,
            columns.at,
            columns.by_username,
            columns.by_name,
            columns.reason,
        )
        .where(columns.kind == kind.value, columns.record == record)
        .order_by(columns.version, columns.at, columns.node)
    )
    return [
        KeptVersion(
            Version(
                version=row.version,
                node=row.node,
                content=row.content,
                weight=row.weight,
                urgency=urgency_of(row.priority),
                settles=row.settles,
            ),
            Change(
                act=row.act,
                at=row.at,
                by_username=row.by_username,
                by_name=row.by_name,
                reason=row.reason,
                settles=row.settles,
            ),
        )
        for row in conn.execute(query)
    ]


def standing_of(conn: sa.Connection, kind: RecordKind, record: str) -> Standing:
    """Return what is true of the record by all versions known; at least one is."""
    return standing(kept.version for kept in versions_of(conn, kind, record))


def record_at(conn: sa.Connection, kind: RecordKind, record: str, at: Version) -> Record:
    """Return the record as that version had it."""
    columns = versions.c
    body = conn.scalar(
        sa.select(columns.body).where(
            columns.kind == kind.value,
            columns.record == record,
            columns.version == at.version,
            columns.node == at.node,
        )
    )
    return from_body(kind, body)


def change_at(conn: sa.Connection, record: Record) -> Change:
    """Return who made this version of *record*, and when."""
    return next(
        kept.change
        for kept in reversed(versions_of(conn, kind_of(record), record.id))
        if (kept.version.version, kept.version.node) == (record.version, record.written_by_node)
    )


def shown_before(
    conn: sa.Connection, kind: RecordKind, institution: str, before: str, *, limit: int
) -> list[Record]:
    """Return what is now shown of an institution's patients or orders, the newest first.

    Args:
        conn: any connection.
        kind: which of the two.
        institution: whose.
        before: the last id of the page before; empty to begin.
        limit: most records to return.
    """
    patients_asked = kind is RecordKind.PATIENT
    table = patients if patients_asked else orders
    columns = PATIENT_COLUMNS if patients_asked else ORDER_COLUMNS
    query = sa.select(*columns).where(table.c.institution == institution)
    if before:
        query = query.where(table.c.id < before)
    rows = conn.execute(query.order_by(table.c.id.desc()).limit(limit)).mappings()
    return [patient_of(named(row)) if patients_asked else order_of(named(row)) for row in rows]
