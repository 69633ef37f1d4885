"""What became of stored objects: filed in time, and whether another content answers instead."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import sqlalchemy as sa

from imaging.archive.progress import FilingProgress
from imaging.archive.tables import instance, instance_conflict, set_aside
from imaging.dicomweb.stow_answer import Kept, WarningReason
from imaging.dicomweb.stow_batch import Committed
from imaging.dicomweb.unfiled import UnfiledStores
from kernel.journal.writer import Position
from kernel.sql.db import Database

_IN_MAX: Final = 500


class StowFiled:
    """Looks at what the filer made of one journal."""

    def __init__(
        self, database: Database, progress: FilingProgress, journal: str, unfiled: UnfiledStores
    ) -> None:
        """Look at *journal*, whose filing *progress* follows.

        Args:
            database: where it is filed.
            progress: how far.
            journal: its name.
            unfiled: what was stored lately.
        """
        self._database = database
        self._progress = progress
        self._journal = journal
        self._unfiled = unfiled

    async def known(self, uids: Sequence[str]) -> Mapping[str, int]:
        """Return those of *uids* that are there, and how often another content came under each."""
        return await self._database.read(partial(_known, uids=uids))

    async def with_warnings(self, committed: Sequence[Committed], *, within_s: float) -> list[Kept]:
        """Return what is kept, with a warning where it is not what answers for its UID.

        Where a UID was there before, or came a moment ago, this waits until all is filed, at most
        *within_s* seconds; later nothing is known, and nothing said.
        """
        everything = [kept for each in committed for kept in each.kept]
        uids = [kept.sop_instance_uid for kept in everything]
        new = len(set(uids)) == len(uids) and not any(each.known_before for each in committed)
        if new and not self._unfiled.may_hold(uids):
            return everything
        if not await self._progress.filed(self._journal, committed[-1].position, within_s):
            return everything
        now = await self.known(uids)
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
                beside = now.get(uid, 0) > each.known_before.get(uid, 0)
                if beside or (each.position, number) in unreadable:
                    kept = replace(  # noqa: PLW2901
                        kept, warning=WarningReason.DATA_SET_DOES_NOT_MATCH_SOP_CLASS
                    )
                found.append(kept)
        return found


def _known(conn: sa.Connection, uids: Sequence[str]) -> dict[str, int]:
    columns = instance_conflict.c
    counts: dict[str, int] = {}
    for at in range(0, len(uids), _IN_MAX):
        part = uids[at : at + _IN_MAX]
        there = sa.select(instance.c.sop_instance_uid).where(instance.c.sop_instance_uid.in_(part))
        counts.update(dict.fromkeys(conn.scalars(there), 0))
        beside = (
            sa.select(columns.sop_instance_uid, sa.func.sum(columns.seen_count))
            .where(columns.sop_instance_uid.in_(part))
            .group_by(columns.sop_instance_uid)
        )
        counts.update((uid, int(seen)) for uid, seen in conn.execute(beside))
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
