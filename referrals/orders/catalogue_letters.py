"""A house's catalogue as nodes tell each other of it: the newest whole one holds, at every node.

Whoever imports one (the township, or the county for it) writes a new edition; of two that were
written unheard of each other under one number, the later name of a node holds. A catalogue goes in
parts that each fit into a letter, and is taken once all parts of its edition are there.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from kernel.letter import InvalidLetter, Letter
from referrals.orders.examinations import (
    CatalogueRefused,
    check_rows,
    find_examinations,
    replace_catalogue,
)
from referrals.orders.ledger import ForeignRecord
from referrals.orders.model import Examination
from referrals.orders.ports import Post, Spellings
from referrals.orders.tables import catalogue_parts, catalogues

CATALOGUE_LETTER: Final = "catalogue"
_PART_BYTES: Final = 128 * 1024
"""Of the rows in one letter, as JSON; a letter's body may have half as much again."""
_PARTS_MAX: Final = 100


@dataclass(frozen=True, slots=True, order=True)
class Edition:
    """Which catalogue of a house it is; a greater one is newer."""

    version: int = 0
    node: str = ""
    """Code of the node that wrote it."""


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    institution: str
    node: str
    part: int
    """From 1."""
    parts: int
    rows: list[Examination]


def edition_of(conn: sa.Connection, institution: str) -> Edition:
    """Return which catalogue of *institution* stands here; version 0 where none was told of."""
    columns = catalogues.c
    row = conn.execute(
        sa.select(columns.version, columns.node).where(columns.institution == institution)
    ).one_or_none()
    return Edition() if row is None else Edition(row.version, row.node)


def import_catalogue(  # noqa: PLR0913  # whose, what, by whom, and whom to tell
    conn: sa.Connection,
    institution: str,
    rows: Sequence[Examination],
    spellings: Spellings,
    *,
    node: str,
    post: Post,
    at: dt.datetime,
) -> None:
    """Make *rows* the whole catalogue of *institution* here, and tell of it."""
    replace_catalogue(conn, institution, rows, spellings)
    _put(conn, institution, Edition(edition_of(conn, institution).version + 1, node))
    post(conn, catalogue_letters(conn, institution), institution, at)


def tell_untold(
    conn: sa.Connection, institution: str, *, node: str, post: Post, at: dt.datetime
) -> None:
    """Tell of a catalogue that was imported by a program that told nobody; once."""
    if edition_of(conn, institution).version or not find_examinations(conn, institution, limit=1):
        return
    _put(conn, institution, Edition(1, node))
    post(conn, catalogue_letters(conn, institution), institution, at)


def catalogue_letters(conn: sa.Connection, institution: str) -> list[Letter]:
    """Return the letters that tell of the catalogue of *institution* as it stands here."""
    edition = edition_of(conn, institution)
    plain: list[dict[str, Any]] = msgspec.to_builtins(find_examinations(conn, institution))
    parts: list[list[dict[str, Any]]] = [[]]
    room = _PART_BYTES
    for row in plain:
        size = len(msgspec.json.encode(row))
        if parts[-1] and size > room:
            parts.append([])
            room = _PART_BYTES
        parts[-1].append(row)
        room -= size
    return [
        Letter(
            CATALOGUE_LETTER,
            f"{institution}:{number}",
            edition.version,
            {
                "institution": institution,
                "node": edition.node,
                "part": number,
                "parts": len(parts),
                "rows": rows,
            },
        )
        for number, rows in enumerate(parts, 1)
    ]


def take_catalogue(
    conn: sa.Connection, letter: Letter, spellings: Spellings, *, institution: str
) -> bool:
    """Keep a part, and make the catalogue true here once all of its edition are; tell whether so.

    Raises:
        ForeignRecord: it is another institution's than *institution*'s.
        InvalidLetter, CatalogueRefused: it is no part of a catalogue.
    """
    try:
        part = msgspec.convert(letter.body, _Part)
    except msgspec.ValidationError as exc:
        raise InvalidLetter("no part of a catalogue") from exc
    if part.institution != institution:
        raise ForeignRecord("a node tells of its own institution's catalogue only")
    if not 1 <= part.part <= part.parts <= _PARTS_MAX:
        raise CatalogueRefused(f"part {part.part} of {part.parts}")
    edition = Edition(letter.version, part.node)
    if edition <= edition_of(conn, institution):
        return False
    rows = _with_part(conn, institution, edition, part)
    if rows is None:
        return False
    check_rows(rows)
    replace_catalogue(conn, institution, rows, spellings)
    _put(conn, institution, edition)
    return True


def _with_part(
    conn: sa.Connection, institution: str, edition: Edition, part: _Part
) -> list[Examination] | None:
    """Keep *part*; return the rows of the edition once it is whole, None before."""
    columns = catalogue_parts.c
    of_node = sa.and_(columns.institution == institution, columns.node == edition.node)
    newest = conn.scalar(sa.select(sa.func.max(columns.version)).where(of_node))
    if newest is not None and newest > edition.version:
        return None
    # Of one writer only the newest edition is waited for.
    older = sa.or_(columns.version < edition.version, columns.part == part.part)
    conn.execute(sa.delete(catalogue_parts).where(of_node, older))
    conn.execute(
        sa.insert(catalogue_parts).values(
            institution=institution,
            node=edition.node,
            version=edition.version,
            part=part.part,
            rows=msgspec.to_builtins(part.rows),
        )
    )
    kept = list(conn.scalars(sa.select(columns.rows).where(of_node).order_by(columns.part)))
    if len(kept) < part.parts:
        return None
    return [msgspec.convert(row, Examination) for rows in kept for row in rows]


def _put(conn: sa.Connection, institution: str, edition: Edition) -> None:
    """Note that *edition* stands here; what was kept of others is no longer waited for."""
    values = {"version": edition.version, "node": edition.node}
    mine = catalogues.c.institution == institution
    if conn.execute(sa.update(catalogues).where(mine).values(values)).rowcount == 0:
        conn.execute(sa.insert(catalogues).values(institution=institution, **values))
    columns = catalogue_parts.c
    waiting = conn.execute(
        sa.select(columns.node, columns.version, columns.part).where(
            columns.institution == institution
        )
    ).all()
    for row in waiting:
        if Edition(row.version, row.node) <= edition:
            conn.execute(
                sa.delete(catalogue_parts).where(
                    columns.institution == institution,
                    columns.node == row.node,
                    columns.part == row.part,
                )
            )
