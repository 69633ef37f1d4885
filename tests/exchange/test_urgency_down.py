"""What the county holds a township's study in is what the township's queue says."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.exchange.model import Source
from gateway.exchange.tables import feed
from gateway.exchange.urgency_down import UrgencyDown, take_urgency
from gateway.township import queue_acts
from gateway.township.model import RANK
from gateway.township.queue_view import items_of
from imaging.archive.model import STUDY_UPDATED
from imaging.archive.reach import give_to
from kernel.arrival import Priority
from kernel.events import events_after
from kernel.letter import Letter
from tests.exchange.prior_place import DOWN, STUDY, Place, place_in
from tests.imaging.sample import AT, arrival
from tests.township.test_stores import NOW, file, filed
from tests.uploads.dicom_files import ct_slice

pytestmark = pytest.mark.timeout(90)
HANDLERS = DOWN | {"study-urgency": take_urgency(lambda: NOW)}


def teller(place: Place) -> UrgencyDown:
    return UrgencyDown(place.county.database, place.county.clock, topic=STUDY_UPDATED)


async def ruled(place: Place, priority: Priority = Priority.EMERGENCY) -> None:
    """File a study at the county, whose rule makes it *priority*, and tell of it."""
    assert place.county.desk is not None
    await place.county.desk.file(ct_slice())
    give = partial(give_to, institutions=["county"], rule="head", priority=priority, at=AT)
    await place.county.database.write(lambda conn: give(conn, STUDY))
    await teller(place).tell_new()


async def letters(place: Place) -> list[Any]:
    query = sa.select(feed.c.key, feed.c.version, feed.c.body).where(feed.c.kind == "study-urgency")
    return await place.county.database.read(lambda conn: list(conn.execute(query)))


async def queued(place: Place) -> Priority:
    """How urgent the township's page says the study is."""
    [item] = await place.node.database.read(partial(items_of, keys=[STUDY], now=NOW))
    return item.priority


async def test_a_rule_of_the_county_makes_the_township_say_the_same(tmp_path: Path) -> None:
    async with place_in(tmp_path, HANDLERS) as place:
        await file(place.node.database, filed(1, study=STUDY))
        assert await queued(place) is Priority.ROUTINE
        await ruled(place)
        await place.node.follower.follow_once()
        assert await queued(place) is Priority.EMERGENCY
        told = await place.node.database.read(
            partial(events_after, after_id=0, topics=["queue.updated"])
        )
        assert told[-1].payload["priority"] == "emergency"


async def test_it_is_told_once_and_again_when_it_is_more_urgent(tmp_path: Path) -> None:
    async with place_in(tmp_path, HANDLERS) as place:
        await ruled(place, Priority.URGENT)
        assert place.county.desk is not None
        await place.county.desk.file(ct_slice(2))
        assert await teller(place).tell_new() > 0
        assert [row.version for row in await letters(place)] == [1]
        await ruled(place, Priority.EMERGENCY)
        [row] = await letters(place)
        assert (row.version, row.body) == (2, {"priority": "emergency"})


async def test_what_a_person_chose_at_the_township_stands(tmp_path: Path) -> None:
    async with place_in(tmp_path, HANDLERS) as place:
        await file(place.node.database, filed(1, study=STUDY))
        await place.node.database.write(
            lambda conn: queue_acts.set_rank(conn, STUDY, RANK[Priority.ROUTINE])
        )
        await ruled(place)
        await place.node.follower.follow_once()
        assert await queued(place) is Priority.ROUTINE


async def test_a_house_without_a_node_and_what_is_not_urgent_is_told_nothing(
    tmp_path: Path,
) -> None:
    async with place_in(tmp_path, HANDLERS) as place:
        assert place.county.desk is not None
        urgent = arrival(institution="shiqiao", priority=Priority.EMERGENCY)
        await place.county.desk.file(ct_slice(study=2), told=urgent)
        await place.county.desk.file(ct_slice())
        assert await teller(place).tell_new() > 0
        assert await letters(place) == []


async def test_nobody_elses_study_is_made_more_urgent(tmp_path: Path) -> None:
    async with place_in(tmp_path, HANDLERS) as place:
        await file(place.node.database, filed(1, study=STUDY))
        letter = Letter("study-urgency", STUDY, 2, {"priority": "emergency"})
        take = take_urgency(lambda: NOW)
        await place.node.database.write(
            lambda conn: take(conn, letter, Source("county", "shiqiao", AT))
        )
        assert await queued(place) is Priority.ROUTINE
