"""A real DICOMweb client stores real objects and gets them back, whole and equal."""

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from kernel.dicom.part10 import EXPLICIT_LE
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor
from tests.shared_data import members, need_shared_data, single_files

JPEG_LS = "1.2.840.10008.1.2.4.80"
STUDY, SERIES = f"{ROOT}.1", f"{ROOT}.1.1"
FIRST = f"{ROOT}.1.1.1"
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_OF_ENCODING = frozenset({0x7FE00010, 0x00280004, 0x00280006, 0x7FE00001, 0x7FE00002})
_LOSSY = frozenset("1.2.840.10008.1.2.4." + code for code in ("50", "51", "81", "91", "203"))

# pydicom says what it thinks of odd files; here it is only asked what is in them.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def client(filing_door: WebDoor) -> DICOMwebClient:
    return DICOMwebClient(url=filing_door.url, headers={"Authorization": "Bearer own"})


def read(raw: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(raw), force=True)


def told(ds: Dataset) -> dict[int, str]:
    """Return every element that is not bound to the encoding of pixels, as text."""
    return {
        int(element.tag): str(element.value)
        for element in ds
        if int(element.tag) not in _OF_ENCODING and element.tag.element != 0
    }


def array(ds: Dataset) -> np.ndarray[Any, Any] | None:
    """Return pydicom's pixels, None where it has no decoder for them or finds them broken."""
    try:
        return ds.pixel_array
    except Exception:  # noqa: BLE001  # whatever pydicom makes of broken pixels
        return None


async def test_stores_and_gets_instances_series_and_studies(
    client: DICOMwebClient, sqlite_desk: Desk
) -> None:
    sent = [read(ct(number)) for number in (1, 2, 3)]
    answer = await asyncio.to_thread(client.store_instances, sent)
    assert len(answer.ReferencedSOPSequence) == 3
    assert "FailedSOPSequence" not in answer
    for got in (
        await asyncio.to_thread(client.retrieve_study, STUDY),
        await asyncio.to_thread(client.retrieve_series, STUDY, SERIES),
    ):
        assert [ds.PixelData for ds in got] == [ds.PixelData for ds in sent]
        assert [told(ds) for ds in got] == [told(ds) for ds in sent]
    one = await asyncio.to_thread(client.retrieve_instance, STUDY, SERIES, FIRST)
    assert one.PixelData == sent[0].PixelData


async def test_gets_metadata_at_each_level(client: DICOMwebClient, sqlite_desk: Desk) -> None:
    await asyncio.to_thread(client.store_instances, [read(ct(1)), read(ct(2))])
    study = await asyncio.to_thread(client.retrieve_study_metadata, STUDY)
    series = await asyncio.to_thread(client.retrieve_series_metadata, STUDY, SERIES)
    instance = await asyncio.to_thread(client.retrieve_instance_metadata, STUDY, SERIES, FIRST)
    assert study == series
    assert series[0] == instance
    ds = Dataset.from_json(instance, bulk_data_uri_handler=lambda _: b"")
    original = read(ct(1))
    assert str(ds.PatientName) == str(original.PatientName)
    assert ds.PixelSpacing == original.PixelSpacing
    assert ds.Rows == 16


async def test_gets_frames_however_it_asks(client: DICOMwebClient, sqlite_desk: Desk) -> None:
    cells = np.arange(3 * 16, dtype="<i2").reshape(3, 4, 4)
    original = read(ct(Rows=4, Columns=4, NumberOfFrames=3, PixelData=cells.tobytes()))
    await asyncio.to_thread(client.store_instances, [original])

    def frames(media_types: tuple[str | tuple[str, str], ...] | None) -> list[bytes]:
        return client.retrieve_instance_frames(
            STUDY, SERIES, FIRST, frame_numbers=[3, 1], media_types=media_types
        )

    asked: tuple[tuple[str | tuple[str, str], ...] | None, ...] = (
        None,
        ("application/octet-stream",),
        (("application/octet-stream", "*"),),
        (("application/octet-stream", EXPLICIT_LE),),
    )
    for media_types in asked:
        found = await asyncio.to_thread(frames, media_types)
        assert found == [cells[2].tobytes(), cells[0].tobytes()]
    (stream, _) = await asyncio.to_thread(frames, (("image/jls", JPEG_LS),))
    assert stream.startswith(b"\xff\xd8\xff")


async def test_gets_pictures_and_bulk_data(client: DICOMwebClient, sqlite_desk: Desk) -> None:
    await asyncio.to_thread(client.store_instances, [read(ct(1))])
    jpeg = await asyncio.to_thread(
        lambda: client.retrieve_instance_rendered(
            STUDY, SERIES, FIRST, media_types=("image/jpeg",), params={"quality": 50}
        )
    )
    assert jpeg.startswith(b"\xff\xd8\xff")
    frame = await asyncio.to_thread(
        lambda: client.retrieve_instance_frames_rendered(
            STUDY, SERIES, FIRST, frame_numbers=[1], media_types=("image/png",)
        )
    )
    assert frame.startswith(b"\x89PNG")
    address = f"{client.base_url}/studies/{STUDY}/series/{SERIES}/instances/{FIRST}"
    value = await asyncio.to_thread(
        lambda: client.retrieve_bulkdata(f"{address}/bulkdata/7FE00010", byte_range=(0, 15))
    )
    assert [bytes(part) for part in value] == [read(ct(1)).PixelData[:16]]


