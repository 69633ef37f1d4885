"""Whatever the bytes are: an object, or ``BrokenDataset``; nothing else, and not slowly."""

import struct
import time
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from pydicom.dataset import Dataset

from kernel.dicom.codecs import DecodeFailed, InThread
from kernel.dicom.content import content_digest
from kernel.dicom.dataset import BrokenDataset
from kernel.dicom.frames import Frame, FrameLayout, codestream, encapsulated_frames, layout_of
from kernel.dicom.header import read_header
from kernel.dicom.lossless import compress_object
from kernel.dicom.restore import restore_native
from kernel.errors import TooLarge, Unsupported
from tests.kernel.objects import (
    NATIVE,
    dataset_bytes,
    encapsulated,
    encoded,
    gradient,
    image,
    walked,
)


class Refusing:
    """A decoder for streams nobody may decode in this process."""

    def decode(self, stream: bytes, transfer_syntax_uid: str, layout: FrameLayout) -> Frame:
        raise DecodeFailed


def seeds() -> list[bytes]:
    picture = gradient((6, 5), "<u2", 4095)
    ds = image(picture, bits_stored=12)
    deep = Dataset()
    for _ in range(6):
        outer = Dataset()
        outer.ContentSequence = [deep, Dataset()]
        outer.add_new(0x00091010, "UN", b"\xfe\xff\x00\xe0\x00\x00\x00\x00")
        deep = outer
    ds.ContentSequence = deep.ContentSequence
    ds.ContentSequence.is_undefined_length = True
    frames = np.stack([gradient((4, 4, 3), "<u1", 255)] * 2)
    streams = [bytes(imagecodecs.jpegls_encode(one)) for one in frames]
    found = [encoded(ds, syntax) for syntax in NATIVE]
    found.append(encapsulated(image(frames, frames=2), streams, "1.2.840.10008.1.2.4.80"))
    found.append(encoded(image(frames, frames=2, planar=1)))
    found.append(dataset_bytes(ds))
    found.append(dataset_bytes(ds, is_implicit=True))
    return found


SEEDS = seeds()
INTERESTING = [
    b"\xff\xff\xff\xff",
    b"\xf0\xff\xff\xff",
    b"\0\0\0\0",
    b"\1\0\0\0",
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0\0\0\0\0",
    b"\xfe\xff\xdd\xe0\0\0\0\0",
    b"SQ\0\0\xff\xff\xff\xff",
    b"UN\0\0\xff\xff\xff\xff",
    b"OB\0\0\xff\xff\xff\xff",
    b"\x28\x00\x08\x00IS\x02\x009 ",
    struct.pack("<HH", 0x7FE0, 0x0010),
    b"ZZ",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid object with a few bytes changed, cut out, put in, or its end missing."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["flip", "put", "over", "cut", "end", "double"])):
            case "flip":
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "put":
                data[at:at] = draw(st.one_of(st.sampled_from(INTERESTING), st.binary(max_size=12)))
            case "over":
                with_what = draw(st.sampled_from(INTERESTING))
                data[at : at + len(with_what)] = with_what
            case "cut":
                del data[at : at + draw(st.integers(1, 40))]
            case "end":
                del data[at:]
            case _:
                data[at:at] = data[at : at + draw(st.integers(1, 400))]
    return bytes(data)


def take(data: bytes) -> Any:
    """Do with *data* what the doors do with every object; return what came of it."""
    source, meta, scan = walked(data)
    header = read_header(source, scan)
    digest = content_digest(scan, decoder=Refusing())
    layout = layout_of(scan)
    if layout is not None and scan.encapsulated:
        try:
            for fragments in encapsulated_frames(scan, layout.frames):
                codestream(scan.source, fragments)
        except (Unsupported, TooLarge):
            pass
    found = compress_object(source, meta, scan, threads=1)
    if found is not None:
        with found:
            again = b"".join(found.chunks())
            back = walked(again)
            restored = b"".join(restore_native(*back, found.native, decoder=InThread()))
        assert found.digest == digest
        assert content_digest(walked(restored)[2], decoder=Refusing()) == digest
    return header, digest


def assert_an_object_or_broken(data: bytes) -> None:
    started = time.process_time()
    refused = None
    try:
        take(data)
    except BrokenDataset as exc:
        refused = exc
    assert refused is None or (refused.code in CODES and refused.detail)
    assert time.process_time() - started < 1


CODES = {
    "empty-file",
    "not-dicom",
    "truncated",
    "wrong-length",
    "too-deep",
    "too-many-elements",
    "too-large-header",
    "deflate-bomb",
    "deflate-broken",
    "bad-vr",
    "no-sop-uid",
    "bad-uid",
}


@pytest.mark.parametrize("data", SEEDS)
def test_the_seeds_are_objects(data: bytes) -> None:
    header, digest = take(data)
    assert header.sop_instance_uid == "2.25.990000.1"
    assert digest.pixels


@given(mutated())
@settings(max_examples=400)
def test_a_damaged_object_is_an_object_or_broken(data: bytes) -> None:
    assert_an_object_or_broken(data)


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_noise_is_an_object_or_broken(data: bytes) -> None:
    assert_an_object_or_broken(data)


@given(st.binary(max_size=300), st.sampled_from([one[:344] for one in SEEDS[:5]]))
@settings(max_examples=200)
def test_noise_behind_a_proper_head_is_an_object_or_broken(noise: bytes, head: bytes) -> None:
    assert_an_object_or_broken(head + noise)


@pytest.mark.parametrize("data", SEEDS)
def test_every_cut_is_an_object_or_broken(data: bytes) -> None:
    for keep in range(0, len(data), 7):
        assert_an_object_or_broken(data[:keep])
