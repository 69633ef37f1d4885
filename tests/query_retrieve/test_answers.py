"""What an answer says, and in which characters."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.imaging.sample import ROOT
from tests.query_retrieve.pacs import Pacs


def test_an_answer_says_what_was_asked_and_where_to_retrieve_it(pacs: Pacs) -> None:
    asked = pacs.ask(
        "STUDY",
        PatientID="PX2Y",
        PatientName="",
        StudyDate="",
        StudyTime="",
        StudyDescription="",
        ModalitiesInStudy="",
        NumberOfStudyRelatedSeries="",
        InstanceAvailability="",
    )
    (found,) = asked.entries
    assert found.QueryRetrieveLevel == "STUDY"
    assert found.RetrieveAETitle == "YILIAN"
    assert found.InstanceAvailability == "ONLINE"
    assert found.PatientName == "Wang^Xiaoming=王^小明"
    assert (found.StudyDate, found.StudyTime) == ("20260101", "235959.5")
    assert found.NumberOfStudyRelatedSeries == 1
    assert "StudyInstanceUID" not in found
    assert "AccessionNumber" not in found


def test_a_patient_is_counted_over_the_studies_the_asker_may_find(pacs: Pacs) -> None:
    asked = pacs.ask(
        "PATIENT",
        model="P",
        PatientID="990000199001011234",
        PatientName="",
        NumberOfPatientRelatedStudies="",
        NumberOfPatientRelatedSeries="",
        NumberOfPatientRelatedInstances="",
    )
    (found,) = asked.entries
    # As its newest study states it.
    assert found.PatientName == "Zhang^San=張^三"
    assert found.NumberOfPatientRelatedStudies == 2
    assert found.NumberOfPatientRelatedSeries == 3
    assert found.NumberOfPatientRelatedInstances == 4


def test_what_the_index_has_no_column_for_comes_from_the_objects(pacs: Pacs) -> None:
    asked = pacs.ask("STUDY", StudyInstanceUID=f"{ROOT}.1", OtherPatientIDs="")
    assert asked.entries[0].OtherPatientIDs == "OLD-1"
    assert asked.statuses == [0xFF00, 0x0000]
    images = pacs.ask(
        "IMAGE",
        StudyInstanceUID=f"{ROOT}.1",
        SeriesInstanceUID=f"{ROOT}.1.1",
        SliceThickness="",
        ImagePositionPatient="",
        ImageType="",
    )
    assert [entry.ImagePositionPatient[2] for entry in images.entries] == [1, 2]
    assert images.entries[0].SliceThickness == 5
    assert images.entries[0].ImageType == ["ORIGINAL", "PRIMARY", "AXIAL"]


def test_the_askers_time_zone_is_no_key(pacs: Pacs) -> None:
    asked = pacs.ask("STUDY", PatientID="PX2Y", TimezoneOffsetFromUTC="+0800")
    assert asked.statuses == [0xFF00, 0x0000]
    assert asked.said("TimezoneOffsetFromUTC") == [""]


def test_a_request_sequence_comes_with_its_item(pacs: Pacs) -> None:
    item = Dataset()
    item.RequestedProcedureID = ""
    asked = pacs.ask(
        "SERIES",
        StudyInstanceUID=f"{ROOT}.1",
        SeriesInstanceUID=f"{ROOT}.1.2",
        RequestAttributesSequence=[item],
    )
    (said,) = asked.entries[0].RequestAttributesSequence
    assert said.RequestedProcedureID == "R1"
    assert "ScheduledProcedureStepID" not in said


@pytest.mark.parametrize("charset", ["GB18030", "GBK", "ISO_IR 192"])
def test_a_name_is_asked_and_answered_in_the_askers_characters(pacs: Pacs, charset: str) -> None:
    asked = pacs.ask("STUDY", charset=charset, PatientName="王^小明")
    assert asked.said("PatientName") == ["Wang^Xiaoming=王^小明"]
    assert asked.entries[0].SpecificCharacterSet == charset


def test_what_the_askers_characters_lack_is_said_in_a_larger_set(pacs: Pacs) -> None:
    asked = pacs.ask("STUDY", charset="ISO_IR 100", PatientID="PX2Y", PatientName="")
    assert asked.entries[0].SpecificCharacterSet == "ISO_IR 192"
    assert asked.said("PatientName") == ["Wang^Xiaoming=王^小明"]
    latin = pacs.ask("STUDY", charset="ISO_IR 100", PatientID="P_2%", PatientName="")
    assert latin.entries[0].SpecificCharacterSet == "ISO_IR 100"
    assert latin.said("PatientName") == ["Müller^Jörg"]


def test_who_declares_nothing_is_answered_as_its_row_of_peers_says(pacs: Pacs) -> None:
    asked = pacs.ask("STUDY", title="GBK", PatientID="PX2Y", PatientName="")
    assert asked.entries[0].SpecificCharacterSet == "GBK"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param({"PatientComments": "x"}, id="a-value-that-is-not-matched"),
        pytest.param({"Modality": ""}, id="a-key-of-a-level-below"),
        pytest.param({"Modality": "SR"}, id="a-value-of-a-level-below"),
        pytest.param({"WindowCenter": ""}, id="an-attribute-of-no-study"),
    ],
)
def test_a_key_that_is_not_supported_is_passed_over_with_a_warning(
    pacs: Pacs, key: dict[str, Any]
) -> None:
    asked = pacs.ask("STUDY", PatientID="P*", **key)
    assert asked.statuses == [0xFF01, 0xFF01, 0x0000]
    assert "Modality" not in asked.entries[0]


def test_a_private_key_is_passed_over(pacs: Pacs) -> None:
    ds = Dataset()
    ds.QueryRetrieveLevel = "STUDY"
    ds.PatientID = "PX2Y"
    ds.add_new(0x00091001, "LO", "whatever")
    assert pacs.send(ds).statuses == [0xFF01, 0x0000]
