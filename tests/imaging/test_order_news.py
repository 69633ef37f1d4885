"""What a study's order says of it later: whoever looks hears, and a guessed age is told as one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from imaging.archive.model import ORDER_TOLD, STUDY_UPDATED
from imaging.archive.order_news import OrderNews
from imaging.archive.reach import give_to
from imaging.archive.study_list import Narrow, read_page
from imaging.archive.tables import event_places
from kernel.events import Event, events_after
from kernel.policy import Reach
from kernel.sql.db import Database
from referrals.orders.asked import NewOrder, NewPatient, PatientChanges
from referrals.orders.ledger import ORDER_UPDATED, PATIENT_UPDATED
from referrals.orders.model import Order, Patient, Sex, Temporary
from tests.imaging.desk import Desk as Archive, open_desk as open_archive
from tests.imaging.sample import ct
from tests.orders.desk import AT, COUNTY, HEAD, LIU, QINGSHAN, Desk, ask, by, open_desk, seen
from yilian.wiring import tables
from yilian.wiring.order_news import registered_studies
from yilian.wiring.study_orders import guessed_age
from yilian.wiring.urgency import ordered_studies

tables.load()
pytestmark = pytest.mark.timeout(60)
UNKNOWN = NewPatient(sex=Sex.FEMALE, temporary=Temporary(estimated_age_years=70))


@dataclass
class County:
    """The county's archive and orders, and what follows both."""

    archive: Archive
    orders: Desk
    news: OrderNews
    read_to: int = 0

    @property
    def database(self) -> Database:
        return self.archive.database

    async def examined(self, order: Order, patient: Patient, *, born: str = "") -> None:
        """Let images come that a device made of *order*."""
        image = ct(
            1,
            StudyInstanceUID=order.study_instance_uid,
            PatientID=patient.patient_id,
            PatientName=patient.name,
            PatientBirthDate=born,
            PatientAge="070Y",
        )
        await self.archive.file(image)

    async def told(self) -> list[Event]:
        """What is said of studies since the last time, once everything is dealt with."""
        while await self.news.look():
            pass
        topics = [ORDER_TOLD, STUDY_UPDATED]
        found = await self.database.read(
            partial(events_after, after_id=self.read_to, topics=topics)
        )
        self.read_to = found[-1].id if found else self.read_to
        return found

    async def shown(self) -> tuple[Any, bool]:
        """The age the study list shows, and whether it is told as a guess."""
        page = await self.database.read(
            lambda conn: read_page(conn, Narrow(), Reach(QINGSHAN), limit=10, before=None)
        )
        [row] = page.items
        return (row.patient.age and row.patient.age.value), row.patient.age_estimated


def news_of(archive: Archive) -> OrderNews:
    return OrderNews(
        archive.database,
        archive.clock,
        guessed_age,
        {ORDER_UPDATED: ordered_studies, PATIENT_UPDATED: registered_studies},
    )


@pytest_asyncio.fixture
async def county(database: Database, tmp_path: Path) -> AsyncIterator[County]:
    orders = await open_desk(database, node=COUNTY, allots=True)
    async with open_archive(database, tmp_path) as archive:
        county = County(archive, orders, news_of(archive))
        await county.told()
        yield county


def news(events: list[Event]) -> list[Event]:
    return [event for event in events if event.topic == ORDER_TOLD]


async def test_who_the_unknown_turned_out_to_be_is_told_to_those_who_look_at_the_images(
    county: County,
) -> None:
    order = await county.orders.order(UNKNOWN)
    nobody = await county.orders.find_patient(order.patient)
    await county.examined(order, nobody)
    give = partial(
        give_to,
        study_instance_uid=order.study_instance_uid,
        institutions=[COUNTY],
        rule="ct",
        priority=None,
        at=AT,
    )
    await county.database.write(give)
    await county.told()
    real = await county.orders.desk.register(by(), LIU, ask())
    assert news(await county.told()) == []
    await county.orders.desk.reconcile(by(), seen(nobody), real, ask())
    [event] = news(await county.told())
    # Only which study: who it is about is asked for at the door, which writes down the look.
    assert event.payload == {"study_instance_uid": order.study_instance_uid}
    assert event.institution == QINGSHAN
    assert event.routed_to == {COUNTY}


async def test_a_correction_of_the_patient_is_told_too_and_nothing_of_others(
    county: County,
) -> None:
    order = await county.orders.order(LIU)
    liu = await county.orders.find_patient(order.patient)
    await county.examined(order, liu, born="19850702")
    other = await county.orders.order(UNKNOWN)
    assert len(news(await county.told())) == 1
    changed = PatientChanges(phone="13811111111")
    await county.orders.desk.correct(by(), seen(liu), changed, ask())
    [event] = news(await county.told())
    assert event.payload["study_instance_uid"] == order.study_instance_uid
    nobody = await county.orders.find_patient(other.patient)
    await county.orders.desk.correct(by(), seen(nobody), changed, ask())
    assert news(await county.told()) == []


async def test_a_guessed_age_is_told_as_a_guess_in_the_list_and_in_what_the_pages_hear(
    county: County,
) -> None:
    order = await county.orders.order(UNKNOWN)
    nobody = await county.orders.find_patient(order.patient)
    await county.examined(order, nobody)
    assert await county.shown() == (70, False)
    told = await county.told()
    assert await county.shown() == (70, True)
    rows = [event.payload["patient"] for event in told if event.topic == STUDY_UPDATED]
    assert [row["age_estimated"] for row in rows] == [False, True]
    # More images change nothing of it, and what it said itself makes it say nothing more.
    await county.examined(order, nobody)
    await county.told()
    assert await county.shown() == (70, True)
    assert await county.told() == []


async def test_images_with_a_birth_date_and_those_of_another_number_tell_no_guess(
    county: County,
) -> None:
    order = await county.orders.order(UNKNOWN)
    nobody = await county.orders.find_patient(order.patient)
    await county.examined(order, replace(nobody, patient_id="990000-OTHER"))
    await county.told()
    assert await county.shown() == (70, False)


async def test_an_order_that_comes_after_its_images_tells_of_the_guess(county: County) -> None:
    """As a township's does, whose line carries images and letters by different ways."""
    image = ct(1, AccessionNumber="HIS-5", PatientID="", PatientBirthDate="", PatientAge="070Y")
    await county.archive.file(image)
    await county.told()
    assert await county.shown() == (70, False)
    numbered = NewOrder(examination=HEAD.code, accession_number="HIS-5")
    await county.orders.order(UNKNOWN, numbered)
    await county.told()
    assert await county.shown() == (70, True)


async def test_studies_that_came_before_anybody_followed_are_marked_and_make_no_news(
    county: County,
) -> None:
    order = await county.orders.order(UNKNOWN)
    await county.examined(order, await county.orders.find_patient(order.patient))
    await county.database.write(lambda conn: conn.execute(sa.delete(event_places)))
    county.news = news_of(county.archive)
    assert news(await county.told()) == []
    assert await county.shown() == (70, True)


async def test_one_that_starts_anew_goes_on_and_says_nothing_twice(county: County) -> None:
    order = await county.orders.order(UNKNOWN)
    await county.examined(order, await county.orders.find_patient(order.patient))
    assert news(await county.told())
    county.news = news_of(county.archive)
    assert await county.told() == []
