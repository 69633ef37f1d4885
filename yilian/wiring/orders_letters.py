"""What nodes tell each other of patients, orders and accession numbers, bound to the exchange."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import Final

import sqlalchemy as sa

from gateway.exchange.feed import send_down
from gateway.exchange.model import Source
from gateway.exchange.outbox import write_letters
from gateway.exchange.ports import Handler, Handlers
from kernel.letter import Letter
from kernel.settings import NodeKind
from referrals.orders.catalogue_letters import (
    CATALOGUE_LETTER,
    catalogue_letters,
    take_catalogue,
    tell_untold,
)
from referrals.orders.ledger import Ledger, Page
from referrals.orders.numbers import (
    BLOCK_LETTER,
    NEED_LETTER,
    allot_to,
    need_letter,
    take_block,
)
from referrals.orders.ports import Post
from referrals.orders.records import RecordKind
from yilian.wiring.context import Context

_LOOK_EVERY_S: Final = 30.0
_ASK_AGAIN: Final = dt.timedelta(minutes=10)


def posts(kind: NodeKind, institution: str) -> Post:
    """Return how a node of *institution* tells other nodes of what it writes.

    A township tells the county, also before it is enrolled: the letters wait. The county tells the
    institution whose record it is; its own records nobody else keeps.
    """
    if kind is NodeKind.TOWNSHIP:
        return _up

    def down(conn: sa.Connection, letters: Sequence[Letter], whose: str, at: dt.datetime) -> None:
        if whose != institution:
            send_down(conn, letters, institution=whose, history=True, at=at)

    return down


def _up(conn: sa.Connection, letters: Sequence[Letter], whose: str, at: dt.datetime) -> None:
    del whose
    write_letters(conn, letters, at=at)


def catalogue_posts(kind: NodeKind, institution: str) -> Post:
    """Return how a node of *institution* tells other nodes of catalogues; only the newest stays."""
    if kind is NodeKind.TOWNSHIP:
        return _up

    def down(conn: sa.Connection, letters: Sequence[Letter], whose: str, at: dt.datetime) -> None:
        if whose != institution:
            send_down(conn, letters, institution=whose, at=at)

    return down


def up_handlers(written: Ledger) -> Handlers:
    """Return who reads, at the county, what townships tell of orders."""
    records = _records(written, from_below=True)
    return {
        RecordKind.PATIENT.value: records,
        RecordKind.ORDER.value: records,
        NEED_LETTER: _allot,
        CATALOGUE_LETTER: _catalogue(written, passed_on=True),
    }


def down_handlers(written: Ledger) -> Handlers:
    """Return who reads, at a township, what the county tells of orders."""
    records = _records(written, from_below=False)

    def blocks(conn: sa.Connection, letter: Letter, source: Source, /) -> None:
        take_block(conn, letter, written.node, at=source.at)

    return {
        RecordKind.PATIENT.value: records,
        RecordKind.ORDER.value: records,
        BLOCK_LETTER: blocks,
        CATALOGUE_LETTER: _catalogue(written, passed_on=False),
    }


def _catalogue(written: Ledger, *, passed_on: bool) -> Handler:
    def take(conn: sa.Connection, letter: Letter, source: Source, /) -> None:
        whose = source.institution
        newer = take_catalogue(conn, letter, written.spellings, institution=whose)
        if newer and passed_on:
            # For its other nodes, and for the box that replaces this one.
            send_down(conn, catalogue_letters(conn, whose), institution=whose, at=source.at)

    return take


async def tell_catalogue(context: Context) -> None:
    """Tell the county of this township's catalogue where no program before this one did."""
    await context.database.write(
        partial(
            tell_untold,
            institution=context.institution,
            node=context.institution,
            post=_up,
            at=context.clock.now(),
        )
    )


def _records(written: Ledger, *, from_below: bool) -> Handler:
    def take(conn: sa.Connection, letter: Letter, source: Source, /) -> None:
        page = Page(conn)
        # A node writes under its institution's code, and tells of nobody else's versions.
        writer = source.institution if from_below else None
        written.apply(page, letter, institution=source.institution, writer=writer)
        written.end(page, at=source.at)

    return take


def _allot(conn: sa.Connection, letter: Letter, source: Source, /) -> None:
    blocks = allot_to(conn, letter, source.institution, box=source.node, at=source.at)
    send_down(conn, blocks, institution=source.institution, node=source.node, at=source.at)


async def keep_numbers(context: Context) -> None:
    """Ask the county for accession numbers in time, at a township, until cancelled."""
    asked: tuple[int, dt.datetime] | None = None
    while True:
        need = await context.database.read(
            partial(need_letter, institution=context.institution, node=context.institution)
        )
        now = context.clock.now()
        if need is None:
            asked = None
        elif asked is None or asked[0] != need.version or now - asked[1] >= _ASK_AGAIN:
            await context.database.write(partial(write_letters, letters=[need], at=now))
            asked = (need.version, now)
        await asyncio.sleep(_LOOK_EVERY_S)
