"""Random questions against a second, simple reading of PS3.4 C.2.2.2 over the same objects."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings, strategies as st

from imaging.query.find import find, narrowed, plain_value
from imaging.query.model import Attributes, Value
from imaging.query.parse_find import FindOptions, FindRefused, parse_find
from kernel.policy import Reach
from tests.query_retrieve.conftest import numbers
from tests.query_retrieve.pacs import QINGSHAN, Pacs


@dataclass(frozen=True)
class Study:
    """What the library says of one study."""

    number: str
    patient_id: str
    names: tuple[str, ...]
    date: str
    minute: str
    description: str
    modalities: frozenset[str]


FIRST, HEAD = "990000199001011234", "头颅平扫"
CT, DX = frozenset({"CT"}), frozenset({"DX"})
LIBRARY = (
    Study("4", FIRST, ("zhang san", "張三"), "20260305", "1000", HEAD, CT),
    Study("3", "PX2Y", ("wang xiaoming", "王小明"), "20260101", "2359", "CHEST pa", DX),
    Study("2", "P_2%", ("muller jorg",), "20250630", "1200", "50% DOSE_CT", CT),
    Study("1", FIRST, ("zhang san", "张三"), "20250101", "0800", HEAD, CT | {"SR"}),
)

ALPHABET = "PX2Y_%C 590*?[]\\'"
IDS = st.text(ALPHABET.replace("\\", ""), max_size=8) | st.sampled_from(
    ["P*", "*2*", "P?2?", "PX2Y", "P_2%", "99*34", "*" * 20, "?" * 18, "[P]*", "p*", "P_*"]
)
NAMES = st.sampled_from(
    [
        *("*", "zhang*", "Zhang^San", "*三", "張?", "?ang*", "王*明", "MULLER^JORG", "müller*"),
        *("nobody", "wang^*", "*^*", "Zhang^San^^", "*xiao*", "张 三", "z*n", "=王*"),
    ]
)
DAYS = st.sampled_from(["20250101", "20250102", "20250629", "20250630", "20260101", "20260305"])
DATES = DAYS | st.builds("{}-{}".format, DAYS, DAYS) | DAYS.map("{}-".format)
DATES |= DAYS.map("-{}".format) | st.just("")
MINUTES = st.sampled_from(["0000", "0759", "0800", "0801", "10", "1200", "2358", "2359"])
TIMES = st.builds("{}-{}".format, MINUTES, MINUTES) | MINUTES.map("{}-".format) | st.just("")
CODES = st.lists(st.sampled_from(["CT", "SR", "DX", "MR"]), max_size=3).map("\\".join)
DESCRIPTIONS = st.sampled_from(
    ["", "*CT", "*%*", "*_*", "50%*", "c*", "CHEST pa", "*头颅*", "????"]
)


def fits(pattern: str, text: str) -> bool:
    wild = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    return re.fullmatch(wild, text, re.DOTALL) is not None


def in_range(key: str, value: str) -> bool:
    first, dash, last = key.partition("-")
    if not dash:
        return value == key
    return (not first or first <= value) and (not last or value <= last)


def in_minutes(key: str, value: str) -> bool:
    first, _, last = key.partition("-")
    first = first.ljust(4, "0") if first else ""
    last = last + "59"[: 4 - len(last)] if last else ""
    return in_range(f"{first}-{last}", value)


def is_called(key: str, names: tuple[str, ...]) -> bool:
    plain = key.lstrip("=").casefold().replace("ü", "u").replace("^", " ").strip(" ")
    plain = plain.replace("张 三", "张三").replace(" *", "*").replace("* ", "*")
    return any(fits(plain, name) for name in names)


def expected(keys: dict[str, str], *, together: bool) -> str:
    tests: dict[str, Callable[[str, Study], bool]] = {
        "PatientID": lambda key, study: fits(key.strip(" "), study.patient_id),
        "PatientName": lambda key, study: is_called(key, study.names),
        "StudyDate": lambda key, study: in_range(key, study.date),
        "StudyTime": lambda key, study: in_minutes(key, study.minute),
        "StudyDescription": lambda key, study: fits(key, study.description),
        "ModalitiesInStudy": lambda key, study: bool(study.modalities & set(key.split("\\"))),
    }
    asked = {keyword: key for keyword, key in keys.items() if key.strip(" *")}
    found = []
    for study in LIBRARY:
        rest = dict(asked)
        holds = True
        if together and "-" in rest.get("StudyDate", "") and "-" in rest.get("StudyTime", ""):
            dates, times = rest.pop("StudyDate").split("-"), rest.pop("StudyTime").split("-")
            now = study.date + study.minute
            first = dates[0] + times[0].ljust(4, "0")
            last = dates[1] + (times[1] + "59"[: 4 - len(times[1])] if times[1] else "9999")
            holds = (not dates[0] or first <= now) and (not dates[1] or now <= last)
        if holds and all(tests[keyword](key, study) for keyword, key in rest.items()):
            found.append(study.number)
    return " ".join(found)


def ask(pacs: Pacs, keys: Attributes, options: FindOptions) -> str:
    asked = parse_find(
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "", **keys}, options, patient_root=False
    )

    async def run() -> list[str]:
        found = find(pacs.desk.database, asked, Reach(QINGSHAN))
        return [str(entry["StudyInstanceUID"]) async for entry in found]

    return numbers(asyncio.run_coroutine_threadsafe(run(), pacs.loop).result(20))


@settings(max_examples=150)
@given(
    keys=st.fixed_dictionaries(
        {},
        optional={
            "PatientID": IDS,
            "PatientName": NAMES,
            "StudyDate": DATES,
            "StudyTime": TIMES,
            "StudyDescription": DESCRIPTIONS,
            "ModalitiesInStudy": CODES,
        },
    ),
    together=st.booleans(),
)
@example(keys={"StudyDate": "20250101-20260101", "StudyTime": "0801-10"}, together=True)
@example(keys={"StudyDate": "20250101-20250630", "StudyTime": "0800-1200"}, together=True)
@example(keys={"StudyDate": "20250101-20250630", "StudyTime": "0801-1159"}, together=True)
@example(keys={"StudyDate": "20250101-20250630", "StudyTime": "0801-1159"}, together=False)
def test_the_archive_finds_what_the_simple_reading_finds(
    pacs: Pacs, keys: dict[str, str], together: bool
) -> None:
    options = FindOptions(combined_moments=together)
    assert ask(pacs, keys, options) == expected(keys, together=together)


KEYWORDS = st.sampled_from(
    [
        *("QueryRetrieveLevel", "PatientID", "PatientName", "StudyDate", "StudyTime", "Modality"),
        *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "InstanceNumber", "Rows"),
        *("RequestAttributesSequence", "OtherPatientIDsSequence", "00091001", "no keyword", ""),
        *("NumberOfPatientRelatedStudies", "TimezoneOffsetFromUTC", "PixelData"),
    ]
)
TEXTS = st.text(max_size=30) | st.sampled_from(["STUDY", "PATIENT", "SERIES", "IMAGE", "1.2", "*"])
VALUES: st.SearchStrategy[Value] = st.recursive(
    TEXTS,
    lambda inner: st.lists(st.dictionaries(KEYWORDS, inner, max_size=3), max_size=3).map(tuple),
    max_leaves=6,
)


@given(
    keys=st.dictionaries(KEYWORDS, VALUES, max_size=8),
    patient_root=st.booleans(),
    relational=st.booleans(),
)
def test_any_identifier_is_a_question_or_is_refused_with_a_short_sentence(
    keys: Attributes, patient_root: bool, relational: bool
) -> None:
    options = FindOptions(relational=relational)
    sentence = ""
    try:
        asked = parse_find(keys, options, patient_root=patient_root)
    except FindRefused as refused:
        sentence = refused.detail
    else:
        assert asked.query.hopeless() == ()
        assert set(asked.asked) <= set(keys)
        return
    assert sentence.endswith(".")
    assert sentence.isascii()
    assert len(sentence) <= 64


@pytest.mark.parametrize(
    ("element", "said"),
    [
        pytest.param({"vr": "LO"}, "", id="absent"),
        pytest.param({"vr": "DS", "Value": [0.5, 1]}, "0.5\\1", id="numbers"),
        pytest.param({"vr": "LO", "Value": ["a", None, "b"]}, "a\\\\b", id="an-empty-one"),
        pytest.param(
            {"vr": "PN", "Value": [{"Alphabetic": "A", "Phonetic": "P"}]}, "A==P", id="name-groups"
        ),
        pytest.param({"vr": "OB", "InlineBinary": "AAAA"}, "", id="binary"),
        pytest.param({"vr": "UT", "Value": ["x" * 10_241]}, "", id="too-long"),
        pytest.param({"vr": "SQ"}, (), id="no-item"),
        pytest.param(
            {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["C"]}}, {}]},
            ({"CodeValue": "C"},),
            id="items",
        ),
    ],
)
def test_values_of_headers_as_plain_attributes(element: dict[str, object], said: Value) -> None:
    assert plain_value(element) == said


def test_an_item_says_what_was_asked_of_it() -> None:
    value: Value = ({"CodeValue": "C", "CodeMeaning": "M"},)
    assert narrowed(value, ()) == value
    assert narrowed(value, ({},)) == value
    assert narrowed(value, ({"CodeMeaning": "", "CodingSchemeDesignator": ""},)) == (
        {"CodeMeaning": "M", "CodingSchemeDesignator": ""},
    )
