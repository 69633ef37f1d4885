"""The demo's first day: a catalogue for each node, registrations, some of today's orders."""

import datetime as dt
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import sqlalchemy as sa

from gateway.accounts import store as accounts
from kernel.clock import Clock
from kernel.idempotency import Ask
from kernel.identity import Principal
from kernel.settings import NodeKind
from kernel.sql.db import Database
from referrals.orders import numbers
from referrals.orders.accession import Block
from referrals.orders.catalogue_letters import import_catalogue
from referrals.orders.examinations import read_catalogue
from referrals.orders.gate import UncheckedGate
from referrals.orders.ledger import By, Ledger
from referrals.orders.model import version_tag
from referrals.orders.numbers import Numbers
from referrals.orders.search import midnight
from referrals.orders.service import OrderDesk, Seen
from referrals.orders.store import find_order
from referrals.orders.views import local_day
from yilian.samples.orders import CATALOGUE, ORDERS, SampleOrder
from yilian.wiring.orders_letters import catalogue_posts, posts
from yilian.wiring.spellings import NameSpellings

_CHAIN: Final = "demo-orders"
_KEYS: Final = "demo"
_DAY_END: Final = dt.timedelta(hours=23, minutes=59)


@dataclass(frozen=True, slots=True)
class DemoDay:
    """One node's first day."""

    database: Database
    clock: Clock
    kind: NodeKind
    institution: str
    """Of the node."""
    username: str
    """Who registers and orders there."""


async def allotted(county: Database, townships: list[str], *, at: dt.datetime) -> list[Block]:
    """Return the accession blocks of *townships*, two each, allotted at the first call."""

    def allot(conn: sa.Connection) -> list[Block]:
        found: list[Block] = []
        for code in townships:
            there = numbers.blocks_of(conn, code, code)
            missing = numbers.wanted(conn, code, code)
            found += there + [numbers.allot(conn, code, code, at=at) for _ in range(missing)]
        return found

    return await county.write(allot)


async def fill_day(day: DemoDay, *, blocks: list[Block]) -> None:
    """Fill one node; repeating it within two days changes nothing.

    Args:
        day: which node.
        blocks: the accession numbers allotted to it; none at the county, which allots.
    """
    ledger = Ledger(
        numbers=Numbers(day.institution, allots=day.kind is NodeKind.COUNTY),
        spellings=NameSpellings(),
        chain=_CHAIN,
        post=posts(day.kind, day.institution),
    )
    rows = read_catalogue(CATALOGUE)

    def prepare(conn: sa.Connection) -> Principal | None:
        # The county hears of a township's catalogue as of any other: by letter.
        import_catalogue(
            conn,
            day.institution,
            rows,
            ledger.spellings,
            node=day.institution,
            post=catalogue_posts(day.kind, day.institution),
            at=day.clock.now(),
        )
        for block in blocks:
            if block.node == day.institution:
                numbers.add_block(conn, replace(block, next=block.first), at=day.clock.now())
        kept = accounts.by_username(conn, day.username)
        return None if kept is None else kept.account.principal()

    who = await day.database.write(prepare)
    if who is None:
        return
    desk = OrderDesk(day.database, day.clock, ledger=ledger, gate=UncheckedGate())
    for number, sample in enumerate(ORDERS.get(day.institution, ())):
        await _place(desk, day, By(principal=who), sample, f"{day.institution}-{number}")


async def _place(desk: OrderDesk, day: DemoDay, by: By, sample: SampleOrder, key: str) -> None:
    now = day.clock.now()
    today = midnight(local_day(now))
    wanted = now + dt.timedelta(minutes=sample.minutes)
    # The demo may be made around midnight; its orders are all today's.
    at = min(max(wanted, today), today + _DAY_END)
    new = replace(sample.order, scheduled_at=at)
    made = await desk.order(by, sample.patient, new, Ask.parse(_KEYS, key, b""))
    for act, reason in sample.acts:
        order = await day.database.read(partial(find_order, order=made))
        if order is not None:
            seen = Seen(made, version_tag(order))
            await desk.move(by, seen, act, reason, Ask.parse(_KEYS, f"{key}-{act}", b""))
