"""What index and screen are told, and Chinese text under every label devices put on it."""

import io
import warnings
from typing import Any

import pydicom
import pytest
from hypothesis import given, strategies as st
from pydicom.dataset import Dataset

from kernel.dicom.bounds import TEXT_MAX, bounded, bounded_name
from kernel.dicom.charset import codecs_of, decode_text
from kernel.dicom.dataset import EXPLICIT_BE, IMPLICIT_LE, BrokenDataset
from kernel.dicom.header import Header, person_name, read_header
from tests.kernel.objects import SOP, UID, element, encoded, gradient, image, part10, walked
from tests.shared_data import archives, members, need_shared_data, single_files

OBJECT = image(gradient((4, 6), "<i2", 900), bits_stored=12)


def header_of(data: bytes, *, charset_hint: str = "") -> Header:
    source, _, found = walked(data)
    return read_header(source, found, charset_hint=charset_hint)


def test_tells_the_facts_of_an_object_in_any_form() -> None:
    for syntax in (IMPLICIT_LE, EXPLICIT_BE, "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"):
        found = header_of(encoded(OBJECT, syntax))
        assert found.transfer_syntax_uid == syntax
        assert found.patient_name == "Zhang^San=张^三"
        assert found.study_description == "胸部平扫"
        assert (found.study_date, found.study_time) == ("20240229", "081500.25")
        assert (found.series_number, found.instance_number, found.number_of_frames) == (3, 7, 1)
        assert (found.rows, found.columns, found.bits_stored, found.high_bit) == (4, 6, 12, 11)
        assert (found.pixel_representation, found.samples_per_pixel) == (1, 1)
        assert (found.study_instance_uid, found.series_instance_uid) == (f"{UID}.2", f"{UID}.3")
        assert (found.modality, found.patient_id, found.unidentified) == ("CT", "990000-1", False)
        assert found.oddities == ()


FACTS = {
    "patient_name": "PatientName",
    "patient_id": "PatientID",
    "study_description": "StudyDescription",
    "series_description": "SeriesDescription",
    "institution_name": "InstitutionName",
    "referring_physician_name": "ReferringPhysicianName",
    "modality": "Modality",
    "rows": "Rows",
    "columns": "Columns",
    "bits_allocated": "BitsAllocated",
    "accession_number": "AccessionNumber",
}


def as_pydicom(ds: Dataset, keyword: str) -> str:
    value: Any = ds.get(keyword)
    if value is None:
        return ""
    text = str(value)
    return (
        person_name(text)
        if keyword.endswith("Name") and "Institution" not in keyword
        else text.strip()
    )


def assert_as_pydicom(data: bytes) -> None:
    try:
        found = header_of(data)
    except BrokenDataset:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
        for name, keyword in FACTS.items():
            value = getattr(found, name)
            assert ("" if value is None else str(value)) == as_pydicom(ds, keyword), keyword


def test_reads_every_real_object_as_pydicom_does() -> None:
    need_shared_data()
    for _, data in single_files():
        try:
            assert_as_pydicom(data)
        except BrokenDataset:
            continue


@pytest.mark.parametrize("archive", archives())
def test_reads_some_of_every_packed_series_as_pydicom_does(archive: str) -> None:
    for number, (name, data) in enumerate(members(archive)):
        if number % 40 == 0 and "DIRFILE" not in name:
            assert_as_pydicom(data)


def test_no_real_object_is_repaired_by_mistake() -> None:
    need_shared_data()
    repaired = set()
    for name, data in single_files():
        try:
            if header_of(data).charset_repaired:
                repaired.add(name)
        except BrokenDataset:
            continue
    assert repaired == set()


def labelled(label: str, raw: bytes, tag: int = 0x00100010, vr: str = "PN") -> bytes:
    charset = label.encode() + b" " * (len(label) & 1)
    text = element(tag, vr, raw + b" " * (len(raw) & 1))
    return part10(element(0x00080005, "CS", charset) + SOP + text)


