"""WADO-RS over real HTTP, byte by byte: what viewers parse, and what nobody may see."""

import gzip
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
import pytest_asyncio
import sqlalchemy as sa

from imaging.archive.reach import give_to
from kernel.arrival import encode_arrival
from kernel.audit import AuditEvent, audit_entries
from kernel.codecs import HTJ2K_LOSSLESS_RPCL
from kernel.dataset import scan
from kernel.db import Database, metadata
from kernel.lossless import compress_object
from kernel.part10 import EXPLICIT_LE, BytesSource, read_file_meta
from tests.imaging.desk import Desk, open_desk
from tests.imaging.sample import ROOT, arrival, ct, part10
from tests.imaging.web_door import WebDoor, open_door, parts_of

STUDY = f"/studies/{ROOT}.1"
SERIES = f"{STUDY}/series/{ROOT}.1.1"
INSTANCE = f"{SERIES}/instances/{ROOT}.1.1.1"
OHIF_FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax="*"'
ANY_PART = 'multipart/related; type="*/*"'


@pytest_asyncio.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    database = await Database.open(sqlite_url)
    await database.write(metadata.create_all)
    async with open_desk(database, tmp_path) as opened:
        yield opened
    await database.close()


@pytest_asyncio.fixture
async def door(desk: Desk) -> AsyncIterator[WebDoor]:
    async with open_door(desk, filing=False) as opened:
        yield opened


def pixels(raw: bytes) -> bytes:
    return bytes(pydicom.dcmread(io.BytesIO(raw)).PixelData)


async def compressed(desk: Desk, raw: bytes) -> None:
    """File *raw* as a township would send it: HTJ2K, with its native form."""
    source = BytesSource(raw)
    meta = read_file_meta(source)
    walked = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    made = compress_object(source, meta, walked)
    assert made is not None
    with made:
        told = arrival(native=made.native, digest=made.digest)
        draft = desk.writer.begin()
        for chunk in made.chunks():
            await draft.write(chunk)
    await desk.writer.commit([(draft, encode_arrival(told))])
    await desk.file_all()


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
    desk: Desk, door: WebDoor, accept: str
) -> None:
    await desk.file(ct())
    status, headers, body = await door.get(f"{INSTANCE}/frames/1", accept)
    assert status == 200
    kind, _, boundary = headers["Content-Type"].partition("; boundary=")
    assert kind == 'multipart/related; type="application/octet-stream"'
    head = f"--{boundary}\r\nContent-Type: application/octet-stream; "
    expected = f"{head}transfer-syntax={EXPLICIT_LE}\r\n\r\n".encode()
    assert body == expected + pixels(ct()) + f"\r\n--{boundary}--\r\n".encode()
    assert "Content-Encoding" not in headers


async def test_a_compressed_frame_leaves_as_it_is_stored(desk: Desk, door: WebDoor) -> None:
    await compressed(desk, ct())
    _, headers, body = await door.get(f"{INSTANCE}/frames/1", OHIF_FRAMES)
    ((kind, stream),) = parts_of(headers, body)
    assert kind == f"application/octet-stream; transfer-syntax={HTJ2K_LOSSLESS_RPCL}"
    assert stream.startswith(b"\xff\x4f\xff\x51")


async def test_octets_without_a_transfer_syntax_are_decoded(desk: Desk, door: WebDoor) -> None:
    await compressed(desk, ct())
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
    desk: Desk, door: WebDoor, accept: str, content_type: str
) -> None:
    await compressed(desk, ct())
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
async def test_a_form_that_cannot_be_had_is_406(desk: Desk, door: WebDoor, accept: str) -> None:
    await desk.file(ct())
    status, headers, body = await door.get(f"{INSTANCE}/frames/1", accept)
    assert (status, headers["Content-Type"]) == (406, "application/problem+json")
    assert json.loads(body)["code"] == "not-acceptable"


async def test_frames_are_numbered_from_one_and_come_in_the_order_asked(
    desk: Desk, door: WebDoor
) -> None:
    cells = np.arange(4 * 2 * 2, dtype="<i2").reshape(4, 2, 2)
    await desk.file(ct(Rows=2, Columns=2, NumberOfFrames=4, PixelData=cells.tobytes()))
    _, headers, body = await door.get(f"{INSTANCE}/frames/4,1,3", ANY_PART)
    found = [part for _, part in parts_of(headers, body)]
    assert found == [cells[3].tobytes(), cells[0].tobytes(), cells[2].tobytes()]
    assert (await door.get(f"{INSTANCE}/frames/5", ANY_PART))[0] == 404
    assert (await door.get(f"{INSTANCE}/frames/1,5", ANY_PART))[0] == 404
    assert (await door.get(f"{INSTANCE}/frames/1,2", "application/octet-stream"))[0] == 406


