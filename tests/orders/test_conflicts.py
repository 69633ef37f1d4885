"""What two nodes wrote differently: listed, chosen from by a person, and chosen otherwise."""

import datetime as dt
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import sqlalchemy as sa

from kernel.arrival import Priority
from kernel.audit.trail import audit_entries
from kernel.events import events_after
from kernel.letter import Letter
from kernel.sql.db import Database
from referrals.orders.asked import OrderChanges, PatientChanges
from referrals.orders.ledger import CONFLICT_UPDATED
from referrals.orders.machine import Act
from referrals.orders.model import Order, State
from referrals.orders.records import from_letter, to_letter
from referrals.orders.settling import CHOOSE_AGAIN
from tests.orders.desk import COUNTY, LIU, Desk, ask, by, open_desk, seen
from tests.orders.door import Answer, Door, open_door

A_SECOND = dt.timedelta(seconds=1)


@pytest_asyncio.fixture
async def county(database: Database) -> AsyncIterator[Door]:
    desk = await open_desk(database, node=COUNTY, allots=True, centre=COUNTY)
    async with open_door(desk) as opened:
        yield opened


def other(letter: Letter, node: str = "qingshan", **content: object) -> Letter:
    """The same version, as another node wrote it."""
    record, change = from_letter(letter)
    body = to_letter(record, change).body
    told = {**body["record"], **content, "written_by_node": node}
    return Letter(letter.kind, letter.key, letter.version, {**body, "record": told})


async def in_conflict(
    desk: Desk, *, others: int = 1, patient: str = "", node: str = "qingshan"
) -> Order:
    """An order whose second version two nodes wrote."""
    order = await desk.order(patient or LIU)
    await desk.desk.change(by(), seen(order), OrderChanges(clinical_question="跌倒"), ask())
    letter = desk.letters[-1]
    for number in range(others):
        writer = node if others == 1 else f"node{number:02}"
        await desk.hear(other(letter, writer, clinical_question=f"头痛{number or ''}"))
    return await desk.find_order(order.id)


async def three(desk: Desk) -> list[Order]:
    """Three orders of one patient, each in conflict."""
    first = await in_conflict(desk)
    return [first, *[await in_conflict(desk, patient=first.patient) for _ in range(2)]]


async def choose(door: Door, order: str, keep: str, who: str = "sunyu") -> Answer:
    path = f"/conflicts/order/{order}"
    etag = (await door.get(path, who)).etag
    return await door.write("POST", f"{path}/settle", {"keep": keep}, who, etag=etag)


async def trail(door: Door, who: str) -> list[tuple[str, str, str]]:
    columns = audit_entries.c
    query = (
        sa.select(columns.event, columns.subject, columns.reason)
        .where(columns.username == who, columns.event.in_(["record-seen", "queried", "changed"]))
        .order_by(columns.id)
    )
    rows = await door.desk.read(lambda conn: conn.execute(query).all())
    return [tuple(row) for row in rows]


async def test_the_centre_lists_them_a_page_at_a_time_and_chooses(county: Door) -> None:
    orders = await three(county.desk)
    await county.desk.order(orders[0].patient)
    patient = await county.desk.find_patient(orders[0].patient)
    await county.desk.desk.correct(by(), seen(patient), PatientChanges(name="刘晓凤"), ask())
    await county.desk.hear(other(county.desk.letters[-1], name="刘小风"))
    first = await county.get("/conflicts", "sunyu", limit="2")
    assert first.status == 200, first.body
    assert first.body["open"] == 4
    ids = [each["id"] for each in first.body["items"]]
    cursor = first.body["next_cursor"]
    while cursor:
        page = await county.get("/conflicts", "sunyu", limit="2", cursor=cursor)
        ids += [each["id"] for each in page.body["items"]]
        cursor = page.body["next_cursor"]
    assert ids == [*sorted((order.id for order in orders), reverse=True), patient.id]
    shown = await county.get(f"/conflicts/order/{orders[0].id}", "sunyu")
    versions = shown.body["versions"]
    assert [(each["version"], each["shown"]) for each in versions] == [
        ("2.qingshan", True),
        ("2.county-hospital", False),
    ]
    assert [each["differs"] for each in versions] == [
        {"clinical_question": "头痛"},
        {"clinical_question": "跌倒"},
    ]
    assert shown.body["conflict"]["institution"]["code"] == "qingshan"
    chosen = await choose(county, orders[0].id, "2.county-hospital")
    assert chosen.status == 200, chosen.body
    settled = await county.desk.find_order(orders[0].id)
    assert settled.clinical_question == "跌倒"
    assert (await county.get("/conflicts", "sunyu")).body["open"] == 3
    # In the trail with the reason why a house looks at and changes another's record.
    assert ("record-seen", f"order:{settled.id}", "routed-here") in await trail(county, "sunyu")
    assert ("changed", f"order:{settled.id}", "routed-here") in await trail(county, "sunyu")


