"""Which of an archive's studies are wanted."""

from dataclasses import replace

import pytest

from gateway.priors.model import (
    Asked,
    OldSeries,
    OldStudy,
    is_shown,
    lacking,
    plain,
    read,
    wanted,
)
from gateway.routing.model import Facts
from gateway.routing.rules_file import read_rules
from gateway.routing.toml_lines import RulesFileError

RESIDENT = "990000199001011234"
ASKED = Asked(
    study_instance_uid="1",
    patient_id=RESIDENT,
    issuer="",
    birth_date="19900101",
    sex="M",
    study_date="20260305",
    body_part="",
    modalities=("CT", "MR"),
    last=3,
    days=365,
    hours="",
)
OLD = OldStudy(
    study_instance_uid="9",
    patient_id=RESIDENT,
    issuer="",
    birth_date="",
    sex="M",
    study_date="20250901",
    modalities=("CT", "SR"),
)


@pytest.mark.parametrize(
    ("change", "is_wanted"),
    [
        pytest.param({}, True, id="as-asked"),
        pytest.param({"patient_id": "990000199001011235"}, False, id="another-number"),
        pytest.param({"birth_date": "19910101"}, False, id="born-on-another-day"),
        pytest.param({"sex": "F"}, False, id="another-sex"),
        pytest.param({"study_date": "20260305"}, False, id="of-the-same-day"),
        pytest.param({"study_date": "20250305"}, True, id="a-year-ago"),
        pytest.param({"study_date": "20250304"}, False, id="a-year-and-a-day-ago"),
        pytest.param({"study_date": ""}, False, id="of-no-day"),
        pytest.param({"modalities": ("US",)}, False, id="another-modality"),
        pytest.param({"study_instance_uid": "1"}, False, id="itself"),
    ],
)
def test_only_what_was_asked_for_is_wanted(change: dict[str, str], is_wanted: bool) -> None:
    found = wanted(ASKED, [replace(OLD, **change)])  # type: ignore[arg-type]
    assert bool(found) is is_wanted


def test_the_newest_come_first() -> None:
    days = ["20250901", "20260101", "20250601"]
    found = [replace(OLD, study_instance_uid=day, study_date=day) for day in days]
    assert [one.study_date for one in wanted(ASKED, found)] == sorted(days, reverse=True)


def test_only_series_that_lack_something_are_fetched() -> None:
    many = [("a", 3), ("b", 3), ("c", None), ("d", None)]
    series = [
        OldSeries(series_instance_uid=u, modality="CT", body_part="CHEST", instances=n)
        for u, n in many
    ]
    assert lacking(series, {"a": 3, "b": 2, "c": 1}) == ["b", "d"]
    assert is_shown(ASKED, series)
    assert is_shown(replace(ASKED, body_part="chest"), series)
    assert not is_shown(replace(ASKED, body_part="HEAD"), series)
    assert not is_shown(replace(ASKED, modalities=("US",)), series)


def test_a_question_is_kept_as_it_was() -> None:
    assert read(plain(ASKED)) == ASKED


PRIOR = '[[prior]]\nname = "old CT"\nwhen.Modality = "CT"\nfrom = ["OLD"]\nissuers = ["his"]\n'


@pytest.mark.parametrize(
    ("number", "issuer", "asks"),
    [
        pytest.param(RESIDENT, "", True, id="resident-id"),
        pytest.param("12345", "his", True, id="issuer-both-know"),
        pytest.param("12345", "", False, id="a-number-of-nobody"),
        pytest.param("12345", "other", False, id="another-issuer"),
        pytest.param("", "his", False, id="no-number"),
    ],
)
def test_nobody_is_asked_for_who_is_not_known(number: str, issuer: str, asks: bool) -> None:
    (rule,) = read_rules(PRIOR, keywords={"Modality"}).priors
    facts = {"Modality": ("CT",), "PatientID": (number,), "IssuerOfPatientID": (issuer,)}
    assert rule.wants(Facts(facts)) is asks
    assert not rule.wants(Facts({**facts, "Modality": ("MR",)}))


@pytest.mark.parametrize(
    ("more", "line", "says"),
    [
        pytest.param('hours = "25:00-26:00"', 6, "hours are written", id="hours"),
        pytest.param("last = 0", 6, "from 1 to 50", id="last"),
        pytest.param('wen = "x"', 6, "did you mean when", id="unknown"),
    ],
)
def test_a_fault_names_its_line(more: str, line: int, says: str) -> None:
    with pytest.raises(RulesFileError) as caught:
        read_rules(PRIOR + more + "\n", keywords={"Modality"})
    assert (caught.value.line, says in caught.value.detail) == (line, True)
