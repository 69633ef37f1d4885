"""An emergency is one at both nodes: as it was ordered, or as somebody marked it by hand."""

import io
from typing import Any

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

from tests.browser.beside import ask
from tests.demo.running import RunningDemo, until
from tests.uploads.dicom_files import CT, ROOT, ct_slice

HERE = "qingshan"
WITHIN_S = 60
pytestmark = pytest.mark.timeout(240)


def send(demo: RunningDemo, *raws: bytes) -> None:
    """C-STORE *raws* at the township."""
    door = demo.door(HERE)
    ae = AE(ae_title="CT1")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
    ae.add_requested_context(CT, ExplicitVRLittleEndian)
    assoc = ae.associate(door["host"], door["port"], ae_title=door["ae_title"])
    assert assoc.is_established
    try:
        for raw in raws:
            assert assoc.send_c_store(pydicom.dcmread(io.BytesIO(raw))).Status == 0
    finally:
        assoc.release()


def queued(demo: RunningDemo, study: str) -> Any:
    """The township's word for how urgent *study* is; None before it is filed."""
    items = demo.get("/api/v1/queue?limit=200", at=HERE, role="technician")["items"]
    return next((one["priority"] for one in items if one["study_instance_uid"] == study), None)


def listed(demo: RunningDemo, study: str) -> Any:
    """The county's word, None before it has any of it."""
    rows = demo.get("/api/v1/studies?limit=200")["items"]
    return next((one["priority"] for one in rows if one["study_instance_uid"] == study), None)


def test_an_emergency_that_was_ordered_needs_no_hand(demo: RunningDemo) -> None:
    codes = demo.get("/api/v1/examinations", at=HERE, role="technician")
    code = next(one["code"] for one in codes if one["modality"] == "CT")
    made = ask(
        demo,
        "POST",
        "/api/v1/orders",
        {
            "new_patient": {"name": "司徒嫣", "sex": "M", "birth_date": "1961-03-07"},
            "order": {
                "examination": code,
                "priority": "emergency",
                "clinical_question": "胸痛1小时",
            },
        },
        at=HERE,
    )["order"]
    study = made["study_instance_uid"]
    # No rule of the county is for chests.
    images = [
        ct_slice(
            number,
            StudyInstanceUID=study,
            AccessionNumber=made["accession_number"],
            PatientID=made["patient"]["patient_id"],
            BodyPartExamined="CHEST",
            StudyDescription="CT",
        )
        for number in (1, 2)
    ]
    send(demo, *images)
    until(lambda: queued(demo, study) is not None, WITHIN_S, "the study in the queue")
    assert queued(demo, study) == "emergency"
    until(lambda: listed(demo, study) == "emergency", WITHIN_S, "the emergency at the county")

    # Whoever looks at the images at the township reads what was asked.
    def here() -> bool:
        rows = demo.get("/api/v1/studies?limit=200", at=HERE, role="technician")["items"]
        return any(row["study_instance_uid"] == study for row in rows)

    until(here, WITHIN_S, "the study in the township's own list")
    behind = demo.get(f"/api/v1/studies/{study}/order", at=HERE, role="technician")
    assert behind["other_patient"] is False
    assert behind["order"]["id"] == made["id"]
    assert behind["order"]["clinical_question"] == "胸痛1小时"


def test_what_somebody_marks_at_the_township_is_read_first_at_the_county(
    demo: RunningDemo,
) -> None:
    study = f"{ROOT}.990777"
    send(demo, ct_slice(1, study=990777, BodyPartExamined="CHEST", StudyDescription="CT"))
    until(lambda: listed(demo, study) == "routine", WITHIN_S, "the study at the county")
    # All its parcels are gone by now.
    marked = ask(
        demo, "POST", f"/api/v1/queue/{study}/priority", {"priority": "emergency"}, at=HERE
    )
    assert marked["priority"] == "emergency"
    until(lambda: listed(demo, study) == "emergency", WITHIN_S, "the mark at the county")


def test_what_a_rule_of_the_county_makes_an_emergency_is_one_at_the_township(
    demo: RunningDemo,
) -> None:
    study = f"{ROOT}.990778"
    # The demo's rule is for every head.
    send(demo, ct_slice(1, study=990778, BodyPartExamined="HEAD", StudyDescription="CT"))
    until(lambda: listed(demo, study) == "emergency", WITHIN_S, "the emergency at the county")
    until(lambda: queued(demo, study) == "emergency", WITHIN_S, "the same at the township")
