"""File heads are read however devices write them, and written as the standard asks."""

import io
import struct
import warnings
from pathlib import Path

import pydicom
import pytest

from kernel.dicom.part10 import (
    DEFLATED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    BrokenDataset,
    BytesSource,
    FileSource,
    chunks,
    file_meta_bytes,
    file_meta_with,
    read_file_meta,
)
from tests.kernel.objects import (
    CT,
    SOP,
    UID,
    dataset_bytes,
    element,
    encoded,
    gradient,
    image,
    part10,
)

JPEG_LS = "1.2.840.10008.1.2.4.80"
OBJECT = image(gradient((4, 4), "<u2", 4095))


def test_the_head_we_write_is_the_head_pydicom_reads() -> None:
    head = file_meta_bytes(
        sop_class_uid=CT, sop_instance_uid=f"{UID}.1", transfer_syntax_uid=JPEG_LS, source_ae="DR1"
    )
    meta = pydicom.dcmread(io.BytesIO(head + SOP), force=False).file_meta
    assert meta.TransferSyntaxUID == JPEG_LS
    assert meta.MediaStorageSOPClassUID == CT
    assert meta.MediaStorageSOPInstanceUID == f"{UID}.1"
    assert meta.SourceApplicationEntityTitle == "DR1"
    assert meta.FileMetaInformationGroupLength == len(head) - 128 - 4 - 12
    assert len(meta.ImplementationClassUID) <= 64
    found = read_file_meta(BytesSource(head + SOP))
    assert found.dataset_offset == len(head)
    assert found.transfer_syntax_uid == JPEG_LS
    assert found.media_storage_sop_instance_uid == f"{UID}.1"
    assert (found.has_preamble, found.guessed, found.oddities) == (True, False, ())


@pytest.mark.parametrize("bad", ["", "1" * 65, "1.2.\uff13"])
def test_a_uid_that_cannot_stand_in_a_file_is_refused(bad: str) -> None:
    with pytest.raises(BrokenDataset) as caught:
        file_meta_bytes(sop_class_uid=CT, sop_instance_uid=bad, transfer_syntax_uid=EXPLICIT_LE)
    assert caught.value.code == "bad-uid"


def test_a_wrong_or_missing_group_length_is_put_up_with() -> None:
    whole = encoded(OBJECT)
    honest = read_file_meta(BytesSource(whole))
    wrong = bytearray(whole)
    wrong[140:144] = struct.pack("<L", 7)
    missing = whole[:132] + whole[144:]
    for data, offset in (
        (bytes(wrong), honest.dataset_offset),
        (missing, honest.dataset_offset - 12),
    ):
        found = read_file_meta(BytesSource(data))
        assert found.dataset_offset == offset
        assert found.transfer_syntax_uid == EXPLICIT_LE
        assert found.oddities == ("wrong-group-length",)


def test_no_preamble_and_no_meta_are_put_up_with() -> None:
    whole = encoded(OBJECT)
    bare = read_file_meta(BytesSource(whole[132:]))
    assert (bare.has_preamble, bare.oddities) == (False, ("no-preamble",))
    assert bare.dataset_offset == read_file_meta(BytesSource(whole)).dataset_offset - 132
    for is_implicit, is_little, syntax in (
        (True, True, IMPLICIT_LE),
        (False, True, EXPLICIT_LE),
        (False, False, EXPLICIT_BE),
    ):
        data = dataset_bytes(OBJECT, is_implicit=is_implicit, is_little=is_little)
        found = read_file_meta(BytesSource(data))
        assert (found.transfer_syntax_uid, found.dataset_offset) == (syntax, 0)
        assert found.guessed
        assert found.oddities == ("no-preamble", "no-file-meta")


