"""The county's side of letters up: each once, in order, and the answer says how far it has read."""

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import sqlalchemy as sa

from gateway.exchange.heartbeat import Post
from gateway.exchange.model import PostAnswer, Sent, Source
from gateway.exchange.ports import Handlers
from gateway.exchange.tables import received
from gateway.exchange.taking import refusals_of, take_letters
from kernel.errors import Invalid

_EPOCH_LENGTH: Final = 26
_ID_LENGTH: Final = 26


class InvalidPost(Invalid):
    """The post's letters do not follow each other, or its epoch is none."""

    code = "letters-invalid"


def take_post(
    conn: sa.Connection, post: Post, handlers: Handlers, source: Source, *, protocol: int
) -> PostAnswer:
    """Take the letters of *post* that are new, in one transaction with how far that is.

    The same post again, whole or in part, changes nothing and gets the same answer.

    Raises:
        InvalidPost: see there.
        PlatformError: busy, full or unavailable: nothing was taken.
    """
    _check(post)
    sequence, letter_id = _read_to(conn, source.node, post.epoch)
    new = [letter for letter in post.letters if letter.sequence > sequence]
    if new:
        take_letters(conn, new, handlers, source, epoch=post.epoch)
        sequence, letter_id = new[-1].sequence, new[-1].id
        _note(conn, source.node, post.epoch, (sequence, letter_id), at=source.at)
    numbers = [letter.sequence for letter in post.letters]
    return PostAnswer(
        protocol=protocol,
        last_sequence=sequence,
        last_id=letter_id,
        refused=refusals_of(conn, source.node, post.epoch, numbers) if numbers else [],
        county_time=source.at,
    )


def _check(post: Post) -> None:
    if len(post.epoch) != _EPOCH_LENGTH or not post.epoch.isalnum():
        raise InvalidPost("an epoch is an id of 26 characters")
    if any(len(letter.id) > _ID_LENGTH for letter in post.letters):
        raise InvalidPost("a letter's id has 26 characters")
    if not _rise(post.letters):
        raise InvalidPost("the letters of a post rise from 1")


def _rise(letters: Sequence[Sent]) -> bool:
    numbers = [letter.sequence for letter in letters]
    return all(a < b for a, b in pairwise([0, *numbers])) and all(n < 2**63 for n in numbers)


def _read_to(conn: sa.Connection, node: str, epoch: str) -> tuple[int, str]:
    columns = received.c
    row = conn.execute(
        sa.select(columns.epoch, columns.sequence, columns.letter_id).where(columns.node == node)
    ).one_or_none()
    return (row.sequence, row.letter_id) if row is not None and row.epoch == epoch else (0, "")


def _note(
    conn: sa.Connection, node: str, epoch: str, end: tuple[int, str], *, at: dt.datetime
) -> None:
    values = {"epoch": epoch, "sequence": end[0], "letter_id": end[1], "at": at}
    changed = conn.execute(sa.update(received).where(received.c.node == node).values(values))
    if changed.rowcount == 0:
        conn.execute(sa.insert(received).values(node=node, **values))
