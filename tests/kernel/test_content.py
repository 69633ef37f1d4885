"""One digest for an object in every encoding; another as soon as one bit of it differs."""

import io
import struct
import warnings
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import given, settings, strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels.encoders.base import get_encoder

from kernel.arrival import ContentDigest
from kernel.dicom.codecs import DecodeFailed, InThread, encode_htj2k
from kernel.dicom.content import content_digest, dataset_digest, has_content
from kernel.dicom.dataset import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, BrokenDataset
from kernel.dicom.frames import Frame, FrameLayout
from tests.kernel.objects import (
    ITEM_END,
    NATIVE,
    SEQUENCE_END,
    SOP,
    UNDEFINED,
    element,
    encapsulated,
    encoded,
    gradient,
    image,
    implicit,
    item,
    part10,
    walked,
)

JPEG = "1.2.840.10008.1.2.4."
Array = npt.NDArray[Any]


class Refusing:
    """A decoder that can do nothing."""

    def decode(self, stream: bytes, transfer_syntax_uid: str, layout: FrameLayout) -> Frame:
        raise DecodeFailed


def digest_of(data: bytes) -> ContentDigest:
    return content_digest(walked(data)[2], decoder=InThread())


def rle(frame: Array) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_encoder(pydicom.uid.RLELossless).encode(
            frame.tobytes(),
            rows=frame.shape[0],
            columns=frame.shape[1],
            samples_per_pixel=frame.shape[2] if frame.ndim > 2 else 1,
            bits_allocated=frame.dtype.itemsize * 8,
            bits_stored=frame.dtype.itemsize * 8,
            pixel_representation=int(frame.dtype.kind == "i"),
            number_of_frames=1,
            photometric_interpretation="RGB" if frame.ndim > 2 else "MONOCHROME2",
            planar_configuration=0,
        )


def htj2k(frame: Array) -> bytes:
    stream = encode_htj2k(
        frame, bits_stored=frame.dtype.itemsize * 8, signed=frame.dtype.kind == "i"
    )
    assert stream is not None
    return stream


ENCODERS: dict[str, Callable[[Array], bytes]] = {
    "1.2.840.10008.1.2.5": rle,
    JPEG + "70": lambda frame: bytes(
        imagecodecs.jpeg8_encode(
            frame,
            lossless=True,
            colorspace="RGB" if frame.ndim > 2 else None,
            outcolorspace="RGB" if frame.ndim > 2 else None,
        )
    ),
    JPEG + "80": lambda frame: bytes(imagecodecs.jpegls_encode(frame)),
    JPEG + "90": lambda frame: bytes(
        imagecodecs.jpeg2k_encode(frame, level=0, reversible=True, codecformat="j2k")
    ),
    JPEG + "201": htj2k,
    JPEG + "202": htj2k,
}


PICTURES = {
    "8-bit": gradient((33, 20), "<u1", 255),
    "16-bit": gradient((33, 20), "<u2", 65535),
    "signed": gradient((21, 9), "<i2", 4095) - 1024,
    "colour": gradient((15, 7, 3), "<u1", 255),
}
WITHOUT_SIGN = {JPEG + "70", JPEG + "80"}


@pytest.mark.parametrize(
    ("picture", "syntax"),
    [
        (name, syntax)
        for name in PICTURES
        for syntax in (*NATIVE, *ENCODERS)
        if name != "signed" or syntax not in WITHOUT_SIGN
    ],
)
def test_an_object_has_one_digest_in_every_encoding(picture: str, syntax: str) -> None:
    cells = PICTURES[picture]
    ds = image(cells)
    plain = digest_of(encoded(ds))
    if syntax in NATIVE:
        assert digest_of(encoded(ds, syntax)) == plain
    else:
        assert digest_of(encapsulated(ds, [ENCODERS[syntax](cells)], syntax)) == plain
    if cells.ndim > 2:
        planes = image(cells, planar=1)
        assert planes.PixelData != ds.PixelData
        assert digest_of(encoded(planes)) == plain


def test_signed_frames_from_codecs_without_a_sign_have_the_same_digest() -> None:
    cells = gradient((21, 9), "<i2", 4095) - 1024
    ds = image(cells)
    raw = cells.view("<u2")
    for syntax in WITHOUT_SIGN:
        assert digest_of(encapsulated(ds, [ENCODERS[syntax](raw)], syntax)) == digest_of(
            encoded(ds)
        )


