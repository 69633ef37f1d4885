"""The lists of records in conflict, and of those somebody settled of late; a page at a time."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa

from kernel.errors import Invalid
from kernel.identity import institutions
from referrals.orders import store
from referrals.orders.following import SETTLE
from referrals.orders.model import Order
from referrals.orders.records import Record, RecordKind, kind_of
from referrals.orders.settling import CHOOSE_AGAIN
from referrals.orders.tables import orders, patients, versions
from referrals.orders.views import (
    OrderRow,
    RegisteredPatient,
    local_day,
    rows_of_orders,
    rows_of_patients,
)

_TABLES: Final = {RecordKind.ORDER: orders, RecordKind.PATIENT: patients}
_MARK: Final = re.compile(r"(order|patient)\.([0-9a-z]{26})", re.ASCII)
_SETTLED_MARK: Final = re.compile(r"(\d{1,16})\.([0-9a-z]{26})", re.ASCII)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


class RecordHouse(msgspec.Struct, frozen=True, kw_only=True):
    """Whose record it is."""

    code: str
    name: str


class SettledView(msgspec.Struct, frozen=True, kw_only=True):
    """Who chose, and how long it can still be chosen otherwise."""

    at: dt.datetime
    by: str
    until: dt.datetime


class RecordConflict(msgspec.Struct, frozen=True, kw_only=True):
    """A patient or an order that nodes wrote differently."""

    kind: RecordKind
    id: str
    institution: RecordHouse
    patient: RegisteredPatient | None
    """The patient, or whom the order is for; None where not here."""
    order: OrderRow | None
    updated_at: dt.datetime
    settled: SettledView | None
    """None while it lies open."""


class RecordConflictPage(msgspec.Struct, frozen=True, kw_only=True):
    """Records in conflict, orders first, the newest first; or those settled of late."""

    items: list[RecordConflict]
    next_cursor: str | None
    open: int
    """How many lie open in all."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose conflicts are asked for; every institution's where none is named."""

    institution: str = ""

    def on(self, column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """Return the condition on the column of the institution's code."""
        return column == self.institution if self.institution else sa.true()


def count_open(conn: sa.Connection, reach: Reach) -> int:
    """Return how many records lie open."""
    return sum(
        conn.scalar(
            sa.select(sa.func.count()).where(table.c.conflicts > 0, reach.on(table.c.institution))
        )
        or 0
        for table in _TABLES.values()
    )


def open_page(conn: sa.Connection, reach: Reach, *, limit: int, cursor: str) -> RecordConflictPage:
    """Return at most *limit* records in conflict.

    Args:
        conn: any connection.
        reach: whose.
        limit: most rows.
        cursor: what the page before gave; empty to begin.

    Raises:
        Invalid: no page gave that cursor (``invalid-query``).
    """
    parsed = _MARK.fullmatch(cursor)
    if cursor and parsed is None:
        raise Invalid("cursor is what an answer gave as next_cursor", code="invalid-query")
    begin = RecordKind(parsed[1]) if parsed else RecordKind.ORDER
    found: list[Record] = []
    kinds = list(_TABLES)
    for kind in kinds[kinds.index(begin) :]:
        before = parsed[2] if parsed and kind is begin else ""
        found += _open(conn, kind, reach, before, limit + 1 - len(found))
    shown = found[:limit]
    last = shown[-1] if len(found) > limit else None
    return RecordConflictPage(
        items=_rows(conn, shown, {}),
        next_cursor=f"{kind_of(last)}.{last.id}" if last else None,
        open=count_open(conn, reach),
    )


def _open(
    conn: sa.Connection, kind: RecordKind, reach: Reach, before: str, limit: int
) -> Sequence[Record]:
    if limit <= 0:
        return []
    table = _TABLES[kind]
    query = sa.select(table.c.id).where(table.c.conflicts > 0, reach.on(table.c.institution))
    if before:
        query = query.where(table.c.id < before)
    ids = list(conn.scalars(query.order_by(table.c.id.desc()).limit(limit)))
    return _records(conn, [(kind, key) for key in ids])


def settled_page(
    conn: sa.Connection, reach: Reach, *, now: dt.datetime, limit: int, cursor: str
) -> RecordConflictPage:
    """Return at most *limit* records whose conflict can still be settled otherwise.

    The last settled first; arguments as for ``open_page``.

    Raises:
        Invalid: no page gave that cursor (``invalid-query``).
    """
    parsed = _SETTLED_MARK.fullmatch(cursor)
    if cursor and parsed is None:
        raise Invalid("cursor is what an answer gave as next_cursor", code="invalid-query")
    columns = versions.c
    own = sa.func.coalesce(orders.c.institution, patients.c.institution)
    query = (
        sa.select(columns.kind, columns.record, columns.at, columns.by_name, columns.by_username)
        .select_from(versions.outerjoin(orders, _is(RecordKind.ORDER)))
        .outerjoin(patients, _is(RecordKind.PATIENT))
        .where(
            columns.settles,
            columns.act == SETTLE,
            columns.at >= now - CHOOSE_AGAIN,
            # Only while nothing came after.
            sa.func.coalesce(orders.c.version, patients.c.version) == columns.version,
            sa.func.coalesce(orders.c.conflicts, patients.c.conflicts) == 0,
            reach.on(own),
        )
        .order_by(columns.at.desc(), columns.record.desc())
        .limit(limit + 1)
    )
    if parsed:
        at = _EPOCH + int(parsed[1]) * _MICROSECOND
        beside = sa.and_(columns.at == at, columns.record < parsed[2])
        query = query.where(sa.or_(columns.at < at, beside))
    rows = conn.execute(query).all()
    shown = rows[:limit]
    notes = {
        row.record: SettledView(
            at=row.at, by=row.by_name or row.by_username, until=row.at + CHOOSE_AGAIN
        )
        for row in shown
    }
    records = _records(conn, [(RecordKind(row.kind), row.record) for row in shown])
    more = len(rows) > limit
    return RecordConflictPage(
        items=_rows(conn, records, notes),
        next_cursor=f"{_micros(shown[-1].at)}.{shown[-1].record}" if more else None,
        open=count_open(conn, reach),
    )


def _is(kind: RecordKind) -> sa.ColumnElement[bool]:
    return (versions.c.kind == kind.value) & (_TABLES[kind].c.id == versions.c.record)


def _micros(at: dt.datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _records(conn: sa.Connection, wanted: Sequence[tuple[RecordKind, str]]) -> list[Record]:
    people = store.patients_by_id(conn, (key for kind, key in wanted if kind is RecordKind.PATIENT))
    found: list[Record | None] = [
        people.get(key) if kind is RecordKind.PATIENT else store.find_order(conn, key)
        for kind, key in wanted
    ]
    return [record for record in found if record is not None]


def conflict_row(
    conn: sa.Connection, record: Record, settled: SettledView | None = None
) -> RecordConflict:
    """Return *record* as the list shows it."""
    return _rows(conn, [record], {record.id: settled} if settled else {})[0]


def _rows(
    conn: sa.Connection, records: Sequence[Record], settled: dict[str, SettledView]
) -> list[RecordConflict]:
    codes = sorted({record.institution for record in records})
    columns = institutions.c
    names = {
        row.code: row.name
        for row in conn.execute(
            sa.select(columns.code, columns.name).where(columns.code.in_(codes))
        )
    }
    return [
        RecordConflict(
            kind=kind_of(record),
            id=record.id,
            institution=RecordHouse(
                code=record.institution, name=names.get(record.institution, record.institution)
            ),
            patient=patient,
            order=order,
            updated_at=record.updated_at,
            settled=settled.get(record.id),
        )
        for record in records
        for patient, order in [_shown(conn, record)]
    ]


def _shown(conn: sa.Connection, record: Record) -> tuple[RegisteredPatient | None, OrderRow | None]:
    if isinstance(record, Order):
        (order,) = rows_of_orders(conn, [record])
        return order.patient, order
    (patient,) = rows_of_patients(conn, [record], on=local_day(record.updated_at))
    return patient, None
