"""Keeps ``study_reach`` what the grants say, study by study.

The archive calls this for every study that is new or changes its patient; the grants' own room
whenever one is given or withdrawn.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from imaging.access.tables import grants
from imaging.archive.tables import study, study_reach

_IN_MAX: Final = 500


def settle(conn: sa.Connection, studies: Sequence[int], *, at: dt.datetime) -> None:
    """Write anew, for each of *studies*, whom grants in force at *at* let find it.

    Who has it anyway (its own institution, and those it was routed to) needs no grant. Of several
    grants to one holder the one that ends last is written.
    """
    for start in range(0, len(studies), _IN_MAX):
        _settle(conn, studies[start : start + _IN_MAX], at)


def _settle(conn: sa.Connection, studies: Sequence[int], at: dt.datetime) -> None:
    may = study_reach.c
    held: dict[int, set[str]] = {}
    granted = False
    theirs = sa.select(may.study, may.institution, may.reason).where(may.study.in_(studies))
    for row in conn.execute(theirs):
        if row.reason:
            granted = True
        else:
            held.setdefault(row.study, set()).add(row.institution)
    if granted:
        gone = sa.delete(study_reach).where(may.study.in_(studies), may.reason != "")
        conn.execute(gone)
    best: dict[tuple[int, str], Any] = {}
    for row in _in_force(conn, studies, at):
        key = (row.study, row.holder)
        if row.holder not in held.get(row.study, ()) and _lasts_longer(row, best.get(key)):
            best[key] = row
    if best:
        rows = [
            {
                "institution": holder,
                "study": number,
                "reason": row.reason,
                "since": row.since,
                "until": row.until,
            }
            for (number, holder), row in sorted(best.items())
        ]
        conn.execute(sa.insert(study_reach), rows)


def _in_force(conn: sa.Connection, studies: Sequence[int], at: dt.datetime) -> Iterator[Any]:
    columns = grants.c
    what = (columns.holder, columns.reason, columns.since, columns.until)
    live = (columns.withdrawn_at.is_(None), sa.or_(columns.until.is_(None), columns.until > at))
    # One by each index; asked for with OR, neither would be used.
    yield from conn.execute(
        sa.select(study.c.id.label("study"), *what)
        .join(grants, columns.patient == study.c.patient)
        .where(study.c.id.in_(studies), *live)
        .order_by(columns.id)
    )
    yield from conn.execute(
        sa.select(columns.study, *what)
        .where(columns.study.in_(studies), *live)
        .order_by(columns.id)
    )


def _lasts_longer(row: Any, other: Any) -> bool:
    if other is None:
        return True
    if other.until is None:
        return False
    return row.until is None or row.until > other.until
