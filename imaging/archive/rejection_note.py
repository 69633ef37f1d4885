"""Rejection notes (IHE IOCM): key object documents that say what does not count. Pure.

What they say and how others' are read (IHE RAD TF-2 4.66, PS3.16 TID 2010); ours are written by
``note_writing``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

KEY_OBJECTS: Final = "1.2.840.10008.5.1.4.1.1.88.59"
REFERENCES_MOST: Final = 20_000
"""References one note may have; a study has fewer."""
DESCRIPTION: Final = ("113012", "DCM", "Key Object Description")
"""Code of the content item that holds the words of whoever rejected."""
_TEXT_MOST: Final = 1024
_EVIDENCE: Final = "0040A375"
_OTHER_EVIDENCE: Final = "0040A385"


class Title(StrEnum):
    """Why objects do not count: the note's title (PS3.16 CID 7011)."""

    QUALITY = "113001"
    """Rejected for Quality Reasons."""
    PATIENT_SAFETY = "113037"
    """Rejected for Patient Safety Reasons."""
    WRONG_WORKLIST_ENTRY = "113038"
    """Incorrect Modality Worklist Entry: another patient, or another order."""
    EXPIRED = "113039"
    """Data Retention Policy Expired."""


MEANINGS: Final[Mapping[Title, str]] = MappingProxyType(
    {
        Title.QUALITY: "Rejected for Quality Reasons",
        Title.PATIENT_SAFETY: "Rejected for Patient Safety Reasons",
        Title.WRONG_WORKLIST_ENTRY: "Incorrect Modality Worklist Entry",
        Title.EXPIRED: "Data Retention Policy Expired",
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """An object a note names."""

    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionNote:
    """What a note says."""

    study_instance_uid: str
    """Of the objects it names."""
    title: Title
    description: str
    """In the words of whoever rejected; may be empty."""
    references: Sequence[Reference]


def read_note(sop_class_uid: str, data_set: Mapping[str, Any]) -> RejectionNote | None:
    """Return what the DICOM JSON object *data_set* rejects; None where it is no rejection note.

    What it names in other studies than the first does not count: a note stands in the study whose
    objects it rejects.
    """
    if sop_class_uid != KEY_OBJECTS:
        return None
    (concept,) = _items(data_set, "0040A043")[:1] or [{}]
    if _first(concept, "00080102") != "DCM" or _first(concept, "00080100") not in set(Title):
        return None
    evidence = [*_items(data_set, _EVIDENCE), *_items(data_set, _OTHER_EVIDENCE)]
    study = _first(evidence[0], "0020000D") if evidence else ""
    found: dict[str, Reference] = {}
    for each in evidence:
        if _first(each, "0020000D") != study:
            continue
        for of_series in _items(each, "00081115"):
            series = _first(of_series, "0020000E")
            for one in _items(of_series, "00081199"):
                uid = _first(one, "00081155")
                if uid and len(found) < REFERENCES_MOST:
                    found[uid] = Reference(series, uid, _first(one, "00081150"))
    if not study or not found:
        return None
    title = Title(_first(concept, "00080100"))
    return RejectionNote(
        study_instance_uid=study,
        title=title,
        description=_description(data_set),
        references=sorted(found.values()),
    )


def _description(data_set: Mapping[str, Any]) -> str:
    for item in _items(data_set, "0040A730"):
        (concept,) = _items(item, "0040A043")[:1] or [{}]
        if _first(concept, "00080100") == DESCRIPTION[0]:
            return _first(item, "0040A160")[:_TEXT_MOST]
    return ""


def _items(data_set: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    element = data_set.get(tag)
    values = element.get("Value", []) if isinstance(element, Mapping) else []
    return [each for each in values if isinstance(each, Mapping)]


def _first(data_set: Mapping[str, Any], tag: str) -> str:
    element = data_set.get(tag)
    values = element.get("Value", []) if isinstance(element, Mapping) else []
    return values[0] if values and isinstance(values[0], str) else ""
