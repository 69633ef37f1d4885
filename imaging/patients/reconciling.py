"""Somebody unknown and who that turned out to be are one person, for as long as that is said.

The house says it, not the centre: so what was joined for it is parted by itself when the house says
otherwise, and what the centre parted or may have known better is left to the centre.
"""

from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.amending import Hand
from imaging.archive.tables import patient
from imaging.patients.likeness import ask_once
from imaging.patients.persons import join, members, part, person_of
from imaging.patients.tables import person_merges, persons

RECONCILIATION: Final = "reconciliation"
"""Basis of a merge that a house's answer to who somebody unknown is made; its reason names the
registration of who that is."""


def reconcile(conn: sa.Connection, unknown: int, real: int | None, hand: Hand) -> None:
    """Make the patient *unknown* the person *real* is, and no longer who was said to be it before.

    Safe to repeat. Where the centre parted the two it stays so; where it joined *unknown* with
    others, it is asked.

    Args:
        conn: the transaction.
        unknown: row of the patient.
        real: row of whom it is; None for nobody any more.
        hand: who said so; its reason names the registration of *real*.
    """
    for merge in _standing(conn, unknown):
        right = real is not None and merge.reason == hand.reason
        if right and _whose(conn, unknown) == _whose(conn, real):
            return
        # Whoever parts two says why: no reason tells this from what the centre parts.
        part(conn, merge, replace(hand, reason=""))
    if real is None:
        return
    kept, gone = (person_of(conn, row, at=hand.at) for row in (real, unknown))
    if kept == gone or _parted(conn, kept, gone, hand.reason):
        return
    if _others(conn, gone, unknown):
        ask_once(conn, unknown, real, hand)
        return
    join(conn, kept, gone, hand, basis=RECONCILIATION)


def _whose(conn: sa.Connection, row: int | None) -> int | None:
    """Return the person the patient *row* is, None where it is none yet."""
    found: int | None = conn.scalar(sa.select(patient.c.person).where(patient.c.id == row))
    return found


def _standing(conn: sa.Connection, unknown: int) -> list[Any]:
    """Return the merges that stand for an answer to who *unknown* is."""
    whose, parts = _whose(conn, unknown), set[int]()
    level = set() if whose is None else {whose}
    while level:
        query = sa.select(persons.c.id).where(persons.c.merged_into.in_(level))
        level = set(conn.scalars(query)) - parts
        parts |= level
    columns = person_merges.c
    found = conn.execute(
        sa.select(columns.id, columns.gone, columns.reason, columns.patients).where(
            columns.gone.in_(parts),
            columns.basis == RECONCILIATION,
            columns.undone_at.is_(None),
        )
    )
    return [row for row in found if unknown in row.patients]


def _parted(conn: sa.Connection, kept: int, gone: int, answer: str) -> bool:
    """Tell whether somebody at the centre parted the two, or what this *answer* joined before."""
    columns, pair = person_merges.c, (kept, gone)
    both = sa.and_(columns.kept.in_(pair), columns.gone.in_(pair))
    same = sa.and_(columns.gone == gone, columns.reason == answer)
    query = sa.select(columns.id).where(columns.undone_reason != "", sa.or_(both, same))
    return conn.scalar(query.limit(1)) is not None


def _others(conn: sa.Connection, person: int, unknown: int) -> set[int]:
    """Return the patients that *person* is besides *unknown*, but others found to be that."""
    columns = person_merges.c
    query = sa.select(columns.patients).where(
        columns.kept == person, columns.basis == RECONCILIATION, columns.undone_at.is_(None)
    )
    found = {row for rows in conn.scalars(query) for row in rows}
    return set(members(conn, person)) - found - {unknown}
