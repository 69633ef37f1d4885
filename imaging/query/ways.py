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

FEW: Final = 4000
"""So many studies from one index are few enough to look at each."""
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
    may = study_reach.c
    own = sa.select(may.study).where(may.institution == reach.institution)
    searches = [search for each in compiled for search in each.studies][:_COUNTED_AT_MOST]
    best: Studies | None = None
    least = FEW + 1
    for search in (*searches, own):
        count = conn.scalar(_count(search)) or 0
        if count < least:
            best, least = search, count
    return best


def _count(search: Studies) -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(search.limit(FEW + 1).subquery())
