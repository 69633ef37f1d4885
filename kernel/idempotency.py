"""One act, however often it is sent: a key per act, kept in the transaction that does it.

A page or a program makes a random key for each act and sends it again when no answer came. Whoever
writes asks ``done_before`` first and calls ``remember`` last, in one transaction; so an act happens
once, and its repetition is answered with what it made. Only the name of what it made is kept, never
its content.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import sqlalchemy as sa

from kernel.errors import Conflict, Invalid
from kernel.sql.columns import UtcDateTime, metadata

KEEP: Final = dt.timedelta(days=2)
"""How long an act is remembered; nobody tries again after so long."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)

idempotency_keys: Final = sa.Table(
    "idempotency_keys",
    metadata,
    # Whose key it is: two people may choose the same.
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    # What the act made or changed, as the room calls it.
    sa.Column("made", sa.String(128), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
)


class KeyReused(Conflict):
    """The key belongs to another act of the same person."""

    code = "idempotency-key-reused"


@dataclass(frozen=True, slots=True)
class Ask:
    """One act somebody asks for, so that it is known again."""

    owner: str
    key: str
    fingerprint: str
    """SHA-256 of what was asked, lower-case hex."""

    @classmethod
    def parse(cls, owner: str, key: str, content: bytes) -> Self:
        """Return the ask of *owner* under *key* for *content*.

        Raises:
            Invalid: the key is not 1 to 128 visible ASCII characters
                (``invalid-idempotency-key``).
        """
        if not _KEY.fullmatch(key):
            raise Invalid("1 to 128 visible ASCII characters", code="invalid-idempotency-key")
        return cls(owner, key, hashlib.sha256(content).hexdigest())


def done_before(conn: sa.Connection, ask: Ask) -> str | None:
    """Return what *ask* made when it was done before, else None.

    Raises:
        KeyReused: the key was used for something else.
    """
    columns = idempotency_keys.c
    row = conn.execute(
        sa.select(columns.fingerprint, columns.made).where(
            columns.owner == ask.owner, columns.key == ask.key
        )
    ).one_or_none()
    if row is None:
        return None
    if row.fingerprint != ask.fingerprint:
        raise KeyReused("this Idempotency-Key was used for another request")
    return str(row.made)


def remember(conn: sa.Connection, ask: Ask, made: str, *, at: dt.datetime) -> None:
    """Keep that *ask* is done and has made *made*, at most 128 characters."""
    conn.execute(
        sa.insert(idempotency_keys).values(
            owner=ask.owner, key=ask.key, fingerprint=ask.fingerprint, made=made, at=at
        )
    )


def once(
    conn: sa.Connection, *, ask: Ask, act: Callable[[sa.Connection], object], at: dt.datetime
) -> str:
    """Do *act* in this transaction unless *ask* is done already; returns what it made, as text.

    Raises:
        KeyReused: the key was used for something else.
    """
    before = done_before(conn, ask)
    if before is not None:
        return before
    made = str(act(conn))
    remember(conn, ask, made, at=at)
    return made


def forget(conn: sa.Connection, *, before: dt.datetime) -> int:
    """Drop the acts older than *before*; returns how many."""
    table = idempotency_keys
    return conn.execute(sa.delete(table).where(table.c.at < before)).rowcount
