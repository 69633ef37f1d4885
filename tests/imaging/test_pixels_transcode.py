"""Frames and objects in other encodings: pydicom reads what we write, and finds the same pixels."""

import io
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.encaps import generate_frames
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian

from imaging.pixels.encode import CannotMake, encode_frame
from imaging.pixels.frames import FramePlans, NoFrames, plan_of, stored_frame, walk
from imaging.pixels.syntaxes import ENCODABLE, JPEG_LOSSLESS_SV1, satisfies
from imaging.pixels.transcode import (
    can_make,
    frame_cells,
    frame_in,
    remake,
)
from kernel.dicom.codecs import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    RLE_LOSSLESS,
    InThread,
    decode_frame,
)
from kernel.dicom.frames import FrameLayout, layout_of
from kernel.dicom.part10 import EXPLICIT_LE, IMPLICIT_LE, BytesSource
from kernel.errors import PlatformError
from tests.imaging.sample import ct, part10

JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
TO = sorted(ENCODABLE)


def layout(cells: np.ndarray[Any, Any], **more: Any) -> FrameLayout:
    bits = cells.dtype.itemsize * 8
    told: dict[str, Any] = {
        "rows": cells.shape[0],
        "columns": cells.shape[1],
        "samples": cells.shape[2] if cells.ndim > 2 else 1,
        "bits_allocated": bits,
        "bits_stored": bits,
        "high_bit": bits - 1,
        "pixel_representation": int(cells.dtype.kind == "i"),
        "photometric": "RGB" if cells.ndim > 2 else "MONOCHROME2",
        "planar": 0 if cells.ndim > 2 else None,
        "frames": 1,
    }
    return FrameLayout(**(told | more))


@pytest.mark.parametrize("wanted", TO)
@pytest.mark.parametrize("kind", ["u1", "<u2", "<i2", "rgb"])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_frame_comes_back_equal_or_is_refused(
    wanted: str, kind: str, data: st.DataObject
) -> None:
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    dtype, full = (np.dtype("u1"), (*shape, 3)) if kind == "rgb" else (np.dtype(kind), shape)
    cells = data.draw(arrays(dtype, full))
    told = layout(cells)
    try:
        stream = encode_frame(cells, wanted, told)
    except CannotMake:
        assert wanted == JPEG_LOSSLESS_SV1
        return
    assert np.array_equal(decode_frame(stream, wanted, told), cells)


@pytest.mark.parametrize("wanted", TO)
@pytest.mark.parametrize("signed", [0, 1])
def test_others_find_the_same_pixels_in_what_is_encoded_here(
    wanted: str, signed: int, tmp_path: Path
) -> None:
    raw = ct(PixelRepresentation=signed, BitsStored=12, HighBit=11)
    original = pydicom.dcmread(io.BytesIO(raw))
    made = b"".join(remake(BytesSource(raw), wanted, None, decoder=InThread()))
    read = pydicom.dcmread(io.BytesIO(made))
    assert read.file_meta.TransferSyntaxUID == wanted
    assert same_elements(read, original)
    assert np.array_equal(decoded_by_others(made, tmp_path), original.pixel_array)