async def test_house_and_centre_hear_of_each_conflict_and_of_each_choice(county: Door) -> None:
    async def told() -> list[tuple[str, int]]:
        events = await county.desk.read(
            lambda conn: events_after(conn, 0, limit=500, topics=[CONFLICT_UPDATED])
        )
        assert all(each.payload["kind"] == "order" for each in events)
        assert {(each.institution, each.routed_to) for each in events} == {
            ("qingshan", frozenset({COUNTY}))
        }
        return [(each.payload["id"], each.payload["open"]) for each in events]

    order = await in_conflict(county.desk)
    assert await told() == [(order.id, 1)]
    await choose(county, order.id, "2.county-hospital")
    assert await told() == [(order.id, 1), (order.id, 0)]
    # Chosen otherwise: nothing lies open before or after, and yet it is another choice.
    await choose(county, order.id, "2.qingshan")
    assert await told() == [(order.id, 1), (order.id, 0), (order.id, 0)]
    # What nobody has to choose about is nobody's news.
    await county.desk.order(order.patient)
    assert len(await told()) == 3


async def test_the_more_urgent_holds_until_somebody_settles(county: Door) -> None:
    """The county's own change is the later name, and what the township did outweighs a wish."""
    desk = county.desk
    order = await desk.order()
    soon = OrderChanges(priority=Priority.EMERGENCY)
    await desk.desk.change(by(), seen(order), soon, ask())
    letter = desk.letters[-1]
    await desk.hear(other(letter, "zhenxi", priority="routine"))
    assert (await desk.find_order(order.id)).priority is Priority.EMERGENCY
    await desk.hear(other(letter, "qingshan", priority="urgent", state="in-progress"))
    shown = await desk.find_order(order.id)
    assert (shown.state, shown.priority) == (State.IN_PROGRESS, Priority.EMERGENCY)
    page = await county.get(f"/conflicts/order/{order.id}", "sunyu")
    said = {each["version"]: each["differs"]["priority"] for each in page.body["versions"]}
    assert said == {
        "2.qingshan": "urgent",
        "2.county-hospital": "emergency",
        "2.zhenxi": "routine",
    }
    # Going on with it is not choosing.
    await desk.desk.move(by(), seen(shown), Act.COMPLETE, "", ask())
    assert (await desk.find_order(order.id)).priority is Priority.EMERGENCY
    chosen = await choose(county, order.id, "2.zhenxi")
    assert chosen.status == 200, chosen.body
    assert (await desk.find_order(order.id)).priority is Priority.ROUTINE


async def test_a_choice_is_made_otherwise_while_nothing_came_after(county: Door) -> None:
    order = await in_conflict(county.desk)
    await choose(county, order.id, "2.county-hospital")
    late = await county.get("/conflicts", "sunyu", settled="true")
    [row] = late.body["items"]
    assert (row["id"], row["settled"]["by"]) == (order.id, "sunyu")
    again = await county.get(f"/conflicts/order/{order.id}", "sunyu")
    assert [(each["version"], each["shown"]) for each in again.body["versions"]] == [
        ("2.qingshan", False),
        ("2.county-hospital", True),
    ]
    for keep, question in (("2.qingshan", "头痛"), ("2.county-hospital", "跌倒")):
        chosen = await choose(county, order.id, keep)
        assert chosen.status == 200, chosen.body
        assert (await county.desk.find_order(order.id)).clinical_question == question
    assert len((await county.get("/conflicts", "sunyu", settled="true")).body["items"]) == 1
    # Somebody has worked with it since: that is not undone by a choice.
    now = await county.desk.find_order(order.id)
    later = OrderChanges(clinical_question="发热")
    await county.desk.desk.change(by(), seen(now), later, ask())
    assert (await county.get("/conflicts", "sunyu", settled="true")).body["items"] == []
    assert (await county.get(f"/conflicts/order/{order.id}", "sunyu")).status == 404


