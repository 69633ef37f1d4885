"""Orthanc asks the archive as its remote modality, and is sent what it asks for, unmodified."""

from pathlib import Path

import pytest

from tests.imaging.sample import ROOT
from tests.query_retrieve.conftest import KEPT_DENSE, library, numbers
from tests.query_retrieve.orthanc import ORTHANC, running
from tests.query_retrieve.pacs import Pacs, serving
from tests.query_retrieve.peers import content, destination, identifier, moved

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(ORTHANC is None, reason="needs Orthanc (Debian: orthanc)"),
]


def test_orthanc_finds_patients_studies_series_and_images(tmp_path: Path) -> None:
    study = {"StudyInstanceUID": f"{ROOT}.1"}
    with (
        serving(tmp_path, library()) as pacs,
        running(tmp_path, pacs.address) as orthanc,
    ):
        assert orthanc.call("/modalities/yilian/echo", {}) == {}
        patients = orthanc.ask("Patient", PatientID="P*")
        assert [one["PatientID"] for one in patients] == ["PX2Y", "P_2%"]
        studies = orthanc.ask("Study", PatientName="WANG*", ModalitiesInStudy="DX\\SR")
        assert numbers([one["StudyInstanceUID"] for one in studies]) == "3"
        assert studies[0]["PatientName"] == "Wang^Xiaoming=王^小明"
        assert orthanc.ask("Study", StudyDate="20250101-20250630", PatientSex="F") != []
        series = orthanc.ask("Series", Modality="", **study)
        assert numbers([one["SeriesInstanceUID"] for one in series]) == "1.1 1.2"
        assert [one["Modality"] for one in series] == ["CT", "SR"]
        images = orthanc.ask("Instance", SeriesInstanceUID=f"{ROOT}.1.1", **study)
        assert numbers([one["SOPInstanceUID"] for one in images]) == "1.1.1 1.1.2"


def test_orthanc_has_what_it_finds_sent_to_itself(archive: Pacs, tmp_path: Path) -> None:
    with running(tmp_path, archive.address) as orthanc:
        archive.knows("VIEWER", orthanc.dicom_port)
        files = orthanc.retrieve("Study", StudyInstanceUID=f"{ROOT}.2")
        assert {content(one) for one in files} == {content(one) for one in KEPT_DENSE}
        series = {"StudyInstanceUID": f"{ROOT}.1", "SeriesInstanceUID": f"{ROOT}.1.1"}
        assert len(orthanc.retrieve("Series", **series)) == 4


def test_orthanc_is_a_destination_as_good_as_any(archive: Pacs, tmp_path: Path) -> None:
    with running(tmp_path, archive.address) as orthanc, destination(archive, "OTHER") as other:
        archive.knows("ORTHANC", orthanc.dicom_port)
        for to in ("ORTHANC", "OTHER"):
            heard = moved(archive, to, identifier("STUDY", StudyInstanceUID=f"{ROOT}.2"))
            assert heard.last == 0
        files = [orthanc.fetch(f"/instances/{one}/file") for one in orthanc.call("/instances")]
        assert {content(one) for one in files} == {content(one) for one in other.files}
