"""Small data sets: read within bounds, written so that pydicom reads the same."""

import io

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from gateway.dimse.answer_text import AnswerText
from gateway.dimse.attributes import (
    Attributes,
    BrokenDataset,
    first_item,
    items_of,
    read_message,
    text_of,
    write_attributes,
)
from gateway.dimse.negotiate import EXPLICIT_LE, IMPLICIT_LE
from kernel.errors import Invalid

SYNTAXES = [EXPLICIT_LE, IMPLICIT_LE]
CHARSETS = [
    pytest.param(("GB18030",), id="GB18030"),
    pytest.param(("GBK",), id="GBK"),
    pytest.param(("", "ISO 2022 IR 58"), id="IR-58"),
    pytest.param(("ISO_IR 192",), id="UTF-8"),
]
NAME = "Zhang^Xiaofeng=张^小凤"
ENTRY: Attributes = {
    "PatientName": NAME,
    "PatientID": "990000-1",
    "StudyInstanceUID": "2.25.123",
    "NumberOfFrames": "3",
    "Rows": "512",
    "ScheduledProcedureStepSequence": (
        {"Modality": "CT", "ScheduledProcedureStepDescription": "胸部平扫"},
    ),
}


def pydicom_bytes(ds: Dataset, syntax: str) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = syntax == IMPLICIT_LE
    write_dataset(buffer, ds)
    return buffer.getvalue()


def as_pydicom_reads(raw: bytes, syntax: str) -> Dataset:
    ds = read_dataset(io.BytesIO(raw), is_implicit_VR=syntax == IMPLICIT_LE, is_little_endian=True)
    ds.decode()
    return ds


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("charsets", [charset for charset in CHARSETS if charset.id != "IR-58"])
def test_pydicom_reads_the_chinese_that_was_written(syntax: str, charsets: tuple[str, ...]) -> None:
    ds = as_pydicom_reads(write_attributes(ENTRY, syntax, charsets), syntax)
    assert ds.PatientName == NAME
    assert ds.PatientID == "990000-1"
    assert ds.Rows == 512
    step = ds.ScheduledProcedureStepSequence[0]
    assert step.ScheduledProcedureStepDescription == "胸部平扫"
    said = ds.SpecificCharacterSet
    assert tuple([said] if isinstance(said, str) else said) == charsets


def test_writes_gb2312_with_escape_sequences_as_the_standard_shows() -> None:
    # PS3.5 K.2; pydicom leaves these escape sequences in the text and is no judge here.
    raw = AnswerText.choose(["王"], ("", "ISO 2022 IR 58")).encode("Wang^XiaoDong=王^小东", "PN")
    assert raw == b"Wang^XiaoDong=\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab"


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("charsets", CHARSETS)
def test_reads_the_chinese_that_pydicom_wrote(syntax: str, charsets: tuple[str, ...]) -> None:
    ds = Dataset()
    ds.SpecificCharacterSet = list(charsets)
    ds.PatientName = NAME
    step = Dataset()
    step.ScheduledProcedureStepDescription = "胸部平扫"
    ds.ScheduledProcedureStepSequence = [step]
    message = read_message(pydicom_bytes(ds, syntax), syntax)
    assert text_of(message.attributes, "PatientName") == NAME
    assert first_item(message.attributes, "ScheduledProcedureStepSequence") == {
        "ScheduledProcedureStepDescription": "胸部平扫"
    }
    assert message.charsets == charsets


@pytest.mark.parametrize("declared", [None, "ISO_IR 100"])
def test_reads_gbk_under_a_wrong_label_as_what_it_is(declared: str | None) -> None:
    raw = "张三".encode("gbk")
    head = b"" if declared is None else b"\x08\0\x05\0CS\x0a\0ISO_IR 100"
    data = head + b"\x10\0\x10\0PN" + len(raw).to_bytes(2, "little") + raw
    message = read_message(data, EXPLICIT_LE)
    assert text_of(message.attributes, "PatientName") == "张三"
    assert message.charsets == ("GB18030",)


