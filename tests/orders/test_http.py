"""Registering and ordering over HTTP, as pages and other programs do."""

import datetime as dt
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
import sqlalchemy as sa

from kernel.audit.trail import audit_entries
from kernel.letter import Letter
from kernel.sql.db import Database
from referrals.orders.asked import OrderChanges
from referrals.orders.model import Order
from referrals.orders.records import from_letter, to_letter
from tests.orders.desk import CHEST, HEAD, LIU, ask, by, open_desk, seen
from tests.orders.door import Door, open_door

PERSON = {"name": "刘小凤", "resident_id": LIU.resident_id, "phone": "13812345678"}
BODY = {"new_patient": PERSON, "order": {"examination": HEAD.code}}


@pytest_asyncio.fixture
async def door(database: Database) -> AsyncIterator[Door]:
    async with open_door(await open_desk(database)) as opened:
        yield opened


async def trail(door: Door) -> list[tuple[str, str, str, str]]:
    columns = audit_entries.c
    query = sa.select(columns.event, columns.username, columns.subject, columns.patient).where(
        columns.event.in_(["record-seen", "phi-revealed", "queried", "changed"])
    )
    rows = await door.desk.read(lambda conn: conn.execute(query.order_by(columns.id)).all())
    return [tuple(row) for row in rows]


async def test_registers_and_orders_in_one_act(door: Door) -> None:
    made = await door.write("POST", "/orders", BODY)
    assert made.status == 201, made.body
    order = made.body["order"]
    assert made.etag == '"1.qingshan"'
    assert made.location == f"/api/v1/orders/{order['id']}"
    assert order["state"] == "ordered"
    assert order["recognition_checked"] is False
    assert order["examination"]["example"] is True
    assert made.body["actions"] == ["begin", "cancel", "change"]
    patient = order["patient"]
    assert (patient["name"], patient["age"]) == ("刘小凤", {"value": 40, "unit": "years"})
    assert patient["masked_resident_id"].endswith(LIU.resident_id[-4:])
    assert patient["masked_phone"] == "*******5678"
    today = await door.get("/worklist")
    assert [row["id"] for row in today.body["items"]] == [order["id"]]
    assert today.body["counts"] == {"ordered": 1}
    assert today.body["accession_numbers"] == {"left": 19, "can_order": True}


async def test_no_list_and_no_page_shows_a_whole_number(door: Door) -> None:
    made = await door.write("POST", "/orders", BODY)
    key, patient = made.body["order"]["id"], made.body["order"]["patient"]["id"]
    for path in (f"/orders/{key}", "/orders", "/worklist", f"/patients/{patient}", "/patients"):
        text = json.dumps((await door.get(path)).body)
        assert PERSON["resident_id"] not in text
        assert PERSON["phone"] not in text


@pytest.mark.parametrize("typed", [LIU.resident_id, "990000 19850702 004x"])
async def test_a_whole_resident_number_finds_whose_it_is(door: Door, typed: str) -> None:
    made = await door.write("POST", "/orders", BODY)
    patient = made.body["order"]["patient"]["id"]
    before = await trail(door)
    found = await door.get("/patients", q=typed)
    assert [row["id"] for row in found.body["items"]] == [patient]
    assert LIU.resident_id not in json.dumps(found.body)
    assert (await trail(door))[len(before) :] == [("queried", "luoli", "patients", "")]
    ordered = await door.get("/orders", q=typed)
    assert [row["id"] for row in ordered.body["items"]] == [made.body["order"]["id"]]
    # The county is another house: its register does not tell who is in this one.
    assert (await door.get("/patients", "sunyu", q=typed)).body["items"] == []


@pytest.mark.parametrize("typed", [LIU.resident_id[:17], LIU.resident_id[6:], "990000", "1985"])
async def test_no_part_of_a_resident_number_finds_anybody(door: Door, typed: str) -> None:
    await door.write("POST", "/patients", PERSON)
    assert (await door.get("/patients", q=typed)).body["items"] == []


async def test_a_number_is_shown_when_asked_for_and_that_is_written_down(door: Door) -> None:
    made = await door.write("POST", "/patients", PERSON)
    patient = made.body["patient"]
    shown = await door.write("POST", f"/patients/{patient['id']}/reveal", {"field": "phone"})
    assert shown.body == {"field": "phone", "value": "13812345678", "hide_after_s": 30}
    subject = f"patient:{patient['id']}:phone"
    assert ("phi-revealed", "luoli", subject, patient["patient_id"]) in await trail(door)
    wrong = await door.write("POST", f"/patients/{patient['id']}/reveal", {"field": "name"})
    assert wrong.status == 400


