"""What is compressed is proven equal and comes back as it was; what cannot be, stays."""

import io
import itertools
import struct
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from kernel.dicom.codecs import HTJ2K_LOSSLESS_RPCL, InThread, read_j2k
from kernel.dicom.content import content_digest
from kernel.dicom.dataset import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    BrokenDataset,
    BytesSource,
    FileSource,
    Scan,
)
from kernel.dicom.encapsulate import offset_tables
from kernel.dicom.frames import codestream, encapsulated_frames, layout_of
from kernel.dicom.lossless import CompressedObject, compress_object
from kernel.dicom.restore import restore_native
from kernel.errors import Unsupported
from tests.kernel.objects import (
    NATIVE,
    SOP,
    dataset_bytes,
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
from tests.shared_data import archives, members, need_shared_data, single_files

ROOT = Path(__file__).resolve().parent.parent.parent


def compressed(data: bytes, **settings: Any) -> CompressedObject | None:
    return compress_object(*walked(data), **settings)


def restored(found: CompressedObject) -> bytes:
    whole = b"".join(found.chunks())
    source, meta, scan = walked(whole)
    return b"".join(restore_native(source, meta, scan, found.native, decoder=InThread()))


def assert_equal_elements(before: bytes, after: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = pydicom.dcmread(io.BytesIO(before), force=True)
        new = pydicom.dcmread(io.BytesIO(after), force=True)
        left_out = [key for key in old.keys() if key.element == 0 or key == 0x00080001]  # noqa: SIM118
        for key in left_out:
            del old[key]
        assert list(new.keys()) == sorted(old.keys())
        for key in list(new.keys()):
            assert (new[key].VR, new[key].value) == (old[key].VR, old[key].value)


def assert_streams_are_rpcl_with_tlm(found: Scan) -> None:
    layout = layout_of(found)
    assert layout is not None
    frames = encapsulated_frames(found, layout.frames)
    assert all(len(fragments) == 1 for fragments in frames)
    for fragments in frames:
        shape = read_j2k(codestream(found.source, fragments))
        assert shape is not None
        assert shape.has_tlm
        assert shape.progression == 2
        assert min(shape.rows, shape.columns) / 2**shape.levels <= 64


def assert_round_trip(data: bytes) -> bool:
    """Compress and give back; False where the object must stay as it is."""
    source, meta, scan = walked(data)
    before = content_digest(scan, decoder=InThread())
    found = compress_object(source, meta, scan)
    if found is None:
        return False
    with found:
        whole = b"".join(found.chunks())
        back = restored(found)
    assert len(whole) == found.size
    _, meta_after, scan_after = walked(whole)
    assert meta_after.transfer_syntax_uid == HTJ2K_LOSSLESS_RPCL
    assert meta_after.dataset_offset == found.dataset_offset
    assert content_digest(scan_after, decoder=InThread()) == before == found.digest
    assert_streams_are_rpcl_with_tlm(scan_after)
    _, meta_back, scan_back = walked(back)
    assert (
        meta_back.transfer_syntax_uid
        == meta.transfer_syntax_uid
        == found.native.transfer_syntax_uid
    )
    assert scan.pixel is not None
    assert scan_back.pixel is not None
    assert scan_back.source.read(scan_back.pixel.value_offset, scan_back.pixel.length) == (
        scan.source.read(scan.pixel.value_offset, scan.pixel.length)
    )
    if back[meta_back.dataset_offset :] != data[meta.dataset_offset :]:
        assert content_digest(scan_back, decoder=InThread()) == before
        assert_equal_elements(data, back)
    return True


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize(
    "ds",
    [
        pytest.param(image(gradient((70, 33), "<u2", 4095), bits_stored=12), id="12-bit"),
        pytest.param(image(gradient((33, 21), "<u1", 255)), id="odd-length"),
        pytest.param(image(gradient((21, 9), "<i2", 4095) - 2048, bits_stored=12), id="signed"),
        pytest.param(image(gradient((15, 7, 3), "<u1", 255)), id="colour"),
        pytest.param(image(gradient((15, 7, 3), "<u1", 255), planar=1), id="planes"),
        pytest.param(image(gradient((15, 7, 3), "<u2", 65535), planar=1), id="planes-16-bit"),
        pytest.param(
            image(np.stack([gradient((9, 9), "<u2", n) for n in (9, 99, 999)]), frames=3),
            id="frames",
        ),
        pytest.param(
            image(np.stack([gradient((3, 3, 3), "<u1", 255)] * 3), frames=3, planar=1),
            id="odd-frames",
        ),
    ],
)
def test_an_object_comes_back_in_the_form_it_came_in(ds: Dataset, syntax: str) -> None:
    data = encoded(ds, syntax)
    assert assert_round_trip(data)
    found = compressed(data)
    assert found is not None
    if syntax != "1.2.840.10008.1.2.1.99":
        assert restored(found) == data


def test_bytes_in_words_come_back_in_their_order() -> None:
    ds = image(np.stack([gradient((3, 3), "<u1", 255)] * 3), frames=3)
    ds["PixelData"].VR = "OW"
    data = encoded(ds, EXPLICIT_BE)
    found = compressed(data)
    assert found is not None
    assert found.native.pixel_vr == "OW"
    assert restored(found) == data


def test_colour_is_labelled_as_the_stream_is_and_its_old_label_kept() -> None:
    found = compressed(encoded(image(gradient((15, 7, 3), "<u1", 255), planar=1)))
    assert found is not None
    scan = walked(b"".join(found.chunks()))[2]
    assert scan.text(0x00280004) == "YBR_RCT"
    assert scan.unsigned(0x00280006) == 0
    assert found.native.photometric_interpretation == "RGB"
    assert found.native.planar_configuration == 1


def odd(**change: Any) -> bytes:
    return encoded(image(gradient((9, 9), "<u2", 4095), bits_stored=12, **change))


SMALL = gradient((9, 9), "<u2", 4095)
PIXELS = image(SMALL)
del PIXELS.PixelData
HEAD = part10(dataset_bytes(PIXELS))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(part10(SOP), id="no-pixels"),
        pytest.param(
            encapsulated(image(SMALL), [b"\xff\xd8\xff\xd9"], "1.2.840.10008.1.2.4.50"),
            id="compressed",
        ),
        pytest.param(odd(BitsStored=3, HighBit=2), id="bits-above-stored"),
        pytest.param(odd(BitsStored=12, HighBit=15), id="high-bit-elsewhere"),
        pytest.param(encoded(image(gradient((8, 8), "<i1", 100))), id="signed-8-bit"),
        pytest.param(encoded(image(gradient((8, 8), "<u4", 1 << 20))), id="32-bit"),
        pytest.param(
            encoded(image(gradient((8, 8, 3), "<u1", 255), PhotometricInterpretation="YBR_FULL")),
            id="ybr",
        ),
        pytest.param(
            encoded(image(gradient((8, 8, 3), "<u1", 255), PlanarConfiguration=2)), id="planar-2"
        ),
        pytest.param(HEAD + element(0x7FE00010, "OW", SMALL.tobytes()[:-2]), id="short"),
        pytest.param(HEAD + element(0x7FE00010, "OW", SMALL.tobytes() + b"\0\0"), id="longer"),
        pytest.param(encoded(image(gradient((3, 3), "<u1", 9)))[:-1] + b"\1", id="padded-by-one"),
        pytest.param(HEAD + element(0x7FE00010, "OW", SMALL.tobytes()) * 2, id="twice"),
    ],
)
def test_what_might_not_come_back_stays_as_it_is(data: bytes) -> None:
    assert compressed(data) is None


