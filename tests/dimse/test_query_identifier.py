"""Identifiers as a whole: what of an entry they want, and what of it they get."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway.dimse.attributes import Attributes, Message
from gateway.dimse.matching import BadKey
from gateway.dimse.query_identifier import Query
from gateway.dimse.worklist_scp import MATCHED

STEP = "ScheduledProcedureStepSequence"
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs"), exclude_characters="\\*?=^-"),
    min_size=1,
    max_size=12,
)
DAYS = st.dates().map(lambda day: f"{day.year:04}{day.month:02}{day.day:02}")
TIMES = st.times().map(lambda time: time.strftime("%H%M%S"))
STEPS = st.fixed_dictionaries(
    {
        "Modality": st.sampled_from(["CT", "DX", "MR"]),
        "ScheduledProcedureStepStartDate": DAYS,
        "ScheduledProcedureStepStartTime": TIMES,
        "ScheduledStationAETitle": TEXT,
    }
)
ENTRIES = st.builds(
    lambda plain, step: {**plain, STEP: (step,)},
    st.fixed_dictionaries(
        {"PatientName": TEXT, "PatientID": TEXT, "AccessionNumber": TEXT, "PatientComments": TEXT}
    ),
    STEPS,
)


def parsed(keys: Attributes) -> Query:
    return Query.parse(Message(keys), MATCHED)


@given(entry=ENTRIES, data=st.data())
def test_every_entry_is_found_by_its_own_values(entry: Attributes, data: st.DataObject) -> None:
    step = entry[STEP]
    assert isinstance(step, tuple)
    some = data.draw(st.sets(st.sampled_from(sorted(set(entry) - {STEP}))))
    inside = data.draw(st.sets(st.sampled_from(sorted(step[0]))))
    keys = {
        **{keyword: entry[keyword] for keyword in some},
        STEP: ({keyword: step[0][keyword] for keyword in inside},),
    }
    query = parsed(keys)
    assert query.wants(entry)
    answered = query.answer(entry)
    assert set(answered) == {*some, STEP}
    assert all(answered[keyword] == entry[keyword] for keyword in some)


@given(entry=ENTRIES, other=ENTRIES)
def test_a_key_tells_entries_apart_just_where_their_values_differ(
    entry: Attributes, other: Attributes
) -> None:
    assert parsed({"PatientID": other["PatientID"]}).wants(entry) == (
        entry["PatientID"] == other["PatientID"]
    )


@given(entry=ENTRIES, first=DAYS, last=DAYS)
def test_a_range_of_days_finds_what_lies_in_it(entry: Attributes, first: str, last: str) -> None:
    step = entry[STEP]
    assert isinstance(step, tuple)
    query = parsed({STEP: ({"ScheduledProcedureStepStartDate": f"{first}-{last}"},)})
    day = step[0]["ScheduledProcedureStepStartDate"]
    assert isinstance(day, str)
    assert query.wants(entry) == (first <= day <= last)


@given(entry=ENTRIES)
def test_an_empty_sequence_asks_for_all_of_it(entry: Attributes) -> None:
    keys: list[tuple[Attributes, ...]] = [(), ({},)]
    for key in keys:
        query = parsed({STEP: key})
        assert query.wants(entry)
        assert query.answer(entry) == {STEP: entry[STEP]}


def test_what_an_entry_has_not_is_answered_empty() -> None:
    query = parsed({"PatientWeight": "", "ReferencedStudySequence": (), "00091001": ""})
    assert query.wants({})
    assert query.answer({}) == {"PatientWeight": "", "ReferencedStudySequence": ()}


def test_a_key_that_is_not_matched_narrows_nothing() -> None:
    query = parsed({"PatientWeight": "70"})
    assert query.has_unmatched_keys
    assert query.wants({"PatientWeight": "60"})


def test_an_entry_without_a_step_is_found_only_by_universal_keys() -> None:
    assert parsed({STEP: ({"Modality": ""},)}).wants({})
    assert not parsed({STEP: ({"Modality": "CT"},)}).wants({})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("PatientID", ("1", "2"), id="a-list"),
        pytest.param("AccessionNumber", (), id="a-wildcard-narrows-nothing"),
        pytest.param(f"{STEP}.Modality", ("CT",), id="inside-the-step"),
        pytest.param("PatientName", (), id="not-asked"),
    ],
)
def test_tells_a_database_what_it_may_narrow_by(path: str, expected: tuple[str, ...]) -> None:
    query = parsed({"PatientID": "1\\2", "AccessionNumber": "A*", STEP: ({"Modality": "CT"},)})
    assert query.values(path) == expected


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({STEP: ({}, {})}, id="two-items"),
        pytest.param({"PatientBirthDate": "yesterday"}, id="no-date"),
        pytest.param(
            {
                STEP: (
                    {
                        "ScheduledProcedureStepStartDate": "20260105-2026",
                        "ScheduledProcedureStepStartTime": "10-11",
                    },
                )
            },
            id="half-a-range",
        ),
    ],
)
def test_refuses_what_is_no_identifier(keys: Attributes) -> None:
    with pytest.raises(BadKey):
        parsed(keys)
