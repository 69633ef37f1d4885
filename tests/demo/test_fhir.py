"""The FHIR door of a running county, as a house's own system uses it."""

import json
import urllib.error
import urllib.request
import uuid
from typing import Any

import pytest

from tests.demo.running import RunningDemo

pytestmark = pytest.mark.timeout(240)
DOCTOR = "chenyu"
"""Orders for the county's own house."""


def asked(demo: RunningDemo, method: str, path: str, who: str, body: Any = None) -> tuple[int, Any]:
    """Ask as *who*; returns status and resource."""
    token = next(one["token"] for one in demo.ready["accounts"] if one["username"] == who)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{demo.http('')}{path}", data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_house_registers_and_orders_in_one_transaction(demo: RunningDemo) -> None:
    house = next(one["institution"] for one in demo.ready["accounts"] if one["username"] == DOCTOR)
    _, codes = asked(demo, "GET", "/api/v1/examinations", DOCTOR)
    code = next(one["code"] for one in codes if one["modality"] == "CT")
    who = f"urn:uuid:{uuid.uuid4()}"
    patient = {
        "resourceType": "Patient",
        "name": [{"text": "司马云"}],
        "identifier": [{"system": f"urn:yilian:institution:{house}:patient-id", "value": "FHIR-1"}],
    }
    order = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {
            "coding": [{"system": f"urn:yilian:institution:{house}:examination", "code": code}]
        },
        "subject": {"reference": who},
    }
    entries = [
        {"resource": order, "request": {"method": "POST", "url": "ServiceRequest"}},
        {"fullUrl": who, "resource": patient, "request": {"method": "POST", "url": "Patient"}},
    ]
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    status, answer = asked(demo, "POST", "/fhir", DOCTOR, sent)
    assert status == 200, answer
    status, found = asked(
        demo,
        "GET",
        "/fhir/ServiceRequest?patient.identifier=FHIR-1&_include=ServiceRequest:patient",
        DOCTOR,
    )
    kinds = [entry["resource"]["resourceType"] for entry in found["entry"]]
    assert (status, kinds) == (200, ["ServiceRequest", "Patient"])
    key = found["entry"][0]["resource"]["id"]
    status, outcome = asked(demo, "GET", f"/fhir/ServiceRequest/{key}", "sunyu")
    assert (status, outcome["resourceType"]) == (404, "OperationOutcome")
