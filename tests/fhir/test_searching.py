"""Searches: parameters, what is not known, pages."""

import urllib.parse
from typing import Any

import pytest

from kernel.errors import Category
from referrals.orders.asked import NewOrder, NewPatient
from referrals.orders.model import Sex
from tests.fhir.door import STUDIES, FhirDesk
from tests.imaging.sample import ROOT
from tests.orders.desk import HEAD, QINGSHAN, ask, by

MR = f"urn:yilian:institution:{QINGSHAN}:patient-id"
NI = "urn:oid:2.16.156.10011.1.3"
PEOPLE = {
    "ma": NewPatient(name="马成功", sex=Sex.MALE, patient_id="S-MA"),
    "ouyang": NewPatient(name="欧阳兰", sex=Sex.FEMALE, patient_id="S,OU|1"),
}


@pytest.fixture(scope="module")
def people(door: FhirDesk) -> dict[str, str]:
    found = {"liu": door.liu}
    for name, new in PEOPLE.items():
        found[name] = door.run(door.desk.desk.register(by(), new, ask()))
    return found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param({"identifier": f"{MR}|S-MA"}, {"ma"}, id="number-of-the-house"),
        pytest.param({"identifier": "S-MA"}, {"ma"}, id="any-system"),
        pytest.param({"identifier": f"{NI}|S-MA"}, set(), id="other-system"),
        pytest.param({"identifier": f"{NI}|99000019850702004X"}, {"liu"}, id="resident-number"),
        pytest.param({"identifier": f"{NI}|9900001985"}, set(), id="part-of-a-resident-number"),
        pytest.param({"identifier": r"S\,OU\|1"}, {"ouyang"}, id="escaped"),
        pytest.param({"identifier": "S-MA,Q-LIU"}, {"ma", "liu"}, id="one-of-two"),
        pytest.param({"name": "马"}, {"ma"}, id="characters"),
        pytest.param({"name": "machenggong"}, {"ma"}, id="pinyin"),
        pytest.param({"name": "小凤"}, {"liu"}, id="later-part"),
        pytest.param({"name:exact": "马成"}, set(), id="not-exact"),
        pytest.param({"name:exact": "马成功"}, {"ma"}, id="exact"),
        pytest.param({"family": "ouyang"}, {"ouyang"}, id="family"),
        pytest.param({"family": "xiaofeng"}, set(), id="no-family"),
        pytest.param({"given": "xiaofeng"}, {"liu"}, id="given"),
        pytest.param({"given": "liu"}, set(), id="no-given"),
        pytest.param({"gender": "male", "name": "ma"}, {"ma"}, id="both"),
        pytest.param({"gender": "male", "name": "liu"}, set(), id="both-and-neither"),
        pytest.param({"birthdate": "1985"}, {"liu"}, id="year"),
        pytest.param({"birthdate": "1985-07"}, {"liu"}, id="month"),
        pytest.param({"birthdate": "gt1985-07-02"}, set(), id="after-the-day"),
        pytest.param({"birthdate": "ge1985-07-02"}, {"liu"}, id="from-the-day"),
        pytest.param({"birthdate": ["gt1985-07-01", "lt1985-07-03"]}, {"liu"}, id="between"),
        pytest.param({"birthdate": "ne1985-07-02"}, set(), id="not-the-day"),
        pytest.param({"name": ""}, {"liu", "ma", "ouyang"}, id="empty-asks-for-nothing"),
    ],
)
def test_finds_patients(
    door: FhirDesk, people: dict[str, str], query: dict[str, Any], found: set[str]
) -> None:
    ids = set(door.get("/Patient", **query).ids) & set(people.values())
    assert ids == {people[name] for name in found}
    posted = door.ask(
        "POST",
        "/Patient/_search",
        body=urllib.parse.urlencode(query, doseq=True).encode(),
        Content_Type="application/x-www-form-urlencoded",
    )
    assert set(posted.ids) & set(people.values()) == ids


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param({"_id": f"{ROOT}.3"}, [3], id="id"),
        pytest.param({"identifier": f"urn:dicom:uid|urn:oid:{ROOT}.3"}, [3], id="uid"),
        pytest.param({"identifier": "A00004"}, [4], id="accession-number"),
        pytest.param(
            {"identifier": f"urn:yilian:institution:{QINGSHAN}:accession-number|A00004"},
            [4],
            id="accession-number-of-the-house",
        ),
        pytest.param(
            {"identifier": "urn:yilian:institution:dahe:accession-number|A00004"},
            [],
            id="accession-number-of-another-house",
        ),
        pytest.param({"started": "2026-03-02"}, [2], id="day"),
        pytest.param({"started": ["ge2026-03-02", "lt2026-03-04"]}, [3, 2], id="days"),
        pytest.param({"started": "gt2026-03-06"}, [7], id="after"),
        pytest.param({"started": "le2026-03-02T23:59"}, [2, 1], id="to-the-minute"),
        pytest.param({"_sort": "started", "_count": "2"}, [1, 2], id="sorted"),
        pytest.param({"_sort": "-started", "_count": "2"}, [7, 6], id="sorted-down"),
        pytest.param({"modality": "MR"}, [], id="modality"),
        pytest.param({"modality:not": "CT"}, [], id="no-modality"),
        pytest.param({"status": "available", "_count": "1"}, [7], id="status"),
        pytest.param({"status": "cancelled"}, [], id="other-status"),
        pytest.param({"patient.identifier": "D-1"}, [], id="another-house"),
        pytest.param({"patient.identifier": f"{NI}|990000198507020049"}, [], id="wrong-number"),
        pytest.param({"series": f"{ROOT}.5.1"}, [5], id="series"),
    ],
)
def test_finds_studies(door: FhirDesk, query: dict[str, Any], found: list[int]) -> None:
    assert door.get("/ImagingStudy", **query).ids == [f"{ROOT}.{number}" for number in found]


