"""An order's way at a township: registered, on the device's worklist, performed, over."""

import json
import shutil
import subprocess
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pynetdicom import AE

from gateway.dimse.sop_classes import PERFORMED_PROCEDURE_STEP
from tests.demo.running import RunningDemo
from tests.demo.test_modality import county_away
from tests.dimse.test_mpps_scp import as_dataset
from tests.procedure_steps.steps import COMPLETION, CREATION, without

FINDSCU = shutil.which("findscu")
HERE = "qingshan"
pytestmark = [
    pytest.mark.skipif(FINDSCU is None, reason="needs DCMTK (findscu)"),
    pytest.mark.timeout(240),
]


def api(demo: RunningDemo, method: str, path: str, body: Any = None) -> Any:
    """Return what the township answers its own technician."""
    token = next(
        account["token"]
        for account in demo.ready["accounts"]
        if account["role"] == "technician" and account["institution"] == HERE
    )
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    if body is not None:
        headers["Idempotency-Key"] = uuid.uuid4().hex
    request = urllib.request.Request(
        demo.http(HERE) + "/api/v1" + path,
        method=method,
        headers=headers,
        data=None if body is None else json.dumps(body).encode(),
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def worklist(demo: RunningDemo, folder: Path, name: str) -> list[pydicom.Dataset]:
    """Return what a device finds that asks in GB18030, as DCMTK writes and reads it."""
    door = demo.door(HERE)
    folder.mkdir()
    asked = folder / "asked.dump"
    asked.write_bytes(
        "\n".join(
            [
                "(0008,0005) CS GB18030",
                f"(0010,0010) PN {name}",
                "(0010,0020) LO",
                "(0008,0050) SH",
                "(0020,000d) UI",
                "(0040,1001) SH",
                "(0040,0100) SQ",
                "(fffe,e000) na",
                "(0008,0060) CS CT",
                "(0040,0002) DA",
                "(0040,0009) SH",
                "(fffe,e00d) na",
                "(fffe,e0dd) na",
            ]
        ).encode("gb18030")
    )
    query = folder / "asked.wl"
    subprocess.run(["dump2dcm", str(asked), str(query)], check=True, timeout=30)
    subprocess.run(
        [
            *(FINDSCU or "", "-W", "-X", "-od", str(folder), "-aet", "CT1"),
            *("-aec", door["ae_title"], door["host"], str(door["port"]), str(query)),
        ],
        check=True,
        timeout=60,
    )
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def test_an_order_is_on_the_worklist_performed_and_over(demo: RunningDemo, tmp_path: Path) -> None:
    _perform(demo, tmp_path, "欧阳誠", "2.25.990401")


def test_with_the_county_away_it_is_the_same(demo: RunningDemo, tmp_path: Path) -> None:
    with county_away(demo):
        _perform(demo, tmp_path, "欧阳謙", "2.25.990402")


def _perform(demo: RunningDemo, folder: Path, name: str, step_uid: str) -> None:
    examinations = api(demo, "GET", "/examinations")
    code = next(one["code"] for one in examinations if one["modality"] == "CT")
    made = api(
        demo,
        "POST",
        "/orders",
        {
            "new_patient": {"name": name, "sex": "M", "birth_date": "1961-03-07"},
            "order": {"examination": code},
        },
    )["order"]
    (found,) = worklist(demo, folder / "first", name)
    assert found.SpecificCharacterSet == "GB18030"
    assert name in str(found.PatientName)
    assert found.AccessionNumber == made["accession_number"]
    step = found.ScheduledProcedureStepSequence[0]
    scheduled = {
        "StudyInstanceUID": str(found.StudyInstanceUID),
        "AccessionNumber": str(found.AccessionNumber),
        "RequestedProcedureID": str(found.RequestedProcedureID),
        "ScheduledProcedureStepID": str(step.ScheduledProcedureStepID),
    }
    creation = without(
        CREATION,
        ScheduledStepAttributesSequence=(scheduled,),
        PatientID=str(found.PatientID),
        PatientName="Ouyang^Cheng",
    )
    states = []
    door = demo.door(HERE)
    ae = AE(ae_title="CT1")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
    ae.add_requested_context(PERFORMED_PROCEDURE_STEP)
    assoc = ae.associate(door["host"], door["port"], ae_title=door["ae_title"])
    assert assoc.is_established
    try:
        for send, attributes in (
            (assoc.send_n_create, creation),
            (assoc.send_n_set, COMPLETION),
        ):
            answer, _ = send(as_dataset(attributes, "GB18030"), PERFORMED_PROCEDURE_STEP, step_uid)
            assert answer.Status == 0
            states.append(api(demo, "GET", f"/orders/{made['id']}")["order"]["state"])
    finally:
        assoc.release()
    assert states == ["in-progress", "completed"]
    assert worklist(demo, folder / "last", name) == []
