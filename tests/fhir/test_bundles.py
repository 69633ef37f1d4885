"""Batches and transactions."""

import uuid
from typing import Any

import pytest

from referrals.orders.tables import orders, patients
from tests.fhir.door import FhirDesk
from tests.fhir.test_writing import MR, head_ct, somebody
from tests.imaging.sample import ROOT


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def post(resource: dict[str, Any], name: str = "", **request: Any) -> dict[str, Any]:
    told = {"method": "POST", "url": resource["resourceType"]} | request
    return {"resource": resource, "request": told} | ({"fullUrl": name} if name else {})


def get(url: str, **request: Any) -> dict[str, Any]:
    return {"request": {"method": "GET", "url": url} | request}


def local() -> str:
    return f"urn:uuid:{uuid.uuid4()}"


def rows(door: FhirDesk) -> tuple[int, int]:
    return door.run(door.desk.count(patients)), door.run(door.desk.count(orders))


def test_registers_and_orders_as_one_whatever_the_order_of_entries(door: FhirDesk) -> None:
    who, what = local(), local()
    order = head_ct("x", subject={"reference": who})
    sent = bundle(
        "transaction", post(order, what), get(f"ImagingStudy/{ROOT}.1"), post(somebody(), who)
    )
    answer = door.ask("POST", "", body=sent, Prefer="return=representation")
    assert answer.status == 200, answer.body
    assert answer.body["type"] == "transaction-response"
    made_order, study, made_patient = answer.body["entry"]
    assert [each["response"]["status"] for each in answer.body["entry"]] == [
        "201 Created",
        "200 OK",
        "201 Created",
    ]
    patient = made_patient["resource"]["id"]
    assert made_order["resource"]["subject"]["reference"] == f"Patient/{patient}"
    assert study["resource"]["id"] == f"{ROOT}.1"
    location = made_order["response"]["location"]
    assert door.get(f"/{location}").headers["ETag"] == made_order["response"]["etag"]


def test_a_transaction_that_is_half_valid_changes_nothing(door: FhirDesk) -> None:
    before, who = rows(door), local()
    sent = bundle(
        "transaction",
        post(somebody(), who),
        post(head_ct("x", subject={"reference": who})),
        post(head_ct("x", subject={"reference": who}, priority="soon")),
    )
    answer = door.ask("POST", "", body=sent)
    assert answer.status == 400
    assert answer.expression == ["Bundle.entry[2].resource.priority"]
    assert rows(door) == before


def test_a_batch_does_what_it_can(door: FhirDesk) -> None:
    before = rows(door)
    sent = bundle(
        "batch",
        post(somebody()),
        post(somebody(gender="m")),
        get("Patient/nobody"),
        get(f"Patient/{door.liu}"),
        {"request": {"method": "DELETE", "url": "Patient/x"}},
        get("Patient?name=%E5%88%98%E5%B0%8F%E5%87%A4&_summary=count"),
        {"request": 7},
        get("Nope/1"),
    )
    answer = door.ask("POST", "/", body=sent)
    assert answer.status == 200, answer.body
    told = [each["response"]["status"][:3] for each in answer.body["entry"]]
    assert told == ["201", "400", "404", "200", "405", "200", "400", "404"]
    assert answer.body["entry"][1]["response"]["outcome"]["issue"][0]["expression"] == [
        "Bundle.entry[1].resource.gender"
    ]
    assert answer.body["entry"][5]["resource"]["total"] == 1
    assert rows(door) == (before[0] + 1, before[1])


def test_conditions_find_what_is_there(door: FhirDesk) -> None:
    patient = somebody()
    number = patient["identifier"][0]["value"]
    condition = f"identifier={MR}|{number}"
    first = bundle("transaction", post(patient, ifNoneExist=condition))
    statuses = [
        door.ask("POST", "", body=first).body["entry"][0]["response"]["status"] for _ in range(2)
    ]
    assert statuses == ["201 Created", "200 OK"]
    by_condition = head_ct("x", subject={"reference": f"Patient?{condition}"})
    answer = door.ask("POST", "", body=bundle("transaction", post(by_condition)))
    assert answer.status == 200, answer.body
    nobody = head_ct("x", subject={"reference": "Patient?identifier=nobody"})
    answer = door.ask("POST", "", body=bundle("transaction", post(nobody)))
    assert (answer.status, answer.code) == (400, "no-target")


