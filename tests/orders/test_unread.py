"""Which orders the machine of the house that performs them has not read yet."""

from functools import partial

import sqlalchemy as sa

from gateway.exchange.feed import newest_id
from gateway.exchange.nodes import Node, add_node, revoke
from gateway.exchange.retelling import tell_again
from gateway.exchange.unread import unread_keys
from kernel.settings import NodeKind
from kernel.sql.db import Database
from referrals.orders.machine import Act
from tests.orders.desk import AT, CHEST, COUNTY, QINGSHAN, Desk, ask, by, open_desk, seen
from tests.orders.door import open_door
from tests.orders.test_exchange_binding import bound
from yilian.wiring.orders import unread_orders

BOX, SECOND = "b" * 26, "c" * 26


def node(key: str) -> Node:
    return Node(key, QINGSHAN, QINGSHAN, key[0] * 64, AT, None)


async def with_box(database: Database) -> Desk:
    """A county whose township has one machine."""
    return bound(await open_desk(database, node=COUNTY, allots=True), NodeKind.COUNTY, COUNTY)


async def reads(desk: Desk, box: str = BOX) -> None:
    """Let the machine ask for what comes after all there is: it has it."""

    def ask_after_all(conn: sa.Connection) -> None:
        tell_again(conn, node(box), newest_id(conn), lambda *_: ((), ""), at=AT)

    await desk.database.write(ask_after_all)


async def unread(desk: Desk) -> frozenset[str] | None:
    return await desk.read(partial(unread_keys, institution=QINGSHAN, kind="order"))


async def test_an_order_is_unread_until_the_machine_asks_for_what_comes_after_it(
    database: Database,
) -> None:
    desk = await with_box(database)
    async with open_door(desk, unread=unread_orders) as door:
        await database.write(lambda conn: add_node(conn, node(BOX)))
        assert (await door.get("/orders/unread")).body == {"known": True, "items": []}
        order = await desk.order()
        assert (await door.get("/orders/unread")).body == {"known": True, "items": [order.id]}
        await reads(desk)
        assert (await door.get("/orders/unread")).body == {"known": True, "items": []}
        # A change is news again: what the machine has is not what holds.
        await desk.desk.move(by(), seen(order), Act.CANCEL, "改日", ask())
        assert (await door.get("/orders/unread")).body["items"] == [order.id]


async def test_one_of_two_machines_is_enough_and_one_that_was_let_go_is_none(
    database: Database,
) -> None:
    desk = await with_box(database)
    async with open_door(desk):
        for box in (BOX, SECOND):
            await database.write(partial(add_node, node=node(box)))
        order = await desk.order()
        assert await unread(desk) == frozenset([order.id])
        await reads(desk, SECOND)
        assert await unread(desk) == frozenset()
        await database.write(lambda conn: revoke(conn, SECOND, "", at=AT))
        assert await unread(desk) == frozenset([order.id])
        await database.write(lambda conn: revoke(conn, BOX, "", at=AT))
        assert await unread(desk) is None


async def test_each_hears_of_the_orders_they_may_see(database: Database) -> None:
    desk = await with_box(database)
    theirs = await desk.order()
    async with open_door(desk, unread=unread_orders) as door:
        await database.write(lambda conn: add_node(conn, node(BOX)))
        body = {"patient": theirs.patient, "order": {"examination": CHEST.code}}
        made = await door.write("POST", "/orders", body, "aying")
        mine = made.body["order"]["id"]
        assert (await door.get("/orders/unread", "aying")).body["items"] == [mine]
        assert set((await door.get("/orders/unread")).body["items"]) == {mine, theirs.id}
        # The county's own are performed where they were ordered.
        assert (await door.get("/orders/unread", "sunyu")).body == {"known": False, "items": []}
        assert (await door.get("/orders/unread", "gaoshan")).status == 403


async def test_where_it_is_performed_nothing_is_unread(database: Database) -> None:
    desk = await open_desk(database)
    await desk.order()
    async with open_door(desk) as door:
        assert (await door.get("/orders/unread")).body == {"known": False, "items": []}
