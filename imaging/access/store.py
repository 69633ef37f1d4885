"""SQL of emergency looks."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from imaging.access.tables import emergency_looks, emergency_tries, grants
from imaging.archive.tables import study

_PER_PATIENT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A row of ``emergency_looks``."""

    id: int
    user_id: str
    username: str
    display_name: str
    institution: str
    owner: str
    why: str
    since: dt.datetime
    until: dt.datetime
    ended_at: dt.datetime | None
    verdict: str
    note: str
    reviewed_by: str
    reviewed_at: dt.datetime | None

    @property
    def grant(self) -> str:
        """What its grants are given by."""
        return f"emergency:{self.id}"


_COLUMNS = tuple(emergency_looks.c[name] for name in Look.__dataclass_fields__)


def note_try(conn: sa.Connection, user_id: str, *, at: dt.datetime, since: dt.datetime) -> int:
    """Write down one try and return how many there were after *since*, this one among them."""
    columns = emergency_tries.c
    conn.execute(sa.delete(emergency_tries).where(columns.user_id == user_id, columns.at <= since))
    conn.execute(sa.insert(emergency_tries).values(user_id=user_id, at=at))
    counted = sa.select(sa.func.count()).where(columns.user_id == user_id)
    return conn.scalar(counted) or 0


def add_look(conn: sa.Connection, values: dict[str, Any]) -> Look:
    """Add one look and return it."""
    made = conn.execute(
        sa.insert(emergency_looks).values(values).returning(emergency_looks.c.id)
    ).scalar_one()
    found = find_look(conn, int(made))
    assert found is not None  # noqa: S101  # written a line above
    return found


def find_look(conn: sa.Connection, number: int) -> Look | None:
    """Return the look of that number."""
    row = conn.execute(sa.select(*_COLUMNS).where(emergency_looks.c.id == number)).one_or_none()
    return None if row is None else Look(**row._mapping)


def change_look(conn: sa.Connection, number: int, values: dict[str, Any]) -> None:
    """Write *values* into the look of that number."""
    conn.execute(sa.update(emergency_looks).where(emergency_looks.c.id == number).values(values))


def lasting_looks(conn: sa.Connection, user_id: str, *, at: dt.datetime) -> list[Look]:
    """Return the looks of one person that last at *at*, newest first."""
    columns = emergency_looks.c
    query = (
        sa.select(*_COLUMNS)
        .where(columns.user_id == user_id, columns.until > at, columns.ended_at.is_(None))
        .order_by(columns.id.desc())
    )
    return [Look(**row._mapping) for row in conn.execute(query)]


def watched_looks(
    conn: sa.Connection, house: str, *, waiting: bool, before: int | None, limit: int
) -> list[Look]:
    """Return looks by people of *house* or at its patients, newest first.

    Args:
        conn: a connection to read from.
        house: code of an institution; empty for all of them.
        waiting: only those nobody has judged.
        before: number of the last one of the page before; None for the first page.
        limit: most rows to return.
    """
    columns = emergency_looks.c
    query = sa.select(*_COLUMNS).where(*_watched(house, waiting=waiting))
    if before is not None:
        query = query.where(columns.id < before)
    found = conn.execute(query.order_by(columns.id.desc()).limit(limit))
    return [Look(**row._mapping) for row in found]


def count_waiting(conn: sa.Connection, house: str) -> int:
    """Return how many looks that *house* watches nobody has judged."""
    counted = sa.select(sa.func.count()).select_from(emergency_looks)
    return conn.scalar(counted.where(*_watched(house, waiting=True))) or 0


def _watched(house: str, *, waiting: bool) -> list[sa.ColumnElement[bool]]:
    columns = emergency_looks.c
    where: list[sa.ColumnElement[bool]] = []
    if house:
        where.append(sa.or_(columns.institution == house, columns.owner == house))
    if waiting:
        where.append(columns.verdict == "")
    return where


def opened_studies(conn: sa.Connection, given_by: str) -> Sequence[int]:
    """Return the rows of the studies the grants given by *given_by* are of, newest first."""
    columns = grants.c
    found: set[int] = set()
    for row in conn.execute(
        sa.select(columns.patient, columns.study).where(columns.given_by == given_by)
    ):
        if row.study is not None:
            found.add(row.study)
        newest = sa.select(study.c.id).where(study.c.patient == row.patient)
        found.update(conn.scalars(newest.order_by(study.c.id.desc()).limit(_PER_PATIENT)))
    return sorted(found, reverse=True)[:_PER_PATIENT]
