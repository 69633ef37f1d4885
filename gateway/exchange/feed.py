"""Letters down: one feed for each institution, of which every node keeps its own place.

Of a thing that has no history (an account) only the newest letter stands in the feed, so that it
never grows beyond what there is to tell; of records all versions do. A node that is new or was put
back to an older copy reads it from the start.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Final

import sqlalchemy as sa

from gateway.exchange.model import POST_MAX_BYTES, FeedPage, Kind, Sent, Source
from gateway.exchange.outbox import make_place, set_place
from gateway.exchange.ports import Handlers
from gateway.exchange.tables import feed
from gateway.exchange.taking import take_letters
from gateway.exchange.wire import body_size
from kernel.letter import Letter

COUNTY: Final = "county"
_LOCK_KEY: Final = 0x59_4C_46_44
_PAGE: Final = 500
_AROUND_BYTES: Final = 400
_LONG_NAMED: Final = (Kind.REPORT.value, Kind.INSTANCE_ASIDE.value)


def send_down(  # noqa: PLR0913  # whom to tell, and for how long
    conn: sa.Connection,
    letters: Collection[Letter],
    *,
    institution: str,
    node: str = "",
    history: bool = False,
    retold: bool = False,
    at: dt.datetime,
) -> None:
    """Put *letters* into the feed of *institution*, in *conn*'s transaction.

    Call it last in a transaction: on PostgreSQL writers of the feed wait for each other from here
    to the commit, for a number must never become visible after a higher one (as
    ``kernel.events``).

    Args:
        conn: the transaction that made them true here.
        letters: what to tell.
        institution: code of whom to tell.
        node: only this node of it; empty for all.
        history: whether earlier versions stay; else each letter takes the place of those of its
            kind and key.
        retold: whether they go once *node* has read them (``retelling``).
        at: now.

    Raises:
        TooLarge: one has more than ``LETTER_MAX_BYTES``.
    """
    if not letters:
        return
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
    columns = feed.c
    for letter in letters:
        size = body_size(letter.body)
        if not history:
            conn.execute(
                sa.delete(feed).where(
                    columns.institution == institution,
                    columns.node == node,
                    columns.kind == letter.kind,
                    columns.key == letter.key,
                )
            )
        conn.execute(
            sa.insert(feed).values(
                institution=institution,
                node=node,
                kind=letter.kind,
                key=letter.key,
                version=letter.version,
                body=dict(letter.body),
                size_bytes=size,
                at=at,
                retold=retold,
            )
        )


def prune(
    conn: sa.Connection, *, before: dt.datetime, reports_before: dt.datetime | None = None
) -> int:
    """Drop studies named before *before*: they are asked for anew where they are still wanted.

    Reports, for which nobody asks, stay until *reports_before*, without it as long; so does what is
    told of single instances, of which what is still so is told once more.
    """
    columns = feed.c
    named = sa.or_(
        sa.and_(
            columns.kind.in_((Kind.PRIOR.value, Kind.STUDY_URGENCY.value)), columns.at < before
        ),
        sa.and_(columns.kind.in_(_LONG_NAMED), columns.at < (reports_before or before)),
    )
    # Without the newest number, nodes that have read it would seem to have read too far.
    old = named & (columns.id < newest_id(conn))
    return conn.execute(sa.delete(feed).where(old)).rowcount


def newest_id(conn: sa.Connection) -> int:
    """Return the number of the newest letter of all feeds, 0 for none."""
    return conn.scalar(sa.select(sa.func.max(feed.c.id))) or 0


def read_feed(
    conn: sa.Connection,
    *,
    institution: str,
    node: str,
    after: int,
    protocol: int,
    held: Sequence[str] = (),
) -> FeedPage:
    """Return what comes after *after* for *node*, one page of it.

    Args:
        conn: any connection.
        institution: the node's, as proven.
        node: id of the node, as proven.
        after: what the page before ended with; 0 for the start.
        protocol: the version both speak.
        held: kinds the node is too old for; they are passed over.
    """
    reset = after > newest_id(conn)
    begin = 0 if reset else after
    columns = feed.c
    query = (
        sa.select(
            columns.id,
            columns.kind,
            columns.key,
            columns.version,
            columns.body,
            columns.size_bytes,
        )
        .where(
            columns.institution == institution,
            columns.node.in_(["", node]),
            columns.id > begin,
            columns.kind.not_in(list(held)),
        )
        .order_by(columns.id)
        .limit(_PAGE)
    )
    letters: list[Sent] = []
    room = POST_MAX_BYTES
    for row in conn.execute(query):
        room -= row.size_bytes + len(row.key.encode()) + _AROUND_BYTES
        if letters and room < 0:
            break
        letters.append(
            Sent(
                sequence=row.id,
                id="",
                kind=row.kind,
                key=row.key,
                version=row.version,
                body=row.body,
            )
        )
    end = letters[-1].sequence if letters else begin
    return FeedPage(protocol=protocol, letters=letters, after=end, reset=reset)


def take_page(conn: sa.Connection, page: FeedPage, handlers: Handlers, source: Source) -> int:
    """Make a page true at the node, in one transaction with its place; returns how many refused.

    A page the node has read already changes nothing. Once a county speaks a newer version it may
    have passed letters over before, so the node reads from the start again.
    """
    place = make_place(conn)
    if page.protocol > place.protocol:
        set_place(conn, protocol=page.protocol, feed_after=0)
        if place.feed_after:
            return 0
    begin = 0 if page.reset else place.feed_after
    new = [letter for letter in page.letters if letter.sequence > begin]
    refused = take_letters(conn, new, handlers, source)
    if page.after != place.feed_after and (page.reset or page.after > place.feed_after):
        set_place(conn, feed_after=page.after)
    return len(refused)
