"""The queue shows somebody nobody knows as old as the day's list does: about so many years."""

import dataclasses
import datetime as dt
from functools import partial

import pytest
from msgspec.structs import replace

from gateway.http.sse import as_text
from gateway.township.model import Patient, QueueItem
from gateway.township.queue_eyes import for_eyes_of
from gateway.township.queue_view import item_events, queue_items
from kernel.dicom.shown import Age
from kernel.events import Event
from kernel.identity import Principal, Role
from kernel.sql.db import Database
from referrals.orders.asked import NewPatient
from referrals.orders.model import Order, Sex, Temporary
from tests.orders.desk import AT, LIU, QINGSHAN, Desk, ask, by, open_desk, seen
from tests.township.test_stores import NOW, file, filed
from yilian.wiring import tables
from yilian.wiring.study_orders import ordered_person

tables.load()
UNKNOWN = NewPatient(sex=Sex.MALE, temporary=Temporary(estimated_age_years=45, marks="左臂纹身"))
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


async def examined(desk: Desk, order: Order, **stated: str) -> Patient:
    """The patient as the queue shows them once an image of *order* is filed."""
    return (await queued(desk, order, **stated)).patient


async def queued(desk: Desk, order: Order, **stated: str) -> QueueItem:
    """The study as the queue shows it once an image of *order* is filed."""
    patient = await desk.find_patient(order.patient)
    one = filed(1)
    assert one.header is not None
    header = replace(
        one.header,
        accession_number=order.accession_number,
        patient_id=patient.patient_id,
        study_date=f"{AT:%Y%m%d}",
        **stated,
    )
    await file(desk.database, replace(one, header=header))
    now = dataclasses.replace(NOW, people=ordered_person)
    [item] = await desk.read(partial(queue_items, now=now, since=LONG_AGO, limit=10))
    return item


@pytest.mark.parametrize("stated", ["", "045Y"])
async def test_a_guess_is_shown_as_one_whatever_the_device_made_of_it(
    database: Database, stated: str
) -> None:
    desk = await open_desk(database)
    shown = await examined(desk, await desk.order(UNKNOWN), patient_age=stated)
    assert (shown.age, shown.age_estimated) == (Age(45, "years"), True)


async def test_a_birth_date_on_the_images_is_no_guess(database: Database) -> None:
    desk = await open_desk(database)
    shown = await examined(desk, await desk.order(UNKNOWN), patient_birth_date="19600307")
    assert (shown.age, shown.age_estimated) == (Age(66, "years"), False)


async def test_whose_images_tell_nothing_is_as_old_as_registered(database: Database) -> None:
    desk = await open_desk(database)
    shown = await examined(desk, await desk.order(LIU))
    assert (shown.age, shown.age_estimated) == (Age(40, "years"), False)


async def test_another_patients_order_tells_no_age(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order(UNKNOWN)
    one = filed(1)
    assert one.header is not None
    header = replace(one.header, accession_number=order.accession_number, patient_id="ELSE")
    await file(database, replace(one, header=header))
    now = dataclasses.replace(NOW, people=ordered_person)
    [item] = await desk.read(partial(queue_items, now=now, since=LONG_AGO, limit=10))
    assert (item.patient.age, item.patient.age_estimated) == (None, False)


async def test_who_the_unknown_turned_out_to_be_stands_beside_the_guess(
    database: Database,
) -> None:
    desk = await open_desk(database)
    order = await desk.order(UNKNOWN)
    nobody = await desk.find_patient(order.patient)
    assert (await queued(desk, order)).patient_is_now is None
    real = await desk.desk.register(by(), LIU, ask())
    await desk.desk.reconcile(by(), seen(nobody), real, ask())
    now = dataclasses.replace(NOW, people=ordered_person)
    [item] = await desk.read(partial(queue_items, now=now, since=LONG_AGO, limit=10))
    assert (item.patient.age, item.patient.age_estimated) == (Age(45, "years"), True)
    assert item.patient_is_now == Patient(
        name="刘小凤",
        alphabetic_name="Liu Xiaofeng",
        sex="F",
        age=Age(40, "years"),
        patient_id=(await desk.find_patient(real)).patient_id,
    )
    manager = Principal("id-zhao", "zhao", "赵", frozenset({Role.MANAGER}), QINGSHAN)
    masked = for_eyes_of(manager, item).patient_is_now
    assert masked is not None
    assert masked.name == "刘**"
    assert "Xiaofeng" not in masked.alphabetic_name
    [event] = await desk.read(lambda conn: item_events(conn, [item.study_instance_uid], now))
    told = as_text(Event(1, event.topic, QINGSHAN, event.payload, AT), full_names=False).decode()
    assert "小凤" not in told
    assert "Xiaofeng" not in told
    assert "刘**" in told
