"""How urgent a study of the county is: its images, rules, its order, its township's people."""

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from gateway.exchange.model import Kind, PostAnswer, Refusal, Source
from gateway.exchange.outbox import make_place, next_letters, note_answer
from gateway.exchange.priorities_up import (
    STUDY_PRIORITY,
    forget_priorities,
    take_priority,
    tell_priority,
    told_priority,
)
from gateway.exchange.taking import take_letters
from gateway.township import queue_acts
from gateway.township.model import RANK
from imaging.archive.model import PRIORITY_ORDER, STUDY_UPDATED
from imaging.archive.reach import give_to
from imaging.archive.tables import study as studies
from imaging.archive.urgency import UrgencyWatch, raise_priority
from kernel.arrival import Priority
from kernel.events import events_after
from kernel.sql.db import Database
from referrals.orders.asked import NewOrder
from referrals.orders.ledger import ORDER_UPDATED
from referrals.orders.machine import Act
from tests.imaging.desk import Desk as Archive, open_desk as open_archive
from tests.imaging.sample import ROOT, ct
from tests.orders.desk import COUNTY, HEAD, LIU, Desk, ask, by, open_desk, seen
from tests.township.test_stores import file, filed
from yilian.wiring import tables
from yilian.wiring.urgency import named_study, ordered_studies, ordered_urgency, told_urgency

tables.load()
pytestmark = pytest.mark.timeout(60)
STUDY = f"{ROOT}.1"
AT = dt.datetime(2026, 5, 12, 2, 0, tzinfo=dt.UTC)
NODE = "n" * 26
EMERGENCY = NewOrder(examination=HEAD.code, priority=Priority.EMERGENCY)


@dataclass
class County:
    """The county's archive and orders; in the same database the queue of a township."""

    archive: Archive
    orders: Desk
    watch: UrgencyWatch

    @property
    def database(self) -> Database:
        return self.archive.database

    async def priority(self, uid: str = STUDY) -> Priority:
        """How urgent the study is after everything that happened."""
        while await self.watch.look():
            pass
        query = sa.select(studies.c.priority).where(studies.c.study_instance_uid == uid)
        number = await self.database.read(lambda conn: conn.execute(query).scalar_one())
        return PRIORITY_ORDER[number]

    async def marked(self, priority: Priority) -> None:
        """Let somebody at the township choose, and its letter come."""

        def choose(conn: sa.Connection) -> None:
            assert queue_acts.set_rank(conn, STUDY, RANK[priority])
            tell_priority(conn, STUDY, at=AT)

        await self.database.write(choose)
        assert await self.taken() == []

    async def taken(self, institution: str = "qingshan") -> list[Refusal]:
        """Take what waits at the township, as it comes over the line, and answer."""
        source = Source(NODE, institution, AT)
        handlers = {Kind.STUDY_PRIORITY.value: take_priority}

        def exchange(conn: sa.Connection) -> list[Refusal]:
            epoch = make_place(conn).epoch
            sent = next_letters(conn)
            refused = take_letters(conn, sent, handlers, source, epoch=epoch)
            answer = PostAnswer(
                protocol=1,
                last_sequence=sent[-1].sequence,
                last_id=sent[-1].id,
                refused=refused,
                county_time=AT,
            )
            note_answer(conn, sent, answer, at=AT)
            return refused

        return await self.database.write(exchange)


def watch_of(archive: Archive) -> UrgencyWatch:
    return UrgencyWatch(
        archive.database,
        archive.clock,
        [ordered_urgency, told_urgency],
        {
            STUDY_UPDATED: named_study,
            STUDY_PRIORITY: named_study,
            ORDER_UPDATED: ordered_studies,
        },
    )


@pytest_asyncio.fixture
async def county(database: Database, tmp_path: Path) -> AsyncIterator[County]:
    orders = await open_desk(database, node=COUNTY, allots=True)
    async with open_archive(database, tmp_path) as archive:
        yield County(archive, orders, watch_of(archive))


async def test_a_study_is_as_urgent_as_it_was_ordered(county: County) -> None:
    order = await county.orders.order(LIU, EMERGENCY)
    patient = await county.orders.find_patient(order.patient)
    await county.archive.file(
        ct(1, StudyInstanceUID=order.study_instance_uid, PatientID=patient.patient_id),
        ct(2, study=2, AccessionNumber=order.accession_number, PatientID="990000-OTHER"),
    )
    assert await county.priority(order.study_instance_uid) is Priority.EMERGENCY
    # A number typed wrongly is another patient's.
    assert await county.priority(f"{ROOT}.2") is Priority.ROUTINE
    told = await county.database.read(partial(events_after, after_id=0, topics=[STUDY_UPDATED]))
    assert told[-1].payload["priority"] == "emergency"
    # More images that say nothing of it take nothing back.
    await county.archive.file(
        ct(3, StudyInstanceUID=order.study_instance_uid, PatientID=patient.patient_id)
    )
    assert await county.priority(order.study_instance_uid) is Priority.EMERGENCY


