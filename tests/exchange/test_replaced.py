"""A box that replaces another gets back what its institution wrote, also what the old box wrote."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.exchange.feed import newest_id
from gateway.exchange.model import Enrolled
from gateway.exchange.tables import feed, link, readers
from kernel.settings import NodeKind
from kernel.sql.db import Database
from referrals.orders import numbers
from referrals.orders.asked import NewOrder, OrderChanges
from referrals.orders.examinations import replace_catalogue
from referrals.orders.gate import UncheckedGate
from referrals.orders.ledger import Ledger
from referrals.orders.model import Order
from referrals.orders.numbers import Numbers
from referrals.orders.retelling import tell_again
from referrals.orders.search import Narrow, list_orders
from referrals.orders.service import OrderDesk
from referrals.orders.tables import accession_claims, orders, versions
from tests.exchange.two_nodes import County, Township, county_in, opened, township_in, until
from tests.orders.desk import HEAD, LIU, QINGSHAN, ask, by, seen
from yilian.wiring.orders_letters import down_handlers, posts, up_handlers
from yilian.wiring.spellings import NameSpellings

MANY = 23


def ledger(kind: NodeKind) -> Ledger:
    county = kind is NodeKind.COUNTY
    return Ledger(
        numbers=Numbers("county" if county else QINGSHAN, allots=county),
        spellings=NameSpellings(),
        chain="orders",
        post=posts(kind, "county" if county else QINGSHAN),
    )


def desk_at(node: Township | County, kind: NodeKind) -> OrderDesk:
    return OrderDesk(node.database, node.clock, ledger=ledger(kind), gate=UncheckedGate())


@asynccontextmanager
async def pair(home: Path) -> AsyncIterator[County]:
    """A county that reads orders and tells new nodes of them, seven records at a time."""
    tells = partial(tell_again, limit=7)
    async with county_in(home, up_handlers(ledger(NodeKind.COUNTY)), tells=tells) as county:
        yield county


@asynccontextmanager
async def new_box(county: County, home: Path) -> AsyncIterator[Township]:
    async with box(county, home, *await county.new_node()) as node:
        yield node


@asynccontextmanager
async def box(
    county: County, home: Path, enrolled: Enrolled, key: Ed25519PrivateKey
) -> AsyncIterator[Township]:
    handlers = down_handlers(ledger(NodeKind.TOWNSHIP))
    async with township_in(home, county.port, enrolled, key, handlers=handlers) as node:

        def catalogue(conn: sa.Connection) -> None:
            replace_catalogue(conn, QINGSHAN, [HEAD], NameSpellings())

        await node.database.write(catalogue)
        node.start()
        yield node


async def with_numbers(node: Township) -> None:
    """Let the node ask for its accession numbers."""
    need = await node.database.read(lambda conn: numbers.need_letter(conn, QINGSHAN, QINGSHAN))
    assert need is not None
    await node.write(need)

    async def come() -> bool:
        def read(conn: sa.Connection) -> bool:
            return bool(numbers.blocks_of(conn, QINGSHAN, QINGSHAN))

        return await node.database.read(read)

    await until(come)


async def all_said(node: Township) -> bool:
    return await node.waiting() == 0


async def held(database: Database) -> list[tuple[object, ...]]:
    query = sa.select(*orders.c).order_by(orders.c.id)
    return await database.read(lambda conn: [tuple(row) for row in conn.execute(query)])


async def alike(node: Township, county: County) -> bool:
    return await held(node.database) == await held(county.database)


async def has_read_all(node: Township, county: County) -> bool:
    """Whether the county knows that the node has read its whole feed."""
    newest = await county.database.read(newest_id)
    return newest == await county.database.read(
        lambda conn: conn.scalar(sa.select(readers.c.read_to))
    )


async def order(desk: OrderDesk, database: Database) -> Order:
    new = NewOrder(examination=HEAD.code)
    who = replace(LIU, name="马成功", resident_id="", patient_id="")
    key = await desk.order(by(), who, new, ask())
    narrow = Narrow(institution=QINGSHAN)
    found = await database.read(lambda conn: list_orders(conn, narrow, limit=200, before=None))
    return next(each for each in found if each.id == key)


async def test_a_new_box_of_the_institution_holds_what_the_old_one_wrote(tmp_path: Path) -> None:
    async with pair(tmp_path) as county:
        async with new_box(county, tmp_path / "old") as old:
            await with_numbers(old)
            desk = desk_at(old, NodeKind.TOWNSHIP)
            written = [await order(desk, old.database) for _ in range(MANY)]
            question = OrderChanges(clinical_question="跌倒")
            await desk.change(by(), seen(written[3]), question, ask())
            old.hint.notify()
            await until(partial(all_said, old))
            at_old = await held(old.database)
        # The old box is gone; what it gave out stands at the county only.
        assert await held(county.database) == at_old
        async with new_box(county, tmp_path / "new") as new:

            async def all_back() -> bool:
                return await held(new.database) == at_old

            await until(all_back)
            # It goes on where the old one ended: under a number of a block of its own.
            await with_numbers(new)
            made = await order(desk_at(new, NodeKind.TOWNSHIP), new.database)
            assert made.accession_number == "QIN00004001"
            question = OrderChanges(clinical_question="头痛")
            mine = await new.database.read(
                lambda conn: [
                    each
                    for each in list_orders(
                        conn, Narrow(institution=QINGSHAN), limit=200, before=None
                    )
                    if each.id == written[3].id
                ]
            )
            await desk_at(new, NodeKind.TOWNSHIP).change(by(), seen(mine[0]), question, ask())
            new.hint.notify()
            await until(partial(all_said, new))
            assert await held(county.database) == await held(new.database)
            kept = await county.database.read(
                lambda conn: [
                    each
                    for each in list_orders(
                        conn, Narrow(institution=QINGSHAN), limit=200, before=None
                    )
                    if each.id == written[3].id
                ]
            )
            assert (kept[0].version, kept[0].clinical_question) == (3, "头痛")


async def test_what_was_told_again_and_read_leaves_the_feed(tmp_path: Path) -> None:
    async with pair(tmp_path) as county:
        async with new_box(county, tmp_path / "old") as old:
            await with_numbers(old)
            for _ in range(MANY):
                await order(desk_at(old, NodeKind.TOWNSHIP), old.database)
            old.hint.notify()
            await until(partial(all_said, old))
        async with new_box(county, tmp_path / "new") as new:

            async def all_back() -> bool:
                return len(await held(new.database)) == MANY

            await until(all_back)

            def retold(conn: sa.Connection) -> tuple[int, int]:
                query = sa.select(sa.func.count()).where(feed.c.retold)
                return conn.scalar(query) or 0, newest_id(conn)

            async def gone() -> bool:
                # The newest number of all stays: without it the node would seem to be ahead.
                return (await county.database.read(retold))[0] <= 1

            await until(gone)


async def test_a_box_put_back_to_an_older_copy_hears_what_it_forgot(tmp_path: Path) -> None:
    async with pair(tmp_path) as county:
        enrolled, key = await county.new_node()
        async with box(county, tmp_path / "box", enrolled, key) as node:
            await with_numbers(node)
            first = await order(desk_at(node, NodeKind.TOWNSHIP), node.database)
            node.hint.notify()
            await until(partial(all_said, node))
            county_desk = desk_at(county, NodeKind.COUNTY)
            question = OrderChanges(clinical_question="请加做增强")
            await county_desk.change(by(), seen(first), question, ask())
            await until(partial(alike, node, county))

            # As an older copy has it: neither the order nor how far the feed was read.
            def forget(conn: sa.Connection) -> None:
                for table in (versions, orders, accession_claims):
                    conn.execute(sa.delete(table))
                conn.execute(sa.update(link).values(feed_after=0))

            await until(partial(has_read_all, node, county))
        database = await opened(tmp_path / "box" / "node.sqlite")
        await database.write(forget)
        await database.close()
        async with box(county, tmp_path / "box", enrolled, key) as node:
            await until(partial(alike, node, county))
