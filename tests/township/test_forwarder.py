"""The forwarder, against a real county over a line that can be made bad."""

import datetime as dt
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.line.model import QUICK_LINE, AtByte, Fault
from bench.line.proxy import Line, open_line
from gateway.township.clinic_hours import Shares
from gateway.township.county_client import CountyDoor
from gateway.township.keeping import Keeper, KeepSettings
from gateway.township.line import LineState
from kernel.arrival import Priority
from kernel.clock import FrozenClock, SystemClock
from kernel.errors import Missing
from kernel.events import events_after
from tests.township.node import door_to, node_in, settings_for
from tests.uploads.county_door import County, county_door
from tests.uploads.dicom_files import ct_slice, structured_report
from tests.uploads.tus_door import until

MIB = 1 << 20


@asynccontextmanager
async def county_on_a_line(home: Path) -> AsyncIterator[tuple[County, Line, CountyDoor]]:
    async with county_door(home / "county") as county, open_line(county.port, QUICK_LINE) as line:
        yield county, line, door_to(line.port)


def uids(county: County) -> list[str]:
    return sorted(arrival.sop_instance_uid for arrival, _ in county.committed())


async def test_everything_arrives_once_and_is_at_the_county_by_receipt(tmp_path: Path) -> None:
    raws = [ct_slice(number, study=study) for study in (1, 2) for number in range(1, 6)]
    async with (
        county_on_a_line(tmp_path) as (county, _, door),
        node_in(tmp_path / "node", door) as node,
    ):
        await node.store([*raws, structured_report()])
        await node.until(at_county=11)
        assert len(set(uids(county))) == len(uids(county)) == 11
        assert await node.parcel_count() == 0
        await until(lambda: not any((tmp_path / "node" / "outbox").iterdir()))
        sent = {arrival.digest.whole for arrival, _ in county.committed() if arrival.digest}
        assert sent == {content for (content,) in await node.rows("content")}


def noisy(number: int, *, study: int = 1, side: int = 512) -> bytes:
    """Return an image that does not compress, about 0.5 MB."""
    return ct_slice(number, study=study, side=side, noise=30_000)


async def test_a_line_cut_at_any_byte_costs_at_most_what_was_on_it(tmp_path: Path) -> None:
    draw = random.Random(7)  # where to cut
    images = [noisy(number) for number in range(1, 9)]
    async with (
        county_on_a_line(tmp_path) as (county, line, door),
        node_in(tmp_path / "node", door) as node,
    ):
        cuts = 12
        line.troubles.extend(AtByte(draw.randrange(1, 400_000), Fault.RST) for _ in range(cuts))
        await node.store(images)
        await node.until(at_county=8)
        assert len(line.strikes) >= 5
        needed = sum(arrival.size_bytes for arrival, _ in county.committed())
        assert line.up.sent_bytes - needed <= len(line.strikes) * MIB
        assert len(set(uids(county))) == len(uids(county)) == 8


async def test_a_cut_of_all_uploads_at_once_costs_at_most_a_mebibyte(tmp_path: Path) -> None:
    images = [noisy(number, study=number % 4) for number in range(1, 17)]
    async with (
        county_on_a_line(tmp_path) as (county, line, door),
        node_in(tmp_path / "node", door) as node,
    ):
        line.run_at(12_000_000)
        await node.store(images)
        cuts = 0
        for part in range(1, 5):
            await until(lambda part=part: line.up.sent_bytes > part * 1_500_000)
            line.take_down()
            line.bring_up()
            cuts += 1
        await node.until(at_county=16)
        needed = sum(arrival.size_bytes for arrival, _ in county.committed())
        assert line.connections > 2 * cuts
        assert line.up.sent_bytes - needed <= cuts * MIB
        assert len(set(uids(county))) == len(uids(county)) == 16


async def test_a_line_that_falls_silent_is_left_and_its_upload_taken_over(tmp_path: Path) -> None:
    async with (
        county_on_a_line(tmp_path) as (county, line, door),
        node_in(tmp_path / "node", door) as node,
    ):
        line.troubles.append(AtByte(300_000, Fault.BLACK_HOLE))
        await node.store([noisy(1), noisy(2)])
        await node.until(at_county=2)
        assert len(line.strikes) == 1
        needed = sum(arrival.size_bytes for arrival, _ in county.committed())
        assert line.up.sent_bytes - needed <= MIB
        assert len(uids(county)) == 2


