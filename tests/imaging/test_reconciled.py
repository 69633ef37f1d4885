"""Images made under a temporary name are found by the real one, for as long as that is said."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest_asyncio
import sqlalchemy as sa

from imaging.archive.study_list import Narrow, read_page
from imaging.archive.tables import event_places, patient
from imaging.patients import persons
from imaging.patients.follower import PersonFollower
from imaging.patients.model import Demographics, PatientIdentity
from imaging.patients.tables import match_proposals, person_merges, person_terms
from kernel.policy import Reach
from kernel.sql.db import Database
from referrals.orders.asked import PatientChanges
from referrals.orders.model import Patient
from tests.imaging import desk as archive
from tests.imaging.sample import ROOT, ct
from tests.imaging.test_corrections import hand
from tests.orders import desk as counter
from tests.orders.desk import COUNTY, LIU, QINGSHAN, ask, by, seen
from tests.orders.two_nodes import (  # noqa: F401  # township is a fixture
    UNKNOWN,
    WANG,
    found_twice,
    hear_each_other,
    settle,
    township,
)
from yilian.wiring.persons import OrderRegistrations


@dataclass
class County:
    """The county's archive, its order book, and what follows both."""

    archive: archive.Desk
    counter: counter.Desk
    follower: PersonFollower

    async def examine(self, study: int, known: Patient, name: str) -> None:
        """File a study of *known* under *name*, and follow it."""
        await self.archive.file(
            ct(
                study=study,
                PatientID=known.patient_id,
                PatientName=name,
                PatientSex="F",
                PatientBirthDate="",
            )
        )
        await self.follow()

    async def follow(self) -> None:
        while await self.follower.look():
            pass

    async def found(self, typed: str) -> str:
        """The numbers of the studies the list has for *typed*, the newest first."""
        reach = Reach(institution=QINGSHAN)
        page = await self.archive.database.read(
            lambda conn: read_page(conn, Narrow(typed=typed), reach, limit=9, before=None)
        )
        return "".join(row.study_instance_uid.removeprefix(f"{ROOT}.") for row in page.items)

    async def groups(self) -> list[set[str]]:
        """The numbers of each person."""
        query = sa.select(patient.c.patient_id, patient.c.person)
        found: dict[int, set[str]] = {}
        for row in await self.archive.rows(query):
            found.setdefault(row["person"], set()).add(row["patient_id"])
        return sorted(found.values(), key=sorted)

    async def merges(self) -> list[dict[str, Any]]:
        return await self.archive.rows(sa.select(person_merges).order_by(person_merges.c.id))


@pytest_asyncio.fixture
async def county(database: Database, tmp_path: Path) -> AsyncIterator[County]:
    """A county, once on each kind of database."""
    opened = await counter.open_desk(database, node=COUNTY, allots=True)
    async with archive.open_desk(database, tmp_path) as kept:
        follower = PersonFollower(database, opened.clock, OrderRegistrations(), institution=COUNTY)
        yield County(kept, opened, follower)


async def one_unknown(county: County) -> tuple[Patient, Patient]:
    """Somebody unknown with study 2, and Liu with study 1, whom nobody has brought together."""
    desk = county.counter
    liu = await desk.find_patient(await desk.desk.register(by(), LIU, ask()))
    await county.examine(1, liu, "Liu^Xiaofeng=刘小凤")
    unknown = await desk.find_patient(await desk.desk.register(by(), UNKNOWN, ask()))
    await county.examine(2, unknown, "Wumingshi^Nv=无名氏女")
    return unknown, liu


async def reconcile(county: County, unknown: Patient, real: Patient) -> None:
    now = await county.counter.find_patient(unknown.id)
    await county.counter.desk.reconcile(by(), seen(now), real.id, ask())
    await county.follow()


async def test_what_an_unknown_was_examined_for_is_found_by_every_name_and_number(
    county: County,
) -> None:
    unknown, liu = await one_unknown(county)
    assert [await county.found(each) for each in ("刘小", liu.patient_id)] == ["1", "1"]
    await reconcile(county, unknown, liu)
    asked = ["刘小凤", "刘 小", "liuxiao", "LXF", liu.patient_id, liu.patient_id[:4]]
    asked += [unknown.patient_id, "无名氏", "wumingshi"]
    assert {each: await county.found(each) for each in asked} == dict.fromkeys(asked, "21")
    assert [await county.found(each) for each in ("小凤", "", "马")] == ["1", "21", ""]
    assert await county.groups() == [{unknown.patient_id, liu.patient_id}]
    (merge,) = await county.merges()
    assert (merge["basis"], merge["made_by"], merge["made_by_name"]) == (
        "reconciliation",
        "luoli",
        "罗丽",
    )
    assert merge["reason"] == f"registration:{liu.id}"


async def test_it_is_found_though_the_images_come_after_the_answer(county: County) -> None:
    desk = county.counter.desk
    unknown = await county.counter.find_patient(await desk.register(by(), UNKNOWN, ask()))
    liu = await county.counter.find_patient(await desk.register(by(), LIU, ask()))
    await reconcile(county, unknown, liu)
    await county.examine(1, unknown, "Wumingshi")
    assert [await county.found(each) for each in ("刘小凤", liu.patient_id)] == ["1", "1"]
    # The name was mended since.
    mended = PatientChanges(name="柳小凤")
    await desk.correct(by(), seen(liu), mended, ask())
    await county.follow()
    assert [await county.found(each) for each in ("柳", "wums", "wumi")] == ["1", "", "1"]