@pytest.mark.parametrize(
    "name", ["patient", "subject", "subject:Patient", "patient.identifier", "patient:identifier"]
)
def test_finds_studies_by_whose_they_are(door: FhirDesk, name: str) -> None:
    value = "Q-LIU" if "identifier" in name else f"Patient/{door.liu}"
    answer = door.get("/ImagingStudy", **{name: value})
    assert (len(answer.ids), answer.body["total"]) == (STUDIES, STUDIES)
    by_resident = door.get("/ImagingStudy", **{"patient.identifier": f"{NI}|99000019850702004X"})
    assert by_resident.ids == answer.ids


def test_finds_orders(door: FhirDesk, people: dict[str, str]) -> None:
    new = NewOrder(examination=HEAD.code, clinical_question="头痛")
    made = door.run(door.desk.order(people["ma"], new))
    found = door.get("/ServiceRequest", identifier=made.accession_number, _include="*")
    assert found.ids == [made.id]
    for query in (
        {"patient": people["ma"], "status": "active"},
        {"subject.identifier": "S-MA", "priority": "routine"},
        {"code": HEAD.code, "identifier": f"urn:dicom:uid|urn:oid:{made.study_instance_uid}"},
        {"identifier": made.accession_number, "authored": "2026-05-12", "status:not": "revoked"},
    ):
        assert door.get("/ServiceRequest", **query).ids == [made.id], query
    with_patient = door.get(
        "/ServiceRequest", identifier=made.accession_number, _include="ServiceRequest:patient"
    ).body
    modes = [
        (one["resource"]["resourceType"], one["search"]["mode"]) for one in with_patient["entry"]
    ]
    assert modes == [("ServiceRequest", "match"), ("Patient", "include")]


def test_follows_next_links_while_studies_come_in(door: FhirDesk) -> None:
    page = door.get("/ImagingStudy", _count=3, _sort="started", _total="accurate")
    assert page.body["total"] == STUDIES
    seen = list(page.ids)
    while links := [one["url"] for one in page.body["link"] if one["relation"] == "next"]:
        assert "started" not in links[0]
        page = door.ask("GET", links[0])
        seen += page.ids
        assert len(seen) <= STUDIES
    assert seen == [f"{ROOT}.{number}" for number in range(1, STUDIES + 1)]


