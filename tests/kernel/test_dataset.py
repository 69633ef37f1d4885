"""The walk finds what pydicom finds, within a budget, and refuses the rest with a reason."""

import io
import struct
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from kernel.dicom.dataset import (
    DEFLATED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    BrokenDataset,
    BytesSource,
    Element,
    FileSource,
    Limits,
    Source,
    read_file_meta,
    scan,
    sequence_in,
)
from kernel.dicom.dictionary import public_vr
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
from tests.shared_data import archives, members, need_shared_data, single_files

ROOT = Path(__file__).resolve().parent.parent.parent
NOT_STORABLE = {
    "dicom/dicomdir-tree/DICOMDIR-nooffset": "truncated",
    "dicom/dicomdir-tree/README.txt": "not-dicom",
    "dicom/dicomdir-tree/TINY_ALPHA/README": "not-dicom",
    "dicom/pydicom-tests/MR_truncated.dcm": "truncated",
    "dicom/pydicom-tests/no_meta.dcm": "not-dicom",
    "dicom/pydicom-tests/rtplan_truncated.dcm": "truncated",
    "dicom/transfer-syntaxes/emri_small_jpeg_2k_lossless_too_short.dcm": "truncated",
    "ecg/example1.xml": "not-dicom",
    "ecg/example2.xml": "not-dicom",
}


def told(ds: Dataset) -> list[Any]:
    """What pydicom says stands in *ds*: tags, and the same of each item."""
    found: list[Any] = []
    for tag in sorted(ds.keys()):
        one = ds[tag]
        inner = [told(part) for part in one.value] if one.VR == "SQ" else None
        found.append((int(tag), inner))
    return found


def seen(source: Source, elements: tuple[Element, ...]) -> list[Any]:
    by_tag = {one.tag: one for one in elements}
    found: list[Any] = []
    for tag, one in sorted(by_tag.items()):
        # pydicom reads a UN whose tag it knows as what it is; the walk leaves that to the caller.
        known = one.vr == "UN" and public_vr(tag) == "SQ"
        items = sequence_in(source, one) if known else one.items
        inner = None if items is None else [seen(source, part.elements) for part in items]
        found.append((tag, inner))
    return found


def assert_as_pydicom(data: bytes) -> None:
    source, _, found = walked(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(io.BytesIO(data), force=True)
        assert seen(found.source, found.elements) == told(ds)
        for one in found.elements:
            value = ds.get_item(one.tag).value
            if one.items is None and one.fragments is None and isinstance(value, bytes):
                assert found.source.read(one.value_offset, one.length) == value
    assert source.size == len(data)


@pytest.mark.parametrize("syntax", NATIVE)
def test_finds_the_elements_pydicom_finds_in_every_native_form(syntax: str) -> None:
    assert_as_pydicom(encoded(image(gradient((5, 7), "<u2", 4095)), syntax))


def test_finds_the_fragments_of_encapsulated_pixel_data() -> None:
    streams = [b"\xff\xd8abcd\xff\xd9", b"\xff\xd8ef\xff\xd9"]
    ds = image(np.stack([gradient((4, 4), "<u1", 255)] * 2), frames=2)
    _, _, found = walked(encapsulated(ds, streams, "1.2.840.10008.1.2.4.50"))
    assert found.encapsulated
    assert found.pixel is not None
    assert found.pixel.fragments is not None
    table, *frames = found.pixel.fragments
    assert found.source.read(table.offset, table.length) == struct.pack("<LL", 0, 16)
    assert [found.source.read(one.offset, one.length) for one in frames] == streams


def test_every_real_object_is_walked_as_pydicom_walks_it() -> None:
    need_shared_data()
    refused = {}
    for name, data in single_files():
        try:
            walked(data)
        except BrokenDataset as exc:
            refused[name] = exc.code
            continue
        assert_as_pydicom(data)
    assert refused == NOT_STORABLE


@pytest.mark.parametrize("archive", archives())
def test_every_packed_object_is_walked(archive: str) -> None:
    for _, data in members(archive):
        walked(data)


def test_a_sequence_hidden_in_un_of_undefined_length_is_found_as_implicit() -> None:
    hidden = item(implicit(0x00080100, b"T-A0100 "), length=UNDEFINED) + ITEM_END + SEQUENCE_END
    _, _, found = walked(part10(SOP + element(0x00091001, "UN", hidden, length=UNDEFINED)))
    one = found.find(0x00091001)
    assert one is not None
    assert one.items is not None
    assert found.raw(one.items[0].elements[0]) == b"T-A0100 "


def test_a_data_set_in_another_form_than_declared_is_followed() -> None:
    ds = image(gradient((4, 4), "<u1", 255))
    explicit, as_implicit = encoded(ds, EXPLICIT_LE), encoded(ds, IMPLICIT_LE)
    for data, lie in ((explicit, IMPLICIT_LE), (as_implicit, EXPLICIT_LE), (explicit, EXPLICIT_BE)):
        source, meta, honest = walked(data)
        found = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=lie)
        assert seen(source, found.elements) == seen(source, honest.elements)
        assert "vr-not-as-declared" in found.oddities


