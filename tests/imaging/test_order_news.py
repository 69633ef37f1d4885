"""What a study's order says of it later is told to whoever looks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from imaging.archive.model import ORDER_TOLD, STUDY_UPDATED
from imaging.archive.order_news import OrderNews
from imaging.archive.reach import give_to
from kernel.events import Event, events_after
from kernel.sql.db import Database
from referrals.orders.asked import NewPatient, PatientChanges
from referrals.orders.ledger import ORDER_UPDATED, PATIENT_UPDATED
from referrals.orders.model import Order, Patient, Sex, Temporary
from tests.imaging.desk import Desk as Archive, open_desk as open_archive
from tests.imaging.sample import ct
from tests.orders.desk import AT, COUNTY, LIU, QINGSHAN, Desk, ask, by, open_desk, seen
from yilian.wiring import tables
from yilian.wiring.order_news import registered_studies
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


def news_of(archive: Archive) -> OrderNews:
    return OrderNews(
        archive.database,
        archive.clock,
        {ORDER_UPDATED: ordered_studies, PATIENT_UPDATED: registered_studies},
    )


@pytest_asyncio.fixture
async def county(database: Database, tmp_path: Path) -> AsyncIterator[County]:
    orders = await open_desk(database, node=COUNTY, allots=True)
    async with open_archive(database, tmp_path) as archive:
        yield County(archive, orders, news_of(archive))


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


async def test_one_that_starts_anew_goes_on_and_says_nothing_twice(county: County) -> None:
    order = await county.orders.order(UNKNOWN)
    await county.examined(order, await county.orders.find_patient(order.patient))
    assert news(await county.told())
    county.news = news_of(county.archive)
    assert await county.told() == []
