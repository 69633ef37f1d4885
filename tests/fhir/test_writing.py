"""Creates and updates: what rooms take, when, and what they say of what they do not."""

import itertools
from typing import Any

import pytest

from tests.fhir.door import FhirDesk
from tests.orders.desk import COUNTY, HEAD, QINGSHAN

_numbers = itertools.count(1)
MR = f"urn:yilian:institution:{QINGSHAN}:patient-id"
EXAMINATIONS = f"urn:yilian:institution:{QINGSHAN}:examination"
REASON = "http://hl7.org/fhir/StructureDefinition/request-statusReason"


def somebody(**more: Any) -> dict[str, Any]:
    """A Patient nobody has registered."""
    number = f"W-{next(_numbers)}"
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": MR, "value": number}],
        "name": [{"text": "周桂兰"}],
        "gender": "female",
        "birthDate": "1963-04-05",
        "telecom": [{"system": "phone", "value": "13900000000"}],
    }
    return patient | more


def head_ct(patient: str, **more: Any) -> dict[str, Any]:
    """A ServiceRequest for *patient*."""
    order = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "priority": "stat",
        "code": {"coding": [{"system": EXAMINATIONS, "code": HEAD.code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "occurrenceDateTime": "2026-05-12T15:00:00+08:00",
        "reasonCode": [{"text": "头痛2小时伴呕吐"}],
    }
    return order | more


def test_registers_a_patient_and_says_where_it_is(door: FhirDesk) -> None:
    made = door.ask("POST", "/Patient", body=somebody())
    assert made.status == 201, made.body
    key = made.body["id"]
    assert made.headers["Location"] == f"{door.url}/Patient/{key}/_history/1.{COUNTY}"
    assert made.headers["ETag"] == f'W/"1.{COUNTY}"'
    kept = door.run(door.desk.find_patient(key))
    assert (kept.name, kept.institution, kept.phone) == ("周桂兰", QINGSHAN, "13900000000")
    assert kept.name_pinyin == "Zhou Guilan"
    assert door.ask("GET", made.headers["Location"]).body == made.body


def test_takes_a_name_in_parts_and_its_spelling(door: FhirDesk) -> None:
    names = [{"family": "欧阳", "given": ["雪"]}, {"family": "Ouyang", "given": ["Xue"]}]
    made = door.ask("POST", "/Patient", body=somebody(name=names))
    assert [each["text"] for each in made.body["name"]] == ["欧阳雪", "Ouyang Xue"]


def test_a_create_happens_only_where_nothing_fits(door: FhirDesk) -> None:
    patient = somebody()
    number = patient["identifier"][0]["value"]
    condition = {"If_None_Exist": f"identifier={MR}|{number}"}
    first = door.ask("POST", "/Patient", body=patient, **condition)
    again = door.ask("POST", "/Patient", body=patient, **condition)
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    assert again.headers["Location"] == first.headers["Location"]
    twice = door.ask("POST", "/Patient", body=patient)
    assert (twice.status, twice.code) == (409, "already-registered")
    assert twice.expression == ["Patient.identifier"]


def test_a_condition_that_fits_several_or_asks_for_nothing_makes_nothing(door: FhirDesk) -> None:
    for _ in range(2):
        name = [{"text": "同名同姓"}]
        assert door.ask("POST", "/Patient", body=somebody(name=name)).status == 201
    several = door.ask("POST", "/Patient", body=somebody(), If_None_Exist="name=%E5%90%8C%E5%90%8D")
    assert (several.status, several.code) == (412, "multiple-matches")
    nothing = door.ask("POST", "/Patient", body=somebody(), If_None_Exist="")
    assert nothing.status == 400
    unknown = door.ask("POST", "/Patient", body=somebody(), If_None_Exist="nosuch=1")
    assert (unknown.status, unknown.code) == (400, "unknown-parameter")


@pytest.mark.parametrize(
    ("more", "expression", "code"),
    [
        pytest.param({"name": []}, "Patient.name", "invalid-resource", id="nameless"),
        pytest.param({"name": {}}, "Patient.name", "invalid-resource", id="no-list"),
        pytest.param({"name": [{"text": 7}]}, "Patient.name[0].text", "invalid-resource", id="7"),
        pytest.param({"name": [{"text": "a^b"}]}, "Patient.name", "invalid-name", id="caret"),
        pytest.param({"gender": "m"}, "Patient.gender", "invalid-resource", id="gender"),
        pytest.param({"birthDate": "1963"}, "Patient.birthDate", "invalid-resource", id="year"),
        pytest.param(
            {"birthDate": "1963-W01-1"}, "Patient.birthDate", "invalid-resource", id="week"
        ),
        pytest.param(
            {"birthDate": "2063-01-01"}, "Patient.birthDate", "invalid-birth-date", id="2063"
        ),
        pytest.param({"born": "x"}, "Patient.born", "unknown-element", id="no-element"),
        pytest.param({"active": False}, "Patient.active", "invalid-resource", id="inactive"),
        pytest.param(
            {"modifierExtension": [{"url": "urn:x"}]},
            "Patient.modifierExtension",
            "not-understood",
            id="modifier",
        ),
        pytest.param(
            {
                "identifier": [
                    {"system": "urn:oid:2.16.156.10011.1.3", "value": "990000198507020049"}
                ]
            },
            "Patient.identifier",
            "invalid-resident-id",
            id="check-digit",
        ),
        pytest.param(
            {"identifier": [{"system": "urn:yilian:institution:dahe:patient-id", "value": "1"}]},
            "Patient.identifier[0].system",
            "no-target",
            id="number-of-another-house",
        ),
        pytest.param(
            {"managingOrganization": {"reference": "Organization/dahe"}},
            "Patient.managingOrganization",
            "no-target",
            id="another-house",
        ),
        pytest.param({"resourceType": "Person"}, "resourceType", "wrong-type", id="type"),
    ],
)
def test_says_which_element_cannot_be(
    door: FhirDesk, more: dict[str, Any], expression: str, code: str
) -> None:
    answer = door.ask("POST", "/Patient", body=somebody(**more))
    assert (answer.status, answer.code, answer.expression) == (400, code, [expression])


def test_changes_a_patient_from_the_version_that_was_seen(door: FhirDesk) -> None:
    made = door.ask("POST", "/Patient", body=somebody())
    address = f"/Patient/{made.body['id']}"
    changed = made.body | {"birthDate": "1963-04-06"}
    assert door.ask("PUT", address, body=changed).code == "version-missing"
    assert door.ask("PUT", address, body=changed).status == 400
    bad = door.ask("PUT", address, body=changed, If_Match="*")
    assert (bad.status, bad.code) == (400, "invalid-if-match")
    stale = door.ask("PUT", address, body=changed, If_Match='W/"9.x"')
    assert (stale.status, stale.body["issue"][0]["code"]) == (412, "conflict")
    done = door.ask("PUT", address, body=changed, If_Match=made.headers["ETag"])
    assert (done.status, done.body["birthDate"]) == (200, "1963-04-06")
    assert done.headers["ETag"] == f'W/"2.{COUNTY}"'
    before = door.ask("GET", f"{address}/_history/1.{COUNTY}").body
    assert before["birthDate"] == "1963-04-05"
    assert door.get(f"{address}/_history/7.{COUNTY}").status == 404


def test_what_was_shown_masked_stays_when_it_comes_back(door: FhirDesk) -> None:
    shown = door.get(f"/Patient/{door.liu}", "luoli")
    body = shown.body | {"birthDate": "1985-07-02"}
    done = door.ask("PUT", f"/Patient/{door.liu}", "luoli", body, If_Match=shown.headers["ETag"])
    assert done.status == 200, done.body
    kept = door.run(door.desk.find_patient(door.liu))
    assert (kept.resident_id, kept.phone) == ("99000019850702004X", "13800000000")
    assert (kept.name, kept.name_pinyin) == ("刘小凤", "Liu Xiaofeng")


def test_masks_a_house_number_that_is_a_resident_number(door: FhirDesk) -> None:
    number = "990000198502070021"
    sent = somebody(identifier=[{"system": MR, "value": number}])
    made = door.ask("POST", "/Patient", body=sent).body
    (whole,) = door.get(f"/Patient/{made['id']}").body["identifier"]
    assert whole["value"] == number
    seen = door.get(f"/Patient/{made['id']}", "luoli")
    (masked,) = seen.body["identifier"]
    assert masked["_value"]["extension"][1]["valueString"] == "990***********0021"
    assert number not in str(seen.body)
    path = f"/Patient/{made['id']}"
    done = door.ask("PUT", path, "luoli", seen.body, If_Match=seen.headers["ETag"])
    assert done.status == 200, done.body
    assert door.run(door.desk.find_patient(made["id"])).patient_id == number


def test_another_house_or_role_changes_nothing(door: FhirDesk) -> None:
    body = door.get(f"/Patient/{door.liu}").body
    sent = {"body": body, "If_Match": f'W/"{body["meta"]["versionId"]}"'}
    assert door.ask("PUT", f"/Patient/{door.liu}", "sunyu", **sent).status == 404
    assert door.ask("PUT", f"/Patient/{door.liu}", "wanghai", **sent).status == 403
    assert door.ask("PUT", f"/Patient/{door.liu}", "aying", **sent).status == 403
    other = door.ask("PUT", "/Patient/01j00000000000000000000000", **sent)
    assert (other.status, other.code) == (400, "wrong-id")


def test_answers_no_body_where_a_minimum_is_preferred(door: FhirDesk) -> None:
    made = door.ask("POST", "/Patient", body=somebody(), Prefer="return=minimal")
    assert (made.status, made.body) == (201, None)
    assert made.headers["Location"]


def test_orders_an_examination_changes_and_cancels_it(door: FhirDesk) -> None:
    made = door.ask("POST", "/ServiceRequest", body=head_ct(door.liu))
    assert made.status == 201, made.body
    order = door.run(door.desk.find_order(made.body["id"]))
    assert (order.priority, order.clinical_question) == ("emergency", "头痛2小时伴呕吐")
    assert (order.ordered_by, order.institution) == ("his", QINGSHAN)
    address = f"/ServiceRequest/{order.id}"
    later = made.body | {"priority": "urgent", "occurrenceDateTime": "2026-05-13T09:00:00+08:00"}
    changed = door.ask("PUT", address, body=later, If_Match=made.headers["ETag"])
    assert (changed.status, changed.body["priority"]) == (200, "urgent")
    same = door.ask("PUT", address, body=changed.body, If_Match=changed.headers["ETag"])
    assert same.headers["ETag"] == changed.headers["ETag"]
    revoked = changed.body | {"status": "revoked"}
    silent = door.ask("PUT", address, body=revoked, If_Match=changed.headers["ETag"])
    assert (silent.status, silent.code) == (400, "reason-missing")
    why = [{"url": REASON, "valueCodeableConcept": {"text": "患者离开"}}]
    ended = door.ask(
        "PUT", address, body=revoked | {"extension": why}, If_Match=changed.headers["ETag"]
    )
    assert (ended.status, ended.body["status"]) == (200, "revoked")
    assert ended.body["extension"] == why
    assert door.run(door.desk.find_order(order.id)).state == "cancelled"


@pytest.mark.parametrize(
    ("more", "expression"),
    [
        pytest.param({"status": "draft"}, "status", id="draft"),
        pytest.param({"intent": "plan"}, "intent", id="plan"),
        pytest.param({"doNotPerform": True}, "doNotPerform", id="do-not"),
        pytest.param({"priority": "soon"}, "priority", id="priority"),
        pytest.param({"code": {"text": "CT"}}, "code", id="no-code"),
        pytest.param(
            {"code": {"coding": [{"system": EXAMINATIONS, "code": "EX-NONE"}]}}, "code", id="code"
        ),
        pytest.param({"subject": {"reference": "Patient/nobody"}}, "subject", id="nobody"),
        pytest.param({"subject": {"reference": "Group/1"}}, "subject", id="group"),
        pytest.param({"subject": {}}, "subject", id="no-subject"),
        pytest.param({"occurrenceDateTime": "2026-05-12"}, "occurrenceDateTime", id="day"),
        pytest.param(
            {"occurrenceDateTime": "2036-05-12T00:00:00Z"}, "occurrenceDateTime", id="in-ten-years"
        ),
        pytest.param({"reasonCode": [{"text": "x" * 2001}]}, "reasonCode", id="long-question"),
    ],
)
def test_says_which_element_of_an_order_cannot_be(
    door: FhirDesk, more: dict[str, Any], expression: str
) -> None:
    answer = door.ask("POST", "/ServiceRequest", body=head_ct(door.liu, **more))
    assert (answer.status, answer.expression) == (400, [f"ServiceRequest.{expression}"])


def test_orders_for_nobody_of_another_house(door: FhirDesk) -> None:
    answer = door.ask("POST", "/ServiceRequest", "sunyu", head_ct(door.liu))
    assert answer.status == 400
    theirs = head_ct(door.liu)
    theirs["code"]["coding"][0]["system"] = "urn:yilian:institution:dahe:examination"
    answer = door.ask("POST", "/ServiceRequest", "sunyu", theirs)
    assert (answer.status, answer.code) == (400, "patient-not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/Patient/x"),
        ("PATCH", "/Patient/x"),
        ("PUT", "/ImagingStudy/1.2"),
        ("POST", "/ImagingStudy"),
        ("POST", "/AuditEvent"),
        ("PUT", "/Patient"),
    ],
)
def test_answers_405_to_what_nobody_may_do(door: FhirDesk, method: str, path: str) -> None:
    answer = door.ask(method, path, body={})
    assert (answer.status, answer.code) == (405, "method-not-allowed")
    assert answer.headers["Allow"]
