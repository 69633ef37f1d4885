"""What stands in an institution's feed and none of its own nodes has read yet, at the county.

A node asks for what comes after the letters it has made true, so the place it last asked from is
its word that everything before it is there.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from gateway.exchange.tables import feed, nodes, readers


@dataclass(frozen=True, slots=True)
class UnreadKeys:
    """What of one kind nobody at an institution has read."""

    keys: frozenset[str]
    nodes: int
    """How many nodes of the institution stand; with none nobody there reads anything."""


def unread_keys(conn: sa.Connection, institution: str, kind: str) -> UnreadKeys:
    """Return the keys of *kind* whose newest letter no standing node of *institution* has read.

    A house with two machines has what one of them has. What only a node read that was let go since
    is unread: whatever comes in its stead has to read it anew.
    """
    standing = (nodes.c.institution == institution) & nodes.c.revoked_at.is_(None)
    query = (
        sa.select(sa.func.count(nodes.c.id), sa.func.max(readers.c.read_to))
        .select_from(nodes.outerjoin(readers, readers.c.node == nodes.c.id))
        .where(standing)
    )
    count, read_to = conn.execute(query).one()
    columns = feed.c
    unread = sa.select(columns.key).where(
        columns.institution == institution,
        # What is told to one node again is no news.
        columns.node == "",
        columns.kind == kind,
        columns.id > (read_to or 0),
    )
    return UnreadKeys(frozenset(conn.scalars(unread.distinct())), count)