@pytest.mark.parametrize("frames", ["0", "-1", "a", "1;2", "1,,2", "1.5", "1" * 12])
async def test_what_is_no_frame_list_is_400(desk: Desk, door: WebDoor, frames: str) -> None:
    await desk.file(ct())
    status, _, body = await door.get(f"{INSTANCE}/frames/{frames}", ANY_PART)
    assert (status, json.loads(body)["code"]) == (400, "invalid-frames")


async def test_a_frame_is_kept_by_the_browser_and_not_sent_again(desk: Desk, door: WebDoor) -> None:
    await desk.file(ct())
    _, headers, _ = await door.get(f"{INSTANCE}/frames/1", OHIF_FRAMES)
    assert headers["Cache-Control"].startswith("private,")
    assert "immutable" in headers["Cache-Control"]
    etag = headers["ETag"]
    status, _, body = await door.get(f"{INSTANCE}/frames/1", OHIF_FRAMES, If_None_Match=etag)
    assert (status, body) == (304, b"")
    single = "application/octet-stream"
    assert (await door.get(f"{INSTANCE}/frames/1", single, If_None_Match=etag))[0] == 200


async def test_an_object_without_pixels_has_no_frames(desk: Desk, door: WebDoor) -> None:
    await desk.file(ct(PixelData=None, Rows=None, Columns=None))
    assert (await door.get(f"{INSTANCE}/frames/1", ANY_PART))[0] == 406


async def test_a_damaged_stream_is_said_and_still_leaves_as_it_is_stored(
    desk: Desk, door: WebDoor
) -> None:
    ds = pydicom.dcmread(io.BytesIO(ct()))
    ds.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + b"\0" * 60])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    raw = part10(ds, syntax=HTJ2K_LOSSLESS_RPCL)
    await desk.file(raw)
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


async def test_an_object_as_stored_is_the_file_that_came(desk: Desk, door: WebDoor) -> None:
    await desk.file(ct())
    accept = "application/dicom; transfer-syntax=*"
    status, headers, body = await door.get(INSTANCE, accept)
    assert (status, body) == (200, ct())
    assert headers["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT_LE}"
    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert int(headers["Content-Length"]) == len(ct())


@pytest.mark.parametrize("accept", ["", 'multipart/related; type="application/dicom"'])
async def test_what_was_compressed_for_the_line_comes_back_as_it_was(
    desk: Desk, door: WebDoor, accept: str
) -> None:
    await compressed(desk, ct())
    _, headers, body = await door.get(INSTANCE, accept)
    ((kind, raw),) = parts_of(headers, body)
    assert kind == f"application/dicom; transfer-syntax={EXPLICIT_LE}"
    made, original = (pydicom.dcmread(io.BytesIO(each)) for each in (raw, ct()))
    assert made.PixelData == original.PixelData
    assert made == original


async def test_a_study_is_one_part_for_each_object_with_its_place(
    desk: Desk, door: WebDoor
) -> None:
    await desk.file(ct(1), ct(2), ct(1, series=2))
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    status, headers, body = await door.get(STUDY, accept)
    assert status == 200
    assert int(headers["Content-Length"]) == len(body)
    assert [part for _, part in parts_of(headers, body)] == [ct(1), ct(2), ct(1, series=2)]
    assert f"Content-Location: /dicom-web{INSTANCE}".encode() in body
    _, headers, body = await door.get(SERIES, accept)
    assert len(parts_of(headers, body)) == 2
    assert (await door.get(STUDY, "application/dicom"))[0] == 406


async def test_a_study_of_mixed_encodings_leaves_in_the_one_that_is_asked_for(
    desk: Desk, door: WebDoor
) -> None:
    await desk.file(ct(1))
    await compressed(desk, ct(2))
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
    desk: Desk, door: WebDoor, accept: str, status: int
) -> None:
    await desk.file(ct())
    assert (await door.get(INSTANCE, accept))[0] == status


# Metadata.


