"""A node that begins anew is told again what its institution wrote before it, at the county.

A box that replaces another has an empty database; one that was put back to an older copy lacks
what it wrote since. Both show in the place they read the feed from. What they lack goes into the
feed for that one node, a piece at a time and no faster than it is read, and out again when it is.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa

from gateway.exchange.feed import newest_id, send_down
from gateway.exchange.nodes import Node
from gateway.exchange.ports import TellsAgain
from gateway.exchange.tables import feed, readers
from kernel.letter import Letter

_NOBODY_YET: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How far a node is."""

    read_to: int
    mark: str = ""
    all_told: bool = False


def reader_of(conn: sa.Connection, node: str) -> Reader | None:
    """Return how far the node is; None before it first asked."""
    columns = readers.c
    row = conn.execute(
        sa.select(columns.read_to, columns.mark, columns.all_told).where(columns.node == node)
    ).one_or_none()
    if row is None:
        return None
    return Reader(read_to=row.read_to, mark=row.mark, all_told=row.all_told)


def is_due(conn: sa.Connection, node: str, after: int) -> bool:
    """Tell whether ``tell_again`` would change anything for a node that asks behind *after*."""
    reader = reader_of(conn, node)
    if reader is None or after != reader.read_to:
        return True
    return not reader.all_told and not _unread(conn, node, after)


def tell_again(
    conn: sa.Connection, node: Node, after: int, tells: TellsAgain, *, at: dt.datetime
) -> None:
    """Note that *node* has read the feed up to *after*, and write down what it lacks next.

    Call it last in a transaction (``send_down``).

    Args:
        conn: a transaction.
        node: as proven.
        after: what it asks from; 0 for the start.
        tells: knows what there is to tell.
        at: now.
    """
    reader = reader_of(conn, node.id) or Reader(read_to=_NOBODY_YET)
    before = reader.read_to
    if before == _NOBODY_YET or after < before:
        reader = Reader(read_to=after)
    newest = newest_id(conn)
    # A county put back to an older copy knows fewer letters than the node has read.
    reader = replace(reader, read_to=after if after <= newest else 0)
    columns = feed.c
    # Without the newest number, a node that has read it would seem to have read too far.
    mine = (columns.node == node.id) & columns.retold & (columns.id < newest)
    conn.execute(sa.delete(feed).where(mine, columns.id <= after))
    letters: Sequence[Letter] = ()
    if not reader.all_told and not _unread(conn, node.id, reader.read_to):
        letters, mark = tells(conn, node.institution, reader.mark)
        reader = replace(reader, mark=mark, all_told=not mark)
    _put(conn, node.id, reader, first=before == _NOBODY_YET)
    send_down(
        conn,
        letters,
        institution=node.institution,
        node=node.id,
        history=True,
        retold=True,
        at=at,
    )


def _unread(conn: sa.Connection, node: str, after: int) -> bool:
    columns = feed.c
    query = sa.select(columns.id).where(columns.node == node, columns.retold, columns.id > after)
    return conn.scalar(query.limit(1)) is not None


def _put(conn: sa.Connection, node: str, reader: Reader, *, first: bool) -> None:
    values = {"read_to": reader.read_to, "mark": reader.mark, "all_told": reader.all_told}
    if first:
        conn.execute(sa.insert(readers).values(node=node, **values))
    else:
        conn.execute(sa.update(readers).where(readers.c.node == node).values(values))