def test_bits_above_a_signed_value_may_be_set_or_not() -> None:
    cells = gradient((8, 8), "<i2", 2000) - 1000
    plain = digest_of(encoded(image(cells, bits_stored=12)))
    assert digest_of(encoded(image(cells & 0x0FFF, bits_stored=12))) == plain
    overlay = cells.copy()
    overlay[0, 0] ^= 0x2000
    assert digest_of(encoded(image(overlay, bits_stored=12))) != plain


def test_frames_may_lie_in_one_or_more_fragments_with_or_without_a_table() -> None:
    frames = np.stack([gradient((16, 16), "<u2", 999), gradient((16, 16), "<u2", 777)])
    ds = image(frames, frames=2)
    streams = [ENCODERS[JPEG + "90"](one) for one in frames]
    even = [one + b"\0" * (len(one) & 1) for one in streams]
    syntax = JPEG + "90"
    whole = encapsulated(ds, streams, syntax)
    header = whole[: whole.index(struct.pack("<HH2s", 0x7FE0, 0x0010, b"OB"))]
    split = [*(even[0][:40], even[0][40:]), even[1]]
    table = struct.pack("<LL", 0, 8 + 40 + 8 + len(even[0]) - 40)
    plain = digest_of(encoded(ds))
    for first in (b"", table):
        value = item(first) + b"".join(item(part) for part in split) + SEQUENCE_END
        assert digest_of(header + element(0x7FE00010, "OB", value, length=UNDEFINED)) == plain
    offsets = element(0x7FE00001, "OV", struct.pack("<QQ", 0, 8 + 40 + 8 + len(even[0]) - 40))
    value = item() + b"".join(item(part) for part in split) + SEQUENCE_END
    assert digest_of(header + offsets + element(0x7FE00010, "OB", value, length=UNDEFINED)) == plain


BODY = SOP + element(0x00081030, "LO", b"CHEST ")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(SOP + element(0x00081030, "LO", b"CHEST\0"), id="padded-by-nul"),
        pytest.param(SOP + element(0x00081030, "LO", b"CHEST"), id="not-padded"),
        pytest.param(element(0x00080000, "UL", b"\x40\0\0\0") + BODY, id="group-length"),
        pytest.param(element(0x00080001, "UL", b"\x40\0\0\0") + BODY, id="length-to-end"),
        pytest.param(BODY + element(0xFFFCFFFC, "OB", bytes(64)), id="trailing-padding"),
        pytest.param(BODY + bytes(32), id="zeros-behind"),
        pytest.param(element(0x00081030, "LO", b"CHEST ") + SOP, id="order"),
        pytest.param(SOP + element(0x00081030, "UN", b"CHEST "), id="known-un"),
    ],
)
def test_what_belongs_to_the_encoding_does_not_count(other: bytes) -> None:
    assert digest_of(part10(other)) == digest_of(part10(BODY))


def test_the_padding_of_a_long_text_does_not_count() -> None:
    text = b"finding " * 20_000
    plain, *others = (
        digest_of(part10(SOP + element(0x0040A160, "UT", text + pad)))
        for pad in (b"", b"  ", b"\0\0", b".\0")
    )
    assert others[:2] == [plain, plain]
    assert others[2] != plain


INNER = element(0x00081155, "UI", b"1.2.3\0") + element(0x00081160, "IS", b"1 ")
INNER_IMPLICIT = implicit(0x00081155, b"1.2.3\0") + implicit(0x00081160, b"1 ")


