"""Parcels whose frames are JPEG XL: on a slow line, to a county that can have them back."""

import asyncio
import io
from pathlib import Path

import pytest

from gateway.township.forwarder import Forwarder
from gateway.township.line_plan import LinePlan
from gateway.uploads.parcel import Encoding, Parcel, ParcelInstance, read_parcel
from gateway.uploads.parcel_sink import ParcelSink, Taken
from gateway.uploads.upload_files import UploadInfo
from kernel.dicom import dense as dense_form
from kernel.dicom.codecs import HTJ2K_LOSSLESS_RPCL
from kernel.dicom.dataset import BytesSource
from tests.township.node import door_to, node_in
from tests.uploads.county_door import county_door
from tests.uploads.dicom_files import ct_slice, structured_report


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Parcel]:
    """Every parcel a county of this process takes."""
    parcels: list[Parcel] = []
    take = ParcelSink.take

    async def noting(sink: ParcelSink, info: UploadInfo, path: Path) -> None:
        raw = await asyncio.to_thread(path.read_bytes)
        parcels.append(read_parcel(io.BytesIO(raw), len(raw)))
        await take(sink, info, path)

    monkeypatch.setattr(ParcelSink, "take", noting)
    return parcels


def instances(parcels: list[Parcel]) -> list[ParcelInstance]:
    return [one for parcel in parcels for one in parcel.header.instances]


async def test_images_cross_dense_and_are_the_same_there(
    tmp_path: Path, seen: list[Parcel]
) -> None:
    async with (
        county_door(tmp_path / "county") as county,
        node_in(tmp_path / "node", door_to(county.port)) as node,
    ):
        await node.store([ct_slice(1, side=256), ct_slice(2, side=256), structured_report()])
        await node.until(at_county=3)
        told = {content for (content,) in await node.rows("content")}
        committed = county.committed()
    found = {arrival.digest.whole for arrival, _ in committed if arrival.digest}
    assert found == told
    images = [arrival for arrival, _ in committed if arrival.native is not None]
    assert {arrival.transfer_syntax_uid for arrival in images} == {HTJ2K_LOSSLESS_RPCL}
    crossed = instances(seen)
    assert sorted(one.encoding for one in crossed) == ["dense", "dense", "zstd"]
    for one in crossed:
        if one.encoding is Encoding.DENSE:
            assert one.body_bytes < one.arrival.size_bytes


async def test_a_county_that_cannot_have_them_back_gets_them_as_they_are(
    tmp_path: Path, seen: list[Parcel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: object, **__: object) -> None:
        raise dense_form.NotDense("no such decoder")

    monkeypatch.setattr("gateway.uploads.parcel_sink.restored", unable)
    async with (
        county_door(tmp_path / "county") as county,
        node_in(tmp_path / "node", door_to(county.port)) as node,
    ):
        await node.store([ct_slice(number, side=256) for number in (1, 2)])
        await node.until(at_county=2)
        assert len(county.committed()) == 2
    encodings = [one.encoding for one in instances(seen)]
    assert encodings.count(Encoding.DENSE) == 2
    assert encodings.count(Encoding.IDENTITY) == 2


async def test_an_older_county_gets_no_dense_parcels(tmp_path: Path, seen: list[Parcel]) -> None:
    async with (
        county_door(tmp_path / "county", taken=Taken(versions=frozenset({1, 2}))) as county,
        node_in(tmp_path / "node", door_to(county.port)) as node,
    ):
        await node.store([ct_slice(1, side=256)])
        await node.until(at_county=1)
    assert {one.encoding for one in instances(seen)} == {Encoding.IDENTITY}


async def test_a_fast_line_is_not_kept_waiting_for_them(
    tmp_path: Path, seen: list[Parcel], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = LinePlan(
        parcel_bytes=1 << 20, parallel=1, level=1, dense=False, send_buffer_bytes=1 << 16
    )
    monkeypatch.setattr(Forwarder, "_plan", lambda _: fast)
    async with (
        county_door(tmp_path / "county") as county,
        node_in(tmp_path / "node", door_to(county.port)) as node,
    ):
        await node.store([ct_slice(1, side=256)])
        await node.until(at_county=1)
    assert {one.encoding for one in instances(seen)} == {Encoding.IDENTITY}


async def test_a_dense_body_that_holds_another_image_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happened to it: the content decides, and what is right comes as it is."""
    restored = dense_form.restored

    def another(*arguments: object, **named: object) -> object:
        found = restored(*arguments, **named)  # type: ignore[arg-type]
        raw = found.read(0, found.size)
        return BytesSource(raw.replace(b"990000-1", b"990000-7"))

    monkeypatch.setattr("gateway.uploads.parcel_sink.restored", another)
    async with (
        county_door(tmp_path / "county") as county,
        node_in(tmp_path / "node", door_to(county.port)) as node,
    ):
        await node.store([ct_slice(1, side=256)])
        await node.until(at_county=1)
        told = [content for (content,) in await node.rows("content")]
        [(arrival, raw)] = county.committed()
    assert arrival.digest is not None
    assert [arrival.digest.whole] == told
    assert b"990000-7" not in raw
