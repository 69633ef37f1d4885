"""Which accession numbers this node may give out, and which order each belongs to: SQL."""

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from kernel.errors import Conflict
from kernel.letter import InvalidLetter, Letter
from referrals.orders.accession import (
    BLOCK_SIZE,
    DIGITS,
    IN_HAND,
    LAST,
    AccessionNumberTaken,
    Block,
    BlockRefused,
    InvalidAccessionNumber,
    NoAccessionNumbers,
    blocks_wanted,
    folded,
    prefix_for,
)
from referrals.orders.tables import accession_blocks, accession_claims, accession_prefixes

BLOCK_LETTER: Final = "accession-block"
"""Down: one block the county has allotted. Up, a need (``need_letter``) has the next kind."""
NEED_LETTER: Final = "accession-need"
_BLOCK: Final = ("institution", "node", "prefix", "first", "last", "next")


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one node.

    The county is the one node that allots, to itself as well.
    """

    node: str
    allots: bool = False

    def take(self, conn: sa.Connection, institution: str, order: str, *, at: dt.datetime) -> str:
        """Return the next accession number of *institution*, which is *order*'s from now on.

        A number another order has is passed over.

        Raises:
            NoAccessionNumbers: this node has none left.
        """
        while True:
            number = self._next(conn, institution, at)
            if owner_of(conn, institution, number) is None:
                claim(conn, institution, number, order, at=at)
                return number

    def take_foreign(
        self, conn: sa.Connection, institution: str, number: str, order: str, *, at: dt.datetime
    ) -> str:
        """Return *number*, which another system gave and which is *order*'s from now on.

        Raises:
            InvalidAccessionNumber: it lies in a block known here, whose node will give it out.
            AccessionNumberTaken: another order of the institution has it; ``order`` says which.
        """
        if block_holding(conn, institution, number) is not None:
            raise InvalidAccessionNumber("this system gives that number out itself: leave it empty")
        owner = owner_of(conn, institution, number)
        if owner is not None:
            error = AccessionNumberTaken("another order has this accession number")
            error.members = {"order": owner}
            raise error
        claim(conn, institution, number, order, at=at)
        return number

    def _next(self, conn: sa.Connection, institution: str, at: dt.datetime) -> str:
        block = next((b for b in blocks_of(conn, institution, self.node) if b.left), None)
        if block is None:
            if not self.allots:
                raise NoAccessionNumbers(institution)
            block = allot(conn, institution, self.node, at=at)
        number, rest = block.give()
        _put_next(conn, rest)
        return number


def allot(  # whose, for whom, how many
    conn: sa.Connection,
    institution: str,
    node: str,
    *,
    at: dt.datetime,
    box: str = "",
    size: int = BLOCK_SIZE,
) -> Block:
    """Return a new block for *node*, told to its *box*; the county's act.

    Raises:
        Conflict: the institution has used up all its numbers (``accession-numbers-used-up``).
    """
    table = accession_blocks.c
    used = conn.scalar(sa.select(sa.func.max(table.last)).where(table.institution == institution))
    first = (used or 0) + 1
    if first > LAST:
        raise Conflict(f"{institution}: all {LAST} are given", code="accession-numbers-used-up")
    block = Block.parse(
        institution=institution,
        node=node,
        prefix=_prefix(conn, institution),
        first=first,
        last=min(first + size - 1, LAST),
    )
    _add(conn, block, at, box=box)
    return block


def _prefix(conn: sa.Connection, institution: str) -> str:
    columns = accession_prefixes.c
    known = conn.scalar(sa.select(columns.prefix).where(columns.institution == institution))
    if known is not None:
        return str(known)
    made = prefix_for(institution, frozenset(conn.scalars(sa.select(columns.prefix))))
    conn.execute(sa.insert(accession_prefixes).values(institution=institution, prefix=made))
    return made


def add_block(conn: sa.Connection, block: Block, *, at: dt.datetime) -> bool:
    """Keep a block the county has allotted; returns False where it is here already.

    Raises:
        BlockRefused: some of its numbers are another block's.
    """
    columns = accession_blocks.c
    over = conn.execute(
        sa.select(columns.first, columns.last, columns.node).where(
            columns.institution == block.institution,
            columns.prefix == block.prefix,
            columns.first <= block.last,
            columns.last >= block.first,
        )
    ).all()
    if not over:
        _add(conn, block, at)
        return True
    if [tuple(row) for row in over] == [(block.first, block.last, block.node)]:
        return False
    raise BlockRefused("some of its numbers are another block's")


def blocks_of(conn: sa.Connection, institution: str, node: str) -> list[Block]:
    """Return the blocks of *node* for *institution*, lowest first."""
    return _select_blocks(conn, institution, node)


def _select_blocks(
    conn: sa.Connection, institution: str, node: str, *only: sa.ColumnElement[bool]
) -> list[Block]:
    columns = accession_blocks.c
    query = (
        sa.select(*(columns[name] for name in _BLOCK))
        .where(columns.node == node, columns.institution == institution, *only)
        .order_by(columns.first)
    )
    return [Block(**row) for row in conn.execute(query).mappings()]


def wanted(conn: sa.Connection, institution: str, node: str) -> int:
    """Return how many blocks *node* should ask the county for now."""
    return blocks_wanted(blocks_of(conn, institution, node))


def allot_to(
    conn: sa.Connection, need: Letter, node: str, *, box: str = "", at: dt.datetime
) -> list[Letter]:
    """Return the letters of the blocks *node* is to have; the county's answer to its need.

    The same need allots once: what was allotted before and not yet heard of is told again, but to
    the same box only. One that replaces another would give its numbers out a second time.

    Raises:
        InvalidLetter: it is no need.
    """
    asked = _parse(_Need, need)
    there = _select_blocks(conn, asked.institution, node, accession_blocks.c.box == box)
    unheard = [block for block in there if block.first > asked.heard_to]
    missing = max(0, min(asked.wanted, IN_HAND + 1) - len(unheard))
    made = [allot(conn, asked.institution, node, box=box, at=at) for _ in range(missing)]
    return [block_letter(block) for block in (*unheard, *made)]


def need_letter(conn: sa.Connection, institution: str, node: str) -> Letter | None:
    """Return the letter by which *node* asks for numbers, None while it has enough."""
    count = wanted(conn, institution, node)
    if not count:
        return None
    heard_to = max((block.last for block in blocks_of(conn, institution, node)), default=0)
    need = _Need(institution=institution, wanted=count, heard_to=heard_to)
    return Letter(NEED_LETTER, institution, heard_to, msgspec.to_builtins(need))


def block_letter(block: Block) -> Letter:
    """Return the letter that tells a node of its block."""
    body: dict[str, Any] = msgspec.to_builtins(block)
    return Letter(BLOCK_LETTER, f"{block.prefix}-{block.first}", block.last, body)


def take_block(conn: sa.Connection, letter: Letter, node: str, *, at: dt.datetime) -> bool:
    """Keep the block the county's *letter* tells of; returns False where it is here already.

    Raises:
        InvalidLetter: it is no block, or another node's.
        BlockRefused: some of its numbers are another block's.
    """
    told = _parse(Block, letter)
    if told.node != node:
        raise InvalidLetter("the block of another node")
    block = Block.parse(
        institution=told.institution,
        node=told.node,
        prefix=told.prefix,
        first=told.first,
        last=told.last,
    )
    return add_block(conn, block, at=at)


class _Need(msgspec.Struct, frozen=True, kw_only=True):
    institution: str
    wanted: int
    heard_to: int
    """The last number of the newest block heard of."""


def _parse(kind: Any, letter: Letter) -> Any:
    try:
        return msgspec.convert(letter.body, kind)
    except msgspec.ValidationError as exc:
        raise InvalidLetter(f"no {letter.kind}") from exc


def _add(conn: sa.Connection, block: Block, at: dt.datetime, *, box: str = "") -> None:
    conn.execute(sa.insert(accession_blocks).values(**asdict(block), box=box, allotted_at=at))


def _put_next(conn: sa.Connection, block: Block) -> None:
    columns = accession_blocks.c
    conn.execute(
        sa.update(accession_blocks)
        .where(
            columns.institution == block.institution,
            columns.prefix == block.prefix,
            columns.first == block.first,
        )
        .values(next=block.next)
    )


def block_holding(conn: sa.Connection, institution: str, number: str) -> Block | None:
    """Return the block known here that *number* is of, None where it is of none."""
    columns = accession_blocks.c
    key = folded(number)
    digits = key[-DIGITS:]
    if not (len(digits) == DIGITS and digits.isascii() and digits.isdigit()):
        return None
    row = (
        conn.execute(
            sa.select(*(columns[name] for name in _BLOCK)).where(
                columns.institution == institution,
                columns.prefix == key[:-DIGITS],
                columns.first <= int(digits),
                columns.last >= int(digits),
            )
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else Block(**row)


def owner_of(conn: sa.Connection, institution: str, number: str) -> str | None:
    """Return the id of the order *number* belongs to, None while it is free."""
    columns = accession_claims.c
    return conn.scalar(
        sa.select(columns.order).where(
            columns.institution == institution, columns.accession_number == folded(number)
        )
    )


def claim(
    conn: sa.Connection, institution: str, number: str, order: str, *, at: dt.datetime
) -> None:
    """Make *number* the order's, whosever it was before."""
    table, columns = accession_claims, accession_claims.c
    number = folded(number)
    changed = conn.execute(
        sa.update(table)
        .where(columns.institution == institution, columns.accession_number == number)
        .values(order=order, claimed_at=at)
    )
    if changed.rowcount == 0:
        conn.execute(
            sa.insert(table).values(
                institution=institution, accession_number=number, order=order, claimed_at=at
            )
        )


def claims_of(conn: sa.Connection, order: str) -> list[str]:
    """Return the numbers that belong to *order*, the newest first."""
    columns = accession_claims.c
    query = (
        sa.select(columns.accession_number)
        .where(columns.order == order)
        .order_by(columns.claimed_at.desc(), columns.accession_number.desc())
    )
    return list(conn.scalars(query))
