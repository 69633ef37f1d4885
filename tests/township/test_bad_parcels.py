"""What the county will not have: the culprit is found, versions are agreed on, the rest goes on."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.line.model import QUICK_LINE
from bench.line.proxy import open_line
from gateway.township.county_client import CountyDoor
from gateway.township.line import LineState
from gateway.township.refusals import AfterRefusal, Refused, after_refusal
from gateway.uploads.parcel import VERSIONS
from gateway.uploads.parcel_sink import ParcelSink, Taken
from gateway.uploads.upload_files import UploadInfo
from tests.township.node import Node, door_to, node_in, settings_for
from tests.uploads.county_door import County, county_door
from tests.uploads.dicom_files import ROOT, ct_slice
from tests.uploads.tus_door import until


@asynccontextmanager
async def county_taking(home: Path, taken: Taken) -> AsyncIterator[tuple[County, CountyDoor]]:
    async with county_door(home / "county", taken=taken) as county:
        yield county, door_to(county.port)


def uids(county: County) -> list[str]:
    return sorted(arrival.sop_instance_uid for arrival, _ in county.committed())


ONLY_FIRST = frozenset({1})


@pytest.mark.parametrize(
    ("county_takes", "node_writes", "written"),
    [
        pytest.param(VERSIONS, VERSIONS, 3, id="both-new"),
        pytest.param(ONLY_FIRST, VERSIONS, 1, id="county-older"),
        pytest.param(VERSIONS, ONLY_FIRST, 1, id="county-newer"),
        pytest.param(frozenset({2, 3}), VERSIONS, 3, id="county-dropped-the-oldest"),
    ],
)
async def test_node_and_county_agree_on_the_newest_version_both_know(
    tmp_path: Path, county_takes: frozenset[int], node_writes: frozenset[int], written: int
) -> None:
    async with (
        county_taking(tmp_path, Taken(versions=county_takes)) as (county, door),
        node_in(tmp_path / "node", door, settings=settings_for(versions=node_writes)) as node,
    ):
        await node.store([ct_slice(number) for number in (1, 2)])
        await node.until(at_county=2)
        uploads = county.uploads.uploads_of("qingshan", kind="parcel")
        assert {one.info.metadata["version"] for one in uploads} == {str(written)}
        assert len(uids(county)) == 2


async def test_a_county_that_does_not_tell_gets_the_first_version(tmp_path: Path) -> None:
    async with county_door(tmp_path / "county", tells_versions=False) as county:
        async with node_in(tmp_path / "node", door_to(county.port)) as node:
            await node.store([ct_slice(1)])
            await node.until(at_county=1)
        [upload] = county.uploads.uploads_of("qingshan", kind="parcel")
        assert upload.info.metadata["version"] == "1"


async def test_a_parcel_that_lies_ready_is_made_anew_for_a_county_put_back_to_an_older_version(
    tmp_path: Path,
) -> None:
    async with (
        county_taking(tmp_path, Taken()) as (county, _),
        open_line(county.port, QUICK_LINE) as line,
        node_in(tmp_path / "node", door_to(line.port)) as node,
    ):
        await node.store([ct_slice(1)])
        await node.until(at_county=1)
        line.take_down()
        await node.store([ct_slice(2)])
        await node.until(at_county=1, packed=1)
    async with county_taking(tmp_path, Taken(versions=ONLY_FIRST)) as (county, door):
        async with node_in(tmp_path / "node", door) as node:
            await node.until(at_county=2)
        assert len(uids(county)) == 2


async def test_where_no_version_is_common_everything_waits_and_it_is_said(tmp_path: Path) -> None:
    nothing = Taken(versions=frozenset({7}))
    async with (
        county_taking(tmp_path, nothing) as (county, door),
        node_in(tmp_path / "node", door) as node,
    ):
        await node.store([ct_slice(1)])
        await until(lambda: node.news.line().code == "parcel-version")
        assert node.news.line().state is LineState.DOWN
        assert await node.states() == {"waiting": 1}
        assert county.committed() == []


async def test_an_instance_too_large_for_the_county_is_found_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    images = [ct_slice(number, side=64, noise=30_000) for number in range(1, 9)]
    images[4] = ct_slice(5, side=512, noise=30_000)
    async with (
        county_taking(tmp_path, Taken(max_bytes=120_000)) as (county, door),
        node_in(tmp_path / "node", door) as node,
    ):
        await node.store(images)
        await node.until(at_county=7, set_aside=1)
        assert f"{ROOT}.1.1.5" not in uids(county)
        codes = {code for (code,) in await node.rows("reason_code")}
        assert codes == {"", "too-large"}


@asynccontextmanager
async def stumbling(node_home: Path, poison: str) -> AsyncIterator[tuple[County, Node]]:
    """A county that fails over any parcel with the instance *poison*, for no stated reason."""
    with pytest.MonkeyPatch.context() as patched:
        take = ParcelSink.take

        async def stumble(sink: ParcelSink, info: UploadInfo, path: Path) -> None:
            if poison.encode() in await asyncio.to_thread(path.read_bytes):
                raise RuntimeError("a fault of the county's own")
            await take(sink, info, path)

        patched.setattr(ParcelSink, "take", stumble)
        plain = Taken(versions=ONLY_FIRST)
        async with (
            county_taking(node_home, plain) as (county, door),
            node_in(node_home / "node", door) as node,
        ):
            yield county, node


@pytest.mark.timeout(60)
async def test_what_the_county_stumbles_over_is_halved_down_to_the_culprit(tmp_path: Path) -> None:
    async with stumbling(tmp_path, f"{ROOT}.1.1.6") as (county, node):
        await node.store([ct_slice(1, study=2)])
        await node.until(at_county=1)
        await node.store([ct_slice(number) for number in range(1, 9)])
        await node.until(at_county=8, set_aside=1, timeout_s=45)
        assert len(set(uids(county))) == len(uids(county)) == 8
        codes = sorted(code for (code,) in await node.rows("reason_code"))
        assert codes[-1] == "internal-error"


async def test_a_county_that_stumbles_over_everything_is_no_instances_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refusals() -> int:
        return sum(record.message == "parcel.refused" for record in caplog.records)

    caplog.set_level(logging.WARNING)
    async with stumbling(tmp_path, "YILIANPC") as (_, node):
        await node.store([ct_slice(1), ct_slice(2)])
        # Both sides have noted it once each, twice.
        await until(lambda: refusals() >= 4, timeout_s=20)
        assert set(await node.states()) <= {"waiting", "packed", "sent"}


@pytest.mark.parametrize(
    ("refused", "step"),
    [
        (Refused("parcel-version", 3), AfterRefusal.WAIT),
        (Refused("parcel-version", 3, other_version=True), AfterRefusal.MAKE_ANEW),
        (Refused("parcel-institution", 3), AfterRefusal.WAIT),
        (Refused("parcel-id", 1), AfterRefusal.WAIT),
        (Refused("parcel-damaged", 1), AfterRefusal.SEND_ANEW),
        (Refused("parcel-damaged", 1, damaged=1), AfterRefusal.SEND_ANEW),
        (Refused("parcel-damaged", 1, damaged=2), AfterRefusal.MAKE_ANEW),
        (Refused("too-large", 2), AfterRefusal.HALVE),
        (Refused("too-large", 1), AfterRefusal.SET_ASIDE),
        (Refused("parcel-header", 1, others_pass=False), AfterRefusal.SET_ASIDE),
        (Refused("internal-error", 2), AfterRefusal.HALVE),
        (Refused("internal-error", 1), AfterRefusal.SET_ASIDE),
        (Refused("internal-error", 2, others_pass=False), AfterRefusal.WAIT_APART),
        (Refused("internal-error", 1, others_pass=False), AfterRefusal.WAIT_APART),
    ],
)
def test_each_refusal_has_its_next_step(refused: Refused, step: AfterRefusal) -> None:
    assert after_refusal(refused, damaged_max=3) is step


async def test_a_node_that_speaks_for_another_institution_is_refused_before_its_first_byte(
    tmp_path: Path,
) -> None:
    async with county_taking(tmp_path, Taken()) as (county, door):
        foreign = replace(door, institution="baiyun")
        async with node_in(tmp_path / "node", foreign) as node:
            await node.store([ct_slice(1)])
            await until(lambda: node.news.line().code == "parcel-institution")
            assert node.meter.sent_bytes == 0
            assert await node.states() == {"packed": 1}
        assert county.committed() == []
