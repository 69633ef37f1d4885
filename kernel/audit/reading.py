"""Reading the trail: newest first, by who, what and when."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

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


def read_trail(
    conn: sa.Connection, wanted: TrailFilter, *, before: int | None, limit: int
) -> list[TrailLine]:
    """Return at most *limit* rows with an id below *before*, newest first."""
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
        )
        .select_from(audit_entries.outerjoin(audit_counts))
        .order_by(columns.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(columns.id < before)
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
