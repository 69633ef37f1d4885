"""The lists: patients and orders of one institution, narrowed by what people type."""

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

import sqlalchemy as sa

from kernel.dicom.shown import LEGAL_TIME
from kernel.errors import Invalid
from referrals.orders import store
from referrals.orders.model import Order, Patient, State, whole_resident_id
from referrals.orders.store import ORDER_COLUMNS, PATIENT_COLUMNS, named
from referrals.orders.tables import accession_former, orders, patient_terms, patients

PAGE_MAX: Final = 200
_PAST_ALL: Final = "\U0010ffff"
_PLACE: Final = re.compile(r"[0-9]{1,16}-[0-9a-z]{26}", re.ASCII)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """What a list is narrowed by; empty fields narrow nothing."""

    institution: str
    typed: str = ""
    """As somebody typed it: beginning of a patient ID or accession number, or a whole resident
    number. Of that no part finds anybody, so that nobody tries out who has which."""
    folded: str = ""
    """The same as names are compared: beginning of a name or a later part of it, of its pinyin or
    of its initials."""
    patient: str = ""
    """``Patient.id``."""
    ordered_by: str = ""
    """Username of whoever ordered; of patients, whom they ordered for, unless something is typed:
    somebody who is looked for is anybody in the register."""
    states: Collection[State] = ()
    date_from: dt.date | None = None
    """First day in legal time, included: of the examination, of the registration."""
    date_to: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the list of orders a row stands."""

    at: dt.datetime
    order: str

    @classmethod
    def of(cls, order: Order) -> Self:
        """Return the place of *order*."""
        return cls(order.scheduled_at, order.id)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the place that ``text`` names; raises ``Invalid`` (``invalid-query``)."""
        micros, _, order = text.partition("-")
        if not _PLACE.fullmatch(text):
            raise Invalid("cursor is what an answer gave as next_cursor", code="invalid-query")
        return cls(_EPOCH + dt.timedelta(microseconds=int(micros)), order)

    @property
    def text(self) -> str:
        """As an answer names it."""
        return f"{(self.at - _EPOCH) // dt.timedelta(microseconds=1)}-{self.order}"


def begins(column: sa.ColumnElement[str], start: str) -> sa.ColumnElement[bool]:
    """Return the condition that *column* begins with *start*, as a range an index can find."""
    return sa.and_(column >= start, column < start + _PAST_ALL)


def _people(narrow: Narrow) -> sa.ColumnElement[bool]:
    """Return the condition on ``order_patients`` of what was typed."""
    terms = patient_terms.c
    by_name = sa.select(terms.patient).where(
        terms.institution == narrow.institution, begins(terms.text, narrow.folded)
    )
    ways = [begins(patients.c.patient_id, narrow.typed)]
    if narrow.folded:
        ways.append(patients.c.id.in_(by_name))
    if resident_id := whole_resident_id(narrow.typed):
        ways.append(patients.c.resident_id == resident_id)
    return sa.or_(*ways)


def _days(column: sa.ColumnElement[dt.datetime], narrow: Narrow) -> list[sa.ColumnElement[bool]]:
    found = []
    if narrow.date_from is not None:
        found.append(column >= midnight(narrow.date_from))
    if narrow.date_to is not None:
        found.append(column < midnight(narrow.date_to + dt.timedelta(days=1)))
    return found


def midnight(day: dt.date) -> dt.datetime:
    """Return the instant *day* begins in legal time."""
    return dt.datetime.combine(day, dt.time(), LEGAL_TIME)


def list_patients(
    conn: sa.Connection, narrow: Narrow, *, limit: int, before: str = ""
) -> list[Patient]:
    """Return at most *limit* patients, the newest first, registered before the id *before*."""
    columns = patients.c
    query = sa.select(*PATIENT_COLUMNS).where(
        columns.institution == narrow.institution, *_days(columns.registered_at, narrow)
    )
    if narrow.typed:
        query = query.where(_people(narrow))
    elif narrow.ordered_by:
        mine = sa.select(orders.c.patient).where(
            orders.c.institution == narrow.institution, orders.c.ordered_by == narrow.ordered_by
        )
        query = query.where(columns.id.in_(mine))
    if before:
        query = query.where(columns.id < before)
    rows = conn.execute(query.order_by(columns.id.desc()).limit(limit)).mappings()
    return [store.patient_of(named(row)) for row in rows]


def list_orders(
    conn: sa.Connection, narrow: Narrow, *, limit: int, before: Place | None
) -> list[Order]:
    """Return at most *limit* orders, the latest planned first.

    Args:
        conn: any connection.
        narrow: what the list is narrowed by.
        limit: most rows to return.
        before: place of the last row of the page above; None for the first page.
    """
    columns = orders.c
    query = sa.select(*ORDER_COLUMNS).where(
        columns.institution == narrow.institution, *_days(columns.scheduled_at, narrow)
    )
    if narrow.states:
        query = query.where(columns.state.in_(sorted(narrow.states)))
    if narrow.ordered_by:
        query = query.where(columns.ordered_by == narrow.ordered_by)
    if narrow.patient:
        query = query.where(
            sa.or_(columns.patient == narrow.patient, columns.first_patient == narrow.patient)
        )
    if narrow.typed:
        query = query.where(_typed_order(narrow))
    if before is not None:
        earlier = columns.scheduled_at < before.at
        beside = sa.and_(columns.scheduled_at == before.at, columns.id < before.order)
        query = query.where(sa.or_(earlier, beside))
    ordered = query.order_by(columns.scheduled_at.desc(), columns.id.desc()).limit(limit)
    return [store.order_of(named(row)) for row in conn.execute(ordered).mappings()]


def _typed_order(narrow: Narrow) -> sa.ColumnElement[bool]:
    upper = narrow.typed.upper()
    mine = patients.c.institution == narrow.institution
    former = accession_former.c
    gave_up = sa.select(former.order).where(
        former.institution == narrow.institution, begins(former.accession_number, upper)
    )
    return sa.or_(
        begins(orders.c.accession_number, upper),
        orders.c.id.in_(gave_up),
        orders.c.patient.in_(sa.select(patients.c.id).where(mine, _people(narrow))),
    )


def with_former_number(
    conn: sa.Connection, institution: str, number: str, *, limit: int
) -> list[str]:
    """Return the ids of the orders that had to give *number* up."""
    columns = accession_former.c
    query = (
        sa.select(columns.order)
        .where(columns.institution == institution, columns.accession_number == number)
        .limit(limit)
    )
    return list(conn.scalars(query))


def same_names(conn: sa.Connection, patient: Patient) -> int:
    """Return how many other patients of the institution have the name of *patient*."""
    columns = patients.c
    count = conn.scalar(
        sa.select(sa.func.count()).where(
            columns.institution == patient.institution,
            columns.name == patient.name,
            columns.id != patient.id,
            columns.reconciled_with != patient.id,
        )
    )
    return int(count or 0)
