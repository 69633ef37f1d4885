"""Notices nodes that say nothing any more, and tells of it once."""

import asyncio
import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import Final

import sqlalchemy as sa

from gateway.exchange.node_status import SILENT_AFTER, draft_of
from gateway.exchange.nodes import all_nodes
from gateway.exchange.tables import node_status
from kernel.clock import Clock
from kernel.events import publish_all
from kernel.sql.db import Database

_LOOK_S: Final = 15.0
_ASLEEP_S: Final = 3 * _LOOK_S
"""A look that comes so long after the one before it shows that the county itself was not there."""


def note_silent(
    conn: sa.Connection, *, centre: str, at: dt.datetime, listening: dt.timedelta
) -> int:
    """Mark the nodes that have been silent for three minutes and publish ``node.silent`` for each.

    Args:
        conn: a transaction.
        centre: code of the institution that is told beside the node's own.
        at: now.
        listening: how long the county itself has been there to hear; what could not be heard
            is not held against a node.

    Returns:
        How many nodes are newly silent.
    """
    if listening < SILENT_AFTER:
        return 0
    columns = node_status.c
    query = sa.select(columns.node, columns.heard_at).where(
        columns.silent_at.is_(None), columns.heard_at <= at - SILENT_AFTER
    )
    heard = {row.node: row.heard_at for row in conn.execute(query)}
    if not heard:
        return 0
    drafts = []
    for node in all_nodes(conn):
        if node.id not in heard or node.revoked_at is not None:
            continue
        conn.execute(sa.update(node_status).where(columns.node == node.id).values(silent_at=at))
        since = heard[node.id].isoformat().replace("+00:00", "Z")
        drafts.append(draft_of(node, "node.silent", {"since": since}, centre))
    publish_all(conn, drafts, at=at)
    return len(drafts)


class Listening:
    """How long the county has been there to hear without a break.

    A machine that was held (a virtual one that was moved, a disk that stood still) wakes with old
    words of everybody. Its seconds may or may not have run on meanwhile, its wall clock did; that
    one may also be set. Either of them with a gap, and listening begins anew.
    """

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._seen: tuple[float, dt.datetime] | None = None

    def look(self, now_s: float, at: dt.datetime) -> dt.timedelta:
        """Note a look and return how long the county has listened.

        Args:
            now_s: seconds that never run backwards.
            at: the same instant by the wall clock.
        """
        if self._began_s is None or self._was_away(now_s, at):
            self._began_s = now_s
        self._seen = now_s, at
        return dt.timedelta(seconds=now_s - self._began_s)

    def _was_away(self, now_s: float, at: dt.datetime) -> bool:
        if self._seen is None:
            return False
        before_s, before = self._seen
        return max(now_s - before_s, (at - before).total_seconds()) >= _ASLEEP_S


@dataclass(frozen=True, slots=True)
class SilenceWatch:
    """Looks after all nodes; one process of the county runs it."""

    database: Database
    clock: Clock
    centre: str

    async def run(self) -> None:
        """Look every 15 s until cancelled."""
        ear = Listening()
        while True:
            at = self.clock.now()
            listening = ear.look(self.clock.monotonic_s(), at)
            await self.database.write(
                partial(note_silent, centre=self.centre, at=at, listening=listening)
            )
            await asyncio.sleep(_LOOK_S)