async def test_they_are_parted_and_joined_anew_as_the_house_says_who_it_is(
    county: County,
    township: counter.Desk,  # noqa: F811
) -> None:
    found = await found_twice(township, county.counter)
    await hear_each_other(township, county.counter)
    unknown, wang, liu = [
        await county.counter.find_patient(each) for each in (found.unknown, found.wang, found.liu)
    ]
    await county.examine(1, unknown, "Wumingshi")
    for node, real, other in ((QINGSHAN, liu, wang), (COUNTY, wang, liu), (QINGSHAN, liu, wang)):
        await settle(county.counter, unknown.id, f"2.{node}")
        await county.follow()
        assert await county.found(real.name) == "1"
        assert await county.found(other.patient_id) == ""
        one = {unknown.patient_id, real.patient_id}
        assert await county.groups() == sorted([one, {other.patient_id}], key=sorted)


async def test_they_are_parted_where_somebody_chose_that_nobody_knows_who_it_is(
    county: County,
    township: counter.Desk,  # noqa: F811
) -> None:
    order = await township.order(UNKNOWN)
    await hear_each_other(township, county.counter)
    unknown = await county.counter.find_patient(order.patient)
    called = PatientChanges(phone="13900000009")
    await township.desk.correct(by(), seen(unknown), called, ask())
    liu = await county.counter.find_patient(await county.counter.desk.register(by(), LIU, ask()))
    await county.examine(1, liu, "Liu^Xiaofeng=刘小凤")
    await reconcile(county, unknown, liu)
    assert len(await county.groups()) == 1
    # The real one was joined with another house's meanwhile, which stays so.
    (merge,) = await county.merges()
    other = await county.archive.database.write(lambda conn: _somebody(conn, county))
    await county.archive.database.write(
        lambda conn: persons.merge(conn, other, merge["kept"], hand(), seen="1")
    )
    await hear_each_other(township, county.counter)
    await settle(county.counter, unknown.id, f"2.{QINGSHAN}")
    await county.follow()
    assert await county.groups() == sorted(
        [{unknown.patient_id}, {liu.patient_id, "B1"}], key=sorted
    )
    assert await county.found("无名氏") == ""
    assert await county.found("B1") == "1"
    terms = await county.archive.rows(sa.select(person_terms.c.patient).distinct())
    assert len(terms) == 2


def _somebody(conn: sa.Connection, county: County) -> int:
    identity = PatientIdentity.of(patient_id="B1", issuer="", institution="baihe")
    told = Demographics("刘小凤", "F", "")
    at = county.counter.clock.now()
    row = persons.note_registered(conn, identity, told, {}, source="registration:1", at=at)
    return persons.person_of(conn, row, at=at)


async def test_who_was_found_out_before_anybody_followed_that_is_found_too(county: County) -> None:
    unknown, liu = await one_unknown(county)
    await reconcile(county, unknown, liu)
    mended = PatientChanges(name="柳小凤")
    await county.counter.desk.correct(by(), seen(liu), mended, ask())

    def forget(conn: sa.Connection) -> None:
        for table in (person_terms, event_places):
            conn.execute(sa.delete(table))

    await county.archive.database.write(forget)
    assert await county.found("柳") == ""
    await county.follow()
    asked = ["柳", "刘小凤", "无名氏", liu.patient_id]
    assert [await county.found(each) for each in asked] == ["21"] * 4
    assert len(await county.merges()) == 1


async def test_whom_the_centre_parted_the_same_answer_does_not_join_again(county: County) -> None:
    unknown, liu = await one_unknown(county)
    await reconcile(county, unknown, liu)
    (merge,) = await county.merges()
    real = merge["kept"]
    await county.archive.database.write(
        lambda conn: persons.unmerge(conn, real, merge["id"], hand("two people"), seen="2")
    )
    for phone in ("13900000009", "13900000008"):
        now = await county.counter.find_patient(liu.id)
        await county.counter.desk.correct(by(), seen(now), PatientChanges(phone=phone), ask())
        await county.follow()
        assert {unknown.patient_id} in await county.groups()
        # The second time the real one is part of another person.
        other = await county.archive.database.write(lambda conn: _somebody(conn, county))
        if other != real:
            join = partial(persons.merge, kept=other, gone=real, hand=hand(), seen="1")
            await county.archive.database.write(join)
            real = other


async def test_where_the_centre_knows_the_unknown_as_somebody_it_is_asked(county: County) -> None:
    unknown, liu = await one_unknown(county)
    wang = await county.counter.find_patient(await county.counter.desk.register(by(), WANG, ask()))
    await county.follow()

    def join(conn: sa.Connection) -> None:
        at = county.counter.clock.now()
        kept, gone = [
            persons.person_of(conn, row, at=at)
            for each in (wang, unknown)
            if (row := persons.row_of(conn, PatientIdentity(each.patient_id, "", QINGSHAN)))
        ]
        persons.merge(conn, kept, gone, hand(), seen="1")

    await county.archive.database.write(join)
    await reconcile(county, unknown, liu)
    assert {unknown.patient_id, wang.patient_id} in await county.groups()
    asked = sa.select(match_proposals.c.state)
    assert [row["state"] for row in await county.archive.rows(asked)] == ["open"]
    await county.follow()
    assert len(await county.archive.rows(asked)) == 1
