"""A village house finds and orders in the register of the township it belongs to."""

import sqlalchemy as sa

from gateway.http.sse import visible
from kernel.audit.trail import audit_entries
from kernel.events import Event, events_after
from kernel.identity import Principal, Role
from kernel.sql.db import Database
from tests.orders.desk import CHEST, HEAD, LIU, QINGSHAN, Desk, open_desk
from tests.orders.door import VILLAGE, open_door

AYING = Principal(
    "id-aying", "aying", "阿英", frozenset({Role.VILLAGE_DOCTOR}), VILLAGE, township=QINGSHAN
)


async def events(desk: Desk) -> list[Event]:
    return await desk.read(lambda conn: events_after(conn, after_id=0, limit=100))


async def test_it_is_performed_by_the_township_and_stands_in_its_register(
    database: Database,
) -> None:
    desk = await open_desk(database)
    theirs = await desk.order()
    async with open_door(desk) as door:
        found = await door.get("/patients", "aying", q="liu")
        (patient,) = found.body["items"]
        assert (patient["name"], patient["institution"]) == ("刘小凤", QINGSHAN)
        assert LIU.resident_id not in str(found.body)
        catalogue = await door.get("/examinations", "aying")
        assert [row["code"] for row in catalogue.body] == [HEAD.code, CHEST.code]
        body = {"patient": patient["id"], "order": {"examination": CHEST.code}}
        made = await door.write("POST", "/orders", body, "aying")
        assert made.status == 201
        order = made.body["order"]
        assert (order["institution"], order["origin_node"]) == (QINGSHAN, QINGSHAN)
        assert order["accession_number"].startswith(theirs.accession_number[:3])
        # Of the township's orders it is the one they see; the township sees both.
        mine = await door.get("/orders", "aying")
        assert [row["id"] for row in mine.body["items"]] == [order["id"]]
        assert len((await door.get("/orders", "lijing")).body["items"]) == 2
        assert (await door.get(f"/orders/{theirs.id}", "aying")).status == 404
        # Whoever is of a village house examines nobody at the township, whatever they are there.
        assert made.body["actions"] == ["cancel", "change"]
        path = f"/orders/{order['id']}/begin"
        assert (await door.write("POST", path, who="aying", etag=made.etag)).status == 403
        theirs_too = await door.write("POST", "/orders", body, "yaoshi")
        path = f"/orders/{theirs_too.body['order']['id']}/begin"
        refused = await door.write("POST", path, who="yaoshi", etag=theirs_too.etag)
        assert (refused.status, theirs_too.body["actions"]) == (403, ["cancel", "change"])
        cancelled = await door.write(
            "POST", f"/orders/{order['id']}/cancel", {"reason": "改日"}, "aying", etag=made.etag
        )
        assert cancelled.body["order"]["state"] == "cancelled"


async def test_whoever_hands_over_a_card_is_found_by_its_number(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    async with open_door(desk) as door:
        (patient,) = (await door.get("/patients", "aying", q=LIU.resident_id)).body["items"]
        assert patient["id"] == order.patient


async def test_whoever_is_not_looked_for_is_not_listed(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    async with open_door(desk) as door:
        assert (await door.get("/patients", "aying")).body["items"] == []
        body = {"patient": order.patient, "order": {"examination": CHEST.code}}
        assert (await door.write("POST", "/orders", body, "aying")).status == 201
        (patient,) = (await door.get("/patients", "aying")).body["items"]
        assert patient["id"] == order.patient


async def test_nobody_of_a_village_house_registers_or_mends(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    async with open_door(desk) as door:
        new = {"name": "赵秀英"}
        for who in ("aying", "yaoshi"):
            assert (await door.write("POST", "/patients", new, who)).status == 403
            asked = {"new_patient": new, "order": {"examination": HEAD.code}}
            assert (await door.write("POST", "/orders", asked, who)).status == 403
        seen = await door.get(f"/patients/{order.patient}", "yaoshi")
        assert "correct" not in seen.body["actions"]
        mended = await door.write(
            "PATCH", f"/patients/{order.patient}", {"phone": "1"}, "yaoshi", etag=seen.etag
        )
        assert mended.status == 403


async def test_the_trail_says_by_what_right(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    async with open_door(desk) as door:
        assert (await door.get(f"/patients/{order.patient}", "aying")).status == 200
        body = {"patient": order.patient, "order": {"examination": CHEST.code}}
        assert (await door.write("POST", "/orders", body, "aying")).status == 201
    columns = audit_entries.c
    query = sa.select(columns.institution, columns.reason).where(
        columns.username == "aying", columns.event.in_(["record-seen", "changed"])
    )
    rows = [tuple(row) for row in await desk.read(lambda conn: conn.execute(query).all())]
    assert rows == [(VILLAGE, "parent-institution")] * 2


async def test_they_hear_of_their_own_orders_only(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    async with open_door(desk) as door:
        body = {"patient": order.patient, "order": {"examination": CHEST.code}}
        assert (await door.write("POST", "/orders", body, "aying")).status == 201
    heard = [event for event in await events(desk) if visible(AYING, event)]
    assert [event.payload["ordered_by"] for event in heard] == ["aying"]
    village_doctor = Principal("id", "tianshui", "田水", frozenset({Role.VILLAGE_DOCTOR}), QINGSHAN)
    assert not any(visible(village_doctor, event) for event in await events(desk))
