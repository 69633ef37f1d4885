"""Our HTJ2K streams are what PS3.5 10.18 asks, and decode equal in two decoders; others' decode."""

from contextlib import suppress
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings, strategies as st

from kernel.dicom.codecs import (
    HTJ2K_LOSSLESS_RPCL,
    DecodeFailed,
    decode_frame,
    encode_htj2k,
    is_lossless,
    read_j2k,
)
from kernel.dicom.dataset import BrokenDataset
from kernel.dicom.frames import (
    FrameLayout,
    codestream,
    encapsulated_frames,
    frame_array,
    layout_of,
    native_frame,
)
from tests.kernel.objects import encoded, gradient, image, walked
from tests.shared_data import need_shared_data, single_files

Array = npt.NDArray[Any]
JPEG = "1.2.840.10008.1.2.4."
RPCL = 2


def layout_for(cells: Array, *, bits_stored: int, **more: Any) -> FrameLayout:
    settled = {
        "rows": cells.shape[0],
        "columns": cells.shape[1],
        "samples": cells.shape[2] if cells.ndim > 2 else 1,
        "bits_allocated": cells.dtype.itemsize * 8,
        "bits_stored": bits_stored,
        "high_bit": bits_stored - 1,
        "pixel_representation": int(cells.dtype.kind == "i"),
        "photometric": "RGB" if cells.ndim > 2 else "MONOCHROME2",
        "planar": None,
        "frames": 1,
    }
    return FrameLayout(**{**settled, **more})


def assert_exact(cells: Array, *, bits_stored: int) -> None:
    signed = cells.dtype.kind == "i"
    stream = encode_htj2k(cells, bits_stored=bits_stored, signed=signed)
    assert stream is not None
    back = decode_frame(stream, HTJ2K_LOSSLESS_RPCL, layout_for(cells, bits_stored=bits_stored))
    assert back.dtype == cells.dtype
    assert np.array_equal(back, cells)
    assert np.array_equal(imagecodecs.jpeg2k_decode(stream), cells)
    shape = read_j2k(stream)
    assert shape is not None
    assert shape.progression == RPCL
    assert shape.has_tlm
    assert shape.reversible
    assert min(shape.rows, shape.columns) / 2**shape.levels <= 64
    assert (shape.rows, shape.columns) == cells.shape[:2]
    assert shape.colour_transform == (cells.ndim > 2)
    if cells.ndim == 2 and bits_stored > 8:
        assert (shape.precision, shape.signed) == (bits_stored, signed)


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 17), (17, 1), (2, 3), (64, 64), (511, 513), (130, 2500), (2049, 65), (2600, 2200)],
)
@pytest.mark.parametrize(
    ("dtype", "low", "bits"),
    [
        ("<u1", 0, 8),
        ("<u2", 0, 12),
        ("<u2", 0, 16),
        ("<u2", 0, 9),
        ("<i2", -2048, 12),
        ("<i2", -32768, 16),
    ],
)
def test_a_picture_comes_back_equal(
    shape: tuple[int, int], dtype: str, low: int, bits: int
) -> None:
    cells = (gradient(shape, "<i4", (1 << bits) - 1) + low).astype(dtype)
    assert_exact(cells, bits_stored=bits)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_colour_picture_comes_back_equal(bits: int) -> None:
    assert_exact(gradient((67, 33, 3), f"<u{bits // 8}", (1 << bits) - 1), bits_stored=bits)


@pytest.mark.parametrize("value", [0, 1, 4095])
def test_a_constant_picture_comes_back_equal(value: int) -> None:
    assert_exact(np.full((100, 90), value, "<u2"), bits_stored=12)


