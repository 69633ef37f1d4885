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


@dataclass(frozen=True, slots=True)
class SilenceWatch:
    """Looks after all nodes; one process of the county runs it."""

    database: Database
    clock: Clock
    centre: str

    async def run(self) -> None:
        """Look every 15 s until cancelled."""
        began_s = self.clock.monotonic_s()
        while True:
            listening = dt.timedelta(seconds=self.clock.monotonic_s() - began_s)
            await self.database.write(
                partial(note_silent, centre=self.centre, at=self.clock.now(), listening=listening)
            )
            await asyncio.sleep(_LOOK_S)
