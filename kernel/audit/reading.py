"""Reading the trail: newest first, by who, what and when."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import sqlalchemy as sa

from kernel.audit.trail import audit_counts, audit_entries


@dataclass(frozen=True, slots=True)
class TrailLine:
    """One row as an auditor sees it."""

    id: int
    chain: str
    number: int
    at: dt.datetime
    event: str
    outcome: int
    user_id: str
    username: str
    institution: str
    address: str
    subject: str
    patient: str
    reason: str
    detail: Mapping[str, Any]
    later_accesses: int
    last_at: dt.datetime | None
    """Of the later ones, the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailFilter:
    """Which rows; what is empty filters nothing."""

    username: str = ""
    subject: str = ""
    patient: str = ""
    event: str = ""
    institution: str = ""
    """Code of the institution whose people acted."""
    since: dt.datetime | None = None
    until: dt.datetime | None = None


_IN_MAX: Final = 400


def read_looks(
    conn: sa.Connection, subjects: Collection[str], *, before: int | None, limit: int
) -> list[TrailLine]:
    """Return at most *limit* rows about any of *subjects* with an id below *before*, newest first.

    Each subject is looked up by index, so that it takes time by what was looked at, not by the
    length of the trail.
    """
    named, found = sorted(set(subjects)), list[TrailLine]()
    for start in range(0, len(named), _IN_MAX):
        query = _lines(before, limit).where(
            audit_entries.c.subject.in_(named[start : start + _IN_MAX])
        )
        found += [TrailLine(*cast("tuple[Any, ...]", row)) for row in conn.execute(query)]
    return sorted(found, key=lambda line: -line.id)[:limit]


def read_trail(
    conn: sa.Connection, wanted: TrailFilter, *, before: int | None, limit: int
) -> list[TrailLine]:
    """Return at most *limit* rows with an id below *before*, newest first."""
    columns = audit_entries.c
    query = _lines(before, limit)
    for column, value in (
        (columns.username, wanted.username),
        (columns.subject, wanted.subject),
        (columns.patient, wanted.patient),
        (columns.event, wanted.event),
        (columns.institution, wanted.institution),
    ):
        if value:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(columns.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(columns.at < wanted.until)
    return [TrailLine(*cast("tuple[Any, ...]", row)) for row in conn.execute(query)]


def _lines(before: int | None, limit: int) -> sa.Select[Any]:
    columns = audit_entries.c
    query = (
        sa.select(
            columns.id,
            columns.chain,
            columns.number,
            columns.at,
            columns.event,
            columns.outcome,
            columns.user_id,
            columns.username,
            columns.institution,
            columns.address,
            columns.subject,
            columns.patient,
            columns.reason,
            columns.detail,
            sa.func.coalesce(audit_counts.c.accesses, 0),
            audit_counts.c.last_at,
        )
        .select_from(audit_entries.outerjoin(audit_counts))
        .order_by(columns.id.desc())
        .limit(limit)
    )
    return query if before is None else query.where(columns.id < before)