def test_elements_out_of_order_stay_where_they_are() -> None:
    data = encoded(image(SMALL)) + element(0x00104000, "LT", b"late")
    early = part10(element(0x7FE10010, "LO", b"YILIAN") + dataset_bytes(image(SMALL)))
    for one in (data, early):
        assert assert_round_trip(one)
        found = compressed(one)
        assert found is not None
        assert restored(found)[-1000:] == one[-1000:]


def test_an_executable_preamble_is_not_carried_on() -> None:
    data = b"MZ" + encoded(image(SMALL))[2:]
    found = compressed(data)
    assert found is not None
    assert b"".join(found.chunks())[:128] == bytes(128)


def test_an_object_without_file_meta_gets_one() -> None:
    found = compressed(dataset_bytes(image(SMALL)))
    assert found is not None
    ds = pydicom.dcmread(io.BytesIO(b"".join(found.chunks())))
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID


def test_large_objects_lie_in_a_file_and_close(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 65536, (5, 1500, 1500), dtype=np.uint16)
    with_file = compressed(encoded(image(noise, frames=5)), directory=tmp_path)
    assert with_file is not None
    assert isinstance(with_file.source, FileSource)
    with with_file:
        assert sum(map(len, with_file.chunks(step=100_000))) == with_file.size
    assert list(tmp_path.iterdir()) == []
    small = compressed(encoded(image(SMALL)))
    assert small is not None
    assert isinstance(small.source, BytesSource)