def test_a_missing_transfer_syntax_is_guessed() -> None:
    head = file_meta_bytes(sop_class_uid=CT, sop_instance_uid=UID, transfer_syntax_uid=DEFLATED)
    without = head.replace(element(0x00020010, "UI", DEFLATED.encode()), b"")
    assert len(without) < len(head)
    for is_implicit, syntax in ((True, IMPLICIT_LE), (False, EXPLICIT_LE)):
        found = read_file_meta(
            BytesSource(without + dataset_bytes(OBJECT, is_implicit=is_implicit))
        )
        assert (found.transfer_syntax_uid, found.guessed) == (syntax, True)


@pytest.mark.parametrize(
    ("start", "executable", "tiff"),
    [
        (b"MZ\x90\0", True, False),
        (b"\x7fELF\x02", True, False),
        (b"#!/bin/sh\n", True, False),
        (b"\xcf\xfa\xed\xfe", True, False),
        (b"\xca\xfe\xba\xbe", True, False),
        (b"<script>alert(1)</script>", True, False),
        (b" \n<HTML>", True, False),
        (b"II*\0\x08\0\0\0", False, True),
        (b"MM\0*", False, True),
        (b"\0\0\0\0", False, False),
        (b"Vendor says hello", False, False),
    ],
)
def test_a_preamble_that_runs_is_told_apart(start: bytes, *, executable: bool, tiff: bool) -> None:
    data = start.ljust(128, b"\0") + encoded(OBJECT)[128:]
    found = read_file_meta(BytesSource(data))
    assert (found.executable_preamble, found.tiff_preamble) == (executable, tiff)
    head = file_meta_with(BytesSource(data), found, transfer_syntax_uid=JPEG_LS)
    assert head[:128] == (bytes(128) if executable else data[:128])


def test_a_head_for_another_transfer_syntax_keeps_everything_else() -> None:
    whole = encoded(OBJECT)
    extra = element(0x00020102, "OB", b"private ")
    data = (
        whole[:144] + whole[144 : read_file_meta(BytesSource(whole)).dataset_offset] + extra + SOP
    )
    found = read_file_meta(BytesSource(data))
    head = file_meta_with(BytesSource(data), found, transfer_syntax_uid=JPEG_LS)
    before = pydicom.dcmread(io.BytesIO(data)).file_meta
    after = pydicom.dcmread(io.BytesIO(head + SOP)).file_meta
    assert after.TransferSyntaxUID == JPEG_LS
    assert after.PrivateInformation == b"private "
    assert after.FileMetaInformationGroupLength == len(head) - 144
    for one in before:
        if one.tag not in {0x00020000, 0x00020010}:
            assert after[one.tag].value == one.value
    again = file_meta_with(
        BytesSource(head + SOP),
        read_file_meta(BytesSource(head + SOP)),
        transfer_syntax_uid=EXPLICIT_LE,
    )
    assert again == file_meta_with(BytesSource(data), found, transfer_syntax_uid=EXPLICIT_LE)


def test_a_file_meta_group_without_end_is_refused() -> None:
    head = part10(b"")
    for data in (head, head + element(0x00020102, "OB", b"", length=0xFFFFFFF0)):
        with pytest.raises(BrokenDataset) as caught:
            read_file_meta(BytesSource(data))
        assert caught.value.code == "truncated"
    long = head + element(0x00020102, "OB", bytes(2 << 20)) + SOP
    with pytest.raises(BrokenDataset) as caught:
        read_file_meta(BytesSource(long))
    assert caught.value.code == "wrong-length"


def test_meta_with_an_unknown_vr_is_walked() -> None:
    data = part10(b"") + struct.pack("<HH2sHL", 2, 0x0102, b"ZZ", 0, 4) + b"abcd" + SOP
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read_file_meta(BytesSource(data)).dataset_offset == len(data) - len(SOP)


def test_chunks_say_where_a_source_ends_too_early(tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"0123456789")
    with FileSource(path) as source:
        assert list(chunks(source, 2, 9, step=3)) == [b"234", b"567", b"8"]
        with pytest.raises(BrokenDataset, match="ends"):
            list(chunks(source, 2, 11, step=3))
