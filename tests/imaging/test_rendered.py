"""Pictures over HTTP: rendered instances and frames, thumbnails, documents, and what is refused."""

import io
import json
import struct
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest

from imaging.dicomweb.icons import Kind, icon, kind_of
from imaging.dicomweb.rendering import parse_viewport, parse_window
from imaging.pixels import burnt_in
from imaging.pixels.render import BadRendering, Viewport, fitted, resized
from imaging.pixels.voi import VoiFunction, Window
from kernel.dicom.codecs import HTJ2K_LOSSLESS_RPCL
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct, part10
from tests.imaging.web_door import WebDoor, parts_of

SERIES = f"/studies/{ROOT}.1/series/{ROOT}.1.1"
INSTANCE = f"{SERIES}/instances/{ROOT}.1.1.1"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
PDF_STORAGE = "1.2.840.10008.5.1.4.1.1.104.1"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"


def ramp(**more: Any) -> bytes:
    """A CT slice whose columns rise from -1000 by 10."""
    cells = np.tile(np.arange(64, dtype="<i2") * 10 - 1000, (32, 1))
    told: dict[str, Any] = {"Rows": 32, "Columns": 64, "PixelData": cells.tobytes()}
    return ct(**(told | more))


def no_image(**more: Any) -> bytes:
    return ct(PixelData=None, Rows=None, Columns=None, **more)


async def png(door: WebDoor, path: str) -> np.ndarray[Any, Any]:
    status, headers, body = await door.get(path, "image/png")
    assert (status, headers["Content-Type"]) == (200, "image/png"), body
    return np.asarray(imagecodecs.png_decode(body))