async def test_an_order_that_comes_later_is_followed_and_a_cancelled_one_is_not(
    county: County,
) -> None:
    await county.archive.file(ct(1, AccessionNumber="his-5", PatientID=None))
    assert await county.priority() is Priority.ROUTINE
    await county.archive.file(ct(1, study=2, AccessionNumber="HIS-6", PatientID=None))
    numbered = NewOrder(examination=HEAD.code, priority=Priority.URGENT, accession_number="HIS-5")
    order = await county.orders.order(LIU, numbered)
    assert await county.priority() is Priority.URGENT
    other = NewOrder(examination=HEAD.code, priority=Priority.EMERGENCY, accession_number="HIS-6")
    gone = await county.orders.order(order.patient, other)
    await county.orders.desk.move(by(), seen(gone), Act.CANCEL, "重复", ask())
    assert await county.priority(f"{ROOT}.2") is Priority.ROUTINE


async def test_what_a_township_marked_is_read_first_also_when_all_its_parcels_went(
    county: County,
) -> None:
    """Without a rule and without an order."""
    await file(county.database, filed(1, study=STUDY))
    await county.archive.file(ct(1))
    assert await county.priority() is Priority.ROUTINE
    await county.marked(Priority.EMERGENCY)
    assert await county.priority() is Priority.EMERGENCY


async def test_a_mark_that_comes_before_the_images_waits_for_them(county: County) -> None:
    await file(county.database, filed(1, study=STUDY))
    await county.marked(Priority.URGENT)
    assert await county.watch.look() == 1
    await county.archive.file(ct(1))
    assert await county.priority() is Priority.URGENT
    # The newest word counts, and takes nothing back from who read it already.
    await county.marked(Priority.ROUTINE)
    assert await county.priority() is Priority.URGENT
    told = partial(told_priority, study=STUDY, institution="qingshan")
    assert await county.database.read(told) is Priority.ROUTINE
    await county.database.write(partial(forget_priorities, before=AT + dt.timedelta(seconds=1)))
    assert await county.database.read(told) is None


async def test_a_rule_of_the_county_is_never_undone_from_below(county: County) -> None:
    await file(county.database, filed(1, study=STUDY))
    await county.archive.file(ct(1))
    give = partial(
        give_to,
        study_instance_uid=STUDY,
        institutions=[COUNTY],
        rule="chest",
        priority=Priority.URGENT,
        at=AT,
    )
    await county.database.write(give)
    await county.marked(Priority.BACKFILL)
    await county.archive.file(ct(2))
    assert await county.priority() is Priority.URGENT
    told = await county.database.read(partial(events_after, after_id=0, topics=[STUDY_UPDATED]))
    await county.marked(Priority.EMERGENCY)
    assert await county.priority() is Priority.EMERGENCY
    [last] = await county.database.read(
        partial(events_after, after_id=told[-1].id, topics=[STUDY_UPDATED])
    )
    assert last.routed_to == {COUNTY}


async def test_another_house_marks_nothing(county: County) -> None:
    await file(county.database, filed(1, study=STUDY))
    await county.archive.file(ct(1))

    def choose(conn: sa.Connection) -> None:
        queue_acts.set_rank(conn, STUDY, 0)
        tell_priority(conn, STUDY, at=AT)

    await county.database.write(choose)
    assert [each.code for each in await county.taken("shiqiao")] == ["other-institution"]
    assert await county.priority() is Priority.ROUTINE


async def test_an_older_word_after_a_newer_changes_nothing(county: County) -> None:
    await file(county.database, filed(1, study=STUDY))

    def choose(conn: sa.Connection) -> None:
        for priority in (Priority.EMERGENCY, Priority.ROUTINE):
            queue_acts.set_rank(conn, STUDY, RANK[priority])
            tell_priority(conn, STUDY, at=AT)

    await county.database.write(choose)
    older, newer = await county.database.write(next_letters)
    source = Source(NODE, "qingshan", AT)

    def take(conn: sa.Connection) -> None:
        for sent in (newer, older, newer):
            take_priority(conn, sent.letter(), source)

    await county.database.write(take)
    told = await county.database.read(partial(told_priority, study=STUDY, institution="qingshan"))
    assert told is Priority.ROUTINE


async def test_a_watch_that_starts_anew_goes_on_and_misses_nothing(county: County) -> None:
    order = await county.orders.order(LIU, EMERGENCY)
    patient = await county.orders.find_patient(order.patient)
    await county.archive.file(
        ct(1, StudyInstanceUID=order.study_instance_uid, PatientID=patient.patient_id)
    )
    assert await county.priority(order.study_instance_uid) is Priority.EMERGENCY
    county.watch = watch_of(county.archive)
    # It reads its own last event again, and that is all.
    assert await county.watch.look() == 1
    assert await county.watch.look() == 0


async def test_who_files_meanwhile_does_not_lower_it(county: County) -> None:
    await county.archive.file(ct(1))
    raised = partial(raise_priority, study_instance_uid=STUDY, priority=Priority.EMERGENCY, at=AT)
    assert await county.database.write(raised)
    assert not await county.database.write(raised)
    await county.archive.file(ct(2))
    assert await county.priority() is Priority.EMERGENCY
