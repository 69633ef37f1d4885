"""Priors: asked for at the township, fetched over a bad line, shown only when they are it."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.line.proxy import Line
from gateway.exchange import returns
from gateway.exchange.model import Kind, Source
from gateway.exchange.return_fetch import FetcherSettings, ReturnFetcher, Shelf, _key
from gateway.exchange.return_letters import send_study
from gateway.exchange.return_turns import next_object
from gateway.exchange.returns import ReturnState
from kernel.dicom.codecs import InThread
from tests.exchange.prior_place import STUDY, Place, place_in
from tests.exchange.two_nodes import (
    until,
)
from tests.uploads.dicom_files import ct_slice

pytestmark = pytest.mark.timeout(120)


def stored(place: Place, one: returns.ReturnedObject) -> bytes:
    with place.objects.open(one.object_key) as source:
        return source.read(0, source.size)


def _passed(line: Line, count: int) -> bool:
    return line.down.delivered_bytes > count


async def test_a_prior_comes_whole_over_a_line_that_is_cut_and_costs_what_was_on_it(
    tmp_path: Path,
) -> None:
    images = [ct_slice(number, side=256, noise=30_000) for number in range(1, 4)]
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        await place.county.desk.file(*images)
        await place.ask()
        place.start()
        for _ in range(3):
            cut = place.line.down.delivered_bytes + 60_000
            await until(partial(_passed, place.line, cut))
            place.line.take_down()
            place.line.bring_up()
        await until(lambda: place.is_(ReturnState.HERE))
        found = await place.node.database.read(partial(returns.objects_of, study=STUDY))
        assert [stored(place, one) for one in found] == images
        assert not any(place.folder.iterdir())
        assert place.line.down.delivered_bytes < sum(map(len, images)) + 3 * 200_000
        view = await place.view()
        assert (view.objects, view.here, view.set_aside, view.kind) == (3, 3, 0, "prior")


async def test_it_goes_on_from_the_byte_where_it_was_cut(tmp_path: Path) -> None:
    raw = ct_slice(side=256, noise=30_000)
    async with place_in(tmp_path) as place:
        await place.named(raw)
        one = await place.node.database.read(next_object)
        assert one is not None
        place.folder.mkdir()
        half = len(raw) // 2
        name = f"{_key(one).rpartition('/')[2]}.part"
        (place.folder / name).write_bytes(raw[:half])
        before = place.line.down.delivered_bytes
        assert await place.fetcher.fetch_next()
        assert place.line.down.delivered_bytes - before < half + 4000
        assert (await place.view()).state is ReturnState.HERE


async def test_half_a_part_that_is_something_else_is_thrown_away_and_comes_anew(
    tmp_path: Path,
) -> None:
    raw = ct_slice()
    async with place_in(tmp_path) as place:
        await place.named(raw)
        one = await place.node.database.read(next_object)
        assert one is not None
        place.folder.mkdir()
        name = f"{_key(one).rpartition('/')[2]}.part"
        (place.folder / name).write_bytes(bytes(len(raw) // 2))
        assert await place.fetcher.fetch_next()
        assert (await place.view()).state is ReturnState.FETCHING
        assert await place.fetcher.fetch_next()
        assert (await place.view()).state is ReturnState.HERE


async def test_control_without_the_digest_something_else_would_be_shown(tmp_path: Path) -> None:
    class Believer(ReturnFetcher):
        def _put(self, one: returns.ReturnedObject, path: Path, key: str) -> None:
            self._shelf.objects.put_new([(key, [path.read_bytes()])])

    raw = ct_slice()
    async with place_in(tmp_path) as place:
        await place.named(raw)
        one = await place.node.database.read(next_object)
        assert one is not None
        place.folder.mkdir()
        name = f"{_key(one).rpartition('/')[2]}.part"
        (place.folder / name).write_bytes(bytes(len(raw) // 2))
        believer = Believer(
            place.node.database,
            place.node.link,
            Shelf(place.objects, InThread()),
            place.node.line.urgent,
            share=place.share,
            clock=place.node.clock,
            settings=FetcherSettings(place.folder, "qingshan"),
        )
        await believer.fetch_next()
        [found] = await place.node.database.read(partial(returns.objects_of, study=STUDY))
        assert found.state is returns.ObjectState.HERE
        assert stored(place, found) != raw


async def test_nothing_is_fetched_while_an_emergency_needs_the_line(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        await place.named(ct_slice())
        place.node.line.emergency = True
        assert not await place.fetcher.fetch_next()
        place.node.line.emergency = False
        assert await place.fetcher.fetch_next()


async def test_what_comes_back_asks_for_its_share_of_the_line(tmp_path: Path) -> None:
    raw = ct_slice()
    async with place_in(tmp_path) as place:
        await place.named(raw)
        place.share.held_after_bytes = 1
        assert not await place.fetcher.fetch_next()
        assert (await place.view()).state is ReturnState.FETCHING
        [held] = place.folder.iterdir()
        assert place.share.passed_bytes == held.stat().st_size
        place.share.held_after_bytes = None
        place.share.free.set()
        assert await place.fetcher.fetch_next()
        assert (await place.view()).state is ReturnState.HERE
        assert place.share.passed_bytes == len(raw)


async def test_nothing_comes_back_while_a_person_holds_the_line(tmp_path: Path) -> None:
    """Neither by the first piece of each attempt, nor as a report that is no longer than one."""
    async with place_in(tmp_path) as place:
        await place.named(ct_slice())
        place.share.free.clear()
        came = place.line.down.sent_bytes
        for _ in range(2):
            assert not await place.fetcher.fetch_next()
        assert place.line.down.sent_bytes == came
        assert (await place.view()).state is ReturnState.FETCHING
        place.share.free.set()
        assert await place.fetcher.fetch_next()
        assert (await place.view()).state is ReturnState.HERE


async def test_a_study_of_another_house_is_as_one_that_is_not_there(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        await place.ask()
        place.node.start()
        await until(lambda: place.is_(ReturnState.REFUSED))
        assert (await place.view()).code == "study-not-found"
        other = await place.county.database.read(
            lambda conn: list(place.archive.of_study(conn, STUDY, "shiqiao"))
        )
        assert other == []


async def test_what_is_asked_while_the_line_is_down_comes_when_it_is_up(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        await place.county.desk.file(ct_slice())
        place.line.take_down()
        place.start()
        await place.ask()
        await until(lambda: "line-down" in place.node.line.words)
        assert (await place.view()).state is ReturnState.ASKED
        place.line.bring_up()
        await until(lambda: place.is_(ReturnState.HERE))


async def test_the_county_sends_a_report_by_itself(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        await place.county.desk.file(ct_slice())
        [node] = await place.county.enrolment.nodes()
        to = Source(node.id, node.institution, place.county.clock.now())

        def told(conn: Any) -> None:
            objects = place.archive.of_study(conn, STUDY, node.institution)
            send_study(conn, Kind.REPORT, STUDY, objects, to)

        await place.county.database.write(told)
        place.start()

        async def there() -> bool:
            found = await place.node.database.read(partial(returns.views, studies=[STUDY]))
            return bool(found) and found[0].state is ReturnState.HERE

        await until(there)
        assert (await place.view()).kind == "report"
