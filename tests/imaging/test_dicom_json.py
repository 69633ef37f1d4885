"""DICOM JSON of walked data sets, held against the standard's rules and against pydicom's."""

import json
import math
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from imaging.dicomweb.dicom_json import DatasetEncoder, person_name
from kernel.dicom.dataset import scan
from kernel.dicom.header import read_header
from kernel.dicom.part10 import BytesSource, read_file_meta
from tests.imaging.sample import CT, ROOT, ct, part10


def told(file: bytes, *, hint: str = "", encoder: DatasetEncoder | None = None) -> Any:
    source = BytesSource(file)
    meta = read_file_meta(source)
    walked = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    header = read_header(source, walked, charset_hint=hint)
    raw = (encoder or DatasetEncoder()).encode(
        walked,
        charsets=header.text_character_set.split("\\"),
        charset_hint=hint,
        bulk_address=lambda path: f"bulk/{path}",
    )
    return json.loads(raw)


def small(**elements: Any) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = CT
    ds.SOPInstanceUID = f"{ROOT}.9"
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        pytest.param("PatientID", "a ", {"vr": "LO", "Value": ["a"]}, id="padding"),
        pytest.param("PatientID", "", {"vr": "LO"}, id="empty"),
        pytest.param("PatientID", "  ", {"vr": "LO"}, id="blank"),
        pytest.param(
            "ImageType", ["A", "", "B"], {"vr": "CS", "Value": ["A", None, "B"]}, id="empty-between"
        ),
        pytest.param(
            "ImageType", ["A", ""], {"vr": "CS", "Value": ["A", None]}, id="empty-at-the-end"
        ),
        pytest.param("ImageType", ["", ""], {"vr": "CS"}, id="several-empty"),
        pytest.param("InstanceNumber", "7", {"vr": "IS", "Value": [7]}, id="is"),
        pytest.param("SliceThickness", "0.50", {"vr": "DS", "Value": [0.5]}, id="ds"),
        pytest.param(
            "PixelSpacing", ["1", "2.5"], {"vr": "DS", "Value": [1, 2.5]}, id="several-ds"
        ),
        pytest.param("Rows", 512, {"vr": "US", "Value": [512]}, id="us"),
        pytest.param(
            "FrameIncrementPointer", 0x00181063, {"vr": "AT", "Value": ["00181063"]}, id="at"
        ),
        pytest.param("PatientName", "", {"vr": "PN"}, id="no-name"),
        pytest.param(
            "PatientName",
            "A^B=张^三=c",
            {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "张^三", "Phonetic": "c"}]},
            id="name-groups",
        ),
        pytest.param(
            "PatientComments",
            "line\r\nline \\ whole ",
            {"vr": "LT", "Value": ["line\r\nline \\ whole"]},
            id="long-text-is-one-value",
        ),
        pytest.param(
            "ICCProfile", b"\0\1", {"vr": "OB", "InlineBinary": "AAE="}, id="short-binary"
        ),
        pytest.param(
            "ICCProfile", b"\0" * 2000, {"vr": "OB", "BulkDataURI": "bulk/00282000"}, id="long"
        ),
        pytest.param(
            "RealWorldValueIntercept", math.inf, {"vr": "FD", "Value": ["inf"]}, id="infinite"
        ),
        pytest.param(
            "SelectorUVValue", 2**63, {"vr": "UV", "Value": [str(2**63)]}, id="beyond-a-double"
        ),
        pytest.param("RequestAttributesSequence", [], {"vr": "SQ"}, id="empty-sequence"),
    ],
)
def test_values(keyword: str, value: Any, expected: Any) -> None:
    file = part10(small(SpecificCharacterSet="ISO_IR 192", **{keyword: value}))
    tag = pydicom.datadict.tag_for_keyword(keyword)
    assert told(file)[f"{tag:08X}"] == expected


def test_numbers_that_are_none_stay_text() -> None:
    file = part10(small(SliceThickness="1.5")).replace(b"1.5 ", b"1,5 ")
    assert told(file)["00180050"] == {"vr": "DS", "Value": ["1,5"]}


