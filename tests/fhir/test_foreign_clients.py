"""What others make of the answers: a client written for R4, and a second reading of every resource.

fhirclient's models are generated from R4 (4.0.1) and refuse unknown elements, wrong types and
missing mandatory ones; fhir.resources holds the same against R4B, which changed none of the types
here.
"""

import importlib
from collections.abc import Iterator
from typing import Any

import fhirclient.client as smart
import pytest
from fhirclient.models import imagingstudy, patient as patients, servicerequest

from tests.fhir.door import STUDIES, FhirDesk
from tests.fhir.test_bundles import bundle, get, local, post
from tests.fhir.test_writing import head_ct, somebody
from tests.imaging.sample import ROOT

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def foreign(door: FhirDesk) -> Iterator[Any]:
    """A client signed in as the house's HIS."""
    made = smart.FHIRClient(settings={"app_id": "his", "api_base": door.url})
    made.server.session.headers["Authorization"] = f"Bearer {door.tokens['his']}"
    yield made.server
    made.server.session.close()


def test_a_foreign_client_reads_and_searches(door: FhirDesk, foreign: Any) -> None:
    patient = patients.Patient.read(door.liu, foreign)
    assert patient.birthDate.date.isoformat() == "1985-07-02"
    found = patients.Patient.where({"identifier": "Q-LIU"}).perform_resources_iter(foreign)
    assert [each.id for each in found] == [door.liu]
    study = imagingstudy.ImagingStudy.read(f"{ROOT}.1", foreign)
    assert study.series[0].numberOfInstances == 2
    assert study.subject.resolved(patients.Patient) is not None


def test_a_foreign_client_goes_through_pages(foreign: Any) -> None:
    search = imagingstudy.ImagingStudy.where({"_count": "2", "_sort": "started"})
    found = list(search.perform_resources_iter(foreign))
    assert [each.id for each in found] == [f"{ROOT}.{number}" for number in range(1, STUDIES + 1)]


def test_a_foreign_client_registers_and_orders(foreign: Any) -> None:
    patient = patients.Patient(somebody())
    made = patient.create(foreign)
    order = servicerequest.ServiceRequest(head_ct(made["id"]))
    assert order.create(foreign)["status"] == "active"


def checked(resource: dict[str, Any]) -> None:
    """Hold *resource* and, of a Bundle, what is in it against both readings."""
    kind = resource["resourceType"]
    theirs = importlib.import_module(f"fhirclient.models.{kind.lower()}")
    assert getattr(theirs, kind)(resource).as_json()
    module = importlib.import_module(f"fhir.resources.R4B.{kind.lower()}")
    getattr(module, kind).model_validate(resource)
    for entry in resource.get("entry", []):
        if "resource" in entry:
            checked(entry["resource"])
        if "outcome" in entry.get("response", {}):
            checked(entry["response"]["outcome"])


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/metadata", ""),
        ("/Patient", "his"),
        ("/Patient", "luoli"),
        ("/ServiceRequest?_include=ServiceRequest:subject", "his"),
        ("/ImagingStudy?_include=ImagingStudy:subject", "his"),
        ("/ImagingStudy?_summary=true&dicom-class=x", "shenmo"),
        ("/ImagingStudy?_elements=endpoint", "shenmo"),
        ("/Organization", "his"),
        ("/Location", "his"),
        ("/Practitioner", "his"),
        ("/PractitionerRole?_include=PractitionerRole:practitioner", "his"),
        ("/AuditEvent?_count=200", "auditor"),
        ("/Patient/nobody", "his"),
        ("/Patient?name=%20", "his"),
        ("/Nope", "his"),
    ],
)
def test_every_answer_is_r4(door: FhirDesk, path: str, who: str) -> None:
    door.ask("POST", "/ServiceRequest", body=head_ct(door.liu))
    checked(door.ask("GET", path, who).body)


def test_answers_to_bundles_are_r4(door: FhirDesk) -> None:
    name = local()
    sent = bundle(
        "batch", post(somebody(), name), get("Patient/nobody"), get("ImagingStudy?_count=1")
    )
    checked(door.ask("POST", "", body=sent, Prefer="return=representation").body)


def test_the_readings_refuse_what_is_none() -> None:
    with pytest.raises(Exception, match=r"gender|born"):
        checked({"resourceType": "Patient", "born": "x", "gender": 7})