@pytest.mark.parametrize("most", [0xFFFFFFFF, 20])
def test_offset_tables_lead_to_the_frames(most: int) -> None:
    streams = [b"\xff\x4fab", b"\xff\x4fabc", b"\xff\x4fa" * 30]
    tables = offset_tables([len(one) for one in streams], most)
    wide = most == 20
    assert (0x7FE00001 in tables) == wide
    body = SOP
    for tag in (0x7FE00001, 0x7FE00002):
        value = tables.get(tag)
        if value is not None:
            raw = b"".join(value.pieces)
            assert value.length == len(raw)
            body += element(tag, "OV", raw)
    first = tables[0x7FE00010]
    assert first is not None
    items = b"".join(
        struct.pack("<HHL", 0xFFFE, 0xE000, len(one) + len(one) % 2) + one + b"\0" * (len(one) % 2)
        for one in streams
    )
    end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    value_bytes = b"".join(first.pieces) + items + end
    _, _, scan = walked(part10(body + element(0x7FE00010, "OB", value_bytes, length=0xFFFFFFFF)))
    found = [codestream(scan.source, part) for part in encapsulated_frames(scan, 3)]
    assert [one[: len(stream)] for one, stream in zip(found, streams, strict=True)] == streams
    if wide:
        lengths = tables[0x7FE00002]
        assert lengths is not None
        assert struct.unpack("<3Q", b"".join(lengths.pieces)) == tuple(len(one) for one in streams)


def test_only_what_was_compressed_here_is_given_back() -> None:
    source, meta, scan = walked(encoded(image(SMALL)))
    found = compressed(encoded(image(SMALL)))
    assert found is not None
    with pytest.raises(Unsupported):
        list(restore_native(source, meta, scan, found.native, decoder=InThread()))


def test_a_long_object_costs_the_memory_of_a_few_frames(tmp_path: Path) -> None:
    frame = gradient((512, 512), "<u2", 4095)
    ds = image(frame, bits_stored=12, NumberOfFrames=200)
    ds.PixelData = b""
    body = dataset_bytes(ds)
    body = body[: body.index(struct.pack("<HH2s", 0x7FE0, 0x0010, b"OW"))]
    path = tmp_path / "long.dcm"
    with path.open("wb") as file:
        file.write(part10(body + element(0x7FE00010, "OW", b"", length=200 * frame.nbytes)))
        for _ in range(200):
            file.write(frame.tobytes())
    program = (
        "import resource, sys\n"
        "from kernel.dicom.dataset import FileSource, read_file_meta, scan\n"
        "from kernel.dicom.lossless import compress_object\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "source = FileSource(sys.argv[1])\n"
        "meta = read_file_meta(source)\n"
        "syntax = meta.transfer_syntax_uid\n"
        "found = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=syntax)\n"
        "before = peak()\n"
        "done = compress_object(source, meta, found, threads=2)\n"
        "print(peak() - before, done.size)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=29,
    )
    grown, size = map(int, ran.stdout.split())
    assert grown < 90 * 1024
    assert size < path.stat().st_size