CHINESE = ["张^三", "Zhang^San=张^三", "李", "朱镕基", "欧阳^娜娜", "王^喆", "赵=Zhao^X=赵"]


@pytest.mark.parametrize("name", CHINESE)
@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("GB18030", "gb18030"),
        ("GBK", "gbk"),
        ("ISO_IR 192", "utf-8"),
        ("ISO-IR 192", "utf-8"),
        ("\\ISO 2022 GBK", "gbk"),
        ("\\ISO 2022 IR 58", "gbk"),
    ],
)
def test_chinese_under_its_own_label_is_read(name: str, label: str, codec: str) -> None:
    found = header_of(labelled(label, name.encode(codec)))
    assert (found.patient_name, found.charset_repaired) == (name, False)


@pytest.mark.parametrize("name", CHINESE)
@pytest.mark.parametrize("label", ["ISO_IR 100", "", "ISO_IR 6"])
@pytest.mark.parametrize("codec", ["gb18030", "utf-8"])
def test_chinese_under_a_western_label_is_repaired(name: str, label: str, codec: str) -> None:
    found = header_of(labelled(label, name.encode(codec)))
    assert (found.patient_name, found.charset_repaired) == (name, True)
    assert found.specific_character_set == label
    assert found.text_character_set == ("GB18030" if codec == "gb18030" else "ISO_IR 192")
    assert "character-set-repaired" in found.oddities


@pytest.mark.parametrize(
    "name",
    [
        "Buc^Jérôme",
        "Größe^Jürg",
        "Ångström",
        "Ação^São João",
        "ÆØÅ",
        "Þórður",
        "naïve",
        "É",
        "Zoë^Ñuñoa",
    ],
)
def test_western_names_stay_western(name: str) -> None:
    found = header_of(labelled("ISO_IR 100", name.encode("latin-1")))
    assert (found.patient_name, found.charset_repaired) == (name, False)


@pytest.mark.parametrize("name", ["Müller^Jürg", "Größe", "Ação"])
def test_western_names_in_utf8_under_a_latin_label_are_repaired(name: str) -> None:
    assert header_of(labelled("ISO_IR 100", name.encode())).patient_name == name


def test_gbk_under_a_utf8_label_is_repaired() -> None:
    found = header_of(labelled("ISO_IR 192", "胸部正位".encode("gbk")))
    assert (found.patient_name, found.charset_repaired) == ("胸部正位", True)


def test_a_senders_setting_decides_where_the_bytes_do_not() -> None:
    raw = "镕".encode("gbk")
    assert header_of(labelled("ISO_IR 100", raw)).patient_name == raw.decode("latin-1")
    assert header_of(labelled("ISO_IR 100", raw), charset_hint="GB18030").patient_name == "镕"
    # A hint never overrules a label that says what the bytes are.
    greek = "Διονυσιος".encode("iso8859-7")
    assert (
        header_of(labelled("ISO_IR 126", greek), charset_hint="GB18030").patient_name == "Διονυσιος"
    )


def test_one_object_is_repaired_by_all_its_text() -> None:
    data = labelled("ISO_IR 100", "镕".encode("gbk")) + element(
        0x00081030, "LO", "胸部平扫".encode("gbk")
    )
    assert header_of(data).patient_name == "镕"


@pytest.mark.parametrize("char", ["誠", "乗", "昞", "璡", "慭", "朶"])
def test_second_bytes_that_look_like_delimiters_do_not_split(char: str) -> None:
    raw = char.encode("gbk")
    assert raw[1] in b"\\^|" or raw[1] >= 0x40
    assert header_of(labelled("GB18030", b"Li^" + raw)).patient_name == f"Li^{char}"


