"""Which way to the rows: through an index that finds few studies, or from the newest down.

SQLite knows nothing of how values are spread, so it is counted here, up to a small bound, how many
studies each key's index finds. Either way takes time by the size of the answer, not of the archive.
"""

from collections.abc import Sequence
from typing import Final

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
    may = study_reach.c
    given = sa.exists().where(may.institution == reach.institution, may.study == study.c.id)
    return given.correlate(study)


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
        own = sa.select(may.study).where(may.institution == reach.institution)
        if _count(conn, own, OWN_FEW + 1) <= OWN_FEW:
            best = own
    return best


def newest(reach: Reach, *, below: int, count: int) -> Studies:
    """Return the search for the *count* newest studies in *reach* numbered *below* or less."""
    may = study_reach.c
    found = (
        sa.select(may.study)
        .where(may.institution == reach.institution, may.study <= below)
        .order_by(may.study.desc())
        .limit(count)
        .subquery()
    )
    return sa.select(found.c.study)


def _count(conn: sa.Connection, search: Studies, most: int) -> int:
    counted = sa.select(sa.func.count()).select_from(search.limit(most).subquery())
    return conn.scalar(counted) or 0
