"""A study's way: a foreign modality sends to a township, the county lists it and gives it back."""

import io
import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.demo.running import RunningDemo, until
from yilian.samples.studies import STUDIES, files_of

STORESCU = shutil.which("storescu")
EXPLICIT_LE = "1.2.840.10008.1.2.1"
pytestmark = [
    pytest.mark.skipif(STORESCU is None, reason="needs DCMTK (storescu)"),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    import datetime as dt  # noqa: PLC0415

    place = tmp_path_factory.mktemp("files")
    made = []
    for study in STUDIES:
        if study.key in ("chen-head", "long-us", "zhao-chest"):
            for number, file in enumerate(files_of(study, today=dt.date(2026, 11, 22))):
                path = place / f"{study.key}-{number}.dcm"
                path.write_bytes(file)
                made.append(path)
    return made


@pytest.fixture(scope="module")
def originals(demo: RunningDemo, files: list[Path]) -> dict[str, pydicom.Dataset]:
    """What was sent to a township and is at the county, by SOP Instance UID."""
    door = demo.door("qingshan")
    subprocess.run(
        [STORESCU or "", "-aec", door["ae_title"], door["host"], str(door["port"])]
        + [str(path) for path in files],
        check=True,
        timeout=120,
    )
    sent: dict[str, pydicom.Dataset] = {
        str(ds.SOPInstanceUID): ds for ds in map(pydicom.dcmread, files)
    }
    until(lambda: set(sent) <= set(demo.instances()), 60, "the studies at the county")
    return sent


def test_what_a_modality_sends_to_a_township_is_at_the_county_with_equal_pixels(
    demo: RunningDemo, originals: dict[str, pydicom.Dataset]
) -> None:
    studies = sorted({str(ds.StudyInstanceUID) for ds in originals.values()})
    listed = [
        row["00080018"]["Value"][0]
        for study in studies
        for row in demo.get(f"/dicom-web/studies/{study}/instances?limit=200")
    ]
    assert sorted(listed) == sorted(originals)
    for uid, original in list(originals.items())[::7]:
        given = _retrieve(demo, original)
        assert given.PixelData == original.PixelData, uid
        assert all(given.get(element.tag) == element for element in original), uid


def _retrieve(demo: RunningDemo, original: pydicom.Dataset) -> pydicom.Dataset:
    path = (
        f"/dicom-web/studies/{original.StudyInstanceUID}/series/{original.SeriesInstanceUID}"
        f"/instances/{original.SOPInstanceUID}"
    )
    request = urllib.request.Request(
        demo.ready["county"]["http"] + path,
        headers={
            "Authorization": f"Bearer {demo.account('radiologist')['token']}",
            "Accept": f"application/dicom; transfer-syntax={EXPLICIT_LE}",
        },
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return pydicom.dcmread(io.BytesIO(answer.read()))


def test_every_door_of_dicomweb_stands_open_at_the_county(
    demo: RunningDemo, originals: dict[str, pydicom.Dataset]
) -> None:
    one = next(each for each in originals.values() if each.Modality in {"CT", "DX", "CR"})
    study, series, instance = one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID
    path = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"

    def ask(where: str, accept: str, method: str = "GET", body: bytes | None = None) -> Any:
        headers = {
            "Authorization": f"Bearer {demo.account('radiologist')['token']}",
            "Accept": accept,
            "Content-Type": "application/dicom+json",
        }
        url = demo.ready["county"]["http"] + where
        request = urllib.request.Request(url, headers=headers, data=body, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"].partition(";")[0], answer.read()

    uri = f"/wado?requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={instance}"
    assert ask(uri, "*/*")[:2] == (200, "image/jpeg")
    assert ask(f"{path}/rendered?annotation=patient", "image/gif")[1] == "image/gif"
    xml = ask(f"{path}/metadata", 'multipart/related; type="application/dicom+xml"')
    assert b"NativeDicomModel" in xml[2]
    octets = 'multipart/related; type="application/octet-stream"'
    assert one.PixelData in ask(f"{path}/pixeldata", octets)[2]
    told = json.loads(ask("/dicom-web", "application/json", "OPTIONS")[2])
    assert {"SearchForStudies", "StoreInstances", "RequestCommitment"} <= {
        each["id"] for each in told["transactions"]
    }
    item = {
        "00081150": {"vr": "UI", "Value": [str(one.SOPClassUID)]},
        "00081155": {"vr": "UI", "Value": [str(instance)]},
    }
    question = json.dumps({"00081199": {"vr": "SQ", "Value": [item]}}).encode()
    where = f"/dicom-web/commitment-requests/{instance}.1"
    status, _, answer = ask(where, "application/dicom+json", "POST", question)
    assert (status, [*json.loads(answer)]) == (200, ["00081199"])
    assert ask(where, "application/dicom+json")[2] == answer


def test_another_townships_technician_finds_none_of_it(
    demo: RunningDemo, originals: dict[str, pydicom.Dataset]
) -> None:
    other = next(
        a
        for a in demo.ready["accounts"]
        if a["role"] == "technician" and a["institution"] == "dahe"
    )
    request = urllib.request.Request(
        demo.ready["county"]["http"] + "/dicom-web/studies",
        headers={"Authorization": f"Bearer {other['token']}"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        rows = json.loads(answer.read() or b"[]")
    found = {row["0020000D"]["Value"][0] for row in rows}
    assert found.isdisjoint(str(ds.StudyInstanceUID) for ds in originals.values())
