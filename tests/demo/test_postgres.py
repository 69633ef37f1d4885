"""A whole county node on PostgreSQL: a foreign client stores a study, finds it, gets it back."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from kernel.settings import NodeKind
from tests.databases import PostgresServer, run_postgres
from tests.demo.running import ROOT, free_offset, until
from yilian.cli import main
from yilian.samples.studies import STUDIES, files_of
from yilian.wiring.homes import Home

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with run_postgres() as running:
        yield running


@pytest.fixture
def county(
    server: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[tuple[str, str]]:
    """Address of a running county on PostgreSQL, and a radiologist's token."""
    server.run("CREATE DATABASE county")
    home = Home.prepare(tmp_path / "home", NodeKind.COUNTY)
    home.settings_file.write_text(
        f'[node]\ninstitution = "county"\n[database]\nurl = "{server.url("county")}"\n', "utf-8"
    )
    at = ["admin", "--home", str(home.root), "--json"]
    main([*at, "institution", "add", "county", "县医院", "--kind", "county"])
    main(
        [*at, "user", "add", "wanghai", "王海", "--institution", "county", "--role", "radiologist"]
    )
    capsys.readouterr()
    main([*at, "token", "add", "wanghai", "--label", "test"])
    token = json.loads(capsys.readouterr().out)["token"]
    ready = tmp_path / "ready.json"
    argv = [sys.executable, "-m", "yilian", "county", "--home", str(home.root)]
    argv += ["--port-offset", str(free_offset()), "--ready-file", str(ready)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log)
    try:
        until(ready.exists, 60, "the county to be ready", alive=process)
        yield json.loads(ready.read_text())["county"]["http"], token
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_study_is_stored_found_and_given_back(county: tuple[str, str]) -> None:
    address, token = county
    client = DICOMwebClient(f"{address}/dicom-web", headers={"Authorization": f"Bearer {token}"})
    study = next(s for s in STUDIES if s.key == "liu-knee")
    originals = [
        dcmread(DicomBytesIO(file)) for file in files_of(study, today=dt.date(2026, 11, 22))
    ]
    answer = client.store_instances(originals)
    assert len(answer.ReferencedSOPSequence) == len(originals)
    until(lambda: len(client.search_for_instances()) == len(originals), 30, "the instances listed")
    (found,) = client.search_for_studies(search_filters={"PatientName": "*小凤*"})
    assert found["0020000D"]["Value"] == [originals[0].StudyInstanceUID]
    given = client.retrieve_instance(
        originals[0].StudyInstanceUID,
        originals[0].SeriesInstanceUID,
        originals[0].SOPInstanceUID,
        media_types=(("application/dicom", "1.2.840.10008.1.2.1"),),
    )
    assert given.PixelData == originals[0].PixelData
