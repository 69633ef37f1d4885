"""What stands in an institution's feed and none of its own nodes has read yet, at the county.

A node asks for what comes after the letters it has made true, so the place it last asked from is
its word that everything before it is there.
"""

import sqlalchemy as sa

from gateway.exchange.tables import feed, nodes, readers


def unread_keys(conn: sa.Connection, institution: str, kind: str) -> frozenset[str] | None:
    """Return the keys of *kind* whose newest letter no node of *institution* has read.

    A house with two machines has what one of them has.

    Returns:
        None where the institution has no node of its own that could read.
    """
    standing = (nodes.c.institution == institution) & nodes.c.revoked_at.is_(None)
    query = (
        sa.select(sa.func.count(nodes.c.id), sa.func.max(readers.c.read_to))
        .select_from(nodes.outerjoin(readers, readers.c.node == nodes.c.id))
        .where(standing)
    )
    count, read_to = conn.execute(query).one()
    if not count:
        return None
    columns = feed.c
    unread = sa.select(columns.key).where(
        columns.institution == institution,
        # What is told to one node again is no news.
        columns.node == "",
        columns.kind == kind,
        columns.id > (read_to or 0),
    )
    return frozenset(conn.scalars(unread.distinct()))
