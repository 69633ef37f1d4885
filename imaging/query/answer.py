"""Rows of a query as DICOM JSON (PS3.18 10.6.3.3)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from imaging.dicomweb.dicom_json import person_name
from imaging.query.attributes import (
    ATTRIBUTES,
    INSTANCE_AVAILABILITY,
    REQUEST_ATTRIBUTES,
    REQUEST_ATTRIBUTES_SEQUENCE,
    RETRIEVE_URL,
    SPECIFIC_CHARACTER_SET,
    Attribute,
    Kind,
    Level,
)
from imaging.query.model import Query

Element = dict[str, Any]

_EMPTY_WHEN_ABSENT: Final = frozenset({"", None})
_CHARSET: Final[Element] = {"vr": "CS", "Value": ["ISO_IR 192"]}
_ONLINE: Final[Element] = {"vr": "CS", "Value": ["ONLINE"]}

# What may be asked of an entity's representative instance although the index keeps no column:
# groups and tags whose Information Entity is the patient or study, or the series (PS3.3 A.1.4).
_STUDY_GROUPS: Final = frozenset({0x0010, 0x0032, 0x0038})
_PATIENT_GROUP: Final = 0x0010
# Of the group of patients, what belongs to a study (PS3.3 C.7.2.2).
_PATIENT_STUDY_TAGS: Final = frozenset(
    {
        *(0x00101010, 0x00101020, 0x00101021, 0x00101022, 0x00101023, 0x00101024, 0x00101030),
        *(0x00102000, 0x00102110, 0x00102180, 0x001021A0, 0x001021B0, 0x001021C0, 0x001021D0),
    }
)
_STUDY_TAGS: Final = frozenset(
    {
        *(0x00080051, 0x00080096, 0x00081032, 0x00081048, 0x00081049, 0x00081060, 0x00081062),
        *(0x00081080, 0x00081084, 0x00081110, 0x00081120, 0x00401012, 0x00402017, 0x00120010),
        *(0x00120020, 0x00120030, 0x00120040, 0x00120050, 0x00120062, 0x00120063),
    }
)
_SERIES_TAGS: Final = frozenset(
    {
        *(0x00080068, 0x00081040, 0x00081050, 0x00081052, 0x00081070, 0x00081072, 0x00081090),
        *(0x00081111, 0x00081250, 0x00180010, 0x00181000, 0x00181020, 0x00185100, 0x00200052),
        *(0x00201040, 0x00400241, 0x00400250, 0x00400251, 0x00400253, 0x00400254, 0x00400260),
        *(0x00400275, 0x00400280, 0x00082111),
    }
)


def returned(query: Query) -> frozenset[int]:
    """Return the tags of the kept attributes an answer to *query* has."""
    wanted = {path[0] for path in query.include}
    all_series = query.level is Level.SERIES and not _names(query, "study_instance_uid")
    chosen = set()
    for tag, attribute in ATTRIBUTES.items():
        if attribute.level > query.level:
            continue
        usual = attribute.always and (
            attribute.level is query.level
            or attribute.kind is Kind.UID
            or (all_series and attribute.level is Level.STUDY)
            or (
                query.level is Level.INSTANCE
                and not _names(query, "series_instance_uid")
                and attribute.column == "modality"
            )
        )
        if usual or tag in wanted or query.include_all:
            chosen.add(tag)
    return frozenset(chosen)


def _names(query: Query, column: str) -> bool:
    return any(key.attribute.column == column for key in query.keys)


def from_instance(query: Query) -> frozenset[int]:
    """Return the asked tags that only an instance's own metadata can give, if it may."""
    asked = {path[0] for path in query.include} - set(ATTRIBUTES)
    asked.discard(REQUEST_ATTRIBUTES_SEQUENCE)
    if query.level is Level.INSTANCE:
        return frozenset(asked)
    if query.level is Level.PATIENT:
        return frozenset(tag for tag in asked if is_of_patient(tag))
    allowed = {tag for tag in asked if tag >> 16 in _STUDY_GROUPS or tag in _STUDY_TAGS}
    if query.level is Level.SERIES:
        allowed |= asked & _SERIES_TAGS
    return frozenset(allowed)


def is_of_patient(tag: int) -> bool:
    """Whether *tag* is an attribute of the patient, not of a patient at a study (PS3.3 C.7.1.1)."""
    return tag >> 16 == _PATIENT_GROUP and tag not in _PATIENT_STUDY_TAGS


def entity_path(row: Mapping[str, Any], level: Level) -> str:
    """Return the path of the row's DICOMweb resource below the service's root."""
    path = f"/studies/{row['study_instance_uid']}"
    if level >= Level.SERIES:
        path += f"/series/{row['series_instance_uid']}"
    if level >= Level.INSTANCE:
        path += f"/instances/{row['sop_instance_uid']}"
    return path


def row_json(
    row: Mapping[str, Any], query: Query, tags: frozenset[int], *, root: str
) -> dict[str, Element]:
    """Return *row* as a DICOM JSON object.

    Args:
        row: from ``run.Page``.
        query: what was asked for.
        tags: from ``returned``.
        root: absolute address of the service, without trailing slash.
    """
    elements: dict[int, Element] = {
        SPECIFIC_CHARACTER_SET: _CHARSET,
        INSTANCE_AVAILABILITY: _ONLINE,
        RETRIEVE_URL: {"vr": "UR", "Value": [root + entity_path(row, query.level)]},
    }
    for tag in tags:
        elements[tag] = _element(ATTRIBUTES[tag], row[f"{tag:08X}"])
    if query.level >= Level.SERIES and (requests := _requests(row)) is not None:
        elements[REQUEST_ATTRIBUTES_SEQUENCE] = requests
    return {f"{tag:08X}": elements[tag] for tag in sorted(elements)}


def _element(attribute: Attribute, value: Any) -> Element:
    if value in _EMPTY_WHEN_ABSENT:
        return {"vr": attribute.vr}
    values = _VALUES.get(attribute.kind, _single)(value)
    return {"vr": attribute.vr, "Value": values} if values else {"vr": attribute.vr}


def _single(value: Any) -> list[Any]:
    return [value]


def _codes(value: str) -> list[str]:
    return value.split("\\")


def _time(value: str) -> list[str]:
    return [value.rstrip("0").rstrip(".") if value.endswith("0") and "." in value else value]


def name_for_display(value: str) -> dict[str, str] | None:
    """Return a PN with its Alphabetic group never empty: viewers show no other."""
    name = person_name(value)
    if name is not None and "Alphabetic" not in name:
        shown = name.get("Ideographic") or name.get("Phonetic") or ""
        name = {"Alphabetic": shown, **name}
    return name


def _name(value: str) -> list[Any]:
    name = name_for_display(value)
    return [name] if name else []


_VALUES: Final[Mapping[Kind, Callable[[Any], list[Any]]]] = {
    Kind.NAME: _name,
    Kind.FOLDED_NAME: _name,
    Kind.CODES: _codes,
    Kind.TIME: _time,
}


def _requests(row: Mapping[str, Any]) -> Element | None:
    item = {
        f"{tag:08X}": {"vr": attribute.vr, "Value": [row[f"{tag:08X}"]]}
        for tag, attribute in REQUEST_ATTRIBUTES.items()
        if row[f"{tag:08X}"]
    }
    return {"vr": "SQ", "Value": [item]} if item else None
