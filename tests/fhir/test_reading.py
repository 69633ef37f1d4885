"""Reads: what comes back, in which form, in which version, and for whom."""

import pytest
import sqlalchemy as sa

from kernel.audit.trail import audit_entries
from tests.fhir.door import FhirDesk
from tests.imaging.sample import ROOT
from tests.orders.desk import QINGSHAN

RESIDENT = "99000019850702004X"
STUDY = f"{ROOT}.1"


def looks(door: FhirDesk, who: str, subject: str) -> int:
    columns = audit_entries.c
    query = (
        sa.select(sa.func.count())
        .select_from(audit_entries)
        .where(columns.username == who, columns.subject == subject)
    )
    found: int = door.run(door.desk.read(lambda conn: conn.execute(query).scalar_one()))
    return found


def test_shows_a_patient_to_a_machine_of_the_house_and_writes_the_look_down(
    door: FhirDesk,
) -> None:
    answer = door.get(f"/Patient/{door.liu}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    patient = answer.body
    numbers = {each["system"]: each["value"] for each in patient["identifier"]}
    assert numbers == {
        f"urn:yilian:institution:{QINGSHAN}:patient-id": "Q-LIU",
        "urn:oid:2.16.156.10011.1.3": RESIDENT,
    }
    assert [name["text"] for name in patient["name"]] == ["刘小凤", "Liu Xiaofeng"]
    assert patient["name"][1]["family"] == "Liu"
    assert (patient["gender"], patient["birthDate"]) == ("female", "1985-07-02")
    assert patient["managingOrganization"] == {"reference": f"Organization/{QINGSHAN}"}
    assert looks(door, "his", f"patient:{door.liu}") == 1


def test_shows_people_numbers_masked(door: FhirDesk) -> None:
    patient = door.get(f"/Patient/{door.liu}", "luoli").body
    (resident,) = [each for each in patient["identifier"] if "_value" in each]
    assert "value" not in resident
    extensions = {each["url"].rpartition("/")[2]: each for each in resident["_value"]["extension"]}
    assert extensions["data-absent-reason"]["valueCode"] == "masked"
    assert extensions["rendered-value"]["valueString"] == "990***********004X"
    assert patient["telecom"][0]["_value"]["extension"][1]["valueString"] == "*******0000"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/Patient/{liu}", id="patient"),
        pytest.param("/Patient/{liu}/_history/1.county-hospital", id="version"),
        pytest.param(f"/ImagingStudy/{ROOT}.2", id="study"),
    ],
)
def test_another_house_gets_the_words_for_what_is_not_there(door: FhirDesk, path: str) -> None:
    there = door.get(path.format(liu=door.liu), "sunyu")
    nowhere = door.get(path.format(liu="01j00000000000000000000000").replace(ROOT, "2.25"), "sunyu")
    assert (there.status, there.body) == (404, nowhere.body)
    assert there.body["issue"][0]["code"] == "not-found"


def test_a_role_that_never_reads_it_gets_403_and_nobody_401(door: FhirDesk) -> None:
    assert door.get(f"/Patient/{door.liu}", "sysadmin").status == 403
    answer = door.get(f"/Patient/{door.liu}", "")
    assert (answer.status, answer.code) == (401, "not-signed-in")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_answers_304_to_whoever_has_the_version(door: FhirDesk) -> None:
    first = door.get(f"/Patient/{door.liu}")
    tag = first.headers["ETag"]
    assert tag == f'W/"{first.body["meta"]["versionId"]}"'
    assert first.headers["Last-Modified"] == "Tue, 12 May 2026 02:00:00 GMT"
    again = door.ask("GET", f"/Patient/{door.liu}", If_None_Match=tag)
    assert (again.status, again.body, again.headers["ETag"]) == (304, None, tag)
    assert door.ask("GET", f"/Patient/{door.liu}", If_None_Match='W/"0"').status == 200


@pytest.mark.parametrize(
    ("accept", "query", "status"),
    [
        pytest.param("application/fhir+json", "", 200, id="fhir"),
        pytest.param("application/json;q=0.5, text/html", "", 200, id="json-among-others"),
        pytest.param("application/fhir+json; fhirVersion=4.0", "", 200, id="our-version"),
        pytest.param("application/fhir+json; fhirVersion=5.0", "", 406, id="other-version"),
        pytest.param("application/fhir+xml", "", 406, id="xml"),
        pytest.param("application/fhir+json;q=0", "", 406, id="refused"),
        pytest.param("application/fhir+xml", "?_format=json", 200, id="format-before-accept"),
        pytest.param("*/*", "?_format=xml", 406, id="format-xml"),
        pytest.param("*/*", "?_format=application/fhir%2Bjson", 200, id="format-whole"),
    ],
)
def test_gives_json_or_says_that_there_is_nothing_else(
    door: FhirDesk, accept: str, query: str, status: int
) -> None:
    answer = door.ask("GET", f"/Organization/{QINGSHAN}{query}", Accept=accept)
    assert answer.status == status
    if status == 406:
        assert answer.code == "not-acceptable"


