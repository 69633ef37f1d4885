"""WADO-RS metadata and the bulk data it names, over real HTTP."""

import gzip
import io
import json

import pydicom
import pytest

from kernel.dicom.codecs import HTJ2K_LOSSLESS_RPCL
from tests.imaging.compressed import compressed
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor, parts_of

STUDY = f"/studies/{ROOT}.1"
SERIES = f"{STUDY}/series/{ROOT}.1.1"
INSTANCE = f"{SERIES}/instances/{ROOT}.1.1.1"


def pixels(raw: bytes) -> bytes:
    return bytes(pydicom.dcmread(io.BytesIO(raw)).PixelData)


async def test_metadata_is_sent_as_it_was_made_and_opens_no_object(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct(1), ct(2))
    for file in sqlite_desk.object_files():
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


async def test_metadata_is_not_sent_again_until_the_series_grows(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct(1))
    for path in (f"{SERIES}/metadata", f"{STUDY}/metadata"):
        _, headers, _ = await door.get(path)
        status, _, body = await door.get(path, If_None_Match=headers["ETag"])
        assert (status, body) == (304, b"")
    _, before, _ = await door.get(f"{SERIES}/metadata")
    await sqlite_desk.file(ct(2))
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
    sqlite_desk: Desk, door: WebDoor, accept: str, kind: str
) -> None:
    await sqlite_desk.file(ct())
    _, headers, _ = await door.get(f"{SERIES}/metadata", accept)
    assert headers["Content-Type"] == kind
    for query in ("application/dicom+json", "application%2Fdicom%2Bjson"):
        _, headers, _ = await door.get(f"{SERIES}/metadata?accept={query}", "text/html")
        assert headers["Content-Type"] == "application/dicom+json"
    assert (await door.get(f"{SERIES}/metadata", "text/xml"))[0] == 406


# Bulk data.


async def test_bulk_data_is_where_the_metadata_says(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(ct())
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
    sqlite_desk: Desk, door: WebDoor, asked: str, status: int, part: slice, told: str | None
) -> None:
    await sqlite_desk.file(ct())
    got, headers, body = await door.get(f"{INSTANCE}/bulkdata/7FE00010", Range=asked)
    assert (got, body) == (status, pixels(ct())[part])
    assert headers.get("Content-Range") == told


async def test_compressed_pixels_are_one_part_for_each_frame(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await compressed(sqlite_desk, ct())
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
async def test_a_path_to_nothing(sqlite_desk: Desk, door: WebDoor, path: str, status: int) -> None:
    await sqlite_desk.file(ct())
    assert (await door.get(f"{INSTANCE}/bulkdata/{path}"))[0] == status