async def test_reaches_every_resource(client: DICOMwebClient, sqlite_desk: Desk) -> None:
    sent = [read(ct(1)), read(ct(2)), read(ct(1, study=2))]
    await asyncio.to_thread(client.store_instances, sent)
    where = f"{client.base_url}/studies/{STUDY}/series/{SERIES}"

    def ask() -> tuple[Any, ...]:
        return (
            len(client.search_for_series()),
            len(client.search_for_series(STUDY)),
            len(client.search_for_instances()),
            len(client.search_for_instances(STUDY)),
            client.retrieve_series_rendered(STUDY, SERIES, media_types=("image/png",))[:4],
            client.retrieve_instance_frames_rendered(
                STUDY, SERIES, FIRST, frame_numbers=[1], media_types=("image/gif",)
            )[:4],
            client.retrieve_bulkdata(f"{where}/pixeldata"),
            client.retrieve_bulkdata(f"{client.base_url}/studies/{STUDY}/bulkdata"),
            client.retrieve_bulkdata(
                f"{where}/instances/{FIRST}/bulkdata/7FE00010", byte_range=(2, 5)
            ),
        )

    found = await asyncio.to_thread(ask)
    pixels = [ds.PixelData for ds in sent[:2]]
    assert found[:4] == (2, 1, 3, 2)
    assert found[4:6] == (b"\x89PNG", b"GIF8")
    assert found[6:] == (pixels, pixels, [pixels[0][2:6]])


async def test_large_objects_arrive_in_chunks(client: DICOMwebClient, sqlite_desk: Desk) -> None:
    cells = np.random.default_rng(2).integers(0, 4096, (1500, 1500)).astype("<i2")
    original = read(ct(Rows=1500, Columns=1500, PixelData=cells.tobytes()))
    answer = await asyncio.to_thread(client.store_instances, [original])
    assert len(answer.ReferencedSOPSequence) == 1
    got = await asyncio.to_thread(client.retrieve_instance, STUDY, SERIES, FIRST)
    assert got.PixelData == original.PixelData


def distinct(files: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes, Dataset]]:
    """Yield those that belong to a study, each SOP Instance UID once."""
    seen: set[str] = set()
    for name, raw in files:
        if raw[128:132] == b"DICM":
            ds = read(raw)
            uids = [str(ds.get(keyword) or "") for keyword in _UIDS]
            if all(uids) and uids[-1] not in seen:
                seen.add(uids[-1])
                yield name, raw, ds


async def returned(filing_door: WebDoor, raw: bytes) -> tuple[int, bytes]:
    """Store *raw* and return it as a client that names no transfer syntax gets it."""
    ds = read(raw)
    path = (
        f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}"
        f"/instances/{ds.SOPInstanceUID}"
    )
    status, _, _ = await filing_door.post("/studies", raw, "application/dicom")
    if status != 200:
        return status, b""
    status, _, body = await filing_door.get(path, "application/dicom")
    return status, body


@pytest.mark.timeout(240)
async def test_every_real_object_comes_back_with_its_elements_and_pixels(
    filing_door: WebDoor,
) -> None:
    need_shared_data()
    refused, compared = set(), 0
    for name, raw, original in distinct(single_files()):
        status, body = await returned(filing_door, raw)
        if status != 200:
            refused.add(name)
            continue
        made = read(body)
        one, other = told(original), told(made)
        if original.file_meta.TransferSyntaxUID == ExplicitVRBigEndian:
            # A UN element is in little endian whatever the transfer syntax (PS3.5 6.2.2); pydicom
            # reads it with the VR of its private dictionary in big endian.
            one, other = ({t: v for t, v in ds.items() if not t >> 16 & 1} for ds in (one, other))
        assert one == other, name
        expected, found = array(original), array(made)
        if expected is None or original.file_meta.TransferSyntaxUID in _LOSSY:
            continue
        assert found is not None, name
        assert np.array_equal(expected, found), name
        compared += 1
    # SOP Instance UID with letters; the truncated ones share theirs with whole ones.
    assert refused == {"dicom/odd/bad_sequence.dcm"}
    assert compared > 90


@pytest.mark.timeout(120)
async def test_a_real_ct_study_comes_back_through_the_client(
    client: DICOMwebClient, filing_door: WebDoor
) -> None:
    files = [raw for _, raw in members("ct-philips-study-a.tar.xz") if raw[128:132] == b"DICM"]
    sent = {ds.SOPInstanceUID: ds for _, _, ds in distinct(("", raw) for raw in files)}
    answer = await asyncio.to_thread(client.store_instances, list(sent.values()))
    assert len(answer.ReferencedSOPSequence) == len(sent)
    study = next(iter(sent.values())).StudyInstanceUID
    got = await asyncio.to_thread(client.retrieve_study, study)
    assert {ds.SOPInstanceUID for ds in got} == set(sent)
    for ds in got:
        original = sent[ds.SOPInstanceUID]
        assert ds.get("PixelData") == original.get("PixelData")
        assert told(ds) == told(original)
