"""Structured reports, videos and other things that are no pictures, as they are looked at."""

import io
import json
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from imaging.dicomweb.icons import Kind, icon
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct, part10
from tests.imaging.web_door import WebDoor

INSTANCE = f"/studies/{ROOT}.1/series/{ROOT}.1.1/instances/{ROOT}.1.1.1"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
MPEG4 = "1.2.840.10008.1.2.4.102"


def code(meaning: str, value: str = "99") -> Sequence:
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, "99TEST", meaning
    return Sequence([ds])


def item(kind: str, name: str, **values: Any) -> Dataset:
    ds = Dataset()
    ds.RelationshipType, ds.ValueType = "CONTAINS", kind
    ds.ConceptNameCodeSequence = code(name)
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def report() -> bytes:
    measured = Dataset()
    measured.NumericValue = "12.5"
    measured.MeasurementUnitsCodeSequence = code("millimetre", "mm")
    size = item("NUM", "大小", MeasuredValueSequence=Sequence([measured]))
    finding = item("TEXT", "所见", TextValue="左肺上叶结节 <script>alert(1)</script>\n第二行")
    finding.ContentSequence = Sequence([size])
    items = [
        finding,
        item("CODE", "Impression", ConceptCodeSequence=code("Benign & stable")),
        item("PNAME", "Verifier", PersonName="Wu^Liu=吴^六"),
        item("DATE", "On", Date="20260305"),
    ]
    return ct(
        SOPClassUID=BASIC_TEXT_SR,
        Modality="SR",
        PixelData=None,
        Rows=None,
        Columns=None,
        ValueType="CONTAINER",
        ConceptNameCodeSequence=code("胸部 CT 报告"),
        ContentSequence=Sequence(items),
        VerificationFlag="VERIFIED",
    )


async def test_a_report_is_a_page_in_which_nothing_runs(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(report())
    for accept in ("*/*", "text/html,application/xhtml+xml,*/*;q=0.8"):
        _, headers, _ = await door.get(f"{INSTANCE}/rendered", accept)
        assert headers["Content-Type"] == "text/html; charset=utf-8"
    status, headers, body = await door.get(f"{INSTANCE}/rendered", "text/html")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    page = body.decode()
    assert "<h1>胸部 CT 报告</h1>" in page
    assert "<b>所见</b>: 左肺上叶结节 &lt;script&gt;" in page
    assert "<script" not in page
    assert "<ul><li><p><b>大小</b>: 12.5 mm</p></li></ul>" in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    etag = headers["ETag"]
    assert (await door.get(f"{INSTANCE}/rendered", If_None_Match=etag))[0] == 304


async def test_the_same_report_is_plain_text(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(report())
    _, headers, body = await door.get(f"{INSTANCE}/rendered?accept=text/plain", "image/jpeg")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    lines = body.decode().splitlines()
    assert lines[0] == "胸部 CT 报告"
    assert "VERIFIED" in lines[1]
    assert lines[3:] == [
        "所见: 左肺上叶结节 <script>alert(1)</script>",
        "第二行",
        "  大小: 12.5 mm",
        "Impression: Benign & stable",
        "Verifier: 吴六",
        "On: 20260305",
    ]
    assert (await door.get(f"{INSTANCE}/rendered", "image/png"))[0] == 406
    assert (await door.get(f"{INSTANCE}/frames/1/rendered", "image/png"))[0] == 406


async def test_a_report_without_an_end_is_cut(sqlite_desk: Desk, door: WebDoor) -> None:
    deep = item("TEXT", "leaf", TextValue="x")
    for _ in range(25):
        above = item("CONTAINER", "box")
        above.ContentSequence = Sequence([deep])
        deep = above
    await sqlite_desk.file(
        ct(SOPClassUID=BASIC_TEXT_SR, PixelData=None, Rows=None, ContentSequence=Sequence([deep]))
    )
    status, _, body = await door.get(f"{INSTANCE}/rendered", "text/html")
    assert status == 200
    assert body.count(b"<ul>") == body.count(b"</ul>") == 26


def video(stream: bytes) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(ct(NumberOfFrames=2)))
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.1.1"
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].VR = "OB"
    return part10(ds, syntax=MPEG4)


async def test_a_video_comes_as_its_stream(sqlite_desk: Desk, door: WebDoor) -> None:
    stream = b"\0\0\0\x18ftypmp42" + bytes(1000)
    await sqlite_desk.file(video(stream))
    for accept in ("video/mp4", "*/*"):
        status, headers, body = await door.get(f"{INSTANCE}/rendered", accept)
        assert (status, headers["Content-Type"], body) == (200, "video/mp4", stream)
    for path in ("rendered", "bulkdata/7FE00010?accept=video/mp4"):
        where = f"{INSTANCE}/{path}"
        _, headers, _ = await door.get(where, "video/mp4")
        status, part, body = await door.get(where, "video/mp4", Range="bytes=4-11")
        assert (status, body) == (206, b"ftypmp42")
        assert part["Content-Range"] == f"bytes 4-11/{len(stream)}"
        for sent, status in (({"Range": "bytes=9999-"}, 416), ({"If_Range": '"x"'}, 200)):
            assert (await door.get(where, "video/mp4", **{"Range": "bytes=4-11"} | sent))[
                0
            ] == status
    status, _, body = await door.get(f"{INSTANCE}/rendered", "image/jpeg")
    assert status == 406
    assert "video/mp4" in json.loads(body)["detail"]
    assert (await door.get(f"{INSTANCE}/thumbnail"))[2] == icon(Kind.VIDEO)


async def test_a_presentation_state_shows_nothing_by_itself(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct(SOPClassUID=GSPS, Modality="PR", PixelData=None, Rows=None))
    status, _, body = await door.get(f"{INSTANCE}/rendered")
    assert (status, json.loads(body)["detail"]) == (406, "there is no picture of this object")


async def test_a_segmentation_is_an_image(sqlite_desk: Desk, door: WebDoor) -> None:
    bits: dict[str, Any] = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
    await sqlite_desk.file(
        ct(
            SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4",
            Modality="SEG",
            PixelRepresentation=0,
            NumberOfFrames=2,
            Rows=8,
            Columns=8,
            PixelData=b"\x0f" * 16,
            **bits,
        )
    )
    status, _, body = await door.get(f"{INSTANCE}/frames/2/rendered", "image/png")
    assert status == 200
    assert np.array_equal(imagecodecs.png_decode(body)[0], [255] * 4 + [0] * 4)


@pytest.mark.parametrize("colour", [False, True])
async def test_a_gif_shows_what_a_png_shows(sqlite_desk: Desk, door: WebDoor, colour: bool) -> None:
    cells = np.zeros((8, 8, 3), np.uint8)
    cells[:4, :, 0], cells[4:, :, 2] = 255, 204
    more: dict[str, Any] = {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "Rows": 8,
        "Columns": 8,
        "PixelData": cells.tobytes(),
    }
    await sqlite_desk.file(ct(**more) if colour else ct(WindowCenter="128", WindowWidth="256"))
    status, headers, gif = await door.get(f"{INSTANCE}/rendered", "image/gif")
    assert (status, headers["Content-Type"]) == (200, "image/gif")
    _, _, png = await door.get(f"{INSTANCE}/rendered", "image/png")
    shown, expected = imagecodecs.gif_decode(gif), imagecodecs.png_decode(png)
    if not colour:
        expected = np.repeat(expected[..., None], 3, axis=2)
    assert np.array_equal(np.asarray(shown).reshape(expected.shape), expected)