@pytest.mark.parametrize("tag", [0x00081140, 0x00091010], ids=["public", "private"])
@pytest.mark.parametrize(
    ("vr", "value", "length"),
    [
        pytest.param(
            "SQ", item(INNER, length=UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED, id="undefined"
        ),
        pytest.param("SQ", item(INNER) + SEQUENCE_END, UNDEFINED, id="undefined-sequence"),
        pytest.param("SQ", item(INNER, length=UNDEFINED) + ITEM_END, None, id="undefined-item"),
        pytest.param("UN", item(INNER_IMPLICIT) + SEQUENCE_END, UNDEFINED, id="un-undefined"),
        pytest.param("UN", item(INNER_IMPLICIT), None, id="un-stated"),
    ],
)
def test_the_form_of_a_sequence_does_not_count(
    tag: int, vr: str, value: bytes, length: int | None
) -> None:
    plain = digest_of(part10(SOP + element(tag, "SQ", item(INNER))))
    assert digest_of(part10(SOP + element(tag, vr, value, length=length))) == plain
    assert digest_of(part10(SOP + element(tag, "SQ", item(INNER) + item(INNER)))) != plain
    assert digest_of(part10(SOP + element(tag, "SQ", item(INNER) + item()))) != plain


def test_items_do_not_run_into_each_other() -> None:
    one, two = element(0x00081155, "UI", b"1.2.3\0"), element(0x00081160, "IS", b"1 ")
    split = [
        item(one + two) + item(),
        item(one) + item(two),
        item() + item(one + two),
        item(one + two),
    ]
    assert (
        len({digest_of(part10(SOP + element(0x00081140, "SQ", part))).dataset for part in split})
        == 4
    )


def test_a_nest_hidden_in_un_costs_no_recursion() -> None:
    inner = b"\1\2"
    for _ in range(3000):
        inner = item(implicit(0x00091010, inner))
    data = part10(SOP + element(0x00091010, "UN", inner))
    assert len(digest_of(data).dataset) == 64


CHANGES: list[Any] = [
    pytest.param({"PatientID": "990000-2"}, id="patient-id"),
    pytest.param({"StudyDescription": "胸部平扫 "}, id="only-padding-is-the-same"),
    pytest.param({"PixelSpacing": ["0.5", "0.50"]}, id="spacing"),
    pytest.param({"PhotometricInterpretation": "MONOCHROME1"}, id="photometric"),
    pytest.param({"RescaleSlope": "1"}, id="one-more-element"),
    pytest.param({"InstanceNumber": None}, id="one-less-value"),
    pytest.param({"BitsStored": 15}, id="bits-stored"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_header_is_another_content(change: dict[str, Any]) -> None:
    cells = gradient((8, 8), "<u2", 999)
    plain, other = digest_of(encoded(image(cells))), digest_of(encoded(image(cells, **change)))
    assert (other.dataset != plain.dataset) == ("StudyDescription" not in change)
    assert other.pixels == plain.pixels


@given(st.integers(0, 8 * 8 * 16 - 1), st.sampled_from([*NATIVE, JPEG + "80", JPEG + "202"]))
@settings(max_examples=60)
def test_one_changed_bit_of_a_pixel_is_another_content(bit: int, syntax: str) -> None:
    cells = gradient((8, 8), "<u2", 65535)
    changed = cells.copy()
    changed.reshape(-1)[bit // 16] ^= 1 << bit % 16
    plain, ds = digest_of(encoded(image(cells))), image(changed)
    if syntax in NATIVE:
        other = digest_of(encoded(ds, syntax))
    else:
        other = digest_of(encapsulated(ds, [ENCODERS[syntax](changed)], syntax))
    assert other.dataset == plain.dataset
    assert other.pixels != plain.pixels


SMALL = encoded(image(gradient((2, 2), "<u2", 65535)))
START = walked(SMALL)[1].dataset_offset


@given(st.integers(START * 8, len(SMALL) * 8 - 1))
@settings(max_examples=300)
def test_one_changed_bit_anywhere_is_another_content_or_no_object(bit: int) -> None:
    changed = bytearray(SMALL)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        other = digest_of(bytes(changed))
    except BrokenDataset:
        return
    if other != digest_of(SMALL):
        return
    # What is left may only be the name of a VR, or the padding of a string.
    before, after = walked(SMALL)[2], walked(bytes(changed))[2]
    for old, new in zip(before.elements, after.elements, strict=True):
        assert old.tag == new.tag
        assert before.raw(old).rstrip(b" \0") == after.raw(new).rstrip(b" \0")


_WRITABLE = st.characters(codec="gb18030", exclude_categories=["Cc"], exclude_characters="\\=^")


def value_strategy() -> st.SearchStrategy[Dataset]:
    texts = st.text(
        st.characters(codec="gb18030", exclude_categories=["Cc"], exclude_characters="\\=^"),
        max_size=20,
    )

    def build(words: list[str], numbers: list[int], depth: int) -> Dataset:
        ds = Dataset()
        ds.SpecificCharacterSet = "GB18030"
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "2.25.990000.1"
        ds.StudyDescription = words[0].strip()
        ds.InstitutionName = words[1].strip()
        ds.SimpleFrameList = [abs(n) for n in numbers]
        ds.SmallestImagePixelValue = abs(numbers[0]) % 65536
        ds.PixelRepresentation = 0
        ds.add_new(0x00189073, "FD", float(numbers[0]))
        if depth:
            inner = build(words[1:] + words[:1], numbers[1:] + numbers[:1], depth - 1)
            ds.RequestAttributesSequence = [inner, Dataset()]
        return ds

    return st.builds(
        build,
        st.lists(texts, min_size=2, max_size=3),
        st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=1, max_size=4),
        st.integers(0, 4),
    )


@given(value_strategy())
@settings(max_examples=60)
def test_any_data_set_has_one_digest_in_every_native_form(ds: Dataset) -> None:
    found = {digest_of(encoded(ds, syntax)) for syntax in NATIVE}
    assert len(found) == 1


def test_undecodable_and_lossy_frames_count_by_their_code_stream() -> None:
    cells = gradient((16, 16), "<u1", 255)
    ds = image(cells)
    lossy = bytes(imagecodecs.jpeg8_encode(cells, level=80))
    data = encapsulated(ds, [lossy], JPEG + "50")
    assert digest_of(data).pixels == content_digest(walked(data)[2], decoder=Refusing()).pixels
    assert digest_of(data).pixels != digest_of(encoded(ds)).pixels
    broken = encapsulated(ds, [b"\xff\x4f\xff\x51 not a stream"], JPEG + "90")
    assert len(digest_of(broken).pixels) == 64
    nearly = bytes(imagecodecs.jpegls_encode(cells, level=2))
    assert (
        digest_of(encapsulated(ds, [nearly], JPEG + "81")).pixels != digest_of(encoded(ds)).pixels
    )
    exact = ENCODERS[JPEG + "80"](cells)
    assert digest_of(encapsulated(ds, [exact], JPEG + "81")) == digest_of(encoded(ds))
    reversible = ENCODERS[JPEG + "90"](cells)
    assert digest_of(encapsulated(ds, [reversible], JPEG + "91")) == digest_of(encoded(ds))


def test_content_is_recognised_by_cells_or_by_code_streams() -> None:
    cells = gradient((16, 16), "<u1", 255)
    ds = image(cells)
    native = walked(encoded(ds))[2]
    packed = walked(encapsulated(ds, [ENCODERS[JPEG + "80"](cells)], JPEG + "80"))[2]
    decoded = content_digest(native, decoder=InThread())
    by_stream = content_digest(packed, decoder=Refusing())
    assert decoded != by_stream
    assert has_content(packed, decoded, decoder=InThread())
    assert has_content(packed, by_stream, decoder=InThread())
    assert not has_content(packed, decoded, decoder=Refusing())
    assert not has_content(native, by_stream, decoder=InThread())
    other = walked(encoded(image(cells, PatientID="990000-2")))[2]
    assert not has_content(other, decoded, decoder=InThread())
    bare = walked(part10(SOP))[2]
    assert has_content(bare, content_digest(bare, decoder=Refusing()), decoder=Refusing())


def test_an_object_without_pixels_has_no_pixel_digest() -> None:
    assert digest_of(part10(SOP)).pixels == ""
    assert digest_of(part10(SOP)).whole.endswith("-")


def test_pydicom_sees_the_same_elements_where_the_data_set_digest_is_the_same() -> None:
    data = encoded(image(gradient((4, 4), "<u2", 9)), IMPLICIT_LE)
    again = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(io.BytesIO(data))
        ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(EXPLICIT_LE)
        pydicom.dcmwrite(again, ds, implicit_vr=False, little_endian=True)
    assert dataset_digest(walked(again.getvalue())[2]) == dataset_digest(walked(data)[2])
    assert walked(encoded(ds, EXPLICIT_BE))[2].big_endian


def test_the_digest_is_the_one_that_was_kept_when_objects_were_filed() -> None:
    inner = element(0x00080100, "SH", b"T-D1100 ") + element(0x00080104, "LO", b"Head\0\0")
    dataset = b"".join(
        (
            SOP,
            element(0x00080020, "DA", b"20240105"),
            element(0x00082218, "SQ", item(inner)),
            element(0x00091001, "UN", b"\1\2\3\4\0\0"),
            element(0x00100010, "PN", b"Wang^Xiaodong="),
            element(0x00280002, "US", b"\1\0"),
            element(0x00280004, "CS", b"YBR_RCT "),
            element(0x00280006, "US", b"\0\0"),
            element(0x00324000, "LT", b""),
            element(0x00420011, "OB", bytes(range(256)) * 300),
            element(0x60003000, "OW", b"\1\0 \0"),
            element(0xFFFCFFFC, "OB", b"\0\0"),
        )
    )
    assert dataset_digest(walked(part10(dataset))[2]) == (
        "4263fc179fa8f84b5677f68465fd9dd3ba179eefa351af17199ec6c0067f0f7e"
    )