def test_tells_a_study_with_its_series_and_where_its_pixels_are(door: FhirDesk) -> None:
    study = door.get(f"/ImagingStudy/{STUDY}").body
    assert study["identifier"][0] == {
        "use": "official",
        "system": "urn:dicom:uid",
        "value": f"urn:oid:{STUDY}",
    }
    assert study["identifier"][1]["value"] == "A00001"
    assert study["modality"] == [
        {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
    ]
    assert study["started"] == "2026-03-01T08:15:00+08:00"
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (1, 2)
    assert study["subject"]["reference"] == f"Patient/{door.liu}"
    assert study["series"][0]["uid"] == f"{STUDY}.1"
    assert study["endpoint"] == [{"reference": "#dicomweb"}]
    assert study["contained"][0]["address"] == door.url.replace("/fhir", "/dicom-web")


def test_names_the_patient_of_a_study_that_was_routed_without_opening_the_register(
    door: FhirDesk,
) -> None:
    subject = door.get(f"/ImagingStudy/{STUDY}", "wanghai").body["subject"]
    assert "reference" not in subject
    assert (subject["display"], subject["identifier"]["value"]) == ("刘小凤", "Q-LIU")
    masked = door.get(f"/ImagingStudy/{STUDY}", "shenmo").body["subject"]
    assert masked["display"] == "刘**"
    assert "value" not in masked["identifier"]
    assert "Q-LIU" not in str(masked)


def test_gives_the_elements_asked_for_and_those_no_answer_may_leave_out(door: FhirDesk) -> None:
    some = door.get(f"/ImagingStudy/{STUDY}", _elements="started,endpoint").body
    assert set(some) == {
        *("resourceType", "id", "meta", "status", "subject"),
        *("started", "endpoint", "contained"),
    }
    assert some["meta"]["tag"][0]["code"] == "SUBSETTED"
    short = door.get(f"/ImagingStudy/{STUDY}", _summary="true").body
    assert "series" not in short
    assert short["numberOfInstances"] == 2
    assert set(door.get(f"/Patient/{door.liu}", _summary="text").body) == {
        "resourceType",
        "id",
        "meta",
    }


def test_shows_the_trail_to_whoever_reads_it_and_notes_that(door: FhirDesk) -> None:
    door.get(f"/Patient/{door.liu}")
    page = door.get("/AuditEvent", "auditor", altid="his", subtype="record-seen")
    (event, *_) = [entry["resource"] for entry in page.body["entry"]]
    assert (event["type"]["code"], event["action"], event["outcome"]) == ("110110", "R", "0")
    assert event["agent"][0]["altId"] == "his"
    assert event["purposeOfEvent"][0]["text"] == "own-institution"
    assert "Q-LIU" not in str(page.body)
    assert door.get(f"/AuditEvent/{event['id']}", "shenmo").body == event
    assert door.get("/AuditEvent", "his").status == 403
    assert looks(door, "auditor", "audit-trail") == 1


def test_a_privacy_officer_reads_the_trail_of_their_own_house_only(door: FhirDesk) -> None:
    door.get("/Organization", "wanghai")
    theirs = door.get("/AuditEvent", "auditor", altid="wanghai").ids
    assert theirs
    assert door.get("/AuditEvent", "shenmo", altid="wanghai").ids == []
    assert door.get(f"/AuditEvent/{theirs[0]}", "shenmo").status == 404


def test_shows_who_works_in_the_askers_house_and_nobody_else(door: FhirDesk) -> None:
    people = door.get("/Practitioner", "luoli").body["entry"]
    names = {entry["resource"]["identifier"][0]["value"] for entry in people}
    assert names == {"luoli", "shenmo"}
    (role,) = door.get(
        "/PractitionerRole", role="registrar", _include="PractitionerRole:practitioner"
    ).body["entry"][:1]
    assert role["resource"]["organization"] == {"reference": f"Organization/{QINGSHAN}"}
    other = door.get("/Practitioner", "sunyu").ids[0]
    assert door.get(f"/Practitioner/{other}", "luoli").status == 404


def test_a_village_house_finds_the_township_and_its_people(door: FhirDesk) -> None:
    assert door.get(f"/Patient/{door.liu}", "aying").status == 200
    listed = door.get("/Patient", "aying")
    assert listed.ids == []
    assert door.get("/Patient", "aying", name="刘小凤").ids == [door.liu]
    assert door.get("/Location/xigou", "aying").body["partOf"] == {
        "reference": f"Location/{QINGSHAN}"
    }
