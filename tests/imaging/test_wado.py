"""WADO-RS over real HTTP, byte by byte: what viewers parse, and what nobody may see."""

import io
import json

import numpy as np
import pydicom
import pytest

from kernel.dicom.codecs import HTJ2K_LOSSLESS_RPCL
from kernel.dicom.part10 import EXPLICIT_LE
from tests.imaging.compressed import compressed
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct, part10
from tests.imaging.web_door import WebDoor, parts_of

STUDY = f"/studies/{ROOT}.1"
SERIES = f"{STUDY}/series/{ROOT}.1.1"
INSTANCE = f"{SERIES}/instances/{ROOT}.1.1.1"
OHIF_FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax="*"'
ANY_PART = 'multipart/related; type="*/*"'


def pixels(raw: bytes) -> bytes:
    return bytes(pydicom.dcmread(io.BytesIO(raw)).PixelData)


# Frames, as cornerstone and OHIF parse them.


@pytest.mark.parametrize(
    "accept",
    [
        OHIF_FRAMES,
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
        ANY_PART,
        "*/*",
        "",
        'multipart/related; type="application/octet-stream"',
        'image/avif, multipart/related; type="application/octet-stream"; q=0.5, text/plain; q=0.1',
    ],
)
async def test_a_frame_is_one_part_that_viewers_can_parse(
    sqlite_desk: Desk, door: WebDoor, accept: str
) -> None:
    await sqlite_desk.file(ct())
    status, headers, body = await door.get(f"{INSTANCE}/frames/1", accept)
    assert status == 200
    kind, _, boundary = headers["Content-Type"].partition("; boundary=")
    assert kind == 'multipart/related; type="application/octet-stream"'
    head = f"--{boundary}\r\nContent-Type: application/octet-stream; "
    expected = f"{head}transfer-syntax={EXPLICIT_LE}\r\n\r\n".encode()
    assert body == expected + pixels(ct()) + f"\r\n--{boundary}--\r\n".encode()
    assert "Content-Encoding" not in headers


async def test_a_compressed_frame_leaves_as_it_is_stored(sqlite_desk: Desk, door: WebDoor) -> None:
    await compressed(sqlite_desk, ct())
    _, headers, body = await door.get(f"{INSTANCE}/frames/1", OHIF_FRAMES)
    ((kind, stream),) = parts_of(headers, body)
    assert kind == f"application/octet-stream; transfer-syntax={HTJ2K_LOSSLESS_RPCL}"
    assert stream.startswith(b"\xff\x4f\xff\x51")


async def test_octets_without_a_transfer_syntax_are_decoded(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await compressed(sqlite_desk, ct())
    accept = 'multipart/related; type="application/octet-stream"'
    _, headers, body = await door.get(f"{INSTANCE}/frames/1", accept)
    assert parts_of(headers, body) == [
        (f"application/octet-stream; transfer-syntax={EXPLICIT_LE}", pixels(ct()))
    ]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("image/jphc", "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202"),
        (
            "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.201",
            "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.201",
        ),
        ("image/jls", "image/jls; transfer-syntax=1.2.840.10008.1.2.4.80"),
        ("image/jp2", "image/jp2; transfer-syntax=1.2.840.10008.1.2.4.90"),
        ("image/x-dicom-rle", "image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5"),
        ("image/jpeg", "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.70"),
        (
            "application/octet-stream",
            "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1",
        ),
    ],
)
async def test_a_frame_comes_by_itself_in_the_type_that_is_asked_for(
    sqlite_desk: Desk, door: WebDoor, accept: str, content_type: str
) -> None:
    await compressed(sqlite_desk, ct())
    status, headers, body = await door.get(f"{INSTANCE}/frames/1", accept)
    assert (status, headers["Content-Type"]) == (200, content_type)
    assert len(body) == int(headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "image/jxl",
        "video/mp4",
        "image/jls; transfer-syntax=1.2.840.10008.1.2.4.90",
        "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.50",
        "image/jls; q=0",
    ],
)
async def test_a_form_that_cannot_be_had_is_406(
    sqlite_desk: Desk, door: WebDoor, accept: str
) -> None:
    await sqlite_desk.file(ct())
    status, headers, body = await door.get(f"{INSTANCE}/frames/1", accept)
    assert (status, headers["Content-Type"]) == (406, "application/problem+json")
    assert json.loads(body)["code"] == "not-acceptable"


