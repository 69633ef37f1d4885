"""Who has the line: emergencies at once, marked ones at the next piece, the rest by turns."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from bench.line.model import LineShape
from bench.line.proxy import Line, open_line
from gateway.township import parcel_queue, queue_acts
from gateway.township.model import RANK
from gateway.township.tables import studies
from kernel.arrival import Priority
from tests.township.node import Node, door_to, node_in
from tests.uploads.county_door import County, county_door
from tests.uploads.dicom_files import ROOT, ct_slice
from tests.uploads.tus_door import until

_LINE_BYTES_PER_S = 250_000
BAD_LINE = LineShape(8 * _LINE_BYTES_PER_S, 8 * _LINE_BYTES_PER_S, rtt_s=0.2)
QUICK_LINE = LineShape(40_000_000, 40_000_000, rtt_s=0.01)


@asynccontextmanager
async def township(home: Path, shape: LineShape) -> AsyncIterator[tuple[County, Line, Node]]:
    async with (
        county_door(home / "county") as county,
        open_line(county.port, shape) as line,
        node_in(home / "node", door_to(line.port, stall_s=10.0)) as node,
    ):
        yield county, line, node


def noisy(number: int, *, study: int, side: int = 512) -> bytes:
    """Return an image that does not compress, about 0.5 MB."""
    return ct_slice(number, study=study, side=side, noise=30_000)


def arrived(county: County, study: int) -> list[int]:
    """Numbers of the images of *study* at the county, as they were committed."""
    prefix = f"{ROOT}.{study}.1."
    uids = [arrival.sop_instance_uid for arrival, _ in county.committed()]
    return [int(uid.removeprefix(prefix)) for uid in uids if uid.startswith(prefix)]


async def begun(line: Line, more: int = 100_000) -> None:
    sent = line.up.sent_bytes
    await until(lambda: line.up.sent_bytes > sent + more)


async def test_an_emergency_does_not_wait_for_the_image_that_is_on_the_line(
    tmp_path: Path,
) -> None:
    async with township(tmp_path, BAD_LINE) as (county, line, node):
        await node.store([noisy(number, study=1, side=1024) for number in range(1, 5)])
        await begun(line)

        def emergency_began() -> bool:
            uploads = county.uploads.uploads_of("qingshan", kind="parcel")
            return any(one.received for one in uploads if one.info.length < 200_000)

        sent = line.up.sent_bytes
        image = ct_slice(1, study=2, side=128, noise=30_000)
        await node.store([image], priority=Priority.EMERGENCY)
        await until(emergency_began)
        # Of an image of 2 MB less than half; on a quiet machine a quarter of a MB (bench/line).
        assert line.up.sent_bytes - sent <= 1 << 20
        await until(lambda: arrived(county, 2) == [1])
        assert arrived(county, 1) == []


async def test_first_middle_and_last_image_of_an_emergency_are_there_before_the_others(
    tmp_path: Path,
) -> None:
    async with township(tmp_path, BAD_LINE) as (county, line, node):
        await node.store([noisy(number, study=1, side=1024) for number in range(1, 5)])
        await begun(line)
        images = [ct_slice(number, study=2, side=128, noise=30_000) for number in range(1, 22)]
        await node.store(images, priority=Priority.EMERGENCY)
        await until(lambda: len(arrived(county, 2)) >= 3)
        assert sorted(arrived(county, 2)[:3]) == [1, 11, 21]
        assert arrived(county, 1) == []


async def change(node: Node, act: object) -> None:
    """Change the queue as a page does."""
    await node.news.write(act, lambda _: [])  # type: ignore[arg-type]
    node.changed()


async def test_a_study_marked_by_hand_goes_on_at_the_next_piece(tmp_path: Path) -> None:
    async with township(tmp_path, BAD_LINE) as (county, line, node):
        await node.store([noisy(number, study=1, side=1024) for number in range(1, 4)])
        await node.store([noisy(1, study=2)])
        await node.store([ct_slice(1, study=3)])
        await begun(line)
        key = f"{ROOT}.3"
        rank = RANK[Priority.EMERGENCY]
        await change(node, partial(queue_acts.set_rank, study_key=key, rank=rank))
        await until(lambda: arrived(county, 3) == [1], timeout_s=10)
        assert arrived(county, 1) == []
        first = partial(queue_acts.put_first, study_key=f"{ROOT}.2", at=node.news.now().at)
        await change(node, first)
        await until(lambda: arrived(county, 2) == [1], timeout_s=10)
        assert arrived(county, 1) == []


async def test_a_study_that_is_held_leaves_the_line_and_the_next_has_it(tmp_path: Path) -> None:
    async with township(tmp_path, BAD_LINE) as (county, line, node):
        await node.store([noisy(number, study=1, side=1024) for number in range(1, 4)])
        await begun(line)
        hold = partial(queue_acts.set_paused, study_key=f"{ROOT}.1", paused=True)
        await change(node, hold)
        await node.store([ct_slice(1, study=2)])
        await until(lambda: arrived(county, 2) == [1], timeout_s=10)
        sent = node.meter.sent_bytes
        while (await node.states()).get("at-county") != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert node.meter.sent_bytes == sent
        assert arrived(county, 1) == []


async def test_a_line_that_is_held_carries_nothing_until_it_is_let_go(tmp_path: Path) -> None:
    async with township(tmp_path, QUICK_LINE) as (county, line, node):
        await node.store([noisy(number, study=1) for number in range(1, 9)])
        await begun(line)
        late = node.news.now().at + dt.timedelta(hours=1)
        await change(node, partial(parcel_queue.hold_line, until=late, by="李静"))
        await until(lambda: node.news.line().held_by == "李静")
        await until(lambda: node.forwarder is None or not node.forwarder.uploads())
        sent = node.meter.sent_bytes
        await node.store([ct_slice(1, study=2)], priority=Priority.EMERGENCY)
        query = sa.select(sa.func.count()).select_from(studies)
        while await node.database.read(lambda conn: conn.scalar(query)) != 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert node.meter.sent_bytes == sent
        assert node.news.now().bytes_per_s is None
        await change(node, partial(parcel_queue.hold_line, until=None, by=""))
        await until(lambda: len(county.committed()) == 9, timeout_s=15)
        assert arrived(county, 2) == [1]


async def test_small_studies_do_not_wait_for_each_others_answers(tmp_path: Path) -> None:
    async with township(tmp_path, BAD_LINE) as (county, _, node):
        forwarder = node.forwarder
        assert forwarder is not None
        for study in range(1, 13):
            await node.store([ct_slice(1, study=study)])
        # Beside the one that sends and the one that is announced, two wait for an answer at most
        # where parcels are large.
        await until(lambda: forwarder.uploads() > 4)
        await until(lambda: len(county.committed()) == 12)


async def test_studies_of_a_lane_take_turns(tmp_path: Path) -> None:
    async with township(tmp_path, BAD_LINE) as (county, _, node):
        await node.store([noisy(number, study=1, side=256) for number in range(1, 25)])
        await node.store([noisy(1, study=2, side=256), noisy(2, study=2, side=256)])
        await until(lambda: len(arrived(county, 2)) == 2, timeout_s=25)
        assert len(arrived(county, 1)) <= 16
