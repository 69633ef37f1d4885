"""WADO-URI as older systems ask it."""

import io
import json
from urllib.parse import urlencode

import imagecodecs
import numpy as np
import pydicom
import pytest

from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor

ONE = {
    "requestType": "WADO",
    "studyUID": f"{ROOT}.1",
    "seriesUID": f"{ROOT}.1.1",
    "objectUID": f"{ROOT}.1.1.1",
}
JPEG_LS = "1.2.840.10008.1.2.4.80"


def at(door: WebDoor, **more: str) -> str:
    return f"{door.url.removesuffix('/dicom-web')}/wado?{urlencode(ONE | more)}"


async def test_an_image_comes_as_a_jpeg_unless_something_else_is_named(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct())
    for accept in ("", "*/*", "image/jpeg"):
        status, headers, body = await door.get(at(door), accept)
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        assert imagecodecs.jpeg8_decode(body).shape == (16, 16)
    _, headers, body = await door.get(at(door, contentType="image/png"), "image/jpeg")
    assert headers["Content-Type"] == "image/png"
    status, _, _ = await door.get(at(door, contentType="image/png"), If_None_Match=headers["ETag"])
    assert status == 304


async def test_the_file_comes_in_the_transfer_syntax_that_is_named(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    original = ct()
    await sqlite_desk.file(original)
    for more in ({}, {"transferSyntax": "*"}, {"transferSyntax": "1.2.840.10008.1.2.1"}):
        status, headers, body = await door.get(at(door, contentType="application/dicom", **more))
        assert (status, headers["Content-Type"].partition(";")[0]) == (200, "application/dicom")
        assert pydicom.dcmread(io.BytesIO(body)) == pydicom.dcmread(io.BytesIO(original))
    _, _, body = await door.get(at(door, contentType="application/dicom", transferSyntax=JPEG_LS))
    assert pydicom.dcmread(io.BytesIO(body)).file_meta.TransferSyntaxUID == JPEG_LS
    status, _, _ = await door.get(
        at(door, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.4.102")
    )
    assert status == 406


async def test_a_picture_is_cut_scaled_and_windowed_as_asked(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct(WindowCenter="128", WindowWidth="256"))

    async def picture(**more: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        _, headers, body = await door.get(at(door, contentType="image/png", **more))
        assert headers["Content-Type"] == "image/png", body
        return np.asarray(imagecodecs.png_decode(body))

    whole = await picture()
    assert np.array_equal(await picture(region="0.5,0.25,1,0.75"), whole[4:12, 8:])
    assert (await picture(rows="8")).shape == (8, 8)
    assert (await picture(rows="32", columns="8")).shape == (8, 8)
    assert (await picture(windowCenter="0", windowWidth="1")).max() == 255
    assert not np.array_equal(await picture(windowCenter="0", windowWidth="10"), whole)


async def test_frames_are_counted_from_one(sqlite_desk: Desk, door: WebDoor) -> None:
    cells = np.zeros((3, 4, 4), "<i2")
    cells[1] = 255
    await sqlite_desk.file(
        ct(
            Rows=4,
            Columns=4,
            NumberOfFrames=3,
            PixelData=cells.tobytes(),
            WindowCenter="128",
            WindowWidth="256",
        )
    )
    shown = []
    for number in "123":
        _, _, body = await door.get(at(door, contentType="image/png", frameNumber=number))
        shown.append(int(imagecodecs.png_decode(body).max()))
    assert shown == [0, 255, 0]
    for number, status in (("0", 400), ("4", 404), ("x", 400), ("-1", 400)):
        assert (await door.get(at(door, frameNumber=number)))[0] == status


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"requestType": "WADO2"}, 400),
        ({"objectUID": ""}, 400),
        ({"studyUID": "../.."}, 400),
        ({"windowCenter": "1"}, 400),
        ({"rows": "0"}, 400),
        ({"columns": "9000000"}, 400),
        ({"region": "0,0,0,1"}, 400),
        ({"region": "0,0,nan,1"}, 400),
        ({"region": "0,0,1"}, 400),
        ({"imageQuality": "101"}, 400),
        ({"anonymize": "yes"}, 406),
        ({"presentationUID": "1.2", "presentationSeriesUID": "1.3"}, 406),
        ({"contentType": "image/svg+xml"}, 406),
        ({"contentType": "video/mp4"}, 406),
        ({"studyUID": "9.9"}, 404),
    ],
)
async def test_what_cannot_be_done_is_said(
    sqlite_desk: Desk, door: WebDoor, more: dict[str, str], status: int
) -> None:
    await sqlite_desk.file(ct())
    got, _, body = await door.get(at(door, **more))
    assert (got, json.loads(body)["status"]) == (status, status)


async def test_another_institution_finds_nothing(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(ct())
    assert (await door.get(at(door), who="other"))[0] == 404
    assert (await door.get(at(door), who="manager"))[0] == 403