def test_implicit_elements_in_the_middle_of_an_explicit_data_set_are_read() -> None:
    data = SOP + implicit(0x00081030, b"CHEST ") + element(0x00100020, "LO", b"990000")
    _, _, found = walked(part10(data))
    assert found.value(0x00081030) == b"CHEST "
    assert found.value(0x00100020) == b"990000"


def test_odd_lengths_wrong_order_and_trailing_bytes_are_put_up_with() -> None:
    data = element(0x00100020, "LO", b"99000") + SOP
    _, _, found = walked(part10(data) + b"\0" * 5)
    assert found.value(0x00100020) == b"99000"
    assert found.oddities == ("trailing-bytes", "elements-out-of-order")
    assert walked(part10(SOP) + b"\0" * 512)[2].elements == walked(part10(SOP))[2].elements
    assert walked(part10(SOP) + SEQUENCE_END)[2].elements == walked(part10(SOP))[2].elements


def test_the_last_of_two_equal_tags_counts_as_with_pydicom() -> None:
    _, _, found = walked(
        part10(SOP + element(0x00100020, "LO", b"A ") * 1 + element(0x00100020, "LO", b"B "))
    )
    assert found.value(0x00100020) == b"B "


def test_open_vrs_of_implicit_objects_follow_pixel_representation() -> None:
    for signed, vr in ((0, "US"), (1, "SS")):
        data = implicit(0x00280103, struct.pack("<H", signed)) + implicit(0x00280106, b"\0\0")
        _, _, found = walked(part10(data, IMPLICIT_LE))
        smallest = found.find(0x00280106)
        assert smallest is not None
        assert smallest.vr == vr


def test_values_longer_than_64_kib_are_cut_and_pixel_data_is_never_read() -> None:
    class Watched(BytesSource):
        read_bytes = 0

        def read(self, pos: int, n: int, /) -> bytes:
            Watched.read_bytes += n
            return super().read(pos, n)

    data = part10(
        SOP
        + element(0x00420011, "OB", b"x" * 200_000)
        + element(0x7FE00010, "OW", bytes(50_000_000))
    )
    source = Watched(data)
    meta = read_file_meta(source)
    found = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=EXPLICIT_LE)
    assert Watched.read_bytes < 300_000
    assert len(found.value(0x00420011)) == 1 << 16


def nested(levels: int, *, undefined: bool) -> bytes:
    inner = element(0x00080100, "SH", b"deep")
    for _ in range(levels):
        if undefined:
            inner = element(
                0x00081140,
                "SQ",
                item(inner, length=UNDEFINED) + ITEM_END + SEQUENCE_END,
                length=UNDEFINED,
            )
        else:
            inner = element(0x00081140, "SQ", item(inner))
    return inner


def deflated(content: bytes) -> bytes:
    machine = zlib.compressobj(9, wbits=-15)
    return machine.compress(content) + machine.flush()


def headless_nest(levels: int) -> bytes:
    """Starts of sequences that never end, as cheap for the sender as can be."""
    return (
        struct.pack("<HH2sHL", 8, 0x1140, b"SQ", 0, UNDEFINED) + item(length=UNDEFINED)
    ) * levels


