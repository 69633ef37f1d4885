"""Which orders the machine of the house that performs them has not read yet."""

from functools import partial

import sqlalchemy as sa

from gateway.exchange.feed import newest_id
from gateway.exchange.nodes import Node, add_node, revoke
from gateway.exchange.retelling import tell_again
from gateway.exchange.unread import UnreadKeys, unread_keys
from kernel.settings import NodeKind
from kernel.sql.db import Database
from referrals.orders.machine import Act
from tests.orders.desk import AT, CHEST, COUNTY, QINGSHAN, Desk, ask, by, open_desk, seen
from tests.orders.door import open_door
from tests.orders.test_exchange_binding import bound
from yilian.wiring.orders import unread_orders

BOX, SECOND = "b" * 26, "c" * 26
HERE = {"known": False, "machine": True, "items": []}
"""What the door answers where orders are performed where they stand."""
at_county = partial(unread_orders, centre=COUNTY)


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


async def unread(desk: Desk) -> UnreadKeys:
    return await desk.read(partial(unread_keys, institution=QINGSHAN, kind="order"))


def said(*ids: str, machine: bool = True) -> dict[str, object]:
    """What the door answers where orders have to be read elsewhere."""
    return {"known": True, "machine": machine, "items": list(ids)}


async def test_an_order_is_unread_until_the_machine_asks_for_what_comes_after_it(
    database: Database,
) -> None:
    desk = await with_box(database)
    async with open_door(desk, unread=at_county) as door:
        await database.write(lambda conn: add_node(conn, node(BOX)))
        assert (await door.get("/orders/unread")).body == said()
        order = await desk.order()
        assert (await door.get("/orders/unread")).body == said(order.id)
        await reads(desk)
        assert (await door.get("/orders/unread")).body == said()
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
        assert await unread(desk) == UnreadKeys(frozenset([order.id]), 2)
        await reads(desk, SECOND)
        assert await unread(desk) == UnreadKeys(frozenset(), 2)
        await database.write(lambda conn: revoke(conn, SECOND, "", at=AT))
        assert await unread(desk) == UnreadKeys(frozenset([order.id]), 1)
        await database.write(lambda conn: revoke(conn, BOX, "", at=AT))
        assert await unread(desk) == UnreadKeys(frozenset([order.id]), 0)


async def test_a_house_without_a_machine_is_not_one_where_nothing_has_to_be_read(
    database: Database,
) -> None:
    desk = await with_box(database)
    async with open_door(desk, unread=at_county) as door:
        # Nobody was ever enrolled.
        order = await desk.order()
        assert (await door.get("/orders/unread")).body == said(order.id, machine=False)
        await database.write(lambda conn: add_node(conn, node(BOX)))
        await reads(desk)
        assert (await door.get("/orders/unread")).body == said()
        # Its only machine is let go: what it read is read nowhere that the county knows of.
        await database.write(lambda conn: revoke(conn, BOX, "", at=AT))
        later = await desk.order(order.patient)
        wait = said(later.id, order.id, machine=False)
        assert (await door.get("/orders/unread")).body == wait
        await desk.desk.move(by(), seen(order), Act.BEGIN, "", ask())
        assert (await door.get("/orders/unread")).body == said(later.id, machine=False)
        # The one that comes in its stead has not read them yet.
        await database.write(lambda conn: add_node(conn, node(SECOND)))
        assert (await door.get("/orders/unread")).body["machine"]
        await reads(desk, SECOND)
        assert (await door.get("/orders/unread")).body == said()


async def test_each_hears_of_the_orders_they_may_see(database: Database) -> None:
    desk = await with_box(database)
    theirs = await desk.order()
    async with open_door(desk, unread=at_county) as door:
        await database.write(lambda conn: add_node(conn, node(BOX)))
        body = {"patient": theirs.patient, "order": {"examination": CHEST.code}}
        made = await door.write("POST", "/orders", body, "aying")
        mine = made.body["order"]["id"]
        assert (await door.get("/orders/unread", "aying")).body["items"] == [mine]
        assert set((await door.get("/orders/unread")).body["items"]) == {mine, theirs.id}
        # The county's own are performed where they were ordered.
        assert (await door.get("/orders/unread", "sunyu")).body == HERE
        assert (await door.get("/orders/unread", "gaoshan")).status == 403


async def test_where_it_is_performed_nothing_is_unread(database: Database) -> None:
    desk = await open_desk(database)
    await desk.order()
    async with open_door(desk) as door:
        assert (await door.get("/orders/unread")).body == HERE
