"""What a person put right about whose a study is, applied to a data set. Pure.

The stored object never changes. Whoever reads gets ``corrected``: patient and order as a person
decided, and an item of the Original Attributes Sequence (0400,0561) that says what stood there,
when it was replaced and why (PS3.3 C.12.1.1.9). One function for DICOM JSON, one for the bytes of
an object; both leave everything else as it is.
"""

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from kernel.dicom.shown import LEGAL_TIME

SPECIFIC_CHARACTER_SET: Final = 0x00080005
ORIGINAL_ATTRIBUTES: Final = 0x04000561
MODIFIED_ATTRIBUTES: Final = 0x04000550
MODIFIED_AT: Final = 0x04000562
MODIFYING_SYSTEM: Final = 0x04000563
PREVIOUS_SOURCE: Final = 0x04000564
MODIFICATION_REASON: Final = 0x04000565
REQUEST_ATTRIBUTES: Final = 0x00400275
REASON: Final = "CORRECT"
"""Reason for the Attribute Modification (0400,0565): the values were wrong."""

VRS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x00080050: "SH",
        0x00100010: "PN",
        0x00100020: "LO",
        0x00100021: "LO",
        0x00100030: "DA",
        0x00100040: "CS",
        0x00400009: "SH",
        0x00401001: "SH",
    }
)
"""VR of each attribute a correction gives a value."""
OF_THE_OTHER: Final = frozenset(
    {
        *(0x00100022, 0x00100024, 0x00100032, 0x00100033, 0x00100034, 0x00100035, 0x00101000),
        *(0x00101001, 0x00101002, 0x00101005, 0x00101010, 0x00101040, 0x00101060, 0x00101090),
        *(0x00101100, 0x00102154, 0x00102155, 0x00102160, 0x001021F0),
    }
)
"""What else names or describes the patient it turned out not to be; it goes with the number."""
OF_THE_OTHER_ORDER: Final = frozenset({0x00080051, 0x00081110, 0x00402016, 0x00402017})
"""What else names the order it turned out not to belong to."""


_REQUEST_COLUMNS: Final = {
    "requested_procedure_id": "00401001",
    "scheduled_procedure_step_id": "00400009",
}


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """Whose the study is, as a person decided; all of it, also what earlier corrections said."""

    values: dict[str, str]
    """By tag (eight hexadecimal digits): the value, empty for an empty one."""
    request: dict[str, str] | None = None
    """The one item of Request Attributes Sequence (0040,0275); None leaves what is there."""
    stated: list[str] = []
    """Patient IDs the objects state; more of them belong to the study as well."""
    at: dt.datetime
    system: str
    """Modifying System (0400,0563), at most 64 characters."""

    @property
    def changes(self) -> dict[int, str | None]:
        """By tag, what stands there afterwards; None where the element is left out."""
        gone = OF_THE_OTHER if self.request is None else OF_THE_OTHER | OF_THE_OTHER_ORDER
        told: dict[int, str | None] = dict.fromkeys(gone)
        return told | {int(tag, 16): value for tag, value in self.values.items()}

    @property
    def modified_at(self) -> str:
        """Attribute Modification DateTime (0400,0562) with its offset from UTC."""
        return self.at.astimezone(LEGAL_TIME).strftime("%Y%m%d%H%M%S.%f%z")


def requested(correction: Correction) -> dict[str, str]:
    """Return, by column of the index, what *correction* says of each series' request."""
    if correction.request is None:
        return {}
    return {column: correction.request.get(tag, "") for column, tag in _REQUEST_COLUMNS.items()}


def corrected_json(correction: Correction, data_set: Mapping[str, Any]) -> dict[str, Any]:
    """Return the DICOM JSON object *data_set* as it is read since *correction*."""
    made, before = dict(data_set), dict[str, Any]()

    def put(tag: int, element: dict[str, Any] | None) -> None:
        name = f"{tag:08X}"
        stood = made.get(name)
        if stood == element:
            return
        if stood is not None:
            before[name] = stood
        if element is None:
            made.pop(name, None)
        else:
            made[name] = element

    for tag, value in correction.changes.items():
        put(tag, None if value is None else _json_element(VRS[tag], value))
    if correction.request is not None:
        item = {
            tag: _json_element(VRS[int(tag, 16)], value)
            for tag, value in sorted(correction.request.items())
        }
        put(REQUEST_ATTRIBUTES, {"vr": "SQ", "Value": [item]})
    _say_what_stood(correction, made, before)
    return {tag: made[tag] for tag in sorted(made)}


def _say_what_stood(
    correction: Correction, made: dict[str, Any], before: Mapping[str, Any]
) -> None:
    charset = f"{SPECIFIC_CHARACTER_SET:08X}"
    if charset not in made and not all(text.isascii() for text in correction.values.values()):
        made[charset] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    item = {
        f"{MODIFIED_ATTRIBUTES:08X}": {"vr": "SQ", "Value": [dict(sorted(before.items()))]},
        f"{MODIFIED_AT:08X}": {"vr": "DT", "Value": [correction.modified_at]},
        f"{MODIFYING_SYSTEM:08X}": {"vr": "LO", "Value": [correction.system]},
        f"{PREVIOUS_SOURCE:08X}": {"vr": "LO"},
        f"{MODIFICATION_REASON:08X}": {"vr": "CS", "Value": [REASON]},
    }
    name = f"{ORIGINAL_ATTRIBUTES:08X}"
    earlier = made.get(name, {}).get("Value", [])
    made[name] = {"vr": "SQ", "Value": [*earlier, item]}


def _json_element(vr: str, value: str) -> dict[str, Any]:
    if not value:
        return {"vr": vr}
    if vr != "PN":
        return {"vr": vr, "Value": [value]}
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), value.split("="), strict=False)
    return {"vr": vr, "Value": [{kind: text for kind, text in groups if text}]}