def test_every_gbk_character_with_a_delimiter_for_a_second_byte_is_read() -> None:
    for lead in range(0x81, 0xFF):
        for trail in (0x5C, 0x5E):
            raw = bytes((lead, trail))
            char = raw.decode("gb18030")
            assert decode_text(b"A^" + raw + b"\\B", "LO", ["GB18030"]).split("\\") == [
                f"A^{char}",
                "B",
            ]


ISO_2022 = [
    # PS3.5 Annexes H, I and K.
    (
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    ),
    (
        ["ISO 2022 IR 13", "ISO 2022 IR 87"],
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
    ),
    (
        ["", "ISO 2022 IR 149"],
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    ),
    (
        ["ISO_IR 100", "ISO 2022 IR 126"],
        b"Buc^J\xe9r\xf4me\\\x1b-F\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2",
    ),
    (["ISO 2022 IR 144"], b"\xbb\xee\xda\x63\x65\xdc\xd1\x79\x70\xd3"),
]


@pytest.mark.parametrize(("charsets", "raw"), ISO_2022)
def test_code_extensions_are_read_as_pydicom_reads_them(charsets: list[str], raw: bytes) -> None:
    encodings = pydicom.charset.convert_encodings(charsets)
    assert decode_text(raw, "PN", charsets) == pydicom.charset.decode_bytes(
        raw, encodings, {0x5C, 0x5E, 0x3D}
    )


def test_gb2312_with_escape_sequences_is_read() -> None:
    raw = b"Wang^XiaoDong=\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab="
    assert decode_text(raw, "PN", ["", "ISO 2022 IR 58"]) == "Wang^XiaoDong=王^小东="
    without = raw.replace(b"\x1b$)A", b"")
    assert decode_text(without, "PN", ["", "ISO 2022 IR 58"]) == "Wang^XiaoDong=王^小东="
    text = b"1) \x1b$)A\xb5\xda\xd2\xbb\xd0\xd0\r\n2) plain"
    assert decode_text(text, "LT", ["", "ISO 2022 IR 58"]) == "1) 第一行\r\n2) plain"


@given(st.text(st.characters(min_codepoint=0x20, exclude_characters="\x7f", codec="gb18030")))
def test_whatever_gb18030_can_say_is_read(text: str) -> None:
    assert decode_text(text.encode("gb18030"), "LT", ["GB18030"]) == text


@given(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            ["", "ISO_IR 100", "GB18030", "ISO 2022 IR 87", "ISO_IR 192", "ISO 2022 IR 58", "x"]
        ),
        max_size=3,
    ),
    st.sampled_from(["PN", "LO", "UT"]),
    st.sampled_from(["", "GB18030", "ISO_IR 192", "nonsense"]),
)
def test_decoding_never_raises(raw: bytes, charsets: list[str], vr: str, hint: str) -> None:
    assert isinstance(decode_text(raw, vr, charsets, hint=hint), str)


def test_spelling_of_terms_is_forgiven() -> None:
    for term in (
        "ISO_IR 100",
        "ISO-IR 100",
        "ISO IR 100",
        "ISO_IR_100",
        "iso_ir 100",
        "ISO 2022 IR 100",
    ):
        assert codecs_of((term,)) == ("latin-1",)
    for term in ("GB18030", "GBK", "ISO 2022 GBK", "GB2312", "gb 18030", "ISO 2022 IR 58"):
        assert codecs_of((term,)) == ("gb18030",)
    assert codecs_of(()) == codecs_of(("",)) == codecs_of(("no such",)) == ("latin-1",)
    assert codecs_of(("", "ISO 2022 IR 87", "ISO_IR 192")) == ("latin-1", "iso2022_jp")
    assert codecs_of(("ISO_IR 192", "ISO 2022 IR 87")) == ("utf-8",)