WHOLE = encoded(image(gradient((16, 16), "<u2", 4095)))
BROKEN = [
    pytest.param(b"", "empty-file", id="zero-length"),
    pytest.param("你好，这不是影像。\n".encode() * 50, "not-dicom", id="text-file"),
    pytest.param(b"MZ\x90\0" + bytes(4000), "not-dicom", id="program"),
    pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "not-dicom", id="picture"),
    pytest.param(bytes(1000), "not-dicom", id="zeros"),
    pytest.param(b"D", "not-dicom", id="one-byte"),
    pytest.param(WHOLE[:-1], "truncated", id="last-byte-missing"),
    pytest.param(WHOLE[:700], "truncated", id="cut-in-the-header"),
    pytest.param(WHOLE[:200], "truncated", id="cut-in-the-file-meta"),
    pytest.param(part10(SOP + b"\x10\x00\x20"), "truncated", id="cut-in-a-tag"),
    pytest.param(
        part10(SOP + element(0x00100020, "LO", b"ab", length=0xFFF0)),
        "truncated",
        id="length-past-the-end",
    ),
    pytest.param(
        part10(SOP + element(0x00420011, "OB", b"ab", length=0xFFFFFFF0)),
        "truncated",
        id="length-4-gib",
    ),
    pytest.param(
        part10(SOP + element(0x7FE00010, "OB", item() + item(b"ab"), length=UNDEFINED)),
        "truncated",
        id="fragments-without-end",
    ),
    pytest.param(
        part10(SOP + element(0x7FE00010, "OB", item() + ITEM_END, length=UNDEFINED)),
        "wrong-length",
        id="no-fragment",
    ),
    pytest.param(
        part10(
            SOP + element(0x7FE00010, "OB", item(length=UNDEFINED) + bytes(64), length=UNDEFINED)
        ),
        "wrong-length",
        id="fragment-of-undefined-length",
    ),
    pytest.param(
        part10(SOP + element(0x00081140, "SQ", item(SOP, length=UNDEFINED), length=UNDEFINED)),
        "truncated",
        id="sequence-without-end",
    ),
    pytest.param(
        part10(SOP + element(0x00081140, "SQ", item(SOP, length=9999)) + bytes(9999)),
        "wrong-length",
        id="item-past-its-sequence",
    ),
    pytest.param(
        part10(
            SOP
            + element(0x00081140, "SQ", item(element(0x00100020, "LO", b"ab", length=99)))
            + bytes(200)
        ),
        "wrong-length",
        id="element-past-its-item",
    ),
    pytest.param(
        part10(SOP + element(0x00081140, "SQ", b"no items")), "wrong-length", id="no-item"
    ),
    pytest.param(part10(SOP + ITEM_END + SOP), "wrong-length", id="delimiter-out-of-place"),
    pytest.param(
        part10(SOP + SEQUENCE_END + SOP), "wrong-length", id="sequence-delimiter-out-of-place"
    ),
    pytest.param(
        part10(SOP + element(0x00100010, "PN", b"", length=0)[:-2] + b"\xff\xff"),
        "truncated",
        id="undefined-16-bit",
    ),
    pytest.param(
        part10(SOP + element(0x00420011, "UT", bytes(64), length=UNDEFINED)),
        "wrong-length",
        id="text-of-undefined-length",
    ),
    pytest.param(
        part10(SOP + b"\x08\x00\x30\x10\x01\x02\xff\x7f" + bytes(40)), "bad-vr", id="no-vr"
    ),
    pytest.param(part10(SOP + nested(33, undefined=True)), "too-deep", id="33-levels"),
    pytest.param(
        part10(SOP + nested(151, undefined=False)), "too-deep", id="151-levels-of-stated-length"
    ),
    pytest.param(part10(SOP + nested(200, undefined=True)), "too-deep", id="200-levels"),
    pytest.param(part10(SOP + headless_nest(20_000)), "too-deep", id="20000-levels"),
    pytest.param(
        part10(SOP + element(0x00081140, "SQ", item() * 1_000_000)),
        "too-many-elements",
        id="1-M-items",
    ),
    pytest.param(
        part10(implicit(0x00091001, b"") * 5_000_000, IMPLICIT_LE),
        "too-many-elements",
        id="5-M-private-elements",
    ),
    pytest.param(
        part10(SOP + implicit(0x00091001, b"") * 1_000_000),
        "too-many-elements",
        id="1-M-elements-in-another-form",
    ),
    pytest.param(
        part10(
            SOP + element(0x7FE00010, "OB", item() * 1_000_000 + SEQUENCE_END, length=UNDEFINED)
        ),
        "too-many-elements",
        id="1-M-fragments",
    ),
    pytest.param(
        part10(deflated(SOP + element(0x00420011, "OB", bytes(256 << 20))), DEFLATED),
        "deflate-bomb",
        id="deflate-bomb",
    ),
    pytest.param(part10(deflated(SOP)[:-9], DEFLATED), "truncated", id="deflate-cut"),
    pytest.param(part10(b"\xff" * 100, DEFLATED), "deflate-broken", id="deflate-noise"),
]


