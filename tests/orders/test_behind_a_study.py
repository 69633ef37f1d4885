"""Whoever reads a study sees what was asked with it; another patient's order they do not."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio
import sqlalchemy as sa
from aiohttp import web

from kernel.audit.trail import audit_entries
from kernel.sql.db import Database
from referrals.orders.asked import NewOrder, NewPatient
from referrals.orders.http_study import SeenStudy, StudyOrderDoor
from referrals.orders.model import OrderMissing, Sex, Temporary
from tests.orders.desk import COUNTY, HEAD, LIU, QINGSHAN, Desk, ask, by, open_desk, seen
from tests.orders.door import Door, open_door


@pytest_asyncio.fixture
async def door(database: Database) -> AsyncIterator[tuple[Door, dict[str, SeenStudy]]]:
    desk = await open_desk(database, node=COUNTY, allots=True, centre=COUNTY)
    studies: dict[str, SeenStudy] = {}

    async def looks(request: web.Request, uid: str, /) -> SeenStudy:
        del request
        if uid not in studies:
            raise OrderMissing
        return studies[uid]

    more = StudyOrderDoor(database, looks).routes()
    async with open_door(desk, more) as opened:
        yield opened, studies


def study_of(number: str, patient_id: str, uid: str = "1.2.3") -> SeenStudy:
    return SeenStudy(
        institution=QINGSHAN,
        study_instance_uid=uid,
        accession_number=number,
        patient_id=patient_id,
        reason="routed-here",
    )


async def ordered(desk: Desk) -> tuple[str, str, str]:
    new = NewOrder(examination=HEAD.code, clinical_question="跌倒后头痛2小时")
    order = await desk.order(LIU, new)
    patient = await desk.find_patient(order.patient)
    return order.id, order.accession_number, patient.patient_id


async def test_the_radiologist_reads_the_question_and_the_look_is_written_down(
    door: tuple[Door, dict[str, SeenStudy]],
) -> None:
    opened, studies = door
    key, number, patient_id = await ordered(opened.desk)
    studies["1.2.3"] = study_of(number.lower(), patient_id)
    shown = await opened.get("/studies/1.2.3/order", "wanghai")
    assert shown.status == 200, shown.body
    assert shown.body["other_patient"] is False
    order = shown.body["order"]
    assert (order["id"], order["clinical_question"]) == (key, "跌倒后头痛2小时")
    assert (order["ordered_by_name"], order["examination"]["name"]) == ("罗丽", HEAD.name)
    # To see it is not to change it: the order itself stays its own house's.
    assert (await opened.get(f"/orders/{key}", "wanghai")).status in {403, 404}
    columns = audit_entries.c
    query = sa.select(columns.username, columns.patient, columns.reason).where(
        columns.subject == f"order:{key}", columns.event == "record-seen"
    )
    rows = await opened.desk.read(lambda conn: conn.execute(query).all())
    assert [tuple(row) for row in rows] == [("wanghai", patient_id, "routed-here")]


async def test_a_guessed_age_is_told_as_a_guess(
    door: tuple[Door, dict[str, SeenStudy]],
) -> None:
    opened, studies = door
    unknown = NewPatient(sex=Sex.MALE, temporary=Temporary(estimated_age_years=45, marks="纹身"))
    for uid, who, told in (
        ("1.2.3", unknown, ({"value": 45, "unit": "years"}, True)),
        ("1.2.4", LIU, ({"value": 40, "unit": "years"}, False)),
    ):
        order = await opened.desk.order(who)
        patient = await opened.desk.find_patient(order.patient)
        studies[uid] = study_of(order.accession_number, patient.patient_id, uid)
        shown = (await opened.get(f"/studies/{uid}/order", "wanghai")).body["order"]
        assert (shown["patient_age"], shown["patient_age_estimated"]) == told


async def test_who_the_unknown_turned_out_to_be_is_told_beside_the_guess(
    door: tuple[Door, dict[str, SeenStudy]],
) -> None:
    opened, studies = door
    desk = opened.desk
    unknown = NewPatient(sex=Sex.MALE, temporary=Temporary(estimated_age_years=45))
    order = await desk.order(unknown)
    nobody = await desk.find_patient(order.patient)
    studies["1.2.3"] = study_of(order.accession_number, nobody.patient_id)
    before = (await opened.get("/studies/1.2.3/order", "wanghai")).body["order"]
    assert before["patient_is_now"] is None
    # The house took the resident number for its own number, too.
    known = replace(LIU, patient_id=LIU.resident_id)
    real = await desk.desk.register(by(), known, ask())
    await desk.desk.reconcile(by(), seen(nobody), real, ask())
    shown = (await opened.get("/studies/1.2.3/order", "wanghai")).body
    assert shown["other_patient"] is False
    assert shown["order"]["patient_is_now"] == {
        "name": "刘小凤",
        "alphabetic_name": "Liu Xiaofeng",
        "sex": "F",
        "age": {"value": 40, "unit": "years"},
        "age_estimated": False,
        "patient_id": "990***********004X",
    }
    told = (shown["order"]["patient_age"], shown["order"]["patient_age_estimated"])
    assert told == ({"value": 45, "unit": "years"}, True)
    # Both are in the trail, each under a number somebody may ask by.
    columns = audit_entries.c
    query = sa.select(columns.subject, columns.patient).where(
        columns.username == "wanghai", columns.event == "record-seen"
    )
    rows = await desk.read(lambda conn: conn.execute(query.order_by(columns.number)).all())
    assert [tuple(row) for row in rows] == [
        (f"order:{order.id}", nobody.patient_id),
        (f"patient:{real}", LIU.resident_id),
    ]
    # Once the images bear the real number, nobody else is named.
    studies["1.2.3"] = study_of(order.accession_number, LIU.resident_id)
    order_now = (await opened.get("/studies/1.2.3/order", "wanghai")).body["order"]
    assert order_now["patient_is_now"] is None
    told = (order_now["patient_age"], order_now["patient_age_estimated"])
    assert told == ({"value": 40, "unit": "years"}, False)


async def test_a_number_typed_wrongly_opens_nobody_elses_order(
    door: tuple[Door, dict[str, SeenStudy]],
) -> None:
    opened, studies = door
    _, number, _ = await ordered(opened.desk)
    studies["1.2.3"] = study_of(number, "SOMEBODY-ELSE")
    shown = await opened.get("/studies/1.2.3/order", "wanghai")
    assert shown.body == {"order": None, "other_patient": True}


async def test_a_study_nobody_ordered_and_one_that_is_not_there(
    door: tuple[Door, dict[str, SeenStudy]],
) -> None:
    opened, studies = door
    _, number, patient_id = await ordered(opened.desk)
    studies["1.2.3"] = study_of("", "X")
    studies["1.2.4"] = replace(study_of(number, patient_id, "1.2.4"), institution="dahe")
    for uid in studies:
        shown = await opened.get(f"/studies/{uid}/order", "wanghai")
        assert shown.body == {"order": None, "other_patient": False}
    assert (await opened.get("/studies/9.9/order", "wanghai")).status == 404
    assert (await opened.get("/studies/1.2.3/order", "gaoshan")).status == 403


async def test_a_village_doctor_sees_the_orders_they_placed(
    door: tuple[Door, dict[str, SeenStudy]],
) -> None:
    opened, _ = door
    made = await opened.write(
        "POST",
        "/orders",
        {"new_patient": {"name": "马成功", "sex": "M"}, "order": {"examination": HEAD.code}},
    )
    patient, theirs = made.body["order"]["patient"]["id"], made.body["order"]["id"]
    body = {"patient": patient, "order": {"examination": HEAD.code}}
    mine = (await opened.write("POST", "/orders", body, "tianshui")).body["order"]["id"]
    for path in ("/orders", "/worklist"):
        items = (await opened.get(path, "tianshui")).body["items"]
        assert [row["id"] for row in items] == [mine]
    assert {row["id"] for row in (await opened.get("/orders")).body["items"]} == {mine, theirs}
    assert (await opened.get(f"/orders/{theirs}", "tianshui")).status == 404
    page = await opened.get(f"/patients/{patient}", "tianshui")
    assert [row["id"] for row in page.body["orders"]] == [mine]
    etag = made.etag
    refused = await opened.write(
        "POST", f"/orders/{theirs}/cancel", {"reason": "重复"}, "tianshui", etag=etag
    )
    assert refused.status == 404
