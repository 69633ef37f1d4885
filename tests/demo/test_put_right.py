"""A study of the wrong patient at the county: put right, rejected and brought back by its doors."""

import json
import uuid
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.demo.running import RunningDemo, until
from tests.demo.test_modality import device
from tests.dimse.samples import small_ct
from tests.dimse.wire_bytes import CT

pytestmark = pytest.mark.timeout(240)
STUDY = "2.25.99770701"


class _Person:
    """Somebody of the county with a token."""

    def __init__(self, demo: RunningDemo, role: str) -> None:
        county = demo.ready["county"]
        (account,) = [
            each
            for each in demo.ready["accounts"]
            if each["role"] == role and each["institution"] == _centre(demo)
        ][:1]
        self._http, self._token = county["http"], account["token"]

    def __call__(
        self, method: str, path: str, body: Any = None, version: str = ""
    ) -> tuple[int, Any, str]:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json, application/dicom+json",
            "Idempotency-Key": uuid.uuid4().hex,
        }
        data = None if body is None else json.dumps(body).encode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        if version:
            headers["If-Match"] = version
        asked = Request(f"{self._http}{path}", data=data, headers=headers, method=method)
        try:
            with urlopen(asked, timeout=30) as answer:
                raw = answer.read()
                return answer.status, json.loads(raw) if raw else [], answer.headers.get("ETag", "")
        except HTTPError as refused:
            return refused.code, json.loads(refused.read() or b"{}"), ""


def _centre(demo: RunningDemo) -> str:
    houses = {each["institution"] for each in demo.ready["townships"]}
    return next(
        str(each["institution"])
        for each in demo.ready["accounts"]
        if each["role"] == "senior-radiologist" and each["institution"] not in houses
    )


def test_a_wrong_patient_is_mended_at_the_county(demo: RunningDemo) -> None:
    sent = small_ct(77)
    sent.StudyInstanceUID, sent.SeriesInstanceUID = STUDY, f"{STUDY}.1"
    sent.PatientID, sent.PatientName = "990000-W1", "Wrong^Entry"
    with device(demo, "county", CT) as assoc:
        assert assoc.send_c_store(sent).Status == 0
    who, registers = _Person(demo, "coordinator"), _Person(demo, "doctor")

    def found(number: str) -> bool:
        _, answer, _ = who("GET", f"/dicom-web/studies?PatientID={number}")
        return [each["0020000D"]["Value"][0] for each in answer] == [STUDY]

    until(lambda: found("990000-W1"), 30, "the study to be filed")
    new = {"name": "李四", "sex": "F", "birth_date": "1980-02-02", "patient_id": "990000-R1"}
    status, made, _ = registers("POST", "/api/v1/patients", new)
    assert status == 201, made
    path = f"/api/v1/studies/{STUDY}"
    status, targets, _ = who("GET", f"{path}/correction-targets?q=990000-R1")
    (target,) = targets["items"]
    assert (status, "patient_id" in target["differs"]) == (200, True)
    _, _, version = who("GET", f"{path}/corrections")
    body = {"target": target["key"], "reason": "picked the wrong line"}
    status, made, version = who("POST", f"{path}/corrections", body, version)
    assert status == 201, made
    assert found("990000-R1")
    assert not found("990000-W1")
    status, made, rejection = who(
        "POST", f"{path}/rejections", {"title": "113038", "reason": "taken twice"}
    )
    assert status == 201, made
    assert not found("990000-R1")
    undo = f"/api/v1/rejections/{made['id']}/undo"
    assert who("POST", undo, {"reason": "it counts"}, rejection)[0] == 200
    assert found("990000-R1")
    _, told, _ = who("GET", f"{path}/corrections")
    undo = f"{path}/corrections/{told['items'][0]['id']}/undo"
    assert who("POST", undo, {"reason": "it was right"}, version)[0] == 200
    assert found("990000-W1")