@pytest.mark.parametrize(
    ("tag", "vr", "raw", "name", "value", "oddity"),
    [
        (0x00080020, "DA", b"1997.04.24", "study_date", "19970424", ""),
        (0x00080020, "DA", b"20241345", "study_date", "", "bad-date"),
        (0x00080020, "DA", b"*** ", "study_date", "", "bad-date"),
        (0x00080030, "TM", b"14:04:38", "study_time", "140438", ""),
        (0x00080030, "TM", b"0815", "study_time", "0815", ""),
        (0x00080030, "TM", b"noon", "study_time", "", "bad-time"),
        (0x00200011, "IS", b" 04 ", "series_number", 4, ""),
        (0x00200011, "IS", b"4.0 ", "series_number", 4, ""),
        (0x00200011, "IS", b"four", "series_number", None, "bad-integer"),
        (0x00200013, "IS", b"-1", "instance_number", -1, ""),
        (0x00280008, "IS", b"1A", "number_of_frames", 1, "bad-integer"),
        (0x00280008, "IS", b"0 ", "number_of_frames", 1, ""),
        (0x00280010, "US", b"\0\2", "rows", 512, ""),
        (0x00280010, "UL", b"\0\2\1\0", "rows", 66048, ""),
        (0x00280010, "US", b"", "rows", None, ""),
        (0x00080060, "CS", b"CT\\MR ", "modality", "CT", ""),
    ],
)
def test_odd_values_are_kept_as_far_as_they_make_sense(
    tag: int, vr: str, raw: bytes, name: str, value: object, oddity: str
) -> None:
    found = header_of(part10(SOP + element(tag, vr, raw)))
    assert getattr(found, name) == value
    assert (oddity in found.oddities) == bool(oddity)


@pytest.mark.parametrize(
    ("raw", "unidentified"),
    [
        (b"", True),
        (b"    ", True),
        (b"*", True),
        (b"99?0", True),
        (b"\0\0", True),
        (b"990000-1", False),
    ],
)
def test_says_who_is_unidentified(raw: bytes, *, unidentified: bool) -> None:
    assert header_of(part10(SOP + element(0x00100020, "LO", raw))).unidentified is unidentified
    assert header_of(part10(SOP)).unidentified


BAD_UIDS = [
    b"../../../../tmp/pwn ",
    b"/etc/cron.d/x ",
    b"1.2\x000.3 ",
    b"1" * 66,
    b"1.2.\xef\xbc\x93 ",
    b"1..2",
    b"..\\..\\x ",
]


@pytest.mark.parametrize("tag", [0x00080016, 0x00080018, 0x0020000D, 0x0020000E])
@pytest.mark.parametrize("raw", BAD_UIDS)
def test_a_uid_that_is_none_is_refused(tag: int, raw: bytes) -> None:
    with pytest.raises(BrokenDataset) as caught:
        header_of(part10(SOP + element(tag, "UI", raw)))
    assert caught.value.code == "bad-uid"


def test_an_object_without_sop_uids_is_refused_and_without_a_study_is_not() -> None:
    with pytest.raises(BrokenDataset) as caught:
        header_of(part10(element(0x0020000D, "UI", b"1.2 ")))
    assert caught.value.code == "no-sop-uid"
    assert header_of(part10(SOP)).study_instance_uid == ""
    zeros = header_of(part10(SOP + element(0x0020000D, "UI", b"1.02.003\0\0\0")))
    assert zeros.study_instance_uid == "1.02.003"


def test_a_nul_anywhere_in_a_name_is_left_out() -> None:
    assert person_name("Nul\0Inside^Name\0 =\0王") == "NulInside^Name=王"


def test_what_is_over_long_is_cut_to_what_every_index_takes_and_told() -> None:
    long = "x" * 300
    found = bounded(long), bounded_name(f"{long}=王={long}=four")
    assert [len(each) for each in found] == [TEXT_MAX, 2 * TEXT_MAX + 3]
    assert found[1].split("=")[1] == "王"
    assert bounded(long + "y") != found[0]
    assert bounded("x" * TEXT_MAX) == "x" * TEXT_MAX