STAYS_NATIVE = {
    "dicom/odd/mlut_18.dcm": "bits above Bits Stored in use",
    "dicom/odd/parametric_map_float.dcm": "float",
    "dicom/pydicom-tests/MR_small_padded.dcm": "128 bytes behind the frame",
    "dicom/pydicom-tests/SC_ybr_full_422_uncompressed.dcm": "YBR_FULL_422",
    "dicom/pydicom-tests/badVR.dcm": "Number of Frames 1A",
    "dicom/pydicom-tests/liver_1frame.dcm": "1 bit",
    "dicom/pydicom-tests/liver_expb_1frame.dcm": "1 bit",
    "dicom/pydicom-tests/meta_missing_tsyntax.dcm": "no Rows and Columns",
    "dicom/pydicom-tests/nested_priv_SQ.dcm": "no Rows and Columns",
    "dicom/pydicom-tests/rtdose.dcm": "32 bit",
    "dicom/pydicom-tests/rtdose_1frame.dcm": "32 bit",
    "dicom/pydicom-tests/rtdose_expb.dcm": "32 bit",
    "dicom/pydicom-tests/rtdose_expb_1frame.dcm": "32 bit",
    "dicom/seg/liver.dcm": "1 bit",
    "dicom/seg/seg.dcm": "1 bit",
    "dicom/transfer-syntaxes/SC_rgb_32bit_2frame.dcm": "32 bit",
    "dicom/transfer-syntaxes/liver_nonbyte_aligned.dcm": "1 bit",
}


def test_every_real_native_object_comes_back_equal_or_is_named_here() -> None:
    need_shared_data()
    stayed, done = set(), Counter[bool]()
    for name, data in single_files():
        try:
            _, _, scan = walked(data)
        except BrokenDataset:
            continue
        if scan.pixel is None or scan.encapsulated:
            continue
        equal = assert_round_trip(data)
        done[equal] += 1
        if not equal:
            stayed.add(name)
    assert stayed == set(STAYS_NATIVE)
    assert done[True] == 99


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "every",
    [
        # Neighbours of a series differ by little.
        pytest.param(3, id="every-third"),
        pytest.param(1, id="all", marks=pytest.mark.torture),
    ],
)
@pytest.mark.parametrize("archive", archives())
def test_packed_native_objects_come_back_equal(archive: str, every: int) -> None:
    count = 0
    for _, data in itertools.islice(members(archive), 0, None, every):
        _, _, scan = walked(data)
        if scan.pixel is not None and not scan.encapsulated:
            assert assert_round_trip(data)
            count += 1
    assert count > 40 // every


def test_a_data_set_in_another_form_than_its_head_says_stays_as_it_is() -> None:
    data = encoded(image(SMALL), EXPLICIT_LE)
    lying = data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0")
    assert compressed(data) is not None
    assert compressed(lying) is None


def test_an_implicit_object_whose_items_hold_group_lengths_stays_as_it_is() -> None:
    inner = implicit(0x00080000, struct.pack("<L", 14)) + implicit(0x00081155, b"1.2.3\0")
    pixels = dataset_bytes(image(SMALL), is_implicit=True)
    hidden = implicit(0x00081115, item(inner))
    at = pixels.index(struct.pack("<HH", 0x0008, 0x1140))
    assert compressed(part10(pixels, IMPLICIT_LE)) is not None
    assert compressed(part10(pixels[:at] + hidden + pixels[at:], IMPLICIT_LE)) is None
