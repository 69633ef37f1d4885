"""What a performed procedure step must say, and what may change (PS3.4 Table F.7.2-1).

Held to are the attributes of type 1. Those of type 2, which have to be there but may be empty,
count as empty where a device leaves them out: many do, and nothing is lost by it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.dimse.attributes import Attributes, items_of, text_of
from gateway.procedure_steps.machine import State
from kernel.dicom.status import Status

STATUS: Final = "PerformedProcedureStepStatus"
_SCHEDULED: Final = "ScheduledStepAttributesSequence"
_SERIES: Final = "PerformedSeriesSequence"

AT_CREATION: Final = (
    "PerformedProcedureStepID",
    "PerformedStationAETitle",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    STATUS,
    "Modality",
)
AT_THE_END: Final = ("PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime")
NOT_TO_BE_SET: Final = frozenset(
    {
        _SCHEDULED,
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientSex",
        "ReferencedPatientSequence",
        "PerformedProcedureStepID",
        "PerformedStationAETitle",
        "PerformedStationName",
        "PerformedLocation",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "Modality",
        "StudyID",
    }
)
"""Settled at creation; N-SET may not change them."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What is wrong with a request: a status, and the attributes it is about."""

    status: Status
    keywords: tuple[str, ...]


def lack_at_creation(attributes: Attributes) -> Lack | None:
    """Return what an N-CREATE lacks, None for nothing."""
    absent = [keyword for keyword in AT_CREATION if keyword not in attributes]
    scheduled = items_of(attributes, _SCHEDULED)
    if not scheduled:
        absent.append(_SCHEDULED)
    absent += ["StudyInstanceUID" for item in scheduled if "StudyInstanceUID" not in item]
    if absent:
        return Lack(Status.MISSING_ATTRIBUTE, tuple(dict.fromkeys(absent)))
    empty = [keyword for keyword in AT_CREATION if not text_of(attributes, keyword)]
    empty += ["StudyInstanceUID" for item in scheduled if not text_of(item, "StudyInstanceUID")]
    if empty:
        return Lack(Status.MISSING_ATTRIBUTE_VALUE, tuple(dict.fromkeys(empty)))
    if text_of(attributes, STATUS) != State.IN_PROGRESS:
        return Lack(Status.INVALID_ATTRIBUTE_VALUE, (STATUS,))
    return None


def lack_at_the_end(attributes: Attributes, state: State) -> Lack | None:
    """Return what a step that is now *state* still lacks, None for nothing.

    A step that is completed names at least one series; one that was discontinued may have none.
    """
    if state is State.IN_PROGRESS:
        return None
    lacking = [keyword for keyword in AT_THE_END if not text_of(attributes, keyword)]
    series = items_of(attributes, _SERIES)
    if state is State.COMPLETED and not series:
        lacking.append(_SERIES)
    lacking += ["SeriesInstanceUID" for item in series if not text_of(item, "SeriesInstanceUID")]
    return Lack(Status.MISSING_ATTRIBUTE, tuple(dict.fromkeys(lacking))) if lacking else None


def allowed(modifications: Attributes) -> Attributes:
    """Return what of *modifications* an N-SET may change."""
    return {
        keyword: value
        for keyword, value in modifications.items()
        if keyword not in NOT_TO_BE_SET and keyword != "SpecificCharacterSet"
    }


def refused(modifications: Attributes, stored: Mapping[str, object]) -> Iterator[str]:
    """Yield what *modifications* would change and may not; repeating what is there is no change."""
    for keyword, value in modifications.items():
        if keyword in NOT_TO_BE_SET and value != stored.get(keyword, ""):
            yield keyword
