"""How each destination does: failures in a row, when it is tried again, when it last took one."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.deliveries.tables import places


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one destination."""

    failures: int = 0
    succeeded_at: dt.datetime | None = None


def standing(conn: sa.Connection, destination: str) -> Standing:
    """Return how *destination* does."""
    row = conn.execute(
        sa.select(places.c.failures, places.c.succeeded_at).where(
            places.c.destination == destination
        )
    ).one_or_none()
    return Standing() if row is None else Standing(row.failures, row.succeeded_at)


def succeeded(conn: sa.Connection, destination: str, at: dt.datetime) -> None:
    """Note that *destination* answered for at least one object."""
    _put(conn, destination, failures=0, reason="", next_try_at=None, succeeded_at=at)


def failed(
    conn: sa.Connection, destination: str, failures: int, reason: str, next_try_at: dt.datetime
) -> None:
    """Note that nothing got through to *destination*, *failures* times in a row."""
    _put(conn, destination, failures=failures, reason=reason, next_try_at=next_try_at)


def try_now(conn: sa.Connection, destination: str) -> None:
    """Let *destination* be tried at once."""
    _put(conn, destination, failures=0, next_try_at=None)


def _put(conn: sa.Connection, destination: str, **values: object) -> None:
    changed = conn.execute(
        sa.update(places).where(places.c.destination == destination).values(values)
    )
    if not changed.rowcount:
        row = {"failures": 0, **values, "destination": destination}
        conn.execute(sa.insert(places).values(row))