async def test_every_look_is_in_the_trail(door: Door) -> None:
    made = await door.write("POST", "/orders", BODY)
    order = made.body["order"]
    number = order["patient"]["patient_id"]
    await door.get(f"/orders/{order['id']}", "lijing")
    await door.get(f"/patients/{order['patient']['id']}", "lijing")
    await door.get("/orders", "lijing", q="lxf")
    await door.get("/worklist", "lijing")
    seen_by = [row for row in await trail(door) if row[1] == "lijing"]
    assert seen_by == [
        ("record-seen", "lijing", f"order:{order['id']}", number),
        ("record-seen", "lijing", f"patient:{order['patient']['id']}", number),
        ("queried", "lijing", "orders", ""),
        ("queried", "lijing", "worklist", ""),
    ]


async def test_the_same_key_acts_once(door: Door) -> None:
    first = await door.write("POST", "/orders", BODY, key="one")
    again = await door.write("POST", "/orders", BODY, key="one")
    assert (again.status, again.body["order"]["id"]) == (201, first.body["order"]["id"])
    other = {**BODY, "order": {"examination": "EX-DR-CHEST"}}
    reused = await door.write("POST", "/orders", other, key="one")
    assert (reused.status, reused.body["code"]) == (409, "idempotency-key-reused")
    none = await door.write("POST", "/orders", BODY, key="")
    assert (none.status, none.body["code"]) == (400, "idempotency-key-missing")


async def test_a_change_names_what_it_was_made_from(door: Door) -> None:
    made = await door.write("POST", "/orders", BODY)
    path = f"/orders/{made.body['order']['id']}"
    bare = await door.write("PATCH", path, {"priority": "urgent"})
    assert (bare.status, bare.body["code"]) == (428, "version-missing")
    weak = await door.write("PATCH", path, {"priority": "urgent"}, etag='W/"1.qingshan"')
    assert (weak.status, weak.body["code"]) == (400, "invalid-if-match")
    right = await door.write("PATCH", path, {"priority": "urgent"}, etag=made.etag)
    assert (right.status, right.etag) == (200, '"2.qingshan"')
    late = await door.write("PATCH", path, {"priority": "routine"}, "lijing", etag=made.etag)
    assert (late.status, late.body["code"]) == (412, "changed-meanwhile")
    assert late.body["changed"] == {
        "act": "change",
        "at": "2026-05-12T02:00:00Z",
        "by": "luoli",
        "version": "2.qingshan",
    }


async def test_a_change_tried_again_is_not_too_late(door: Door) -> None:
    made = await door.write("POST", "/orders", BODY)
    path = f"/orders/{made.body['order']['id']}"
    for _ in range(2):
        answer = await door.write(
            "PATCH", path, {"priority": "urgent"}, key="again", etag=made.etag
        )
        assert (answer.status, answer.etag) == (200, '"2.qingshan"')


async def test_an_order_moves_by_its_acts(door: Door) -> None:
    made = await door.write("POST", "/orders", BODY)
    path = f"/orders/{made.body['order']['id']}"
    begun = await door.write("POST", f"{path}/begin", who="lijing", etag=made.etag)
    assert begun.body["actions"] == ["complete", "discontinue"]
    cancelled = await door.write("POST", f"{path}/cancel", {"reason": "走错"}, etag=begun.etag)
    assert (cancelled.status, cancelled.body["code"]) == (409, "act-not-allowed")
    assert cancelled.body["state"] == "in-progress"
    assert cancelled.body["changed"]["by"] == "lijing"
    done = await door.write("POST", f"{path}/complete", etag=begun.etag)
    assert [line["act"] for line in done.body["history"]] == ["order", "begin", "complete"]
    again = await door.write("POST", f"{path}/reorder", etag=done.etag)
    assert (again.status, again.body["replaces"]) == (201, made.body["order"]["id"])
    assert (await door.get(path)).body["replaced_by"] == [again.body["order"]["id"]]


async def test_to_another_institution_it_looks_like_nothing(door: Door) -> None:
    made = await door.write("POST", "/orders", BODY)
    order = made.body["order"]
    nothing = await door.get(f"/orders/{'0' * 26}", "sunyu")
    for path in (f"/orders/{order['id']}", f"/patients/{order['patient']['id']}"):
        answer = await door.get(path, "sunyu")
        assert answer.status == 404
    theirs = await door.get(f"/orders/{order['id']}", "sunyu")
    assert theirs.body == nothing.body
    for path in ("/orders", "/patients", "/worklist"):
        assert (await door.get(path, "sunyu")).body["items"] == []


@pytest.mark.parametrize(
    ("who", "method", "path", "status"),
    [
        ("gaoshan", "GET", "/orders", 403),
        ("wanghai", "GET", "/worklist", 403),
        ("tianshui", "GET", "/patients", 200),
        ("tianshui", "POST", "/patients", 403),
        ("lijing", "POST", "/patients", 201),
    ],
)
async def test_each_role_its_own(door: Door, who: str, method: str, path: str, status: int) -> None:
    if method == "GET":
        assert (await door.get(path, who)).status == status
    else:
        assert (await door.write(method, path, PERSON, who)).status == status


