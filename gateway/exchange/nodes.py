"""SQL of who is a node: invitations, nodes, and the sessions they open."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from gateway.exchange.tables import invitations, nodes, sessions, used_nonces
from kernel.identity import institutions

_ID_DIGITS: Final = 16
_REMEMBERED: Final = dt.timedelta(days=90)
"""How long an invitation that was used or ended is told apart from one that never was."""


@dataclass(frozen=True, slots=True)
class Node:
    """One township box the county knows."""

    id: str
    institution: str
    institution_name: str
    public_key: str
    enrolled_at: dt.datetime
    revoked_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Invitation:
    """A code that makes a node, once."""

    id: str
    """Names it where the code may not be said; see ``invitation_id``."""
    institution: str
    made_by: str
    made_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None
    node: str | None
    withdrawn_at: dt.datetime | None = None


def invitation_id(digest: str) -> str:
    """Return what names the invitation whose code has that digest; it leads to no code."""
    return digest[:_ID_DIGITS]


def add_invitation(conn: sa.Connection, digest: str, made: Invitation) -> None:
    """Keep an invitation; the institution must exist. Forgets those ended long ago."""
    columns = invitations.c
    conn.execute(sa.delete(invitations).where(columns.expires_at < made.made_at - _REMEMBERED))
    conn.execute(
        sa.insert(invitations).values(
            digest=digest,
            institution=made.institution,
            made_by=made.made_by,
            made_at=made.made_at,
            expires_at=made.expires_at,
        )
    )


def find_invitation(conn: sa.Connection, digest: str) -> Invitation | None:
    """Return the invitation of that code, used or not."""
    columns = invitations.c
    row = conn.execute(_invitations().where(columns.digest == digest)).one_or_none()
    return None if row is None else Invitation(*row)


def find_invitation_by_id(conn: sa.Connection, which: str) -> Invitation | None:
    """Return the invitation of that id, used or not."""
    row = conn.execute(_invitations().where(_id_of_digest() == which)).one_or_none()
    return None if row is None else Invitation(*row)


def all_invitations(conn: sa.Connection) -> list[Invitation]:
    """Return every invitation remembered, newest first."""
    rows = conn.execute(_invitations().order_by(invitations.c.made_at.desc()))
    return [Invitation(*row) for row in rows]


def _id_of_digest() -> sa.ColumnElement[str]:
    return sa.func.substr(invitations.c.digest, 1, _ID_DIGITS)


def _invitations() -> sa.Select[Any]:
    columns = invitations.c
    return sa.select(
        _id_of_digest(),
        columns.institution,
        columns.made_by,
        columns.made_at,
        columns.expires_at,
        columns.used_at,
        columns.node,
        columns.withdrawn_at,
    )


def use_invitation(conn: sa.Connection, digest: str, node: str, *, at: dt.datetime) -> None:
    """Note that the code has made *node*."""
    conn.execute(
        sa.update(invitations).where(invitations.c.digest == digest).values(used_at=at, node=node)
    )


def withdraw_invitation(conn: sa.Connection, which: str, by: str, *, at: dt.datetime) -> None:
    """Take a code back. It also ends then, so that a program of before does not take it either."""
    conn.execute(
        sa.update(invitations)
        .where(_id_of_digest() == which)
        .values(withdrawn_at=at, withdrawn_by=by, expires_at=at)
    )


def add_node(conn: sa.Connection, node: Node) -> None:
    """Keep a new node; raises ``IntegrityError`` where its key is another's."""
    conn.execute(
        sa.insert(nodes).values(
            id=node.id,
            institution=node.institution,
            public_key=node.public_key,
            enrolled_at=node.enrolled_at,
        )
    )


def find_node(conn: sa.Connection, node_id: str) -> Node | None:
    """Return the node of that id, revoked or not."""
    row = conn.execute(_nodes().where(nodes.c.id == node_id)).one_or_none()
    return None if row is None else Node(*row)


def find_key(conn: sa.Connection, public_key: str) -> Node | None:
    """Return the node with that key, revoked or not."""
    row = conn.execute(_nodes().where(nodes.c.public_key == public_key)).one_or_none()
    return None if row is None else Node(*row)


def all_nodes(conn: sa.Connection, *, institution: str | None = None) -> list[Node]:
    """Return every node by institution, or those of one."""
    query = _nodes().order_by(nodes.c.institution, nodes.c.id)
    if institution is not None:
        query = query.where(nodes.c.institution == institution)
    return [Node(*row) for row in conn.execute(query)]


def _nodes() -> sa.Select[str, str, str, str, dt.datetime, dt.datetime | None]:
    columns = nodes.c
    return sa.select(
        columns.id,
        columns.institution,
        institutions.c.name,
        columns.public_key,
        columns.enrolled_at,
        columns.revoked_at,
    ).join(institutions, institutions.c.code == columns.institution)


def revoke(conn: sa.Connection, node_id: str, by: str, *, at: dt.datetime) -> None:
    """Close the county to a node: its sessions end with this transaction."""
    conn.execute(
        sa.update(nodes)
        .where(nodes.c.id == node_id, nodes.c.revoked_at.is_(None))
        .values(revoked_at=at, revoked_by=by)
    )
    conn.execute(sa.delete(sessions).where(sessions.c.node == node_id))


def revoked_among(conn: sa.Connection, ids: Collection[str]) -> set[str]:
    """Return which of *ids* are revoked nodes."""
    query = sa.select(nodes.c.id).where(nodes.c.id.in_(list(ids)), nodes.c.revoked_at.is_not(None))
    return set(conn.scalars(query))


def use_nonce(
    conn: sa.Connection, digest: str, *, expires_at: dt.datetime, at: dt.datetime
) -> bool:
    """Use a nonce up; returns False where it was used before."""
    conn.execute(sa.delete(used_nonces).where(used_nonces.c.expires_at <= at))
    there = conn.scalar(sa.select(used_nonces.c.digest).where(used_nonces.c.digest == digest))
    if there is not None:
        return False
    conn.execute(sa.insert(used_nonces).values(digest=digest, expires_at=expires_at))
    return True


def add_session(
    conn: sa.Connection, digest: str, node: str, *, expires_at: dt.datetime, at: dt.datetime
) -> None:
    """Keep a session's hash; forgets all that ended."""
    conn.execute(sa.delete(sessions).where(sessions.c.expires_at <= at))
    conn.execute(sa.insert(sessions).values(digest=digest, node=node, expires_at=expires_at))


def node_of_session(conn: sa.Connection, digest: str, *, at: dt.datetime) -> Node | None:
    """Return whose session it is, None once it or its node has ended."""
    row = conn.execute(
        _nodes()
        .join(sessions, sessions.c.node == nodes.c.id)
        .where(
            sessions.c.digest == digest, sessions.c.expires_at > at, nodes.c.revoked_at.is_(None)
        )
    ).one_or_none()
    return None if row is None else Node(*row)