def test_changes_from_the_version_that_was_seen(door: FhirDesk) -> None:
    made = door.ask("POST", "/Patient", body=somebody()).body
    changed = made | {"birthDate": "1963-04-07"}
    entry = {
        "resource": changed,
        "request": {
            "method": "PUT",
            "url": f"Patient/{made['id']}",
            "ifMatch": f'W/"{made["meta"]["versionId"]}"',
        },
    }
    assert door.ask("POST", "", body=bundle("transaction", entry)).status == 200
    stale = door.ask("POST", "", body=bundle("transaction", entry))
    assert (stale.status, stale.expression) == (412, ["Bundle.entry[0].resource"])
    seen = door.get(f"/Patient/{made['id']}").headers["ETag"]
    again = bundle("batch", get(f"Patient/{made['id']}", ifNoneMatch=seen))
    (entry,) = door.ask("POST", "", body=again).body["entry"]
    assert entry["response"]["status"] == "304 Not Modified"


def test_rights_are_those_of_the_routes(door: FhirDesk) -> None:
    sent = bundle("batch", get(f"Patient/{door.liu}"), get("AuditEvent"), post(somebody()))
    answer = door.ask("POST", "", "wanghai", sent)
    told = [each["response"]["status"][:3] for each in answer.body["entry"]]
    assert told == ["403", "403", "403"]
    other = door.ask("POST", "", "sunyu", bundle("transaction", get(f"Patient/{door.liu}")))
    assert other.status == 404
    assert door.ask("POST", "", "", sent).status == 401


@pytest.mark.parametrize(
    ("sent", "status", "expression"),
    [
        pytest.param({"resourceType": "Patient"}, 400, ["resourceType"], id="no-bundle"),
        pytest.param(bundle("message"), 400, ["Bundle.type"], id="message"),
        pytest.param(bundle("batch") | {"entry": {}}, 400, ["Bundle.entry"], id="no-list"),
        pytest.param(
            bundle("transaction", {"request": {"method": "GET"}}),
            400,
            ["Bundle.entry[0].request.url"],
            id="no-url",
        ),
        pytest.param(
            bundle("transaction", {"request": {"method": "GET", "url": "a/b/c/d/e"}}),
            400,
            ["Bundle.entry[0].request.url"],
            id="no-address",
        ),
        pytest.param(
            bundle("transaction", {"request": {"method": "POST", "url": "Patient"}}),
            400,
            ["Bundle.entry[0].resource"],
            id="no-resource",
        ),
        pytest.param(
            bundle("transaction", {"request": {"method": "DELETE", "url": "Patient/1"}}),
            405,
            ["Bundle.entry[0]"],
            id="delete",
        ),
        pytest.param(
            bundle("transaction", post(head_ct("x", subject={"reference": local()}))),
            400,
            ["Bundle.entry[0].resource"],
            id="no-such-entry",
        ),
        pytest.param(
            bundle("transaction", post(somebody(), "urn:uuid:1"), post(somebody(), "urn:uuid:1")),
            400,
            ["Bundle.entry[1]"],
            id="twice",
        ),
        pytest.param(
            bundle(
                "transaction",
                post(head_ct("x", replaces=[{"reference": "urn:uuid:2"}]), "urn:uuid:1"),
                post(head_ct("x", replaces=[{"reference": "urn:uuid:1"}]), "urn:uuid:2"),
            ),
            400,
            ["Bundle.entry[0]"],
            id="circle",
        ),
        pytest.param(bundle("batch", *[get("metadata")] * 101), 413, [], id="101-entries"),
    ],
)
def test_says_what_is_wrong_with_a_bundle(
    door: FhirDesk, sent: dict[str, Any], status: int, expression: list[str]
) -> None:
    before = rows(door)
    answer = door.ask("POST", "", body=sent)
    assert (answer.status, answer.expression) == (status, expression), answer.body
    assert rows(door) == before


def test_an_empty_bundle_is_answered_by_one(door: FhirDesk) -> None:
    answer = door.ask("POST", "", body={"resourceType": "Bundle", "type": "transaction"})
    assert answer.body == {"resourceType": "Bundle", "type": "transaction-response"}