@pytest.mark.parametrize("wanted", [JPEG_LS, JPEG_2000, HTJ2K_LOSSLESS_RPCL, RLE_LOSSLESS])
def test_colour_keeps_its_pixels_and_names_its_transform(wanted: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    cells = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
    raw = ct(
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=1,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        PixelData=np.moveaxis(cells, -1, 0).tobytes(),
    )
    made = b"".join(remake(BytesSource(raw), wanted, None, decoder=InThread()))
    read = pydicom.dcmread(io.BytesIO(made))
    transformed = wanted in {JPEG_2000, HTJ2K_LOSSLESS_RPCL}
    assert read.PhotometricInterpretation == ("YBR_RCT" if transformed else "RGB")
    assert read.PlanarConfiguration == 0
    assert np.array_equal(decoded_by_others(made, tmp_path), cells)


@pytest.mark.parametrize("stored", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("wanted", [EXPLICIT_LE, IMPLICIT_LE])
def test_native_objects_change_their_form_and_nothing_else(stored: UID, wanted: str) -> None:
    original = pydicom.dcmread(io.BytesIO(ct()))
    if stored == ExplicitVRBigEndian:
        original.PixelData = original.pixel_array.astype(">i2").tobytes()
    raw = in_syntax(original, stored)
    made = pydicom.dcmread(
        io.BytesIO(b"".join(remake(BytesSource(raw), wanted, None, decoder=InThread())))
    )
    expected = pydicom.dcmread(io.BytesIO(ct()))
    assert made.file_meta.TransferSyntaxUID == wanted
    assert same_elements(made, expected)
    assert made.PixelData == expected.PixelData


def test_the_form_of_htj2k_lossless_that_is_stored_serves_who_asks_for_the_wider_ones() -> None:
    assert satisfies(HTJ2K_LOSSLESS_RPCL, HTJ2K_LOSSLESS)
    assert satisfies(HTJ2K_LOSSLESS, "1.2.840.10008.1.2.4.203")
    assert not satisfies("1.2.840.10008.1.2.4.203", HTJ2K_LOSSLESS)
    assert not satisfies(HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL)


@pytest.mark.parametrize(
    ("stored", "wanted", "possible"),
    [
        (EXPLICIT_LE, IMPLICIT_LE, True),
        (EXPLICIT_LE, JPEG_LS, True),
        (JPEG_LS, EXPLICIT_LE, True),
        (JPEG_2000, JPEG_LS, True),
        (EXPLICIT_LE, "1.2.840.10008.1.2.4.50", False),
        ("1.2.840.10008.1.2.4.102", EXPLICIT_LE, False),
        ("1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.102", True),
        (EXPLICIT_LE, "1.2.840.10008.1.2.2", False),
    ],
)
def test_knows_before_reading_what_can_be_made(stored: str, wanted: str, possible: bool) -> None:
    assert can_make(stored, None, wanted) is possible


def test_refuses_before_the_first_byte_what_cannot_be_decoded() -> None:
    good = BytesSource(ct())
    whole = b"".join(remake(good, JPEG_LS, None, decoder=InThread()))
    start = whole.find(b"\xff\xd8")
    broken = whole[: start + 8] + b"\0" * 40 + whole[start + 48 :]
    with pytest.raises(PlatformError):
        remake(BytesSource(broken), EXPLICIT_LE, None, decoder=InThread())


def bits(frames: int, rows: int, columns: int) -> tuple[bytes, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(frames * rows + columns)
    cells = rng.integers(0, 2, (frames, rows, columns)).astype(np.uint8)
    packed = np.packbits(cells.ravel(), bitorder="little").tobytes()
    raw = ct(
        Rows=rows,
        Columns=columns,
        NumberOfFrames=frames,
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        PixelRepresentation=0,
        PixelData=packed + b"\0" * (len(packed) & 1),
    )
    return raw, cells


@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (8, 8), (5, 7)])
def test_frames_of_single_bits_begin_with_a_whole_byte(rows: int, columns: int) -> None:
    raw, cells = bits(4, rows, columns)
    source = BytesSource(raw)
    plan = plan_of(walk(source))
    for index in range(4):
        frame = np.frombuffer(stored_frame(source, plan, index), np.uint8)
        found = np.unpackbits(frame, bitorder="little")[: rows * columns]
        assert np.array_equal(found.reshape(rows, columns), cells[index])
        assert np.array_equal(frame_cells(source, plan, index, InThread()), cells[index])


def test_a_native_frame_of_many_is_where_its_number_says() -> None:
    cells = np.arange(5 * 4 * 3, dtype="<i2").reshape(5, 4, 3)
    raw = ct(Rows=4, Columns=3, NumberOfFrames=5, PixelData=cells.tobytes())
    source = BytesSource(raw)
    plan = plan_of(walk(source))
    assert plan.ranges
    for index in range(5):
        assert stored_frame(source, plan, index) == cells[index].tobytes()
        stream = frame_in(source, plan, index, JPEG_LS, InThread())
        told = layout_of(walk(source))
        assert told is not None
        assert np.array_equal(decode_frame(stream, JPEG_LS, told), cells[index])


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"Rows": 65535, "Columns": 65535}, id="more-than-there-is"),
        pytest.param({"NumberOfFrames": 2**31 - 1}, id="more-frames-than-there-are"),
        pytest.param({"BitsAllocated": 12}, id="no-such-cell"),
        pytest.param({"BitsStored": 17}, id="stored-beyond-allocated"),
    ],
)
def test_pixels_that_are_not_what_they_say_have_no_frames(more: dict[str, Any]) -> None:
    with pytest.raises(NoFrames):
        plan_of(walk(BytesSource(ct(**more))))


def test_remembers_plans_within_its_bound() -> None:
    plans = FramePlans(limit_bytes=5000)
    for number in range(1, 11):
        plans.plan(f"key-{number}", BytesSource(ct(number)))
    known = [number for number in range(1, 11) if plans.known(f"key-{number}") is not None]
    assert known == [7, 8, 9, 10]


_DCMTK = {JPEG_LS: "dcmdjpls", JPEG_LOSSLESS_SV1: "dcmdjpeg", RLE_LOSSLESS: "dcmdrle"}


def decoded_by_others(file: bytes, folder: Path) -> np.ndarray[Any, Any]:
    """Decode with DCMTK or OpenJPEG, whichever is not the library that encoded."""
    read = pydicom.dcmread(io.BytesIO(file))
    syntax = str(read.file_meta.TransferSyntaxUID)
    if syntax not in _DCMTK:
        (stream,) = generate_frames(read.PixelData, number_of_frames=1)
        return np.asarray(imagecodecs.jpeg2k_decode(stream))
    tool = shutil.which(_DCMTK[syntax])
    if tool is None:
        pytest.skip("DCMTK is not installed")
    (folder / "in.dcm").write_bytes(file)
    subprocess.run([tool, folder / "in.dcm", folder / "out.dcm"], check=True, timeout=20)
    return pydicom.dcmread(folder / "out.dcm").pixel_array


def in_syntax(ds: pydicom.Dataset, syntax: UID) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return part10(ds, syntax=syntax)


def same_elements(one: pydicom.Dataset, other: pydicom.Dataset) -> bool:
    of_encoding = {0x7FE00010, 0x00280004, 0x00280006}

    def told(ds: pydicom.Dataset) -> Iterator[tuple[int, str]]:
        return ((int(e.tag), str(e.value)) for e in ds if int(e.tag) not in of_encoding)

    return dict(told(one)) == dict(told(other))
