"""A village doctor at the county's pages orders; the township's devices hear of it."""

import json
import shutil
import subprocess
import urllib.request
import uuid
from typing import Any

import pytest

from tests.demo.running import RunningDemo, until

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(shutil.which("findscu") is None, reason="needs DCMTK"),
]
VILLAGE_DOCTOR = "village-doctor"


def post(demo: RunningDemo, path: str, body: object, *, at: str, role: str) -> Any:
    """Write as the first account of *role* and return the answer."""
    request = urllib.request.Request(
        demo.http(at) + path,
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {demo.account(role)['token']}",
            "Content-Type": "application/json",
            "Idempotency-Key": uuid.uuid4().hex,
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def heard(demo: RunningDemo, number: str) -> bool:
    """Tell whether findscu -W at the township's door names the order *number*."""
    door = demo.door("qingshan")
    found = subprocess.run(
        [
            *("findscu", "-W", "-aet", "CT1", "-aec", door["ae_title"]),
            *("-k", f"AccessionNumber={number}", "-k", "PatientID", "-k", "StudyInstanceUID"),
            *("-k", "(0040,0100)[0].Modality", door["host"], str(door["port"])),
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    said = (found.stdout + found.stderr).decode("utf-8", "replace")
    return said.count(number) > 1 or "W: (0008,0050)" in said or f"[{number}" in said


def test_what_is_ordered_at_the_county_is_on_the_townships_worklist(demo: RunningDemo) -> None:
    until(
        lambda: demo.get("/api/v1/examinations", role=VILLAGE_DOCTOR) != [],
        60,
        "the township's catalogue at the county",
    )
    until(
        lambda: demo.get("/api/v1/patients?q=zhou", role=VILLAGE_DOCTOR)["items"] != [],
        60,
        "the township's register at the county",
    )
    patient = demo.get("/api/v1/patients?q=zhou", role=VILLAGE_DOCTOR)["items"][0]
    assert patient["institution"] == "qingshan"
    body = {"patient": patient["id"], "order": {"examination": "EX-DX-CHEST"}}
    made = post(demo, "/api/v1/orders", body, at="", role=VILLAGE_DOCTOR)["order"]
    assert made["institution"] == "qingshan"
    assert not heard(demo, "NONE" + made["accession_number"][-8:])
    until(lambda: heard(demo, made["accession_number"]), 60, "the order on the MWL")


def test_the_village_doctor_signs_in_at_the_township_and_orders_there(demo: RunningDemo) -> None:
    account = demo.account(VILLAGE_DOCTOR)
    assert account["institution"] == "xigou"
    patient = demo.get("/api/v1/patients?q=zhou", at="qingshan", role=VILLAGE_DOCTOR)["items"][0]
    body = {"patient": patient["id"], "order": {"examination": "EX-CT-CHEST"}}
    made = post(demo, "/api/v1/orders", body, at="qingshan", role=VILLAGE_DOCTOR)["order"]
    assert heard(demo, made["accession_number"])
    # Theirs are seen at both places.
    until(
        lambda: any(
            row["id"] == made["id"]
            for row in demo.get("/api/v1/orders", role=VILLAGE_DOCTOR)["items"]
        ),
        60,
        "the order at the county",
    )
