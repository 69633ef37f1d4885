"""Taking letters, at either side: each by its kind's handler, in one transaction with the place.

A letter that cannot be taken is kept whole with its reason and holds nothing up. What only the
moment forbids (busy, full, a part that is down) undoes the whole and comes again.
"""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa

from gateway.exchange.model import Refusal, Sent, Source
from gateway.exchange.ports import Handlers
from gateway.exchange.tables import letters_kept
from kernel.errors import Category, Invalid, Missing, PlatformError

_LOG: Final = logging.getLogger(__name__)
_LATER: Final = frozenset({Category.BUSY, Category.FULL, Category.UNAVAILABLE})
_INSTITUTION: Final = "institution"
UNKNOWN_KIND: Final = "letter-kind-unknown"
_BROKEN: Final = "letter-malformed"
_RETRIED_AT_ONCE: Final = 500


class ForeignLetter(Missing):
    """The letter is about another institution than its writer's."""

    code = "other-institution"


def take_letters(
    conn: sa.Connection,
    letters: Sequence[Sent],
    handlers: Handlers,
    source: Source,
    *,
    epoch: str = "",
) -> list[Refusal]:
    """Make each of *letters* true here, in their order; returns those that cannot be.

    Each stands in a savepoint of its own, so that half a letter is never there.

    Raises:
        PlatformError: busy, full or unavailable; the caller's transaction ends and nothing is kept.
    """
    refused = []
    for sent in letters:
        refusal = _take(conn, sent, handlers, source)
        if refusal is not None:
            _keep(conn, sent, refusal, source, epoch)
            refused.append(refusal)
    return refused


def _take(conn: sa.Connection, sent: Sent, handlers: Handlers, source: Source) -> Refusal | None:
    savepoint = conn.begin_nested()
    try:
        letter = sent.letter()
        handler = handlers.get(sent.kind)
        if handler is None:
            raise Invalid("no room here reads this kind", code=UNKNOWN_KIND)
        if sent.body.get(_INSTITUTION, source.institution) != source.institution:
            raise ForeignLetter("a node speaks for its own institution only")
        handler(conn, letter, source)
    except PlatformError as exc:
        savepoint.rollback()
        if exc.category in _LATER:
            raise
        return _refusal(sent, exc.code, exc.detail)
    except (sa.exc.IntegrityError, msgspec.MsgspecError, ValueError, LookupError, TypeError) as exc:
        savepoint.rollback()
        # Not its text: that may quote the letter.
        _LOG.warning("letter.malformed", extra={"kind": sent.kind, "reason": type(exc).__name__})
        return _refusal(sent, _BROKEN, type(exc).__name__)
    savepoint.commit()
    return None


def _refusal(sent: Sent, code: str, detail: str) -> Refusal:
    _LOG.warning("letter.refused", extra={"kind": sent.kind, "code": code})
    return Refusal(
        sequence=sent.sequence, kind=sent.kind, key=sent.key, code=code[:64], detail=detail[:500]
    )


def _keep(conn: sa.Connection, sent: Sent, refusal: Refusal, source: Source, epoch: str) -> None:
    conn.execute(
        sa.insert(letters_kept).values(
            source=source.node,
            institution=source.institution,
            epoch=epoch,
            sequence=sent.sequence,
            kind=sent.kind[:32],
            key=sent.key[:200],
            version=sent.version,
            body=sent.body,
            code=refusal.code,
            detail=refusal.detail,
            at=source.at,
        )
    )


def refusals_of(
    conn: sa.Connection, source: str, epoch: str, sequences: Sequence[int]
) -> list[Refusal]:
    """Return which of the letters numbered *sequences* were refused, now or before."""
    columns = letters_kept.c
    query = (
        sa.select(columns.sequence, columns.kind, columns.key, columns.code, columns.detail)
        .where(
            columns.source == source,
            columns.epoch == epoch,
            columns.sequence.in_(list(sequences)),
        )
        .order_by(columns.sequence)
    )
    return [
        Refusal(sequence=row.sequence, kind=row.kind, key=row.key, code=row.code, detail=row.detail)
        for row in conn.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A letter that could not be taken, without its body."""

    id: int
    source: str
    kind: str
    key: str
    code: str
    detail: str
    at: dt.datetime
    """When it came."""


def kept_letters(
    conn: sa.Connection, *, source: str | None = None, before: int | None = None, limit: int
) -> list[KeptLetter]:
    """Return what could not be taken, newest first, below the id *before*, of *source* or all."""
    columns = letters_kept.c
    query = sa.select(
        columns.id,
        columns.source,
        columns.kind,
        columns.key,
        columns.code,
        columns.detail,
        columns.at,
    )
    if source is not None:
        query = query.where(columns.source == source)
    if before is not None:
        query = query.where(columns.id < before)
    rows = conn.execute(query.order_by(columns.id.desc()).limit(limit))
    return [KeptLetter(*row) for row in rows]


def retry_unknown(
    conn: sa.Connection, handlers: Handlers, institutions: Mapping[str, str], source: Source
) -> int:
    """Take the kept letters of a kind that has a handler by now; returns how many went through.

    Run at the start of a program, which may be a newer one.

    Args:
        conn: a transaction.
        handlers: of this program.
        institutions: by source, the institution it may speak for now; others stay kept.
        source: gives the time.
    """
    columns = letters_kept.c
    query = (
        sa.select(letters_kept)
        .where(columns.code == UNKNOWN_KIND, columns.kind.in_(sorted(handlers)))
        .order_by(columns.id)
        .limit(_RETRIED_AT_ONCE)
    )
    taken = 0
    for row in conn.execute(query).all():
        if institutions.get(row.source) != row.institution:
            continue
        sent = Sent(
            sequence=row.sequence,
            id="",
            kind=row.kind,
            key=row.key,
            version=row.version,
            body=row.body,
        )
        whose = Source(row.source, row.institution, source.at)
        refusal = _take(conn, sent, handlers, whose)
        if refusal is None:
            conn.execute(sa.delete(letters_kept).where(columns.id == row.id))
            taken += 1
        else:
            conn.execute(
                sa.update(letters_kept)
                .where(columns.id == row.id)
                .values(code=refusal.code, detail=refusal.detail)
            )
    return taken
