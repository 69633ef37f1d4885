"""The node's letters up: written with what they tell of, sent in order, kept until answered."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from gateway.exchange.model import POST_MAX_BYTES, Kind, PostAnswer, Sent
from gateway.exchange.tables import letters_out, link
from gateway.exchange.taking import UNKNOWN_KIND
from gateway.exchange.wire import body_size
from kernel.identifiers import new_id
from kernel.letter import Letter

_ROW: Final = 1
_POST_MAX_LETTERS: Final = 500
_AROUND_BYTES: Final = 400
"""What a letter costs beside its body and its key."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the node stands with its county."""

    epoch: str
    acked_sequence: int
    acked_id: str
    feed_after: int
    protocol: int
    audit_after: int
    heard_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Letters that are not done."""

    waiting: int
    refused: int
    oldest_at: dt.datetime | None


def write_letters(conn: sa.Connection, letters: Iterable[Letter], *, at: dt.datetime) -> None:
    """Queue *letters* for the county in *conn*'s transaction, in their order.

    Raises:
        TooLarge: one of them has more than ``LETTER_MAX_BYTES`` (``letter-too-large``).
    """
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "kind": letter.kind,
            "key": letter.key,
            "version": letter.version,
            "body": dict(letter.body),
            "size_bytes": body_size(letter.body),
            "made_at": at,
        }
        for letter in letters
    ]
    if rows:
        conn.execute(sa.insert(letters_out), rows)


def next_letters(
    conn: sa.Connection, held: Sequence[str] = (), *, trail: bool = True
) -> list[Sent]:
    """Return the letters of the next post, numbered; what was sent and not answered comes first.

    Numbers are given here and not where letters are written, for not all go in that order, and
    what the county has once passed by is never looked at again.

    Args:
        conn: a transaction.
        held: kinds that stay back, because the county is too old for them.
        trail: whether the audit trail may go; False where the line has something else to do.
    """
    columns = letters_out.c
    sent = _fitting(conn, columns.sent_as.is_not(None), columns.sent_as)
    if sent:
        return sent
    back = sorted({*held, *(() if trail else [Kind.AUDIT.value])})
    fresh = columns.sent_as.is_(None) & columns.kind.not_in(back)
    found = _fitting(conn, fresh, columns.sequence)
    number = _last_number(conn)
    for letter in found:
        number += 1
        conn.execute(
            sa.update(letters_out).where(columns.sequence == letter.sequence).values(sent_as=number)
        )
    return _fitting(conn, columns.sent_as.is_not(None), columns.sent_as) if found else []


def _last_number(conn: sa.Connection) -> int:
    highest = conn.scalar(sa.select(sa.func.max(letters_out.c.sent_as))) or 0
    return max(highest, make_place(conn).acked_sequence)


def _fitting(
    conn: sa.Connection, which: sa.ColumnElement[bool], order: sa.ColumnElement[Any]
) -> list[Sent]:
    """Return the first of *which* by *order* that fit into one post."""
    columns = letters_out.c
    query = (
        sa.select(
            order.label("number"),
            columns.id,
            columns.kind,
            columns.key,
            columns.version,
            columns.body,
            columns.size_bytes,
        )
        .where(columns.refused_at.is_(None), which)
        .order_by(order)
        .limit(_POST_MAX_LETTERS)
    )
    found: list[Sent] = []
    room = POST_MAX_BYTES
    for row in conn.execute(query):
        room -= row.size_bytes + len(row.key.encode()) + _AROUND_BYTES
        if found and room < 0:
            break
        found.append(
            Sent(
                sequence=row.number,
                id=row.id,
                kind=row.kind,
                key=row.key,
                version=row.version,
                body=row.body,
            )
        )
    return found


def place(conn: sa.Connection) -> Place | None:
    """Return where the node stands; None before its first start."""
    columns = link.c
    row = conn.execute(
        sa.select(
            columns.epoch,
            columns.acked_sequence,
            columns.acked_id,
            columns.feed_after,
            columns.protocol,
            columns.audit_after,
            columns.heard_at,
        ).where(columns.id == _ROW)
    ).one_or_none()
    return None if row is None else Place(*row)


def make_place(conn: sa.Connection) -> Place:
    """Return where the node stands, at the beginning where it never began."""
    found = place(conn)
    if found is not None:
        return found
    made = Place(new_id(), 0, "", 0, 1, 0, None)
    conn.execute(
        sa.insert(link).values(
            id=_ROW,
            epoch=made.epoch,
            acked_sequence=made.acked_sequence,
            acked_id=made.acked_id,
            feed_after=made.feed_after,
            protocol=made.protocol,
            audit_after=made.audit_after,
        )
    )
    return made


def set_place(conn: sa.Connection, **values: object) -> None:
    """Change columns of the one row."""
    conn.execute(sa.update(link).where(link.c.id == _ROW).values(values))


def knows(conn: sa.Connection, answer: PostAnswer) -> bool:
    """Tell whether the county's place in our letters is one we know of.

    It is not after either database was put back to an older copy: then numbers have been given
    out twice, and what the county takes for old would be lost.
    """
    if answer.last_sequence == 0:
        return True
    now = make_place(conn)
    if (answer.last_sequence, answer.last_id) == (now.acked_sequence, now.acked_id):
        return True
    columns = letters_out.c
    mine = conn.scalar(sa.select(columns.id).where(columns.sent_as == answer.last_sequence))
    return mine == answer.last_id


def begin_anew(conn: sa.Connection) -> str:
    """Give our sequence a new name, under which the county takes all that waits once more."""
    epoch = new_id()
    make_place(conn)
    set_place(conn, epoch=epoch, acked_sequence=0, acked_id="")
    conn.execute(sa.update(letters_out).values(sent_as=None))
    return epoch


def note_answer(
    conn: sa.Connection, sent: Sequence[Sent], answer: PostAnswer, *, at: dt.datetime
) -> None:
    """Let go of the letters of *sent* the county has taken; those it refused stay, marked."""
    columns = letters_out.c
    done = [letter.sequence for letter in sent if letter.sequence <= answer.last_sequence]
    refused = {each.sequence: each for each in answer.refused}
    if not done:
        return
    for sequence, refusal in refused.items():
        conn.execute(
            sa.update(letters_out)
            .where(columns.sent_as == sequence)
            .values(refused_at=at, refused_code=refusal.code, refused_detail=refusal.detail)
        )
    gone = [sequence for sequence in done if sequence not in refused]
    if gone:
        conn.execute(sa.delete(letters_out).where(columns.sent_as.in_(gone)))
    set_place(conn, acked_sequence=answer.last_sequence, acked_id=answer.last_id)


def offer_again(conn: sa.Connection) -> int:
    """Send again what the county was too old for; returns how many. Run at the start."""
    columns = letters_out.c
    again = (
        sa.update(letters_out)
        .where(columns.refused_code == UNKNOWN_KIND)
        .values(sent_as=None, refused_at=None, refused_code="", refused_detail="")
    )
    return conn.execute(again).rowcount


def waiting(conn: sa.Connection) -> Waiting:
    """Return how many letters are not done."""
    columns = letters_out.c
    row = conn.execute(
        sa.select(
            sa.func.count().filter(columns.refused_at.is_(None)),
            sa.func.count().filter(columns.refused_at.is_not(None)),
            sa.func.min(columns.made_at).filter(columns.refused_at.is_(None)),
        )
    ).one()
    return Waiting(row[0], row[1], row[2])
