"""The queue shows somebody nobody knows as old as the day's list does: about so many years."""

import dataclasses
import datetime as dt
from functools import partial

import pytest
from msgspec.structs import replace

from gateway.township.model import Patient
from gateway.township.queue_view import queue_items
from kernel.dicom.shown import Age
from kernel.sql.db import Database
from referrals.orders.asked import NewPatient
from referrals.orders.model import Order, Sex, Temporary
from tests.orders.desk import AT, LIU, Desk, open_desk
from tests.township.test_stores import NOW, file, filed
from yilian.wiring import tables
from yilian.wiring.study_orders import ordered_age

tables.load()
UNKNOWN = NewPatient(sex=Sex.MALE, temporary=Temporary(estimated_age_years=45, marks="左臂纹身"))
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


async def examined(desk: Desk, order: Order, **stated: str) -> Patient:
    """The patient as the queue shows them once an image of *order* is filed."""
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
    now = dataclasses.replace(NOW, ages=ordered_age)
    [item] = await desk.read(partial(queue_items, now=now, since=LONG_AGO, limit=10))
    return item.patient


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
    now = dataclasses.replace(NOW, ages=ordered_age)
    [item] = await desk.read(partial(queue_items, now=now, since=LONG_AGO, limit=10))
    assert (item.patient.age, item.patient.age_estimated) == (None, False)