async def test_metadata_is_sent_as_it_was_made_and_opens_no_object(
    desk: Desk, door: WebDoor
) -> None:
    await desk.file(ct(1), ct(2))
    for file in desk.object_files():
        file.unlink()
    status, headers, packed = await door.get(
        f"{SERIES}/metadata", "application/dicom+json", Accept_Encoding="gzip, deflate, br"
    )
    assert (status, headers["Content-Type"]) == (200, "application/dicom+json")
    assert headers["Content-Encoding"] == "gzip"
    told = json.loads(gzip.decompress(packed))
    assert [ds["00200013"]["Value"] for ds in told] == [[1], [2]]
    assert told[0]["00100010"]["Value"] == [{"Alphabetic": "Zhang^San", "Ideographic": "张^三"}]
    _, headers, plain = await door.get(f"{SERIES}/metadata", Accept_Encoding="identity")
    assert "Content-Encoding" not in headers
    assert json.loads(plain) == told
    for path in (f"{STUDY}/metadata", f"{INSTANCE}/metadata"):
        for encoding in ("gzip", "identity"):
            _, headers, body = await door.get(path, Accept_Encoding=encoding)
            if headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert json.loads(body) == (told if path.startswith(f"{STUDY}/m") else told[:1])


async def test_metadata_is_not_sent_again_until_the_series_grows(desk: Desk, door: WebDoor) -> None:
    await desk.file(ct(1))
    for path in (f"{SERIES}/metadata", f"{STUDY}/metadata"):
        _, headers, _ = await door.get(path)
        status, _, body = await door.get(path, If_None_Match=headers["ETag"])
        assert (status, body) == (304, b"")
    _, before, _ = await door.get(f"{SERIES}/metadata")
    await desk.file(ct(2))
    status, _, _ = await door.get(f"{SERIES}/metadata", If_None_Match=before["ETag"])
    assert status == 200


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/dicom+json, application/json", "application/dicom+json"),
        ("application/json", "application/json"),
        ("*/*", "application/dicom+json"),
    ],
)
async def test_metadata_comes_as_the_json_the_client_names(
    desk: Desk, door: WebDoor, accept: str, kind: str
) -> None:
    await desk.file(ct())
    _, headers, _ = await door.get(f"{SERIES}/metadata", accept)
    assert headers["Content-Type"] == kind
    xml = 'multipart/related; type="application/dicom+xml"'
    assert (await door.get(f"{SERIES}/metadata", xml))[0] == 406


# Who may see what.

EVERYTHING = [
    STUDY,
    SERIES,
    INSTANCE,
    f"{STUDY}/metadata",
    f"{SERIES}/metadata",
    f"{INSTANCE}/metadata",
    f"{INSTANCE}/frames/1",
    f"{INSTANCE}/bulkdata/7FE00010",
    f"{STUDY}/rendered",
    f"{SERIES}/rendered",
    f"{INSTANCE}/rendered",
    f"{INSTANCE}/frames/1/rendered",
    f"{STUDY}/thumbnail",
    f"{SERIES}/thumbnail",
    f"{INSTANCE}/thumbnail",
    f"{INSTANCE}/frames/1/thumbnail",
]


@pytest.mark.parametrize("path", EVERYTHING)
async def test_another_institution_finds_nothing_until_it_is_routed_there(
    desk: Desk, door: WebDoor, path: str
) -> None:
    await desk.file(ct())
    assert (await door.get(path))[0] == 200
    status, _, body = await door.get(path, who="other")
    assert status == 404
    assert body == (await door.get(path.replace(ROOT, "9.9"), who="other"))[2]
    await desk.database.write(
        lambda conn: give_to(
            conn, f"{ROOT}.1", ["baihe"], rule="all", priority=None, at=desk.clock.now()
        )
    )
    assert (await door.get(path, who="other"))[0] == 200
    assert (await door.get(path, who="manager"))[0] == 403


async def test_a_series_or_instance_is_found_only_where_it_belongs(
    desk: Desk, door: WebDoor
) -> None:
    await desk.file(ct(1), ct(1, study=2))
    wrong = [
        f"/studies/{ROOT}.2/series/{ROOT}.1.1/metadata",
        f"/studies/{ROOT}.2/series/{ROOT}.2.1/instances/{ROOT}.1.1.1/frames/1",
        f"/studies/{ROOT}.1/series/{ROOT}.2.1/instances/{ROOT}.1.1.1",
    ]
    for path in wrong:
        assert (await door.get(path))[0] == 404