@given(st.data())
@settings(max_examples=60)
def test_any_small_picture_comes_back_equal(data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    signed = data.draw(st.booleans())
    bits = data.draw(st.integers(9, 16))
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    values = data.draw(
        st.lists(st.integers(low, high), min_size=rows * columns, max_size=rows * columns)
    )
    cells = np.array(values, "<i2" if signed else "<u2").reshape(rows, columns)
    assert_exact(cells, bits_stored=bits)


@pytest.mark.parametrize(
    ("cells", "bits"),
    [
        pytest.param(np.zeros((8, 8), "<i1"), 8, id="signed-8-bit"),
        pytest.param(np.zeros((8, 8), "<u4"), 32, id="32-bit"),
        pytest.param(np.zeros((8, 8), "<f4"), 32, id="float"),
        pytest.param(np.zeros((8, 8), bool), 1, id="1-bit"),
        pytest.param(np.zeros((8, 8, 4), "<u1"), 8, id="four-samples"),
        pytest.param(np.zeros((8, 8, 3), "<i2"), 16, id="signed-colour"),
        pytest.param(np.full((8, 8), 4096, "<u2"), 12, id="bits-above-stored"),
        pytest.param(np.full((8, 8), 2048, "<i2"), 12, id="signed-bits-above-stored"),
        pytest.param(np.full((8, 8), 0x0800 | 0x7000, "<i2"), 12, id="zero-extended-negative"),
    ],
)
def test_what_viewers_decode_wrongly_is_not_encoded(cells: Array, bits: int) -> None:
    assert encode_htj2k(cells, bits_stored=bits, signed=cells.dtype.kind == "i") is None


def test_a_stream_of_another_size_than_its_object_says_is_refused() -> None:
    cells = gradient((40, 30), "<u2", 4095)
    stream = encode_htj2k(cells, bits_stored=12, signed=False)
    assert stream is not None
    for wrong in (
        {"rows": 39},
        {"columns": 31},
        {"samples": 3},
        {"bits_allocated": 8, "bits_stored": 8},
    ):
        with pytest.raises(DecodeFailed):
            decode_frame(
                stream,
                HTJ2K_LOSSLESS_RPCL,
                layout_for(cells, bits_stored=12, **wrong)
                if "bits_stored" not in wrong
                else layout_for(cells, **wrong),
            )


@pytest.mark.parametrize(
    "syntax",
    [JPEG + code for code in ("50", "51", "57", "70", "80", "90", "201", "202")]
    + ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"],
)
@pytest.mark.parametrize(
    "stream",
    [b"", b"\xff", b"\xff\xd8\xff\xd9", b"\xff\x4f\xff\x51", bytes(64), b"\x03" + bytes(63)],
)
def test_noise_is_refused_with_its_own_error(syntax: str, stream: bytes) -> None:
    with pytest.raises(DecodeFailed):
        decode_frame(stream, syntax, layout_for(np.zeros((64, 64), "<u2"), bits_stored=12))


def test_damage_that_the_library_keeps_to_itself_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = np.random.default_rng(1)
    cells = chance.integers(-1000, 1000, (64, 64)).astype("<i2")
    stream = encode_htj2k(cells, bits_stored=16, signed=True)
    assert stream is not None
    kept_quiet = []
    with monkeypatch.context() as patched:
        thrown_away: list[object] = []
        patched.setattr("sys.unraisablehook", thrown_away.append)
        for _ in range(40):
            thrown_away.clear()
            damaged = bytearray(stream)
            for at in chance.integers(200, len(stream), 3):
                damaged[at] ^= 0x55
            with suppress(RuntimeError):
                imagecodecs.htj2k_decode(bytes(damaged))
            if thrown_away:
                kept_quiet.append(bytes(damaged))
        thrown_away.clear()
    assert kept_quiet
    for damaged_stream in kept_quiet:
        with pytest.raises(DecodeFailed):
            decode_frame(damaged_stream, HTJ2K_LOSSLESS_RPCL, layout_for(cells, bits_stored=16))
    assert_exact(cells, bits_stored=16)


def test_an_unknown_transfer_syntax_and_a_frame_beyond_memory_are_refused() -> None:
    with pytest.raises(DecodeFailed) as caught:
        decode_frame(
            b"x", "1.2.840.10008.1.2.4.102", layout_for(np.zeros((4, 4), "<u1"), bits_stored=8)
        )
    assert caught.value.code == "no-decoder"
    huge = layout_for(np.zeros((4, 4), "<u2"), bits_stored=16, rows=65535, columns=65535)
    with pytest.raises(DecodeFailed) as caught:
        decode_frame(b"x", JPEG + "90", huge)
    assert caught.value.code == "frame-too-large"


def test_says_which_streams_are_lossless() -> None:
    cells = gradient((32, 32), "<u1", 255)
    exact, lossy = imagecodecs.jpegls_encode(cells), imagecodecs.jpegls_encode(cells, level=3)
    assert is_lossless(JPEG + "81", bytes(exact))
    assert not is_lossless(JPEG + "81", bytes(lossy))
    reversible = imagecodecs.jpeg2k_encode(cells, level=0, reversible=True)
    irreversible = imagecodecs.jpeg2k_encode(cells, level=40, reversible=False)
    assert is_lossless(JPEG + "91", bytes(reversible))
    assert not is_lossless(JPEG + "91", bytes(irreversible))
    assert is_lossless(JPEG + "70", b"")
    assert not is_lossless(JPEG + "50", b"")
    assert not is_lossless(JPEG + "81", b"")
    assert not is_lossless(JPEG + "91", b"")


UNDECODABLE = {
    "dicom/pydicom-tests/JPEG2000-embedded-sequence-delimiter.dcm": "frame-undecodable",
}


def test_every_real_compressed_object_decodes_but_for_the_broken_one() -> None:
    need_shared_data()
    refused = {}
    for name, data in single_files():
        try:
            _, meta, found = walked(data)
        except BrokenDataset:
            continue
        layout = layout_of(found)
        if layout is None or not found.encapsulated:
            continue
        for fragments in encapsulated_frames(found, layout.frames):
            stream = codestream(found.source, fragments)
            try:
                cells = decode_frame(stream, meta.transfer_syntax_uid, layout)
            except DecodeFailed as exc:
                refused[name] = exc.code
                continue
            assert cells.shape == layout.shape
            assert cells.dtype == layout.dtype
    assert refused == UNDECODABLE


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
def test_native_frames_are_cut_and_turned(planar: int, syntax: str) -> None:
    frames = np.stack([gradient((5, 3, 3), "<u1", 255), gradient((5, 3, 3), "<u1", 99)])
    ds = image(frames, frames=2, planar=planar)
    for vr in ("OB", "OW"):
        ds["PixelData"].VR = vr
        _, _, found = walked(encoded(ds, syntax))
        layout = layout_of(found)
        assert layout is not None
        for index in range(2):
            cells = frame_array(native_frame(found, layout, index), layout, index)
            assert np.array_equal(cells, frames[index])


def test_frames_of_single_bits_need_not_begin_at_a_byte() -> None:
    rng = np.random.default_rng(5)
    frames = rng.integers(0, 2, (3, 5, 7), dtype=np.uint8)
    ds = image(np.zeros((3, 5, 7), "<u1"), frames=3)
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = 0
    packed = np.packbits(frames.reshape(-1), bitorder="little").tobytes()
    ds.PixelData = packed + b"\0" * (len(packed) & 1)
    _, _, found = walked(encoded(ds))
    layout = layout_of(found)
    assert layout is not None
    for index in range(3):
        assert np.array_equal(
            frame_array(native_frame(found, layout, index), layout, index), frames[index]
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"Rows": 0},
        {"Rows": 65535, "Columns": 65535, "NumberOfFrames": 2147483647},
        {"BitsAllocated": 12},
        {"BitsStored": 17},
        {"HighBit": 16},
        {"PixelRepresentation": 2},
        {"NumberOfFrames": 2},
    ],
)
def test_numbers_that_do_not_hold_together_give_no_layout(wrong: dict[str, int]) -> None:
    ds = image(gradient((4, 4), "<u2", 4095))
    for keyword, value in wrong.items():
        setattr(ds, keyword, value)
    assert layout_of(walked(encoded(ds))[2]) is None