@pytest.mark.parametrize("fault", [Fault.RST, Fault.BLACK_HOLE])
async def test_an_answer_that_is_lost_after_the_last_byte_ends_in_one_copy(
    tmp_path: Path, fault: Fault
) -> None:
    async with (
        county_on_a_line(tmp_path) as (county, line, door),
        node_in(tmp_path / "node", door) as node,
    ):
        # The upload's request has gone up wholly; its 204 does not come back.
        line.troubles.append(AtByte(400_000, fault, before_answer=True))
        await node.store([noisy(1)])
        await node.until(at_county=1)
        assert len(line.strikes) == 1
        assert len(uids(county)) == 1


async def test_a_flipped_bit_is_found_and_the_parcel_comes_again(tmp_path: Path) -> None:
    async with (
        county_on_a_line(tmp_path) as (county, line, door),
        node_in(tmp_path / "node", door) as node,
    ):
        line.troubles.append(AtByte(200_000, Fault.FLIP))
        image = noisy(1)
        await node.store([image])
        await node.until(at_county=1)
        assert len(line.strikes) == 1
        [(arrival, _)] = county.committed()
        [(content,)] = await node.rows("content")
        assert arrival.digest is not None
        assert arrival.digest.whole == content


async def test_while_the_line_is_down_everything_else_goes_on_and_it_is_told(
    tmp_path: Path,
) -> None:
    async with (
        county_on_a_line(tmp_path) as (county, line, door),
        node_in(tmp_path / "node", door) as node,
    ):
        line.take_down()
        await node.store([ct_slice(1)])
        await until(lambda: node.news.line().state is LineState.DOWN)
        await node.store([ct_slice(2), ct_slice(3)])
        await node.until(waiting=3)
        assert county.committed() == []
        line.bring_up()
        await node.until(at_county=3)
        assert node.news.line().state is LineState.UP
        told = await node.database.read(lambda conn: events_after(conn, 0))
        changes = [event.payload["state"] for event in told if event.topic == "line.changed"]
        assert changes[:2] == ["down", "up"]


async def test_an_emergency_overtakes_in_the_middle_of_a_large_upload(tmp_path: Path) -> None:
    async with (
        county_on_a_line(tmp_path) as (county, line, door),
        node_in(tmp_path / "node", door, settings=settings_for(parcel_bytes=MIB)) as node,
    ):
        line.run_at(3_200_000)
        backlog = [noisy(number, side=1024) for number in range(1, 4)]
        await node.store(backlog)
        await until(lambda: line.up.sent_bytes > 200_000)
        await node.store([ct_slice(1, study=2)], priority=Priority.EMERGENCY)
        await until(lambda: len(uids(county)) == 1)
        assert county.committed()[0][0].priority is Priority.EMERGENCY
        # Not even the first of the three large ones was over by then.
        assert line.up.sent_bytes < 2 * MIB
        line.run_at(QUICK_LINE.up_bits_per_s)
        await node.until(at_county=4)
        needed = sum(arrival.size_bytes for arrival, _ in county.committed())
        assert line.up.sent_bytes - needed <= MIB


async def test_a_refused_instance_is_set_aside_and_the_others_go_on(tmp_path: Path) -> None:
    async with county_on_a_line(tmp_path) as (county, _, door):
        async with node_in(tmp_path / "node") as node:
            await node.store([ct_slice(number) for number in range(1, 6)])
            await node.until(waiting=5)
            # One file goes bad on the node's own disk: its digests no longer hold.
            [*_, (key,)] = await node.rows("object_key")
            path = tmp_path / "node" / "objects" / key
            path.write_bytes(path.read_bytes().replace(b"990000-1", b"990000-2"))
        async with node_in(tmp_path / "node", door) as node:
            await node.until(at_county=4, set_aside=1)
            assert len(uids(county)) == 4
            [*_, (code, reason)] = await node.rows("reason_code", "reason")
            assert code == "digest-mismatch"
            assert reason


async def test_an_instance_whose_file_is_gone_is_set_aside_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    async with county_on_a_line(tmp_path) as (county, _, door):
        async with node_in(tmp_path / "node") as node:
            await node.store([ct_slice(number) for number in range(1, 4)])
            await node.until(waiting=3)
            [(key,), *_] = await node.rows("object_key")
            (tmp_path / "node" / "objects" / key).unlink()
        async with node_in(tmp_path / "node", door) as node:
            await node.until(at_county=2, set_aside=1)
            assert (await node.rows("reason_code"))[0] == ("object-missing",)
            assert len(uids(county)) == 2