async def test_frames_are_numbered_from_one_and_come_in_the_order_asked(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    cells = np.arange(4 * 2 * 2, dtype="<i2").reshape(4, 2, 2)
    await sqlite_desk.file(ct(Rows=2, Columns=2, NumberOfFrames=4, PixelData=cells.tobytes()))
    _, headers, body = await door.get(f"{INSTANCE}/frames/4,1,3", ANY_PART)
    found = [part for _, part in parts_of(headers, body)]
    assert found == [cells[3].tobytes(), cells[0].tobytes(), cells[2].tobytes()]
    assert (await door.get(f"{INSTANCE}/frames/5", ANY_PART))[0] == 404
    assert (await door.get(f"{INSTANCE}/frames/1,5", ANY_PART))[0] == 404
    assert (await door.get(f"{INSTANCE}/frames/1,2", "application/octet-stream"))[0] == 406


@pytest.mark.parametrize("frames", ["0", "-1", "a", "1;2", "1,,2", "1.5", "1" * 12])
async def test_what_is_no_frame_list_is_400(sqlite_desk: Desk, door: WebDoor, frames: str) -> None:
    await sqlite_desk.file(ct())
    status, _, body = await door.get(f"{INSTANCE}/frames/{frames}", ANY_PART)
    assert (status, json.loads(body)["code"]) == (400, "invalid-frames")


async def test_a_frame_is_kept_by_the_browser_and_not_sent_again(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct())
    _, headers, _ = await door.get(f"{INSTANCE}/frames/1", OHIF_FRAMES)
    assert headers["Cache-Control"].startswith("private,")
    assert "immutable" in headers["Cache-Control"]
    etag = headers["ETag"]
    status, _, body = await door.get(f"{INSTANCE}/frames/1", OHIF_FRAMES, If_None_Match=etag)
    assert (status, body) == (304, b"")
    single = "application/octet-stream"
    assert (await door.get(f"{INSTANCE}/frames/1", single, If_None_Match=etag))[0] == 200


async def test_an_object_without_pixels_has_no_frames(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(ct(PixelData=None, Rows=None, Columns=None))
    assert (await door.get(f"{INSTANCE}/frames/1", ANY_PART))[0] == 406


async def test_a_damaged_stream_is_said_and_still_leaves_as_it_is_stored(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    ds = pydicom.dcmread(io.BytesIO(ct()))
    ds.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + b"\0" * 60])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    raw = part10(ds, syntax=HTJ2K_LOSSLESS_RPCL)
    await sqlite_desk.file(raw)
    status, _, body = await door.get(f"{INSTANCE}/frames/1", "application/octet-stream")
    assert (status, json.loads(body)["code"]) == (422, "frame-undecodable")
    _, headers, body = await door.get(f"{INSTANCE}/frames/1", OHIF_FRAMES)
    assert parts_of(headers, body)[0][1].startswith(b"\xff\x4f")
    # Nobody named a transfer syntax: the object as it is serves better than none.
    _, headers, body = await door.get(INSTANCE, "")
    assert parts_of(headers, body) == [
        (f"application/dicom; transfer-syntax={HTJ2K_LOSSLESS_RPCL}", raw)
    ]
    wanted = f"application/dicom; transfer-syntax={EXPLICIT_LE}"
    assert (await door.get(INSTANCE, wanted))[0] == 422
    _, headers, body = await door.get(STUDY, f'multipart/related; type="{wanted}"')
    assert parts_of(headers, body)[0][1] == raw


# Whole objects.


async def test_an_object_as_stored_is_the_file_that_came(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(ct())
    accept = "application/dicom; transfer-syntax=*"
    status, headers, body = await door.get(INSTANCE, accept)
    assert (status, body) == (200, ct())
    assert headers["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT_LE}"
    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert int(headers["Content-Length"]) == len(ct())


@pytest.mark.parametrize("accept", ["", 'multipart/related; type="application/dicom"'])
async def test_what_was_compressed_for_the_line_comes_back_as_it_was(
    sqlite_desk: Desk, door: WebDoor, accept: str
) -> None:
    await compressed(sqlite_desk, ct())
    _, headers, body = await door.get(INSTANCE, accept)
    ((kind, raw),) = parts_of(headers, body)
    assert kind == f"application/dicom; transfer-syntax={EXPLICIT_LE}"
    made, original = (pydicom.dcmread(io.BytesIO(each)) for each in (raw, ct()))
    assert made.PixelData == original.PixelData
    assert made == original


async def test_a_study_is_one_part_for_each_object_with_its_place(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct(1), ct(2), ct(1, series=2))
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    status, headers, body = await door.get(STUDY, accept)
    assert status == 200
    assert int(headers["Content-Length"]) == len(body)
    assert [part for _, part in parts_of(headers, body)] == [ct(1), ct(2), ct(1, series=2)]
    assert f"Content-Location: /dicom-web{INSTANCE}".encode() in body
    _, headers, body = await door.get(SERIES, accept)
    assert len(parts_of(headers, body)) == 2
    assert (await door.get(STUDY, "application/dicom"))[0] == 406


@pytest.mark.parametrize("syntax", ["*", "1.2.840.10008.1.2.4.80"])
async def test_a_study_of_which_the_disk_has_lost_an_object_comes_without_it_and_says_so(
    sqlite_desk: Desk, door: WebDoor, syntax: str
) -> None:
    await sqlite_desk.file(ct(1), ct(2), ct(3))
    accept = f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'
    whole = parts_of(*(await door.get(STUDY, accept))[1:])
    lost = next(file for file in sqlite_desk.object_files() if file.read_bytes() == ct(2))
    lost.write_bytes(ct(2)[:-100])
    status, headers, body = await door.get(STUDY, accept)
    assert (status, parts_of(headers, body)) == (206, [whole[0], whole[2]])
    told = f"1 of 3 objects are damaged or lost here and left out: {ROOT}.1.1.2"
    assert headers["Warning"] == f'299 yilian "{told}"'
    for file in sqlite_desk.object_files():
        file.unlink()
    status, headers, body = await door.get(STUDY, accept)
    assert (status, json.loads(body)["code"]) == (404, "object-missing")
    assert "Warning" not in headers


async def test_a_study_of_mixed_encodings_leaves_in_the_one_that_is_asked_for(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct(1))
    await compressed(sqlite_desk, ct(2))
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.80'
    _, headers, body = await door.get(STUDY, accept)
    kinds = {kind for kind, _ in parts_of(headers, body)}
    assert kinds == {"application/dicom; transfer-syntax=1.2.840.10008.1.2.4.80"}


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50", 406),
        ("application/dicom; transfer-syntax=9.9", 406),
        ('multipart/related; type="application/dicom+xml"', 406),
        ("image/jpeg", 406),
        ("application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50, application/dicom", 200),
    ],
)
async def test_takes_the_best_of_several_alternatives(
    sqlite_desk: Desk, door: WebDoor, accept: str, status: int
) -> None:
    await sqlite_desk.file(ct())
    assert (await door.get(INSTANCE, accept))[0] == status
