"""A report filed at the county goes to its township by itself, once for each new set of reports."""

from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.exchange import returns
from gateway.exchange.feed import prune
from gateway.exchange.reports_down import ReportsDown
from gateway.exchange.return_turns import next_object
from gateway.exchange.tables import feed
from imaging.archive.model import STUDY_UPDATED
from tests.exchange.prior_place import STUDY, Place, place_in
from tests.exchange.two_nodes import until
from tests.imaging.sample import arrival
from tests.uploads.dicom_files import ROOT, ct_slice, encapsulated_pdf, structured_report
from yilian.wiring.named_objects import put_right

pytestmark = pytest.mark.timeout(90)
AT_COUNTY = arrival(institution="county")
PDF = b"%PDF-1.4\n%%EOF\n"


def reports_of(place: Place) -> ReportsDown:
    county = place.county
    return ReportsDown(
        county.database,
        county.clock,
        place.archive.reports,
        topic=STUDY_UPDATED,
        put_right=put_right,
    )


async def letters(place: Place) -> int:
    query = sa.select(sa.func.count()).where(feed.c.kind == "report")
    return await place.county.database.read(lambda conn: conn.scalar(query) or 0)


async def test_a_report_of_another_system_is_fetched_by_the_township_of_the_study(
    tmp_path: Path,
) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        down = reports_of(place)
        await place.county.desk.file(ct_slice())
        assert await down.name_new() == 1
        # Images go up; nothing of them comes down unasked.
        assert await letters(place) == 0
        await place.county.desk.file(encapsulated_pdf(PDF), told=AT_COUNTY)
        await down.name_new()
        place.start()

        async def here() -> bool:
            found = await place.node.database.read(partial(returns.views, studies=[STUDY]))
            return bool(found) and found[0].state is returns.ReturnState.HERE

        await until(here)
        [one] = await place.node.database.read(partial(returns.objects_of, study=STUDY))
        assert one.sop_instance_uid == f"{ROOT}.1.8.1"
        assert (await place.view()).kind == "report"


async def test_it_is_named_once_and_again_when_there_is_another(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        down = reports_of(place)
        await place.county.desk.file(ct_slice())
        await place.county.desk.file(encapsulated_pdf(PDF), told=AT_COUNTY)
        await down.name_new()
        newest = sa.select(sa.func.max(feed.c.id))
        first = await place.county.database.read(lambda conn: conn.scalar(newest))
        await place.county.desk.file(ct_slice(2))
        assert await reports_of(place).name_new() == 1
        assert await place.county.database.read(lambda conn: conn.scalar(newest)) == first
        await place.county.desk.file(structured_report(), told=AT_COUNTY)
        await down.name_new()
        # The new letter names both; the old one has left the feed.
        assert await letters(place) == 1
        assert await place.county.database.read(lambda conn: conn.scalar(newest)) != first


async def test_what_the_house_sent_itself_and_a_house_without_a_node_get_nothing(
    tmp_path: Path,
) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        await place.county.desk.file(ct_slice(), structured_report())
        await place.county.desk.file(ct_slice(study=2), told=arrival(institution="shiqiao"))
        await place.county.desk.file(encapsulated_pdf(PDF, study=2), told=AT_COUNTY)
        while await reports_of(place).name_new():
            pass
        assert await letters(place) == 0


async def test_a_report_does_not_make_a_prior_that_is_here_half_again(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        await place.county.desk.file(ct_slice(1), ct_slice(2))
        await place.ask()
        place.start()
        await until(lambda: place.is_(returns.ReturnState.HERE))
        await place.county.desk.file(encapsulated_pdf(PDF), told=AT_COUNTY)
        await reports_of(place).name_new()

        async def all_three() -> bool:
            view = await place.view()
            return (view.state, view.objects, view.here) == (returns.ReturnState.HERE, 3, 3)

        await until(all_three)
        assert (await place.view()).kind == "prior"


async def test_a_report_waits_in_the_feed_longer_than_a_prior(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        await place.county.desk.file(ct_slice())
        await place.county.desk.file(encapsulated_pdf(PDF), told=AT_COUNTY)
        await reports_of(place).name_new()
        # The newest letter of all stays whatever its age, so that a node's place means something.
        await place.ask("1.2.3")
        while await place.node.sender.send_once():
            pass
        at = place.county.clock.now()
        later = at.replace(year=at.year + 1)
        await place.county.database.write(
            partial(prune, before=later, reports_before=at.replace(year=at.year - 1))
        )
        assert await letters(place) == 1
        await place.county.database.write(partial(prune, before=later))
        assert await letters(place) == 0


async def test_a_report_comes_before_a_prior_that_was_asked_for_earlier(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        await place.county.desk.file(ct_slice(1), ct_slice(2))
        await place.named(ct_slice(3))
        await place.county.desk.file(encapsulated_pdf(PDF), told=AT_COUNTY)
        await reports_of(place).name_new()
        await place.node.follower.follow_once()
        one = await place.node.database.read(next_object)
        assert one is not None
        assert one.sop_instance_uid == f"{ROOT}.1.8.1"