async def test_without_the_countys_own_signature_nothing_counts_as_delivered(
    tmp_path: Path,
) -> None:
    stranger = Ed25519PrivateKey.generate().public_key()
    async with county_on_a_line(tmp_path) as (county, _, door):
        distrustful = settings_for(county_key=stranger)
        async with node_in(tmp_path / "node", door, settings=distrustful) as node:
            await node.store([ct_slice(1)])
            await until(lambda: node.news.line().code == "receipt-untrusted")
            assert await node.states() == {"sent": 1}
        async with node_in(tmp_path / "node", door) as node:
            await node.until(at_county=1)
        assert len(uids(county)) == 1


async def test_a_county_that_lost_an_upload_gets_it_again(tmp_path: Path) -> None:
    async with county_on_a_line(tmp_path) as (county, line, door):
        async with node_in(tmp_path / "node", door) as node:
            line.run_at(2_400_000)
            await node.store([noisy(1), noisy(2)])
            await until(lambda: line.up.sent_bytes > 200_000)
        for upload in county.uploads.uploads_of("qingshan", kind="parcel"):
            await county.uploads.forget(upload.info.upload_id)
        line.run_at(QUICK_LINE.up_bits_per_s)
        async with node_in(tmp_path / "node", door) as node:
            await node.until(at_county=2)
        assert len(uids(county)) == 2


async def test_a_node_that_stops_in_mid_parcel_goes_on_from_there(tmp_path: Path) -> None:
    async with county_on_a_line(tmp_path) as (county, line, door):
        line.run_at(4_000_000)
        async with node_in(tmp_path / "node", door) as node:
            await node.store([noisy(number) for number in range(1, 5)])
            await until(lambda: line.up.sent_bytes > 700_000)
        line.run_at(QUICK_LINE.up_bits_per_s)
        async with node_in(tmp_path / "node", door) as node:
            await node.until(at_county=4)
        needed = sum(arrival.size_bytes for arrival, _ in county.committed())
        assert line.up.sent_bytes - needed <= MIB
        assert len(uids(county)) == 4


async def test_what_the_county_has_is_deleted_only_when_its_keep_time_is_over(
    tmp_path: Path,
) -> None:
    async with (
        county_on_a_line(tmp_path) as (_, line, door),
        node_in(tmp_path / "node", door) as node,
    ):
        await node.store([ct_slice(1)])
        await node.until(at_county=1)
        line.take_down()
        await node.store([ct_slice(2)])
        await node.until(at_county=1, packed=1)
        clock = FrozenClock(SystemClock().now())
        keeper = Keeper(
            node.database,
            node.objects,
            tmp_path,
            KeepSettings(free_target_bytes=0),
            clock=clock,
        )
        assert await keeper.sweep() == 0
        clock.advance(dt.timedelta(days=8))
        assert await keeper.sweep() == 1
        [(first,), (second,)] = await node.rows("object_key")
        with pytest.raises(Missing):
            node.objects.open(first)
        with node.objects.open(second) as kept:
            assert kept.size > 0
        # The same image again is known to be at the county and takes no room.
        await node.store([ct_slice(1), ct_slice(3)])
        await node.until(at_county=1, packed=1, waiting=1)
        await until(lambda: not (tmp_path / "node" / "objects" / first).exists())
        line.bring_up()
        await node.until(at_county=3)


async def test_on_a_full_disk_what_the_county_has_goes_before_its_time(tmp_path: Path) -> None:
    async with (
        county_on_a_line(tmp_path) as (_, _, door),
        node_in(tmp_path / "node", door) as node,
    ):
        await node.store([ct_slice(1)])
        await node.until(at_county=1)
        keeper = Keeper(
            node.database,
            node.objects,
            tmp_path,
            KeepSettings(free_target_bytes=1 << 60),
            clock=SystemClock(),
        )
        assert await keeper.sweep() == 1


async def test_a_share_of_the_line_is_not_exceeded(tmp_path: Path) -> None:
    shares = Shares(most_bytes_per_s=400_000)
    async with (
        county_on_a_line(tmp_path) as (county, _, door),
        node_in(tmp_path / "node", door, shares=shares) as node,
    ):
        began = SystemClock().monotonic_s()
        await node.store([noisy(1)])
        await node.until(at_county=1)
        took = SystemClock().monotonic_s() - began
        size = county.committed()[0][0].size_bytes
        assert took >= (size - 65_536) / 400_000