async def test_after_some_days_a_choice_stands(county: Door) -> None:
    order = await in_conflict(county.desk)
    await choose(county, order.id, "2.county-hospital")
    county.desk.clock.advance(CHOOSE_AGAIN)
    assert len((await county.get("/conflicts", "sunyu", settled="true")).body["items"]) == 1
    county.desk.clock.advance(A_SECOND)
    assert (await county.get("/conflicts", "sunyu", settled="true")).body["items"] == []
    assert (await county.get(f"/conflicts/order/{order.id}", "sunyu")).status == 404


async def test_a_page_of_settled_ones_goes_on_where_it_ended(county: Door) -> None:
    orders = await three(county.desk)
    for order in orders:
        county.desk.clock.advance(A_SECOND)
        await choose(county, order.id, "2.qingshan")
    ids: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await county.get(
            "/conflicts",
            "sunyu",
            settled="true",
            limit="2",
            **({"cursor": cursor} if cursor else {}),
        )
        ids += [each["id"] for each in page.body["items"]]
        cursor = page.body["next_cursor"]
    assert ids == [order.id for order in reversed(orders)]


async def test_however_many_contents_an_answer_holds_twenty(county: Door) -> None:
    order = await in_conflict(county.desk, others=25)
    shown = await county.get(f"/conflicts/order/{order.id}", "sunyu")
    assert (len(shown.body["versions"]), shown.body["more"]) == (20, 6)
    page = await county.get(f"/orders/{order.id}", "luoli")
    assert len(page.body["open_versions"]) == 20


async def test_a_house_settles_its_own_and_the_centre_sees_nothing_else(county: Door) -> None:
    order = await in_conflict(county.desk)
    quiet = await county.desk.order(order.patient)
    mine = await county.get("/conflicts", "luoli")
    assert [each["id"] for each in mine.body["items"]] == [order.id]
    # Nobody has to choose about this one: to the centre it is not there.
    assert (await county.get(f"/conflicts/order/{quiet.id}", "sunyu")).status == 404
    assert (await county.get(f"/orders/{order.id}", "sunyu")).status == 404
    for who in ("tianshui", "wanghai", "gaoshan"):
        assert (await county.get("/conflicts", who)).status == 403
        assert (await county.get(f"/conflicts/order/{order.id}", who)).status == 403
    chosen = await choose(county, order.id, "2.qingshan", "luoli")
    assert chosen.status == 200, chosen.body
    assert ("changed", f"order:{order.id}", "own-institution") in await trail(county, "luoli")


async def test_another_house_sees_no_conflict_of_this_one(database: Database) -> None:
    """A township's node settles nobody else's, also where its code is the county's."""
    desk = await open_desk(database)
    async with open_door(desk) as door:
        order = await in_conflict(desk, node="elsewhere")
        assert (await door.get("/conflicts", "sunyu")).body["items"] == []
        assert (await door.get(f"/conflicts/order/{order.id}", "sunyu")).status == 404


@pytest.mark.parametrize("keep", ["", "1.qingshan", "9.qingshan", "2.nobody", "x"])
async def test_what_is_no_version_to_choose_is_refused(county: Door, keep: str) -> None:
    order = await in_conflict(county.desk)
    refused = await choose(county, order.id, keep)
    assert (refused.status, refused.body["code"]) == (409, "no-such-conflict")


@pytest.mark.parametrize("cursor", ["x", "order.", "account." + "0" * 26, "9" * 40])
async def test_a_cursor_nobody_gave_is_refused(county: Door, cursor: str) -> None:
    for settled in ("true", "false"):
        refused = await county.get("/conflicts", "sunyu", cursor=cursor, settled=settled)
        assert (refused.status, refused.body["code"]) == (400, "invalid-query")
    assert (await county.get("/conflicts/account/x", "sunyu")).status == 404


async def test_of_two_who_choose_at_once_the_second_is_told(county: Door) -> None:
    order = await in_conflict(county.desk)
    path = f"/conflicts/order/{order.id}"
    etag = (await county.get(path, "sunyu")).etag
    first = await county.write("POST", f"{path}/settle", {"keep": "2.qingshan"}, "sunyu", etag=etag)
    late = await county.write("POST", f"{path}/settle", {"keep": "2.qingshan"}, "luoli", etag=etag)
    assert (first.status, late.status) == (200, 412)
    assert late.body["changed"]["by"] == "sunyu"