def test_sequences_and_their_bulk_data_have_paths() -> None:
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2"
    inner.ICCProfile = b"\1" * 3000
    ds = small(ReferencedImageSequence=[Dataset(), inner])
    assert told(part10(ds))["00081140"] == {
        "vr": "SQ",
        "Value": [
            {},
            {
                "00081155": {"vr": "UI", "Value": ["1.2"]},
                "00282000": {"vr": "OB", "BulkDataURI": "bulk/00081140/1/00282000"},
            },
        ],
    }


def test_pixel_data_is_always_by_address() -> None:
    assert told(ct())["7FE00010"] == {"vr": "OW", "BulkDataURI": "bulk/7FE00010"}


@pytest.mark.parametrize("charset", ["ISO_IR 192", "GB18030", "GBK", "\\ISO 2022 IR 58"])
def test_text_is_utf_8_and_says_so(charset: str) -> None:
    ds = small(SpecificCharacterSet=charset.split("\\"), PatientName="张^三")
    found = told(part10(ds))
    assert found["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert found["00100010"]["Value"] == [{"Alphabetic": "张^三"}]


def test_text_under_a_wrong_label_is_read_and_the_label_put_right() -> None:
    raw = part10(small(PatientName="XXXX")).replace(b"XXXX", "张三".encode("gbk"))
    found = told(raw)
    assert found["00100010"]["Value"] == [{"Alphabetic": "张三"}]
    assert found["00080005"]["Value"] == ["ISO_IR 192"]
    assert list(found) == sorted(found)


def test_what_is_ascii_without_a_label_gets_none() -> None:
    assert "00080005" not in told(part10(small(PatientName="Doe")))


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_says_the_same_in_every_encoding(syntax: str) -> None:
    ds = pydicom.dcmread(BytesIO(ct()))
    ds.SelectorUSValue = [1, 2, 515]
    ds.RealWorldValueIntercept = 0.25
    ds.ReferencedImageSequence = [small(Rows=515)]
    plain = told(part10(ds, syntax=ExplicitVRLittleEndian))
    other = pydicom.dcmread(BytesIO(ct()))
    other.update(ds)
    assert told(part10(other, syntax=syntax)) == plain


def test_what_was_kept_from_before_changes_nothing() -> None:
    encoder = DatasetEncoder()
    files = [ct(n, PatientName=name) for n, name in enumerate(["A", "张三", "A", "Bé"], 1)]
    with_memory = [told(file, encoder=encoder) for file in files]
    assert with_memory == [told(file) for file in files]


def test_agrees_with_pydicom() -> None:
    ds = pydicom.dcmread(BytesIO(ct(ImageComments="x\\y", ReferencedImageSequence=[small()])))
    expected = ds.to_json_dict(bulk_data_threshold=1, bulk_data_element_handler=lambda _: "x")
    found = told(ct(ImageComments="x\\y", ReferencedImageSequence=[small()]))
    del found["7FE00010"], expected["7FE00010"]
    assert found == expected


def test_a_tag_that_is_there_twice_counts_as_its_last() -> None:
    ds = small(PatientID="aa", PatientSex="M")
    file = part10(ds)
    at = file.index(b"\x10\x00\x20\x00LO")
    element = file[at : at + 10]
    doubled = file[:at] + element + element.replace(b"aa", b"bb") + file[at + 10 :]
    assert told(doubled)["00100020"]["Value"] == ["bb"]


def test_person_names() -> None:
    assert person_name("") is None
    assert person_name("==") is None
    assert person_name("=张^三 ") == {"Ideographic": "张^三"}


def test_public_elements_written_as_un_have_their_own_vr() -> None:
    inner = small(Rows=515)
    ds = small(PixelSpacing=["0.5", "0.5"], ReferencedImageSequence=[inner])
    implicit = part10(ds, syntax=ImplicitVRLittleEndian)
    told_of = told(implicit)
    body = implicit[implicit.index(b"\x08\x00\x16\x00") :]
    source = BytesSource(body)
    unknown = b"".join(
        body[e.offset : e.offset + 4] + b"UN\0\0" + body[e.offset + 4 : e.end]
        for e in scan(source, offset=0, transfer_syntax_uid=ImplicitVRLittleEndian).elements
    )
    head = part10(ds)
    explicit = head[: head.index(b"\x08\x00\x16\x00UI")] + unknown
    assert told(explicit) == told_of
    assert told_of["00280030"] == {"vr": "DS", "Value": [0.5, 0.5]}
    assert told_of["00081140"]["Value"][0]["00280010"] == {"vr": "US", "Value": [515]}