@pytest.mark.parametrize(("data", "code"), BROKEN)
def test_what_is_broken_is_refused_with_its_reason(data: bytes, code: str) -> None:
    started = time.process_time()
    with pytest.raises(BrokenDataset) as caught:
        walked(data)
    assert caught.value.code == code
    assert caught.value.detail
    assert time.process_time() - started < 2


COSTLY = ["deflate-bomb", "1-M-items", "5-M-private-elements", "1-M-fragments", "20000-levels"]


@pytest.mark.parametrize("case", COSTLY)
def test_refusing_a_bomb_costs_little_memory(case: str, tmp_path: Path) -> None:
    data = next(one.values[0] for one in BROKEN if one.id == case)
    assert isinstance(data, bytes)
    path = tmp_path / "bomb.dcm"
    path.write_bytes(data)
    program = (
        "import resource, sys\n"
        "from kernel.dicom.dataset import BrokenDataset, FileSource, read_file_meta, scan\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "source = FileSource(sys.argv[1])\n"
        "try:\n"
        "    meta = read_file_meta(source)\n"
        "    syntax = meta.transfer_syntax_uid\n"
        "    scan(source, offset=meta.dataset_offset, transfer_syntax_uid=syntax)\n"
        "except BrokenDataset:\n"
        "    print(peak() - before)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=25,
    )
    assert int(ran.stdout) < 150 * 1024


def test_an_enhanced_object_gets_a_budget_for_the_frames_its_data_backs() -> None:
    per_frame = item(element(0x00280010, "US", b"\1\0") * 120)
    groups = element(0x52009230, "SQ", per_frame * 2000)
    frames = element(0x00280008, "IS", b"2000")
    backed = SOP + frames + groups + element(0x7FE00010, "OW", bytes(2000 * 4096))
    _, _, found = walked(part10(backed))
    assert len(found.elements) == 5
    with pytest.raises(BrokenDataset, match="elements"):
        walked(part10(SOP + frames + groups + element(0x7FE00010, "OW", bytes(4096))))


def test_limits_are_settings() -> None:
    source, meta, _ = walked(part10(SOP + nested(3, undefined=False)))
    for limits, code in (
        (Limits(depth=2), "too-deep"),
        (Limits(elements=4), "too-many-elements"),
        (Limits(header_bytes=100), "too-large-header"),
    ):
        with pytest.raises(BrokenDataset) as caught:
            scan(source, offset=meta.dataset_offset, transfer_syntax_uid=EXPLICIT_LE, limits=limits)
        assert caught.value.code == code


def test_a_deflated_object_too_large_for_memory_is_walked_from_a_file() -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, 12 << 20, dtype=np.uint8).tobytes()
    content = SOP + element(0x7FE00010, "OB", noise)
    _, _, found = walked(part10(deflated(content), DEFLATED))
    assert isinstance(found.source, FileSource)
    assert found.pixel is not None
    assert found.source.read(found.pixel.value_offset, found.pixel.length) == noise


def test_a_usual_header_is_walked_in_a_fraction_of_a_millisecond() -> None:
    body = b"".join(element(0x00181000 + 2 * n, "LO", b"value of a header ") for n in range(250))
    data = part10(SOP + body + element(0x7FE00010, "OW", bytes(524_288)))
    source = BytesSource(data)
    meta = read_file_meta(source)
    spent = []
    for _ in range(50):
        started = time.perf_counter()
        scan(source, offset=meta.dataset_offset, transfer_syntax_uid=EXPLICIT_LE)
        spent.append(time.perf_counter() - started)
    # The bar is 200 us; a busy machine gets some grace, and only the best run counts.
    assert min(spent) < 0.0004


def test_a_file_source_reads_by_position_and_closes_twice(tmp_path: Path) -> None:
    path = tmp_path / "object.dcm"
    path.write_bytes(WHOLE)
    with FileSource(path) as source:
        meta = read_file_meta(source)
        found = scan(
            source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
        )
        assert found.text(0x00080018) == "2.25.990000.1"
    source.close()
