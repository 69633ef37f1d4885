"""Emergencies stand at the top of the study list for as long as they are of concern."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from aiohttp import ClientSession

from imaging.archive import http as archive_http
from imaging.archive.model import STUDY_UPDATED
from imaging.archive.pinning import LATE_AT_MOST, PINNED_FOR, pinned_until
from imaging.archive.reach import give_to
from imaging.archive.urgency import raise_priority
from kernel.arrival import Priority
from kernel.events import events_after
from tests.imaging.desk import Desk
from tests.imaging.door import AS_INSTITUTION, serve
from tests.imaging.sample import AT, ROOT, arrival, ct
from tests.imaging.test_study_list import Lists

URGENT = arrival(priority=Priority.EMERGENCY)
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.67"


@pytest_asyncio.fixture
async def lists(desk: Desk) -> AsyncIterator[Lists]:
    async with serve(desk, archive_http.routes()) as server, ClientSession() as http:
        yield Lists(server, http)


def studies_of(rows: list[Any]) -> str:
    return "".join(row["study_instance_uid"].removeprefix(f"{ROOT}.") for row in rows)


async def pinned(lists: Lists, asked: str = "") -> str:
    return studies_of((await lists.get(asked))["pinned"])


def test_an_examination_of_the_past_that_comes_today_is_no_emergency() -> None:
    def until(date: str, **more: Any) -> dt.datetime | None:
        told: dict[str, Any] = {"emergency": True, "received_at": AT, "reported": False} | more
        return pinned_until(study_date=date, **told)

    assert until("20260305") == AT + PINNED_FOR
    # A line was down for days; nobody can have read it.
    assert until(f"{AT - LATE_AT_MOST:%Y%m%d}") == AT + PINNED_FOR
    assert until("20250903") is None
    assert until("") == AT + PINNED_FOR
    assert until("20260305", emergency=False) is None
    assert until("20260305", reported=True) is None


async def test_emergencies_stand_with_the_first_page_and_stay_in_their_turn(
    desk: Desk, lists: Lists
) -> None:
    await desk.file(ct(1, study=1), told=URGENT)
    await desk.file(*(ct(1, study=number) for number in (2, 3, 4)))
    await desk.file(ct(1, study=5, StudyDate="20250903"), told=URGENT)
    page = await lists.get("?limit=2")
    assert (studies_of(page["pinned"]), studies_of(page["items"])) == ("1", "54")
    # A study that comes between two pages moves no row from the one into the other.
    await desk.file(ct(1, study=6), told=URGENT)
    page = await lists.get(f"?limit=2&cursor={page['next_cursor']}")
    assert (page["pinned"], studies_of(page["items"])) == ([], "32")
    page = await lists.get(f"?limit=2&cursor={page['next_cursor']}")
    assert studies_of(page["items"]) == "1"
    assert await pinned(lists) == "61"


async def test_they_leave_after_a_day(desk: Desk, lists: Lists) -> None:
    await desk.file(ct(1), told=URGENT)
    desk.clock.advance(PINNED_FOR - dt.timedelta(seconds=1))
    assert await pinned(lists) == "1"
    desk.clock.advance(dt.timedelta(seconds=1))
    assert await pinned(lists) == ""


async def test_they_leave_with_the_report_of_who_read_them(desk: Desk, lists: Lists) -> None:
    await desk.file(ct(1), told=URGENT)
    # What the scanner wrote about its dose is no report, nor is what its own house wrote.
    dose: dict[str, Any] = {"series": 2, "SOPClassUID": DOSE_SR, "Modality": "SR"}
    own: dict[str, Any] = {"series": 3, "SOPClassUID": BASIC_TEXT_SR, "Modality": "SR"}
    await desk.file(ct(1, **dose), ct(1, **own), told=URGENT)
    assert await pinned(lists) == "1"
    read = arrival(institution="county", priority=Priority.ROUTINE)
    await desk.file(ct(1, series=4, SOPClassUID=BASIC_TEXT_SR, Modality="SR"), told=read)
    assert await pinned(lists) == ""
    events = await desk.database.read(lambda conn: events_after(conn, 0, topics=[STUDY_UPDATED]))
    assert [each.payload["pinned_until"] is None for each in events] == [False, False, True]


async def test_what_a_person_or_a_rule_makes_an_emergency_joins(desk: Desk, lists: Lists) -> None:
    await desk.file(ct(1, study=1), ct(1, study=2))
    assert await pinned(lists) == ""
    await desk.database.write(
        lambda conn: raise_priority(conn, f"{ROOT}.1", Priority.EMERGENCY, at=AT)
    )
    await desk.database.write(
        lambda conn: give_to(
            conn, f"{ROOT}.2", ["baihe"], rule="head", priority=Priority.EMERGENCY, at=AT
        )
    )
    assert await pinned(lists) == "21"
    page = await lists.get("", headers={AS_INSTITUTION: "baihe"})
    assert studies_of(page["pinned"]) == "2"
    page = await lists.get("", headers={AS_INSTITUTION: "dahe"})
    assert (page["pinned"], page["pinned_elsewhere"]) == ([], [])


@pytest.mark.parametrize("asked", ["?modality=CT", "?q=zhangsan&modality=CT"])
async def test_what_a_filter_leaves_out_is_named(desk: Desk, lists: Lists, asked: str) -> None:
    await desk.file(ct(1, study=1), ct(1, study=2, Modality="DX"), told=URGENT)
    page = await lists.get(asked)
    assert studies_of(page["pinned"]) == "1"
    assert page["pinned_elsewhere"] == [f"{ROOT}.2"]


async def test_an_archive_full_of_old_emergencies_is_not_looked_through(
    sqlite_desk: Desk,
) -> None:
    recent = (
        "EXPLAIN QUERY PLAN SELECT id FROM study WHERE priority = 0 AND received_at > '2026' "
        "ORDER BY received_at DESC LIMIT 200"
    )
    plan = await sqlite_desk.rows(sa.text(recent))
    assert "ix_study_emergency (received_at>?)" in plan[0]["detail"]