def test_a_second_byte_of_gbk_is_no_backslash() -> None:
    # 誠 ends in 5CH in GBK.
    ds = write_attributes({"PatientName": "王^誠"}, EXPLICIT_LE, ("GBK",))
    assert b"\x5c" in ds
    assert text_of(read_message(ds, EXPLICIT_LE).attributes, "PatientName") == "王^誠"


@pytest.mark.parametrize(
    ("asked", "text", "terms"),
    [
        pytest.param((), "Zhang^San", (), id="nothing-asked-nothing-needed"),
        pytest.param((), "张三", ("ISO_IR 192",), id="nothing-asked-but-needed"),
        pytest.param(("",), "张三", ("ISO_IR 192",), id="empty-term"),
        pytest.param(("ISO_IR 100",), "Müller", ("ISO_IR 100",), id="latin-1-suffices"),
        pytest.param(("ISO_IR 100",), "张三", ("ISO_IR 192",), id="latin-1-does-not"),
        pytest.param(("ISO_IR 6",), "Müller", ("ISO_IR 192",), id="ascii-does-not"),
        pytest.param(("", "ISO 2022 IR 58"), "张三", ("", "ISO 2022 IR 58"), id="gb2312"),
        pytest.param(("", "ISO 2022 IR 58"), "镕", ("GB18030",), id="gb2312-lacks-it"),
        pytest.param(("GBK",), "镕", ("GBK",), id="gbk-has-it"),
        pytest.param(("GBK",), "㐀", ("GB18030",), id="gbk-lacks-it"),
        pytest.param(("GB18030",), "㐀𠀀", ("GB18030",), id="gb18030-has-all"),
        pytest.param(("", "ISO 2022 IR 87"), "张三", ("ISO_IR 192",), id="japanese-extension"),
        pytest.param(("NONSENSE",), "张三", ("ISO_IR 192",), id="unknown-term"),
    ],
)
def test_answers_in_the_set_asked_or_the_next_larger(
    asked: tuple[str, ...], text: str, terms: tuple[str, ...]
) -> None:
    assert AnswerText.choose([text], asked).terms == terms


@given(
    text=st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\=^")),
    charsets=st.sampled_from([("GB18030",), ("ISO_IR 192",)]),
    syntax=st.sampled_from(SYNTAXES),
)
def test_what_is_written_reads_back(text: str, charsets: tuple[str, ...], syntax: str) -> None:
    raw = write_attributes({"PatientComments": text}, syntax, charsets)
    assert text_of(read_message(raw, syntax).attributes, "PatientComments") == text.rstrip(" \0")


@given(raw=st.binary(max_size=300), syntax=st.sampled_from(SYNTAXES))
def test_garbage_is_read_or_refused(raw: bytes, syntax: str) -> None:
    try:
        message = read_message(raw, syntax)
    except BrokenDataset:
        return
    assert all(isinstance(key, str) for key in message.attributes)


def test_refuses_an_identifier_nested_without_end() -> None:
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    head = b"\x40\0\x00\x01SQ\0\0\xff\xff\xff\xff"
    with pytest.raises(BrokenDataset, match="levels of sequences"):
        read_message((head + item) * 50, EXPLICIT_LE)


def test_refuses_an_identifier_of_too_many_elements() -> None:
    with pytest.raises(BrokenDataset, match="elements"):
        read_message(b"\x10\0\x10\0PN\0\0" * 5000, EXPLICIT_LE)


def test_binary_and_unknown_values_come_out_empty() -> None:
    data = b"\x09\0\x10\x10UN\0\0\x04\0\0\0abcd" + b"\x42\0\x11\0OB\0\0\x02\0\0\0ab"
    attributes = read_message(data, EXPLICIT_LE).attributes
    assert attributes == {"00091010": "", "EncapsulatedDocument": ""}
    assert items_of(attributes, "EncapsulatedDocument") == ()


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"Rows": "many"}, id="no-number"),
        pytest.param({"Rows": "70000"}, id="number-too-large"),
        pytest.param({"PatientID": "x" * 70_000}, id="too-long"),
    ],
)
def test_does_not_write_what_is_no_value(attributes: Attributes) -> None:
    with pytest.raises(Invalid):
        write_attributes(attributes, EXPLICIT_LE)
