"""Performed procedure steps as devices describe them; none of them is anybody's."""

from typing import Any

from gateway.dimse.attributes import Attributes
from gateway.dimse.ports import Peer
from kernel.identifiers import AETitle, InstitutionCode

STUDY = "2.25.990011"
SCHEDULED: Attributes = {
    "StudyInstanceUID": STUDY,
    "AccessionNumber": "A1",
    "RequestedProcedureID": "RP1",
    "ScheduledProcedureStepID": "SPS1",
}
CREATION: Attributes = {
    "ScheduledStepAttributesSequence": (SCHEDULED,),
    "PatientName": "Zhang^San=张^三",
    "PatientID": "990000-1",
    "PatientBirthDate": "",
    "PatientSex": "F",
    "PerformedProcedureStepID": "PPS1",
    "PerformedStationAETitle": "CT1",
    "PerformedProcedureStepStartDate": "20260105",
    "PerformedProcedureStepStartTime": "083000",
    "PerformedProcedureStepStatus": "IN PROGRESS",
    "Modality": "CT",
}
SERIES: Attributes = {
    "SeriesInstanceUID": "2.25.990012",
    "ProtocolName": "Thorax",
    "ReferencedImageSequence": tuple(
        {
            "ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
            "ReferencedSOPInstanceUID": f"2.25.99002{number}",
        }
        for number in range(3)
    ),
}
COMPLETION: Attributes = {
    "PerformedProcedureStepStatus": "COMPLETED",
    "PerformedProcedureStepEndDate": "20260105",
    "PerformedProcedureStepEndTime": "084500",
    "PerformedSeriesSequence": (SERIES,),
}
DISCONTINUATION: Attributes = {
    "PerformedProcedureStepStatus": "DISCONTINUED",
    "PerformedProcedureStepEndDate": "20260105",
    "PerformedProcedureStepEndTime": "084500",
    "PerformedProcedureStepDiscontinuationReasonCodeSequence": (
        {
            "CodeValue": "110513",
            "CodingSchemeDesignator": "DCM",
            "CodeMeaning": "Discontinued for unspecified reason",
        },
    ),
}


def without(attributes: Attributes, *keywords: str, **more: Any) -> Attributes:
    kept = {key: value for key, value in attributes.items() if key not in keywords}
    return {**kept, **more}


def peer(institution: str = "test-township") -> Peer:
    return Peer(
        calling_ae=AETitle("CT1"),
        called_ae=AETitle("YILIAN"),
        address="127.0.0.1",
        institution=InstitutionCode(institution),
    )
