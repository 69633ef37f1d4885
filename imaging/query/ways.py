"""Which way to the rows: through an index that finds few studies, or from the newest down.

SQLite knows nothing of how values are spread, so it is counted here, up to a small bound, how many
studies each key's index finds. Either way takes time by the size of the answer, not of the archive.
"""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.tables import study, study_reach
from imaging.query.conditions import Compiled, Studies
from kernel.policy import Reach

FEW: Final = 20_000
"""So many studies from one index are few enough to look at each."""
OWN_FEW: Final = 60_000
"""So many studies in the asker's reach are few enough, where no key's index finds few."""
_COUNTED_AT_MOST: Final = 8


def within_reach(reach: Reach) -> sa.ColumnElement[bool]:
    """Return the condition that a row of ``study`` may be found."""
    if reach.nothing:
        return sa.false()
    return given(reach, study.c.id).correlate(study)


def given(reach: Reach, number: sa.ColumnElement[int]) -> sa.Exists:
    """Return the condition that the study *number* belongs or was given to a holder of *reach*.

    It is one look into an index for each holder, of whom there are two at most.
    """
    may = study_reach.alias().c
    held = may.institution.in_(reach.holders)
    return sa.exists().where(held, may.study == number, lasting(may.until, reach))


def lasting(until: sa.ColumnElement[Any], reach: Reach) -> sa.ColumnElement[bool]:
    """Return the condition that what ends at *until* has not ended for *reach*."""
    if reach.at is None:
        return until.is_(None)
    return sa.or_(until.is_(None), until > reach.at)


def shortest_way(conn: sa.Connection, compiled: Sequence[Compiled], reach: Reach) -> Studies | None:
    """Return the index search that finds fewest studies; None where every one finds many.

    Whatever it finds must still meet every condition.
    """
    searches = [search for each in compiled for search in each.studies][:_COUNTED_AT_MOST]
    best: Studies | None = None
    least = FEW + 1
    for search in searches:
        count = _count(conn, search, least)
        if count < least:
            best, least = search, count
    if best is None:
        may = study_reach.c
        # What has ended is among them, and goes where every condition is met.
        own = sa.select(may.study).where(may.institution.in_(reach.holders))
        if _count(conn, own, OWN_FEW + 1) <= OWN_FEW:
            best = own
    return best


def newest(reach: Reach, *, below: int, count: int) -> Studies:
    """Return the search for the *count* newest studies in *reach* numbered *below* or less."""
    may = study_reach.c
    # Each holder's newest by themselves, as they stand in the index: asked for together, all that
    # is in reach would be sorted.
    each = [
        sa.select(
            sa.select(may.study)
            .where(may.institution == holder, may.study <= below, lasting(may.until, reach))
            .order_by(may.study.desc())
            .limit(count)
            .subquery()
            .c.study
        )
        for holder in reach.holders
    ]
    if len(each) == 1:
        return each[0]
    together = sa.union(*each).subquery()
    return sa.select(together.c.study)


def _count(conn: sa.Connection, search: Studies, most: int) -> int:
    counted = sa.select(sa.func.count()).select_from(search.limit(most).subquery())
    return conn.scalar(counted) or 0
