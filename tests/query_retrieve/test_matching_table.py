"""Every key with every kind of matching it admits, at every level (PS3.4 C.2.2.2, C.6)."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.imaging.sample import CT, ROOT
from tests.query_retrieve.conftest import numbers
from tests.query_retrieve.pacs import Asked, Pacs

# Values no dictionary allows, wildcards in dates among them, are what is asked here.
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")

U = ROOT
UNIQUE = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
RELATIONAL, MOMENTS, FUZZY = b"\1\0\0", b"\0\1\0", b"\0\0\1"

STUDIES = [
    # single value
    pytest.param({"PatientID": "PX2Y"}, "3", id="id"),
    pytest.param({"PatientID": "px2y"}, "", id="ids-have-a-case"),
    pytest.param({"AccessionNumber": "ZX-2025-0042"}, "2", id="accession-number"),
    pytest.param({"PatientSex": "F"}, "2", id="code"),
    pytest.param({"StudyDate": "20250630"}, "2", id="date"),
    pytest.param({"StudyDate": "2025.06.30"}, "2", id="date-of-old"),
    pytest.param({"StudyTime": "235959.5"}, "3", id="time"),
    pytest.param({"PatientBirthDate": "19501231"}, "2", id="birth-date"),
    pytest.param({"StudyInstanceUID": f"{U}.2"}, "2", id="uid"),
    pytest.param({"StudyDescription": "50% DOSE_CT"}, "2", id="description"),
    pytest.param({"ReferringPhysicianName": "chen^yi"}, "3", id="referring-physician"),
    pytest.param({"NumberOfStudyRelatedInstances": "3"}, "1", id="number"),
    # names
    pytest.param({"PatientName": "zhang^san"}, "4 1", id="name-without-case"),
    pytest.param({"PatientName": "Zhang^San^^^"}, "4 1", id="name-with-empty-components"),
    pytest.param({"PatientName": "张^三"}, "1", id="name-in-characters"),
    pytest.param({"PatientName": "Zhang^San=张^三"}, "1", id="name-of-two-groups"),
    pytest.param({"PatientName": "=張三"}, "4", id="name-of-the-second-group"),
    pytest.param({"PatientName": "Zhang"}, "", id="a-name-is-whole"),
    pytest.param({"PatientName": "zs"}, "", id="initials-are-fuzzy"),
    # lists
    pytest.param({"StudyInstanceUID": [f"{U}.1", f"{U}.3", "1.2.3"]}, "3 1", id="uids"),
    pytest.param({"ModalitiesInStudy": ["SR", "DX"]}, "3 1", id="modalities"),
    # universal
    pytest.param({}, "4 3 2 1", id="universal"),
    pytest.param({"PatientName": "", "StudyDate": "*"}, "4 3 2 1", id="empty-and-star"),
    pytest.param({"PatientName": "^"}, "4 3 2 1", id="a-name-of-separators"),
    pytest.param({"StudyInstanceUID": "*"}, "4 3 2 1", id="a-star-for-a-uid"),
    # wildcards
    pytest.param({"PatientName": "zh*"}, "4 1", id="star"),
    pytest.param({"PatientName": "*小明"}, "3", id="star-before-characters"),
    pytest.param({"PatientName": "?ang^San"}, "", id="one-character-is-one"),
    pytest.param({"PatientName": "?hang^San"}, "4 1", id="question-mark"),
    pytest.param({"PatientID": "P?2*"}, "3 2", id="both"),
    pytest.param({"PatientID": "P_2*"}, "2", id="an-underscore-is-itself"),
    pytest.param({"PatientID": "P*%"}, "2", id="a-percent-sign-is-itself"),
    pytest.param({"StudyDescription": "50% *_*"}, "2", id="both-in-a-description"),
    pytest.param({"StudyDescription": "**C**"}, "3 2", id="stars-in-a-row"),
    pytest.param({"AccessionNumber": "*2*0*2*5*0*4*"}, "2", id="six-wildcards"),
    pytest.param({"ModalitiesInStudy": "D?"}, "3", id="wildcard-in-a-code"),
    pytest.param({"PatientID": "P[X_]2*"}, "", id="brackets-are-themselves"),
    # ranges
    pytest.param({"StudyDate": "20250101-20250630"}, "2 1", id="both-ends-in"),
    pytest.param({"StudyDate": "20250102-"}, "4 3 2", id="from"),
    pytest.param({"StudyDate": "-20250629"}, "1", id="until"),
    pytest.param({"StudyDate": "20260101-20250101"}, "", id="backwards"),
    pytest.param({"StudyTime": "0800-1200"}, "4 2 1", id="times"),
    pytest.param({"StudyTime": "12-"}, "3 2", id="times-from"),
    pytest.param({"StudyTime": "-10"}, "4 1", id="times-until-the-end-of-the-hour"),
    # several keys
    pytest.param({"PatientSex": "M", "StudyDate": "2026-"}, None, id="a-year-is-no-date"),
    pytest.param({"PatientSex": "M", "StudyDate": "20260101-"}, "4 3", id="two-keys"),
]


def told(level: str, asked: Asked) -> str:
    return numbers(asked.said(UNIQUE[level]))


@pytest.mark.parametrize(("keys", "found"), STUDIES)
@pytest.mark.parametrize("model", ["S"])
def test_studies(pacs: Pacs, model: str, keys: dict[str, Any], found: str | None) -> None:
    asked = pacs.ask(
        "STUDY",
        model=model,
        charset="ISO_IR 192",
        **({"StudyInstanceUID": ""} | keys),
    )
    if found is None:
        assert asked.statuses == [0xA900]
        return
    assert asked.last == 0x0000, asked.comment
    assert told("STUDY", asked) == found
    assert set(asked.statuses[:-1]) <= {0xFF00}


PATIENTS = [
    pytest.param({}, "990000199001011234 PX2Y P_2%", id="universal-by-newest-study"),
    pytest.param({"PatientID": "P*"}, "PX2Y P_2%", id="wildcard"),
    pytest.param({"PatientID": "P_2%"}, "P_2%", id="single-value"),
    pytest.param({"PatientName": "zhang*"}, "990000199001011234", id="name"),
    pytest.param({"PatientBirthDate": "-19600101"}, "P_2%", id="range"),
    pytest.param({"PatientSex": "M"}, "990000199001011234 PX2Y", id="code"),
    pytest.param({"PatientID": "B-9"}, "", id="of-another-house"),
]


@pytest.mark.parametrize(("keys", "found"), PATIENTS)
def test_patients(pacs: Pacs, keys: dict[str, Any], found: str) -> None:
    asked = pacs.ask("PATIENT", model="P", **({"PatientID": ""} | keys))
    assert asked.statuses == [0xFF00] * len(asked.entries) + [0x0000]
    assert told("PATIENT", asked) == found


SERIES = [
    pytest.param({}, "1.1 1.2", id="universal"),
    pytest.param({"Modality": "SR"}, "1.2", id="code"),
    pytest.param({"Modality": ["CT", "DX"]}, "1.1", id="codes"),
    pytest.param({"SeriesNumber": "2"}, "1.2", id="number"),
    pytest.param({"SeriesInstanceUID": [f"{U}.1.2", f"{U}.1.9"]}, "1.2", id="uids"),
    pytest.param({"NumberOfSeriesRelatedInstances": "2"}, "1.1", id="count"),
    pytest.param({"RequestedProcedureID": "R1"}, "1.2", id="sequence"),
    pytest.param({"RequestedProcedureID": "R*"}, "1.2", id="sequence-with-a-wildcard"),
    pytest.param({"RequestedProcedureID": "R2"}, "", id="sequence-without-a-match"),
    pytest.param(
        {"RequestedProcedureID": "R1", "ScheduledProcedureStepID": "S2"},
        "",
        id="sequence-all-keys-in-one-item",
    ),
    pytest.param({"RequestedProcedureID": ""}, "1.1 1.2", id="universal-sequence"),
    pytest.param({"PatientName": "nobody*"}, "", id="a-key-of-the-level-above"),
]


@pytest.mark.parametrize(("keys", "found"), SERIES)
@pytest.mark.parametrize("model", ["S", "P"])
def test_series(pacs: Pacs, model: str, keys: dict[str, Any], found: str) -> None:
    asked = pacs.ask(
        "SERIES",
        model=model,
        PatientID="990000199001011234",
        StudyInstanceUID=f"{U}.1",
        **({"SeriesInstanceUID": ""} | in_sequence(keys)),
    )
    assert asked.statuses == [0xFF00] * len(asked.entries) + [0x0000], asked.comment
    assert told("SERIES", asked) == found


def in_sequence(keys: dict[str, Any]) -> dict[str, Any]:
    item, rest = Dataset(), {}
    for keyword, value in keys.items():
        if keyword in {"RequestedProcedureID", "ScheduledProcedureStepID"}:
            setattr(item, keyword, value)
        else:
            rest[keyword] = value
    return rest | ({"RequestAttributesSequence": [item]} if len(item) else {})


IMAGES = [
    pytest.param({}, "1.1.1 1.1.2", id="universal"),
    pytest.param({"InstanceNumber": "2"}, "1.1.2", id="number"),
    pytest.param({"SOPInstanceUID": f"{U}.1.1.1"}, "1.1.1", id="uid"),
    pytest.param({"SOPClassUID": CT}, "1.1.1 1.1.2", id="sop-class"),
    pytest.param({"SOPClassUID": "1.2.3"}, "", id="another-sop-class"),
    pytest.param({"Rows": 16}, "1.1.1 1.1.2", id="binary-number"),
    pytest.param({"Rows": 17}, "", id="another-binary-number"),
]


@pytest.mark.parametrize(("keys", "found"), IMAGES)
@pytest.mark.parametrize("model", ["S", "P"])
def test_images(pacs: Pacs, model: str, keys: dict[str, Any], found: str) -> None:
    asked = pacs.ask(
        "IMAGE",
        model=model,
        PatientID="990000199001011234",
        StudyInstanceUID=f"{U}.1",
        SeriesInstanceUID=f"{U}.1.1",
        **({"SOPInstanceUID": ""} | keys),
    )
    assert asked.statuses == [0xFF00] * len(asked.entries) + [0x0000], asked.comment
    assert told("IMAGE", asked) == found


NEGOTIATED = [
    pytest.param("S", "SERIES", {"Modality": "DX"}, RELATIONAL, "3.1", id="any-series"),
    pytest.param("S", "IMAGE", {"PatientID": "PX2Y"}, RELATIONAL, "3.1.1", id="images-of-one"),
    pytest.param("S", "STUDY", {"Modality": "SR"}, RELATIONAL, "1", id="a-key-below"),
    pytest.param("P", "STUDY", {"PatientSex": "F"}, RELATIONAL, "2", id="without-the-patient"),
    pytest.param(
        "P", "PATIENT", {"StudyDate": "20250101"}, RELATIONAL, "990000199001011234", id="patients"
    ),
    pytest.param(
        "P",
        "PATIENT",
        {"StudyDate": "20250101", "Modality": "DX"},
        RELATIONAL,
        "",
        id="all-keys-below-in-one-study",
    ),
    pytest.param("S", "STUDY", {"PatientName": "zs"}, FUZZY, "4 1", id="initials"),
    pytest.param("S", "STUDY", {"PatientName": "xiaoming"}, FUZZY, "3", id="any-word"),
    pytest.param("S", "STUDY", {"PatientName": "wangxiao"}, FUZZY, "3", id="pinyin"),
    pytest.param(
        "S",
        "STUDY",
        {"StudyDate": "20250101-20250630", "StudyTime": "1000-1300"},
        MOMENTS,
        "2",
        id="one-interval",
    ),
    pytest.param(
        "S",
        "STUDY",
        {"StudyDate": "20250101-20260101", "StudyTime": "0900-0100"},
        MOMENTS,
        "2",
        id="one-interval-with-an-earlier-end",
    ),
    pytest.param(
        "S",
        "STUDY",
        {"StudyDate": "20250630-", "StudyTime": "1201-"},
        MOMENTS,
        "4 3",
        id="one-interval-without-an-end",
    ),
    pytest.param(
        "S",
        "STUDY",
        {"StudyDate": "20250101-20260101", "StudyTime": "0900-0100"},
        RELATIONAL,
        "",
        id="two-ranges-where-it-was-not-agreed",
    ),
]


@pytest.mark.parametrize(("model", "level", "keys", "extended", "found"), NEGOTIATED)
def test_what_was_negotiated(
    pacs: Pacs, model: str, level: str, keys: dict[str, Any], extended: bytes, found: str
) -> None:
    asked = pacs.ask(level, model=model, extended=extended, **({UNIQUE[level]: ""} | keys))
    assert asked.statuses == [0xFF00] * len(asked.entries) + [0x0000], asked.comment
    assert told(level, asked) == found
