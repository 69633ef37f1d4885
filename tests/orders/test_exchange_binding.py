"""Orders as letters of the exchange: written with the order, taken at the other node, and back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest_asyncio
import sqlalchemy as sa

from gateway.exchange.feed import read_feed
from gateway.exchange.model import FeedPage, Refusal, Source
from gateway.exchange.outbox import next_letters, write_letters
from gateway.exchange.taking import take_letters
from kernel.settings import NodeKind
from kernel.sql.db import Database
from referrals.orders import numbers
from referrals.orders.asked import OrderChanges
from referrals.orders.gate import UncheckedGate
from referrals.orders.service import OrderDesk
from referrals.orders.tables import accession_blocks
from tests.databases import open_filled
from tests.orders.desk import AT, COUNTY, QINGSHAN, Desk, ask, by, open_desk, seen
from yilian.wiring.orders_letters import down_handlers, posts, up_handlers

NODE = "n" * 26


def bound(desk: Desk, kind: NodeKind, institution: str) -> Desk:
    """The desk with the exchange's own way out."""
    ledger = replace(desk.ledger, post=posts(kind, institution))
    made = OrderDesk(desk.database, desk.clock, ledger=ledger, gate=UncheckedGate())
    return replace(desk, ledger=ledger, desk=made)


@pytest_asyncio.fixture
async def county(database: Database) -> Desk:
    return bound(await open_desk(database, node=COUNTY, allots=True), NodeKind.COUNTY, COUNTY)


@pytest_asyncio.fixture
async def township(tmp_path: Path) -> AsyncIterator[Desk]:
    database = await open_filled(f"sqlite:///{tmp_path / 'township.sqlite'}")
    yield bound(await open_desk(database), NodeKind.TOWNSHIP, QINGSHAN)
    await database.close()


async def up(township: Desk, county: Desk, institution: str = QINGSHAN) -> list[Refusal]:
    letters = await township.database.write(next_letters)
    source = Source(NODE, institution, AT)
    handlers = up_handlers(county.ledger)
    return await county.database.write(
        lambda conn: take_letters(conn, letters, handlers, source, epoch="e" * 26)
    )


async def feed_of(county: Desk) -> FeedPage:
    read = partial(read_feed, institution=QINGSHAN, node=NODE, after=0, protocol=1)
    return await county.read(read)


async def down(county: Desk, township: Desk) -> list[Refusal]:
    page = await feed_of(county)
    source = Source("county", QINGSHAN, AT)
    handlers = down_handlers(township.ledger)
    return await township.database.write(
        lambda conn: take_letters(conn, page.letters, handlers, source)
    )


async def test_an_order_goes_up_and_what_the_county_changes_comes_back(
    township: Desk, county: Desk
) -> None:
    order = await township.order()
    assert await up(township, county) == []
    assert await county.find_order(order.id) == order
    question = OrderChanges(clinical_question="请加做增强")
    await county.desk.change(by(), seen(order), question, ask())
    assert await down(county, township) == []
    assert (await township.find_order(order.id)).clinical_question == "请加做增强"
    assert await township.find_order(order.id) == await county.find_order(order.id)


async def test_the_countys_own_records_go_to_nobody(county: Desk) -> None:
    await county.order(who=by(institution=COUNTY))
    page = await feed_of(county)
    assert page.letters == []


async def test_a_node_of_another_house_is_refused_and_nothing_is_written(
    township: Desk, county: Desk
) -> None:
    await township.order()
    refused = await up(township, county, "dahe")
    assert {each.code for each in refused} == {"other-institution"}
    assert len(refused) == 2


async def test_numbers_are_asked_for_and_come_down(township: Desk, county: Desk) -> None:
    await township.database.write(lambda conn: conn.execute(sa.delete(accession_blocks)))
    need = await township.read(lambda conn: numbers.need_letter(conn, QINGSHAN, QINGSHAN))
    assert need is not None
    for _ in range(2):
        await township.database.write(lambda conn: write_letters(conn, [need], at=AT))
        assert await up(township, county) == []
    assert await down(county, township) == []
    blocks = await township.read(lambda conn: numbers.blocks_of(conn, QINGSHAN, QINGSHAN))
    assert [(block.first, block.last) for block in blocks] == [(1, 2000), (2001, 4000)]
    assert (await township.order()).accession_number == "QIN00000001"
