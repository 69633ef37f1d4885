"""The data dictionary in the kernel is pydicom's, and the file that holds it is its own product."""

import runpy
from pathlib import Path

import pytest
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary

from kernel.dicom.dictionary import AMBIGUOUS, US_OR_SS, implied_vr, keyword_of, public_vr, tag_of

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_public_element_is_known_by_tag_and_keyword() -> None:
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        if vr == "NONE":
            continue
        found = public_vr(tag)
        assert found is not None
        assert AMBIGUOUS.get(found, found) in vr.split(" or ")
        assert (found in AMBIGUOUS) == (" or " in vr)
        assert keyword_of(tag) == keyword
        if keyword:
            assert tag_of(keyword) == tag


def test_repeating_groups_are_known() -> None:
    for mask, (vr, _, _, _, keyword) in RepeatersDictionary.items():
        tag = int(mask.replace("x", "2"), 16)
        if tag not in DicomDictionary:
            assert keyword_of(tag) == keyword
            assert implied_vr(tag) in vr.split(" or ")
    assert keyword_of(0x60043000) == "OverlayData"
    assert public_vr(0x60043000) == "ox"
    assert public_vr(0x60053000) is None


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x00100010, "PN"),
        (0x00090010, "LO"),
        (0x000900FF, "LO"),
        (0x00091001, "UN"),
        (0x00090000, "UL"),
        (0x00080000, "UL"),
        (0x0008FFF0, "UN"),
        (0x7FE00010, "OW"),
        (0x00280106, "US"),
        (0x00283006, "OW"),
    ],
)
def test_implied_vrs(tag: int, vr: str) -> None:
    assert implied_vr(tag) == vr


def test_smallest_pixel_value_depends_on_the_sign() -> None:
    assert 0x00280106 in US_OR_SS
    assert 0x00280010 not in US_OR_SS


def test_unknown_names_have_no_tag() -> None:
    assert tag_of("NoSuchKeyword") is None
    assert keyword_of(0x00091001) == ""


def test_the_committed_file_is_what_its_generator_writes() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "dicom_dictionary.py"))
    written = made["HEAD"] + "\n".join(made["lines"]()) + '\n"""\n'
    assert (ROOT / "kernel" / "dicom" / "dictionary_entries.py").read_text(
        encoding="ascii"
    ) == written