async def test_a_picture_is_what_the_window_of_the_object_makes_of_it(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    window = {"WindowCenter": "-800", "WindowWidth": "201"}
    await sqlite_desk.file(ramp(**window, RescaleSlope="1", RescaleIntercept="0"))
    shown = await png(door, f"{INSTANCE}/rendered")
    assert shown.shape == (32, 64)
    expected = np.clip(np.rint(((np.arange(64) * 10.0 - 1000 + 800.5) / 200 + 0.5) * 255), 0, 255)
    assert np.array_equal(shown[0], expected)


async def test_the_window_of_the_address_comes_before_that_of_the_object(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ramp(WindowCenter="0", WindowWidth="10"))
    shown = await png(door, f"{INSTANCE}/rendered?window=-695,100,linear-exact")
    assert shown[0][0] == 0
    assert shown[0][-1] == 255
    assert 100 < shown[0][30] < 150


async def test_monochrome1_is_shown_the_other_way_round(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(ramp(PhotometricInterpretation="MONOCHROME1"))
    shown = await png(door, f"{INSTANCE}/rendered")
    assert (shown[0][0], shown[0][-1]) == (255, 0)


@pytest.mark.parametrize(
    ("query", "shape"),
    [
        ("viewport=32,32", (16, 32)),
        ("viewport=640,64", (64, 128)),
        ("viewport=10,10,0,0,32,32", (10, 10)),
        ("viewport=10,10,60,30,100,100", (5, 10)),
    ],
)
async def test_a_picture_fits_into_its_viewport_unstretched(
    sqlite_desk: Desk, door: WebDoor, query: str, shape: tuple[int, int]
) -> None:
    await sqlite_desk.file(ramp())
    assert (await png(door, f"{INSTANCE}/rendered?{query}")).shape == shape


async def test_quality_is_the_jpeg_s(sqlite_desk: Desk, door: WebDoor) -> None:
    noise = np.random.default_rng(1).integers(0, 4000, (32, 64)).astype("<i2")
    await sqlite_desk.file(ramp(PixelData=noise.tobytes()))
    sizes = []
    for quality in (5, 50, 100):
        _, headers, body = await door.get(f"{INSTANCE}/rendered?quality={quality}", "image/jpeg")
        assert headers["Content-Type"] == "image/jpeg"
        sizes.append(len(body))
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


@pytest.mark.parametrize(
    "query",
    [
        "quality=0",
        "quality=101",
        "quality=x",
        "quality=99999999999999999999",
        "window=1",
        "window=1,0",
        "window=1,-5",
        "window=nan,5",
        "window=1,2,cubic",
        "window=1e999,2",
        "viewport=0,5",
        "viewport=5",
        "viewport=99999,5",
        "viewport=5,5,1",
        "viewport=5,5,500,500,9,9",
        "viewport=a,b",
        "iccprofile=cmyk",
    ],
)
async def test_what_is_no_rendering_is_400(sqlite_desk: Desk, door: WebDoor, query: str) -> None:
    await sqlite_desk.file(ramp())
    status, _, body = await door.get(f"{INSTANCE}/rendered?{query}", "image/jpeg")
    assert (status, json.loads(body)["code"]) == (400, "invalid-rendering")


async def test_what_is_not_made_is_said_in_a_warning(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(ramp())
    for query, named in {
        "": [],
        "iccprofile=no": [],
        "iccprofile=srgb": ["iccprofile"],
    }.items():
        for path in (f"{INSTANCE}/rendered", f"{INSTANCE}/frames/1/rendered"):
            status, headers, _ = await door.get(f"{path}?{query}", "image/png")
            assert status == 200
            told = headers.get("Warning", "")
            assert told.count("299 yilian") == len(named)
            assert all(f"The {name} parameter is not supported" in told for name in named)


async def test_annotations_are_burnt_in_and_nothing_else_changes(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    cells = np.full((256, 256), 100, "<i2")
    await sqlite_desk.file(
        ct(Rows=256, Columns=256, PixelData=cells.tobytes(), WindowCenter="128", WindowWidth="256")
    )
    plain = await png(door, f"{INSTANCE}/rendered")
    inked = {}
    for asked in ("patient", "technique", "patient,technique"):
        for path in ("rendered", "frames/1/rendered"):
            shown = await png(door, f"{INSTANCE}/{path}?annotation={asked}")
            assert shown.shape == plain.shape
            assert np.array_equal(shown[128:], plain[128:])
            inked[asked] = int((shown != plain).sum())
    assert inked["patient,technique"] > max(inked["patient"], inked["technique"]) > 0
    status, _, body = await door.get(f"{INSTANCE}/rendered?annotation=address", "image/png")
    assert (status, json.loads(body)["code"]) == (400, "invalid-rendering")


@pytest.mark.parametrize("colour", [False, True])
def test_text_is_written_on_grey_and_colour_with_or_without_a_chinese_font(
    monkeypatch: pytest.MonkeyPatch, colour: bool
) -> None:
    ground = np.full((400, 400, 3) if colour else (400, 400), 90, np.uint8)
    chinese = burnt_in.burnt_in(ground, ["张三 Zhang San"])
    monkeypatch.setattr(burnt_in, "_file", lambda: None)
    burnt_in._font.cache_clear()
    latin = burnt_in.burnt_in(ground, ["张三 Zhang San"])
    burnt_in._font.cache_clear()
    assert chinese.shape == latin.shape == ground.shape
    for shown in (chinese, latin):
        assert shown.min() < 30
        assert shown.max() > 200
    assert np.array_equal(ground[40:], latin[40:])


async def test_frames_are_drawn_by_their_number(sqlite_desk: Desk, door: WebDoor) -> None:
    cells = np.repeat(np.array([0, 50, 100], "<i2"), 4)
    await sqlite_desk.file(
        ramp(
            Rows=2,
            Columns=2,
            NumberOfFrames=3,
            PixelData=cells.tobytes(),
            WindowCenter="50",
            WindowWidth="101",
        )
    )
    for number, grey in ((1, 0), (2, 129), (3, 255)):
        shown = await png(door, f"{INSTANCE}/frames/{number}/rendered")
        assert abs(int(shown[0][0]) - grey) <= 1
    _, headers, body = await door.get(
        f"{INSTANCE}/frames/3,1/rendered", 'multipart/related; type="image/png"'
    )
    found = [imagecodecs.png_decode(part)[0][0] for _, part in parts_of(headers, body)]
    assert found == [255, 1]
    assert (await door.get(f"{INSTANCE}/frames/4/rendered"))[0] == 404
    assert (await door.get(f"{INSTANCE}/frames/1,2/rendered", "image/png"))[0] == 406


async def test_a_series_is_shown_by_its_middle_or_all(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(*(ramp(number=number) for number in (1, 2, 3)))
    status, headers, _ = await door.get(f"{SERIES}/rendered", "image/jpeg")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    _, headers, body = await door.get(f"{SERIES}/rendered", 'multipart/related; type="image/jpeg"')
    assert [kind for kind, _ in parts_of(headers, body)] == ["image/jpeg"] * 3
    status, _, _ = await door.get(f"/studies/{ROOT}.1/rendered", "image/jpeg")
    assert status == 200


async def test_enhanced_frames_have_windows_of_their_own(sqlite_desk: Desk, door: WebDoor) -> None:
    ds = pydicom.dcmread(io.BytesIO(ramp()))
    ds.SOPClassUID = ENHANCED_CT
    ds.NumberOfFrames = 2
    ds.PixelData = ds.PixelData * 2
    frames = []
    for centre in ("-1000", "0"):
        voi, transform, frame = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        voi.WindowCenter, voi.WindowWidth = centre, "2"
        transform.RescaleSlope, transform.RescaleIntercept = "1", "0"
        frame.FrameVOILUTSequence = [voi]
        frame.PixelValueTransformationSequence = [transform]
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = frames
    await sqlite_desk.file(part10(ds))
    first = await png(door, f"{INSTANCE}/frames/1/rendered")
    second = await png(door, f"{INSTANCE}/frames/2/rendered")
    assert first[0].tolist()[1:] == [255] * 63
    assert second[0].max() == 0


# Documents.


async def test_an_encapsulated_pdf_comes_as_it_is(sqlite_desk: Desk, door: WebDoor) -> None:
    document = b"%PDF-1.4\n%%EOF\n"
    await sqlite_desk.file(
        no_image(
            SOPClassUID=PDF_STORAGE,
            MIMETypeOfEncapsulatedDocument="application/pdf",
            EncapsulatedDocument=document + b"\0",
        )
    )
    for path, accept in (("rendered?accept=application/pdf", ""), ("rendered", "application/pdf")):
        status, headers, body = await door.get(f"{INSTANCE}/{path}", accept)
        assert (status, headers["Content-Type"], body) == (200, "application/pdf", document)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert (await door.get(f"{INSTANCE}/rendered", "image/jpeg"))[0] == 406


@pytest.mark.parametrize(
    ("mime", "document"),
    [
        ("text/html", b"<script>alert(1)</script>"),
        ("application/pdf", b"<html><script>alert(1)</script>"),
        ("image/svg+xml", b"<svg onload=alert(1)>"),
    ],
)
async def test_nothing_but_a_pdf_is_ever_shown_as_a_document(
    sqlite_desk: Desk, door: WebDoor, mime: str, document: bytes
) -> None:
    await sqlite_desk.file(
        no_image(
            SOPClassUID=PDF_STORAGE,
            MIMETypeOfEncapsulatedDocument=mime,
            EncapsulatedDocument=document + b"\0" * (len(document) % 2),
        )
    )
    for accept in ("*/*", mime, "application/pdf", "text/html"):
        status, headers, body = await door.get(f"{INSTANCE}/rendered", accept)
        assert (status, headers["Content-Type"]) == (406, "application/problem+json")
        assert b"script" not in body
    _, headers, _ = await door.get(f"{INSTANCE}/bulkdata/00420011", mime)
    assert headers["Content-Type"] in {"application/octet-stream", "application/problem+json"}


# Thumbnails.


@pytest.mark.parametrize(
    "path", ["/thumbnail", f"/instances/{ROOT}.1.1.1/thumbnail", "/instances/I/frames/1/thumbnail"]
)
async def test_a_thumbnail_is_a_small_jpeg_whatever_header_came_along(
    sqlite_desk: Desk, door: WebDoor, path: str
) -> None:
    noise = np.random.default_rng(1).integers(0, 4000, (512, 512)).astype("<i2")
    await sqlite_desk.file(ct(Rows=512, Columns=512, PixelData=noise.tobytes()))
    address = SERIES + path.replace("/I/", f"/{ROOT}.1.1.1/")
    for query, accept in (
        ("?accept=image%2Fjpeg", 'multipart/related; type="application/octet-stream"'),
        ("", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"),
        ("", "image/jpeg"),
        ("", ""),
    ):
        status, headers, body = await door.get(address + query, accept)
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        assert len(body) <= 8192
        assert max(imagecodecs.jpeg8_decode(body).shape[:2]) <= 128


async def test_a_thumbnail_is_not_drawn_twice(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(ramp())
    _, headers, first = await door.get(f"{INSTANCE}/thumbnail")
    for file in sqlite_desk.object_files():
        file.unlink()
    assert (await door.get(f"{INSTANCE}/thumbnail"))[2] == first
    etag = headers["ETag"]
    assert (await door.get(f"{INSTANCE}/thumbnail", If_None_Match=etag))[0] == 304


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        (BASIC_TEXT_SR, Kind.REPORT),
        (PDF_STORAGE, Kind.DOCUMENT),
        (ECG, Kind.CURVE),
        ("1.2.840.10008.5.1.4.1.1.88.59", Kind.OTHER),
        ("1.2.840.10008.5.1.4.1.1.66", Kind.OTHER),
        ("1.2.3.4", Kind.OTHER),
    ],
)
async def test_what_has_no_picture_has_a_plain_sign(
    sqlite_desk: Desk, door: WebDoor, sop_class: str, kind: Kind
) -> None:
    assert kind_of(sop_class) is kind
    assert len(icon(kind)) <= 8192
    await sqlite_desk.file(no_image(SOPClassUID=sop_class))
    status, headers, body = await door.get(f"{INSTANCE}/thumbnail")
    assert (status, headers["Content-Type"], body) == (200, "image/jpeg", icon(kind))


# Bombs.


def jpeg_2000_of(side: int) -> bytes:
    """A J2K main header that claims *side* by *side* pixels, and nothing behind it."""
    siz = struct.pack(">HHLLLLLLLLHBBB", 41, 0, side, side, 0, 0, side, side, 0, 0, 1, 15, 1, 1)
    cod = struct.pack(">HBBHBBBBBB", 12, 0, 0, 1, 0, 5, 4, 4, 0, 1)
    qcd = struct.pack(">HBB", 4, 0x40, 0x40)
    return b"\xff\x4f\xff\x51" + siz + b"\xff\x52" + cod + b"\xff\x5c" + qcd + b"\xff\x90"


def encapsulated(stream: bytes, syntax: str, **more: Any) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(ramp(**more)))
    ds.PixelData = pydicom.encaps.encapsulate([stream + b"\0" * (len(stream) % 2)])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return part10(ds, syntax=syntax)


@pytest.mark.parametrize(
    ("raw", "statuses"),
    [
        pytest.param(
            ramp(Rows=65535, Columns=65535, NumberOfFrames=2**31 - 1), {406}, id="native-claims"
        ),
        pytest.param(
            encapsulated(jpeg_2000_of(2**31 - 1), JPEG_2000), {422}, id="stream-claims-more"
        ),
        pytest.param(
            encapsulated(jpeg_2000_of(65535), JPEG_2000, Rows=65535, Columns=65535),
            {413},
            id="both-claim",
        ),
        pytest.param(encapsulated(b"\xff\x4f\xff\x51" * 20, HTJ2K_LOSSLESS_RPCL), {422}, id="junk"),
        pytest.param(encapsulated(b"\xff\xd8\xff", "1.2.840.10008.1.2.4.50"), {422}, id="jpeg"),
        pytest.param(encapsulated(b"\0" * 64, "1.2.840.10008.1.2.5"), {422}, id="rle"),
    ],
)
async def test_a_bomb_is_refused_and_the_door_stays_open(
    sqlite_desk: Desk, door: WebDoor, raw: bytes, statuses: set[int]
) -> None:
    await sqlite_desk.file(raw, ramp(number=2))
    assert (await door.get(f"{INSTANCE}/rendered", "image/jpeg"))[0] in statuses
    status, _, body = await door.get(f"{INSTANCE}/thumbnail")
    assert (status, body) == (200, icon(Kind.OTHER))
    assert (await door.get(INSTANCE.removesuffix("1") + "2/rendered"))[0] == 200


async def test_an_index_beyond_the_palette_is_drawn(sqlite_desk: Desk, door: WebDoor) -> None:
    ds = pydicom.dcmread(io.BytesIO(ramp()))
    ds.PhotometricInterpretation = "PALETTE COLOR"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PixelData = bytes(range(256)) * 8
    for name in ("Red", "Green", "Blue"):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 16])
        ds[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(ds, f"{name}PaletteColorLookupTableData", struct.pack("<4H", 0, 1000, 2000, 65535))
    await sqlite_desk.file(part10(ds))
    shown = await png(door, f"{INSTANCE}/rendered")
    assert shown.shape == (32, 64, 3)
    assert shown[0, -1].tolist() == [255, 255, 255]


# Scaling and parameters by themselves.


def test_scaling_keeps_what_is_even_even() -> None:
    grey = np.full((37, 53), 119, np.uint8)
    for rows, columns in ((5, 7), (37, 53), (100, 3), (200, 300)):
        assert set(resized(grey, rows, columns).ravel().tolist()) == {119}


def test_scaling_down_averages() -> None:
    board = np.indices((64, 64)).sum(0) % 2 * 255
    assert abs(float(resized(board.astype(np.uint8), 8, 8).mean()) - 127.5) < 1


def test_pixels_that_are_higher_than_wide_stay_so() -> None:
    assert fitted(np.zeros((10, 10), np.uint8), Viewport(100, 100), 2.0).shape == (100, 50)


def test_a_negative_size_mirrors() -> None:
    picture = np.arange(4, dtype=np.uint8).reshape(1, 4)
    shown = fitted(picture, Viewport(4, 1, (0, 0, -4, 1)), 1.0)
    assert shown.tolist() == [[3, 2, 1, 0]]


def test_reads_rendering_parameters() -> None:
    assert parse_window("40,400") == Window(40, 400)
    assert parse_window("-600,1500,SIGMOID") == Window(-600, 1500, VoiFunction.SIGMOID)
    assert parse_viewport("200,100") == Viewport(200, 100)
    with pytest.raises(BadRendering):
        parse_viewport("200,100,0,0,0,0")
