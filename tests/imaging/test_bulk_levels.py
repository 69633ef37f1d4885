"""Bulk values and pixels of whole studies, series and instances."""

import io
import json

import pydicom
import pytest

from tests.imaging.compressed import compressed
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor, parts_of

STUDY = f"/studies/{ROOT}.1"
SERIES = f"{STUDY}/series/{ROOT}.1.1"
INSTANCE = f"{SERIES}/instances/{ROOT}.1.1.1"
OCTETS = 'multipart/related; type="application/octet-stream"'
EXPLICIT = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"


def pixels(raw: bytes) -> bytes:
    return bytes(pydicom.dcmread(io.BytesIO(raw)).PixelData)


@pytest.mark.parametrize("path", [STUDY, SERIES])
async def test_the_pixels_of_all_instances_are_a_part_each(
    sqlite_desk: Desk, door: WebDoor, path: str
) -> None:
    await sqlite_desk.file(ct(1), ct(2))
    for accept in (OCTETS, "*/*", ""):
        status, headers, body = await door.get(f"{path}/pixeldata", accept)
        assert status == 200
        assert parts_of(headers, body) == [(EXPLICIT, pixels(ct(1))), (EXPLICIT, pixels(ct(2)))]
        assert f"Content-Location: /dicom-web{INSTANCE}/bulkdata/7FE00010\r\n".encode() in body


async def test_frames_that_are_stored_compressed_leave_as_the_client_takes_them(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await compressed(sqlite_desk, ct())
    _, headers, body = await door.get(f"{INSTANCE}/pixeldata", OCTETS)
    assert parts_of(headers, body) == [(EXPLICIT, pixels(ct()))]
    for accept in ("*/*", f'{OCTETS}; transfer-syntax="*"'):
        _, headers, body = await door.get(f"{INSTANCE}/pixeldata", accept)
        ((kind, stream),) = parts_of(headers, body)
        assert kind == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.202"
        assert stream.startswith(b"\xff\x4f\xff\x51")
        assert f"Content-Location: /dicom-web{INSTANCE}/frames/1\r\n".encode() in body


async def test_bulk_data_are_all_that_the_metadata_leaves_out(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    profile = bytes(range(256)) * 8
    await sqlite_desk.file(ct(ICCProfile=profile))
    _, _, metadata = await door.get(f"{INSTANCE}/metadata", Accept_Encoding="identity")
    named = [
        element["BulkDataURI"]
        for element in json.loads(metadata)[0].values()
        if "BulkDataURI" in element
    ]
    assert len(named) == 2
    for path in (STUDY, SERIES, INSTANCE):
        _, headers, body = await door.get(f"{path}/bulkdata", OCTETS)
        assert parts_of(headers, body) == [(EXPLICIT, profile), (EXPLICIT, pixels(ct()))]
        for where in named:
            assert where.encode() in body


async def test_nothing_kept_apart_is_404_and_no_other_form_406(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct(PixelData=None, Rows=None, Columns=None))
    for path in (STUDY, SERIES, INSTANCE):
        for name in ("bulkdata", "pixeldata"):
            assert (await door.get(f"{path}/{name}"))[0] == 404
            assert (await door.get(f"{path}/{name}", "application/octet-stream"))[0] == 406
