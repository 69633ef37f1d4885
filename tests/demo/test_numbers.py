"""Both nodes say the same of a study: who, when, and how many images."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.demo.running import RunningDemo, until
from tests.uploads.dicom_files import ROOT, ct_slice

STORESCU = shutil.which("storescu")
pytestmark = [
    pytest.mark.skipif(STORESCU is None, reason="needs DCMTK (storescu)"),
    pytest.mark.timeout(240),
]
_STUDY = 990611


def _send(demo: RunningDemo, folder: Path, *files: bytes) -> None:
    door = demo.door("qingshan")
    paths = [folder / f"{number}.dcm" for number in range(len(files))]
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(file)
    subprocess.run(
        [STORESCU or "", "-aec", door["ae_title"], door["host"], str(door["port"]), *paths],
        check=True,
        timeout=60,
    )


def _of(study: str, page: dict[str, Any]) -> dict[str, Any]:
    return next((row for row in page["items"] if row["study_instance_uid"] == study), {})


def test_duplicates_and_conflicts_are_no_images_at_either_node(
    demo: RunningDemo, tmp_path: Path
) -> None:
    study = f"{ROOT}.{_STUDY}"
    first, second = ct_slice(1, study=_STUDY), ct_slice(2, study=_STUDY)
    other = ct_slice(1, study=_STUDY, ImageComments="another content")
    _send(demo, tmp_path, first, second, second, other)

    def township() -> dict[str, Any]:
        return _of(study, demo.get("/api/v1/queue?limit=200", at="qingshan", role="technician"))

    def county() -> dict[str, Any]:
        return _of(study, demo.get("/api/v1/studies?limit=200"))

    until(lambda: township().get("state") == "at_county", 60, "the receipt")
    until(lambda: county().get("conflicts") == 1, 60, "the conflict at the county")
    here, there = township(), county()
    counts = {"here": 2, "sent": 2, "at_county": 2, "set_aside": 0, "released": 0}
    assert here["instances"] == counts
    assert here["conflicts"] == there["conflicts"] == 1
    assert there["instance_count"] == 2
    assert here["study_date_time"] == there["study_date_time"] == "2026-03-01T08:30:00+08:00"
    for field in ("name", "sex", "age", "patient_id"):
        assert here["patient"][field] == there["patient"][field]
    assert here["patient"]["name"] == "陈建国"


def test_a_study_without_a_description_is_named_alike(demo: RunningDemo, tmp_path: Path) -> None:
    study = f"{ROOT}.{_STUDY + 1}"
    _send(
        demo,
        tmp_path,
        ct_slice(1, study=_STUDY + 1, StudyDescription="", ProtocolName="Kopf nativ 5 mm"),
    )

    def named(page: str, at: str = "", role: str = "radiologist") -> tuple[str, str] | None:
        row = _of(study, demo.get(f"{page}?limit=200", at=at, role=role))
        return (row["description"], row["body_part"]) if row else None

    until(lambda: named("/api/v1/studies") is not None, 60, "the study at the county")
    here = named("/api/v1/queue", "qingshan", "technician")
    assert here == named("/api/v1/studies") == ("", "HEAD")


def test_both_nodes_describe_a_time_of_examination_alike(demo: RunningDemo) -> None:
    told = []
    for at, row in (("", "StudyRow"), ("qingshan", "QueueItem")):
        schemas = demo.get("/api/openapi.json", at=at)["components"]["schemas"]
        told.append(schemas[row]["properties"]["study_date_time"])
    assert told[0] == told[1]
    assert "pattern" in str(told[0])


def test_the_township_tells_prometheus_of_its_queue(demo: RunningDemo) -> None:
    told = demo.fetch("/metrics", at="qingshan").decode()
    for name in ("yilian_spool_instances{state=", "yilian_forwarder_line_up ", "yilian_http_"):
        assert f"\n{name}" in told