async def test_the_first_look_is_in_the_trail_and_later_ones_are_counted(
    desk: Desk, door: WebDoor
) -> None:
    await desk.file(ct(1), ct(2))
    await door.get(f"{SERIES}/metadata")
    for number in (1, 2):
        await door.get(f"{SERIES}/instances/{ROOT}.1.1.{number}/frames/1")
    await door.get(f"{INSTANCE}/frames/1", who="machine")
    columns = audit_entries.c
    query = sa.select(columns.event, columns.username, columns.subject).order_by(columns.id)
    rows = await desk.rows(query)
    assert [(row["event"], row["username"], row["subject"]) for row in rows] == [
        (AuditEvent.STUDY_SEEN, "li", f"study:{ROOT}.1"),
        (AuditEvent.STUDY_SEEN, "node", f"study:{ROOT}.1"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/studies/../../etc/passwd/metadata",
        "/studies/1.2.%2e%2e/metadata",
        "/studies/abc/metadata",
        f"/studies/{'1' * 65}/metadata",
        "/studies/1.2.\uff13/metadata",
        f"/studies/{ROOT}.1/series/x/metadata",
        "/studies/1..2/metadata",
        f"{SERIES}/instances/%00/frames/1",
    ],
)
async def test_what_is_no_uid_is_refused(desk: Desk, door: WebDoor, path: str) -> None:
    await desk.file(ct())
    assert (await door.get(path))[0] in {400, 404}


# Bulk data.


async def test_bulk_data_is_where_the_metadata_says(desk: Desk, door: WebDoor) -> None:
    await desk.file(ct())
    _, _, body = await door.get(f"{INSTANCE}/metadata", Accept_Encoding="identity")
    where = json.loads(body)[0]["7FE00010"]["BulkDataURI"]
    status, headers, value = await door.get(where.removeprefix("/dicom-web"))
    assert (status, value) == (200, pixels(ct()))
    assert headers["Content-Type"] == "application/octet-stream"
    accept = 'multipart/related; type="application/octet-stream"'
    _, headers, body = await door.get(where.removeprefix("/dicom-web"), accept)
    assert parts_of(headers, body) == [("application/octet-stream", pixels(ct()))]


@pytest.mark.parametrize(
    ("asked", "status", "part", "told"),
    [
        ("bytes=0-9", 206, slice(0, 10), "bytes 0-9/512"),
        ("bytes=500-", 206, slice(500, 512), "bytes 500-511/512"),
        ("bytes=-12", 206, slice(500, 512), "bytes 500-511/512"),
        ("bytes=500-9999", 206, slice(500, 512), "bytes 500-511/512"),
        ("bytes=512-", 416, slice(0, 0), "bytes */512"),
        ("bytes=5-1", 200, slice(0, 512), None),
        ("lines=1-2", 200, slice(0, 512), None),
        ("bytes=0-1,4-5", 200, slice(0, 512), None),
    ],
)
async def test_a_range_of_bulk_data(  # one row each of RFC 9110 14
    desk: Desk, door: WebDoor, asked: str, status: int, part: slice, told: str | None
) -> None:
    await desk.file(ct())
    got, headers, body = await door.get(f"{INSTANCE}/bulkdata/7FE00010", Range=asked)
    assert (got, body) == (status, pixels(ct())[part])
    assert headers.get("Content-Range") == told


async def test_compressed_pixels_are_one_part_for_each_frame(desk: Desk, door: WebDoor) -> None:
    await compressed(desk, ct())
    path = f"{INSTANCE}/bulkdata/7FE00010"
    _, headers, body = await door.get(path, 'multipart/related; type="image/jphc"')
    ((kind, stream),) = parts_of(headers, body)
    assert kind == f"image/jphc; transfer-syntax={HTJ2K_LOSSLESS_RPCL}"
    assert stream.startswith(b"\xff\x4f")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("7FE00011", 404),
        ("00081140", 404),
        ("00081140/0/00081150", 404),
        ("7FE00010/0/00081150", 404),
        ("x", 400),
        ("7FE00010/1", 400),
        ("7FE00010/0/" + "00081150/0/" * 40 + "00081150", 400),
        ("../../../etc/passwd", 404),
    ],
)
async def test_a_path_to_nothing(desk: Desk, door: WebDoor, path: str, status: int) -> None:
    await desk.file(ct())
    assert (await door.get(f"{INSTANCE}/bulkdata/{path}"))[0] == status
