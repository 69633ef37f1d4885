"""What became of stored objects: filed in time, and whether another content answers instead."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import sqlalchemy as sa

from imaging.archive.progress import FilingProgress
from imaging.archive.tables import instance_conflict, set_aside
from imaging.dicomweb.stow_answer import Kept, WarningReason
from imaging.dicomweb.stow_batch import Committed
from kernel.db import Database
from kernel.journal import Position

_IN_MAX: Final = 500


class StowFiled:
    """Looks at what the filer made of one journal."""

    def __init__(self, database: Database, progress: FilingProgress, journal: str) -> None:
        """Look at *journal*, whose filing *progress* follows."""
        self._database = database
        self._progress = progress
        self._journal = journal

    async def count_conflicts(self, uids: Sequence[str]) -> Mapping[str, int]:
        """Return how often another content has come under each of *uids*, where any has."""
        return await self._database.read(partial(_conflicts, uids=uids))

    async def with_warnings(self, committed: Sequence[Committed], *, within_s: float) -> list[Kept]:
        """Return what is kept, with a warning where it is not what answers for its UID.

        Waits until all is filed, at most *within_s* seconds; later nothing is known, and nothing
        said.
        """
        if not committed:
            return []
        everything = [kept for each in committed for kept in each.kept]
        if not await self._progress.filed(self._journal, committed[-1].position, within_s):
            return everything
        now = await self.count_conflicts([kept.sop_instance_uid for kept in everything])
        unreadable = await self._database.read(
            partial(
                _set_aside,
                journal=self._journal,
                positions=[each.position for each in committed],
            )
        )
        found: list[Kept] = []
        for each in committed:
            for number, kept in enumerate(each.kept):
                uid = kept.sop_instance_uid
                beside = now.get(uid, 0) > each.conflicts_before.get(uid, 0)
                if beside or (each.position, number) in unreadable:
                    kept = replace(  # noqa: PLW2901
                        kept, warning=WarningReason.DATA_SET_DOES_NOT_MATCH_SOP_CLASS
                    )
                found.append(kept)
        return found


def _conflicts(conn: sa.Connection, uids: Sequence[str]) -> dict[str, int]:
    columns = instance_conflict.c
    counts: dict[str, int] = {}
    for at in range(0, len(uids), _IN_MAX):
        query = (
            sa.select(columns.sop_instance_uid, sa.func.sum(columns.seen_count))
            .where(columns.sop_instance_uid.in_(uids[at : at + _IN_MAX]))
            .group_by(columns.sop_instance_uid)
        )
        counts.update((uid, int(seen)) for uid, seen in conn.execute(query))
    return counts


def _set_aside(
    conn: sa.Connection, journal: str, positions: Sequence[Position]
) -> set[tuple[Position, int]]:
    columns = set_aside.c
    found: set[tuple[Position, int]] = set()
    for position in positions:
        query = sa.select(columns.entry).where(
            columns.journal == journal,
            columns.segment == position.segment,
            columns.position == position.offset,
        )
        found.update((position, entry) for entry in conn.scalars(query))
    return found