async def test_a_village_doctor_orders_and_does_not_examine(door: Door) -> None:
    registered = await door.write("POST", "/patients", PERSON)
    body = {"patient": registered.body["patient"]["id"], "order": {"examination": HEAD.code}}
    made = await door.write("POST", "/orders", body, "tianshui")
    assert made.body["actions"] == ["cancel", "change"]
    path = f"/orders/{made.body['order']['id']}"
    for act in ("begin", "complete", "discontinue"):
        refused = await door.write(
            "POST", f"{path}/{act}", {"reason": "走错"}, "tianshui", etag=made.etag
        )
        assert refused.status == 403
    begun = await door.write("POST", f"{path}/begin", who="lijing", etag=made.etag)
    assert begun.body["actions"] == ["complete", "discontinue"]
    assert (await door.get(path, "tianshui")).body["actions"] == []
    ended = await door.write("POST", f"{path}/complete", who="lijing", etag=begun.etag)
    assert ended.status == 200
    assert (await door.get(path, "tianshui")).body["actions"] == ["reorder"]


async def test_lists_are_paged_without_a_gap(door: Door) -> None:
    made = await door.write("POST", "/orders", BODY)
    patient = made.body["order"]["patient"]["id"]
    for _ in range(4):
        body = {"patient": patient, "order": {"examination": HEAD.code}}
        await door.write("POST", "/orders", body)
    for path in ("/orders", "/patients"):
        found: list[str] = []
        cursor = ""
        while True:
            page = (await door.get(path, limit="2", **({"cursor": cursor} if cursor else {}))).body
            found += [row["id"] for row in page["items"]]
            cursor = page["next_cursor"] or ""
            if not cursor:
                break
        assert len(found) == len(set(found)) == (5 if path == "/orders" else 1)


async def test_the_catalogue_is_found_by_initials(door: Door) -> None:
    found = await door.get("/examinations", q="tl")
    assert [row["code"] for row in found.body] == [HEAD.code]
    assert len((await door.get("/examinations")).body) == 2


@pytest.mark.parametrize(
    ("typed", "code"), [("tlct", HEAD.code), ("平扫 头", HEAD.code), ("DR", CHEST.code)]
)
async def test_the_catalogue_is_found_by_what_its_rows_read(
    door: Door, typed: str, code: str
) -> None:
    found = await door.get("/examinations", q=typed)
    assert [row["code"] for row in found.body] == [code]


async def test_an_unknown_patient_gets_a_name_nobody_bears(door: Door) -> None:
    body = {"sex": "F", "temporary": {"estimated_age_years": 70, "marks": "红色外套"}}
    made = await door.write("POST", "/patients", body)
    patient = made.body["patient"]
    assert (patient["name"], patient["age_estimated"]) == ("无名氏女 0512-1", True)
    assert patient["age"] == {"value": 70, "unit": "years"}
    real = await door.write("POST", "/patients", PERSON)
    who = {"patient": real.body["patient"]["id"]}
    known = await door.write("POST", f"/patients/{patient['id']}/reconcile", who, etag=made.etag)
    assert known.body["real_patient"]["name"] == "刘小凤"
    assert known.body["patient"]["status"] == "reconciled"


async def test_a_conflict_is_shown_with_both_sides_and_settled_by_a_person(door: Door) -> None:
    desk = door.desk
    order = await desk.order()
    await desk.desk.change(by(), seen(order), OrderChanges(clinical_question="跌倒"), ask())
    await desk.hear(_as_county_wrote_it(desk.letters[-1]))
    path = f"/orders/{order.id}"
    shown = await door.get(path)
    assert shown.body["order"]["conflicts"] == 1
    one, other = shown.body["open_versions"]
    assert {one["node"], other["node"]} == {"qingshan", "county-hospital"}
    hidden = one if other["shown"] else other
    assert "clinical_question" in hidden["differs"]
    keep = {"keep": hidden["version"]}
    settled = await door.write("POST", f"{path}/settle", keep, etag=shown.etag)
    assert settled.status == 200, settled.body
    assert settled.body["clinical_question"] == hidden["differs"]["clinical_question"]
    assert (settled.body["order"]["conflicts"], settled.body["open_versions"]) == (0, [])


def _as_county_wrote_it(letter: Letter) -> Letter:
    """What the county would have written at the same time without hearing of it."""

    record, change = from_letter(letter)
    assert isinstance(record, Order)
    theirs = replace(record, clinical_question="头痛", written_by_node="county-hospital")
    return to_letter(theirs, replace(change, by_name="王静"))


async def test_no_day_and_no_cursor_breaks_a_list(door: Door) -> None:
    for path, query in (
        ("/orders", {"cursor": "9" * 16 + "-" + "0" * 26}),
        ("/worklist", {"date": dt.date.max.isoformat()}),
        ("/orders", {"date_from": dt.date.min.isoformat()}),
        ("/orders", {"state": "lost"}),
        ("/orders", {"limit": "0"}),
    ):
        assert (await door.get(path, **query)).status in {200, 400}
