"""All a node may know of its institution's patients and orders, told to one that begins anew."""

from typing import Final

import sqlalchemy as sa

from kernel.errors import Invalid
from kernel.letter import Letter
from referrals.orders import store
from referrals.orders.records import Record, RecordKind, kind_of, to_letter

_AT_ONCE: Final = 200
"""Records told in one piece."""
_ORDER: Final = (RecordKind.PATIENT, RecordKind.ORDER)
"""Patients first: an order whose patient is unknown stands on no worklist."""


def tell_again(
    conn: sa.Connection, institution: str, mark: str, /, *, limit: int = _AT_ONCE
) -> tuple[list[Letter], str]:
    """Return the letters behind *mark*, the newest records first, and where to go on.

    Of each record what is shown now and what lies open beside it: from these a node that knows
    nothing else shows the same, and writes on where the last node ended.

    Args:
        conn: any connection.
        institution: whose records.
        mark: what the answer before gave; empty to begin.
        limit: most records to tell of.

    Returns:
        Letters, none only where there is nothing more, and the mark, empty where this was all.

    Raises:
        Invalid: no answer gave that mark (``invalid-mark``).
    """
    kind, before = _parse(mark)
    letters: list[Letter] = []
    for each in _ORDER[_ORDER.index(kind) :]:
        found = store.shown_before(
            conn, each, institution, before if each is kind else "", limit=limit
        )
        for record in found:
            letters += _letters(conn, record)
        if len(found) == limit:
            return letters, f"{each}:{found[-1].id}"
        limit -= len(found)
    return letters, ""


def _parse(mark: str) -> tuple[RecordKind, str]:
    if not mark:
        return _ORDER[0], ""
    kind, _, before = mark.partition(":")
    if kind not in set(_ORDER) or not before:
        raise Invalid("a mark is what an answer gave", code="invalid-mark")
    return RecordKind(kind), before


def _letters(conn: sa.Connection, shown: Record) -> list[Letter]:
    kind = kind_of(shown)
    known = store.versions_of(conn, kind, shown.id)
    standing = store.standing_of(conn, kind, shown.id)
    told = {*standing.open, standing.shown}
    return [
        to_letter(store.record_at(conn, kind, shown.id, kept.version), kept.change)
        for kept in known
        if kept.version in told
    ]
