"""Patients' names go through every door of a running node and into none of its logs."""

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from gateway.uploads.tus_headers import format_metadata
from tests.demo.running import RunningDemo, until
from tests.imaging.sample import ROOT, ct

MARK = "ZZMARKED"
STUDY = 990700
STORESCU = shutil.which("storescu")
pytestmark = [
    pytest.mark.skipif(STORESCU is None, reason="needs DCMTK (storescu)"),
    pytest.mark.timeout(240),
]


def _post(
    demo: RunningDemo, at: str, path: str, body: bytes, **headers: str
) -> tuple[int, str, bytes]:
    token = next(
        each["token"]
        for each in demo.ready["accounts"]
        if each["role"] == "technician" and each["institution"] == "qingshan"
    )
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(
        demo.http(at) + path, data=body, headers={"Authorization": f"Bearer {token}", **told}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers.get("Location", ""), answer.read()
    except urllib.error.HTTPError as exc:
        return exc.code, "", exc.read()


def _file(name: str, study: int, *, number: int = 1) -> bytes:
    patient_id = f"990000-PRIVACY-{study}"
    return ct(number, study=STUDY + study, PatientName=f"{MARK}^{name}", PatientID=patient_id)


def _asked(demo: RunningDemo, *keys: str) -> str:
    """Ask the county's archive by C-FIND; return what is printed."""
    door = demo.door("county")
    asked = [part for key in ("QueryRetrieveLevel=STUDY", *keys) for part in ("-k", key)]
    ran = subprocess.run(
        ["findscu", "-v", "-S", "-aec", door["ae_title"], *asked, door["host"], str(door["port"])],
        check=False,
        capture_output=True,
        timeout=60,
    )
    return (ran.stdout + ran.stderr).decode("utf-8", "replace")


def _texts(demo: RunningDemo) -> dict[Path, bytes]:
    """Return every log of the demo: what it writes to the screen, and its files."""
    places = [demo.home.with_suffix(".log"), *demo.home.rglob("*.log*")]
    return {place: place.read_bytes() for place in places if place.is_file()}


def test_no_name_that_comes_in_or_is_asked_for_is_in_a_log(
    demo: RunningDemo, tmp_path: Path
) -> None:
    good, cut = _file("Good", 1), _file("Cut", 1, number=2)[:-100]
    stowed, sent = _file("Stow", 2), _file("Tus", 3)
    door = demo.door("qingshan")
    address = (door["host"], str(door["port"]))
    for number, file in enumerate((good, cut)):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(file)
        subprocess.run(
            [STORESCU or "", "-aec", door["ae_title"], *address, str(path)],
            check=False,
            capture_output=True,
            timeout=60,
        )
    kinds = {"Content_Type": "application/dicom"}
    assert _post(demo, "", "/dicom-web/studies", stowed, **kinds)[0] in (200, 403)
    _post(demo, "", "/dicom-web/studies", cut, **kinds)
    told = {"kind": "dicom", "filename": f"{MARK}.dcm", "batch": "b1"}
    status, _, _ = _post(
        demo,
        "qingshan",
        "/uploads/",
        sent,
        Content_Type="application/offset+octet-stream",
        Tus_Resumable="1.0.0",
        Upload_Length=str(len(sent)),
        Upload_Metadata=format_metadata(told),
    )
    assert status == 201
    wanted = {f"{ROOT}.{STUDY + study}.1.1" for study in (1, 3)}
    until(lambda: wanted <= set(demo.instances()), 60, "the images at the county")
    for query in (f"PatientName={MARK}", f"PatientName={MARK}*&fuzzymatching=true"):
        demo.get(f"/dicom-web/studies?{query}")
    for keys in (("PatientID",), (f"StudyDate={MARK}",), (f"StudyInstanceUID={MARK}",)):
        heard = _asked(demo, f"PatientName={MARK}*", *keys)
        assert ("(Pending)" in heard) == (keys == ("PatientID",)), heard
    found = demo.get(f"/api/v1/studies?q={MARK}")
    assert MARK in json.dumps(found).upper()
    logs = _texts(demo)
    assert any(logs.values())
    for place, text in logs.items():
        assert MARK.encode() not in text.upper(), place