def test_a_page_neither_repeats_nor_misses_what_was_there_when_new_ones_come(
    door: FhirDesk, people: dict[str, str]
) -> None:
    first = door.get("/Patient", _count=2)
    late = door.run(door.desk.desk.register(by(), NewPatient(name="后来的人"), ask()))
    seen = list(first.ids)
    page = first
    while links := [one["url"] for one in page.body["link"] if one["relation"] == "next"]:
        page = door.ask("GET", links[0])
        seen += page.ids
    assert late not in seen
    assert len(seen) == len(set(seen))
    assert set(people.values()) <= set(seen)


def test_counts_without_answering(door: FhirDesk) -> None:
    for query in ({"_summary": "count"}, {"_count": "0"}):
        body = door.get("/ImagingStudy", **query).body
        assert (body["total"], "entry" in body) == (STUDIES, False)
    assert "total" not in door.get("/ImagingStudy", _total="none").body


def test_leaves_out_what_it_does_not_know_and_says_so(door: FhirDesk) -> None:
    answer = door.get("/ImagingStudy", dicom_class="x", _count=1, _sort="bodysite")
    assert answer.status == 200
    (own,) = [one["url"] for one in answer.body["link"] if one["relation"] == "self"]
    assert own == f"{door.url}/ImagingStudy?_count=1"
    (note,) = [one for one in answer.body["entry"] if one["search"]["mode"] == "outcome"]
    assert "dicom_class, _sort" in note["resource"]["issue"][0]["details"]["text"]


def test_refuses_what_it_does_not_know_where_strict_handling_is_preferred(door: FhirDesk) -> None:
    strict = door.ask("GET", "/ImagingStudy?dicom-class=x", Prefer="handling=strict")
    assert (strict.status, strict.code) == (400, "unknown-parameter")
    assert door.ask("GET", "/ImagingStudy?_count=1", Prefer="handling=strict").status == 200


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("birthdate=1985-13", id="no-month"),
        pytest.param("birthdate=yesterday", id="no-date"),
        pytest.param("birthdate=0000", id="year-nought"),
        pytest.param("birthdate=9999", id="year-without-end"),
        pytest.param("_count=-1", id="negative"),
        pytest.param("_count=1e9", id="no-number"),
        pytest.param("_summary=all", id="no-summary"),
        pytest.param("_total=some", id="no-total"),
        pytest.param("name:contains=a", id="modifier"),
        pytest.param("gender:missing=true", id="missing"),
        pytest.param("identifier=%7C", id="empty-token"),
        pytest.param("name=%20", id="blank"),
        pytest.param("name=a%0Ab", id="control"),
        pytest.param("identifier=" + ",".join("x" * 101), id="101-values"),
        pytest.param("name=" + "x" * 4097, id="long"),
        pytest.param("&".join(["name=a"] * 65), id="65-parameters"),
        pytest.param("_cursor=abc", id="no-cursor"),
        pytest.param("_cursor=eJyLjlYyUIrViVYyVIqNBQAZIgOS", id="cursor-of-another-search"),
        pytest.param("_cursor=" + "A" * 7500, id="long-cursor"),
    ],
)
def test_says_what_is_wrong_with_a_search(door: FhirDesk, query: str) -> None:
    answer = door.ask("GET", f"/Patient?{query}")
    assert answer.status == 400, answer.body
    assert answer.body["issue"][0]["code"] == Category.INVALID.value
    assert "xxxx" not in str(answer.body)


def test_a_search_by_post_takes_a_form_and_nothing_else(door: FhirDesk) -> None:
    assert door.ask("POST", "/Patient/_search", body={"name": "x"}).status == 415
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    bad = door.ask("POST", "/Patient/_search", body=b"name=%ff", **form)
    assert (bad.status, bad.code) == (400, "invalid-parameter")
    large = door.ask("POST", "/Patient/_search", body=b"a" * 20_000, **form)
    assert large.status == 413


@pytest.mark.parametrize(
    "type_",
    ["Organization", "Location", "Practitioner", "PractitionerRole", "Patient", "ImagingStudy"],
)
def test_a_search_shows_the_version_a_read_shows(door: FhirDesk, type_: str) -> None:
    for entry in door.get(f"/{type_}").body["entry"]:
        found = entry["resource"]
        assert door.get(f"/{type_}/{found['id']}").body["meta"] == found["meta"]
