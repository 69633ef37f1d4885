"""Priors: asked for at the township, fetched over a bad line, shown only when they are it."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pynetdicom import AE, evt

from bench.line.model import QUICK_LINE
from bench.line.proxy import Line, open_line
from gateway.exchange import returns, sendings
from gateway.exchange.model import Kind, Source
from gateway.exchange.return_fetch import FetcherSettings, ReturnFetcher, Shelf, _key
from gateway.exchange.return_letters import answer_request, send_study, take_return
from gateway.exchange.returns import ReturnState
from gateway.exchange.send_on import SendOn, SendOnSettings
from imaging.archive.objects_fs import FileObjectStore
from kernel.dicom.codecs import InThread
from kernel.identifiers import AETitle
from kernel.identity import ApplicationEntity, Institution, InstitutionKind, put_ae, put_institution
from kernel.process.wake import Wake
from tests.exchange.two_nodes import (
    QUICK,
    County,
    Township,
    county_in,
    township_in,
    until,
)
from tests.imaging.compressed import compressed
from tests.uploads.dicom_files import CT, ROOT, ct_slice
from yilian.wiring.priors import archived_objects
from yilian.wiring.township_objects import TownshipObjects

pytestmark = pytest.mark.timeout(120)
STUDY = f"{ROOT}.1"
UP = {"prior-request": answer_request(archived_objects)}
DOWN = {"prior": take_return, "report": take_return}


@dataclass
class Share:
    """The line's bucket; a line that somebody holds lets nothing more through."""

    passed_bytes: int = 0
    free: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_bytes(self, count: int) -> None:
        self.passed_bytes += count
        await self.free.wait()


@dataclass
class Place:
    """A county with an archive, a line, and a township that fetches."""

    county: County
    line: Line
    node: Township
    fetcher: ReturnFetcher
    objects: TownshipObjects
    folder: Path
    share: "Share"

    async def ask(self, study: str = STUDY) -> None:
        at = self.node.clock.now()
        await self.node.database.write(partial(returns.ask, study=study, by="li", at=at))
        self.node.hint.notify()

    async def named(self, raw: bytes) -> None:
        """File *raw* at the county, ask for its study, and hear what there is to fetch."""
        assert self.county.desk is not None
        await self.county.desk.file(raw)
        await self.ask()
        while await self.node.sender.send_once():
            pass
        await self.node.follower.follow_once()

    async def view(self, study: str = STUDY) -> returns.ReturnView:
        [found] = await self.node.database.read(partial(returns.views, studies=[study]))
        return found

    async def is_(self, state: ReturnState) -> bool:
        return (await self.view()).state is state

    def start(self) -> None:
        self.node.start()
        self.node.owner.keep("fetcher", lambda: self.fetcher.run(self.node.taken))


@asynccontextmanager
async def place_in(home: Path) -> AsyncIterator[Place]:
    async with (
        county_in(home, UP, archive=True) as county,
        open_line(county.port, QUICK_LINE) as line,
    ):
        enrolled, key = await county.new_node()
        node_of = township_in(home, line.port, enrolled, key, handlers=DOWN)
        async with node_of as node:
            objects = TownshipObjects(FileObjectStore(home / "objects"))
            folder = home / "scratch"
            share = Share()
            share.free.set()
            fetcher = ReturnFetcher(
                node.database,
                node.link,
                Shelf(objects, InThread()),
                node.line.urgent,
                share=share,
                clock=node.clock,
                settings=FetcherSettings(folder, "qingshan", backoff=QUICK, stall_s=1.0),
            )
            yield Place(county, line, node, fetcher, objects, folder, share)


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
        one = await place.node.database.read(returns.next_object)
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
        one = await place.node.database.read(returns.next_object)
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
        one = await place.node.database.read(returns.next_object)
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
        place.share.free.clear()
        assert not await place.fetcher.fetch_next()
        assert (await place.view()).state is ReturnState.FETCHING
        [held] = place.folder.iterdir()
        assert place.share.passed_bytes == held.stat().st_size
        place.share.free.set()
        assert await place.fetcher.fetch_next()
        assert (await place.view()).state is ReturnState.HERE
        assert place.share.passed_bytes == len(raw)


async def test_a_study_of_another_house_is_as_one_that_is_not_there(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        await place.ask()
        place.node.start()
        await until(lambda: place.is_(ReturnState.REFUSED))
        assert (await place.view()).code == "study-not-found"
        other = await place.county.database.read(
            lambda conn: list(archived_objects(conn, STUDY, "shiqiao"))
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
            objects = archived_objects(conn, STUDY, node.institution)
            send_study(conn, Kind.REPORT, STUDY, objects, to)

        await place.county.database.write(told)
        place.start()

        async def there() -> bool:
            found = await place.node.database.read(partial(returns.views, studies=[STUDY]))
            return bool(found) and found[0].state is ReturnState.HERE

        await until(there)
        assert (await place.view()).kind == "report"


async def test_a_prior_is_sent_on_as_its_device_made_it(tmp_path: Path) -> None:
    raw, taken = ct_slice(), []

    def keep(event: evt.Event) -> int:
        taken.append(event.dataset)
        return 0x0000

    receiver = AE(ae_title="PACS_QS")
    receiver.add_supported_context(CT, "1.2.840.10008.1.2.1")
    server = receiver.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)]
    )
    assert server is not None
    assert server.socket is not None
    port = server.socket.getsockname()[1]
    try:
        async with place_in(tmp_path) as place:
            assert place.county.desk is not None
            # As the county keeps it: compressed for the line, in a syntax the receiver has not.
            await compressed(place.county.desk, raw)
            await place.ask()
            place.start()
            await until(lambda: place.is_(ReturnState.HERE))
            at = place.node.clock.now()

            def peers(conn: Any) -> None:
                house = Institution("qingshan", "q", InstitutionKind.TOWNSHIP)
                put_institution(conn, house, at=at)
                peer = ApplicationEntity("PACS_QS", "qingshan", host="127.0.0.1", port=port)
                put_ae(conn, peer, at=at)
                sendings.ask_send(conn, STUDY, "PACS_QS", "li", at=at)
                sendings.ask_send(conn, STUDY, "PACS_QS", "li", at=at)

            await place.node.database.write(peers)
            send_on = SendOn(
                place.node.database,
                place.objects,
                InThread(),
                clock=place.node.clock,
                settings=SendOnSettings(AETitle("YILIAN-TWP"), tmp_path / "on", backoff=QUICK),
            )
            place.node.owner.keep("send-on", lambda: send_on.run(Wake.local()))

            async def sent() -> bool:
                [one] = (await place.view()).sends
                return one.state is sendings.SendState.DONE and one.sent == 1

            await until(sent)
        [dataset] = taken
        assert dataset.PixelData == _pixels(raw)
    finally:
        server.shutdown()


def _pixels(raw: bytes) -> bytes:
    return bytes(pydicom.dcmread(io.BytesIO(raw)).PixelData)
