"""Answers: which code, which error, and the text of the message that says so. Pure.

Original mode answers once, with AA, AE or AR. Enhanced mode (HL7 2.9.3) answers first that the
message is kept (CA, CE, CR), as MSH-15 asks, then what became of it, as MSH-16 asks.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, Final

from gateway.hl7.characters import charset_name
from gateway.hl7.codec import STANDARD, Segment, composed, segment_line
from gateway.hl7.model import Handled, Location
from kernel.errors import Category, PlatformError

_ENHANCED_FIELDS: Final = (15, 16)
_CONTROL_ID_MAX: Final = 199
_ERR_SINCE: Final = (2, 5)
_VERSION: Final = re.compile(r"2\.(\d)(?:\.\d)?", re.ASCII)
LOCATION: Final = "hl7_location"
"""Key of ``PlatformError.members`` under which a handler says where a fault is."""
RETRIABLE: Final = frozenset({Category.BUSY, Category.UNAVAILABLE, Category.FULL})
"""Nothing is wrong with the message: the same may work later."""


class Code(StrEnum):
    """MSA-1, HL7 table 0008."""

    AA = "AA"
    AE = "AE"
    AR = "AR"
    CA = "CA"
    CE = "CE"
    CR = "CR"


class Condition(IntEnum):
    """ERR-3, HL7 table 0357."""

    SEGMENT_SEQUENCE = 100
    REQUIRED_FIELD = 101
    DATA_TYPE = 102
    TABLE_VALUE = 103
    UNSUPPORTED_TYPE = 200
    UNSUPPORTED_EVENT = 201
    UNSUPPORTED_PROCESSING_ID = 202
    UNSUPPORTED_VERSION = 203
    UNKNOWN_KEY = 204
    DUPLICATE_KEY = 205
    RECORD_LOCKED = 206
    INTERNAL = 207


_TEXTS: Final[Mapping[Condition, str]] = MappingProxyType(
    {
        Condition.SEGMENT_SEQUENCE: "Segment sequence error",
        Condition.REQUIRED_FIELD: "Required field missing",
        Condition.DATA_TYPE: "Data type error",
        Condition.TABLE_VALUE: "Table value not found",
        Condition.UNSUPPORTED_TYPE: "Unsupported message type",
        Condition.UNSUPPORTED_EVENT: "Unsupported event code",
        Condition.UNSUPPORTED_PROCESSING_ID: "Unsupported processing id",
        Condition.UNSUPPORTED_VERSION: "Unsupported version id",
        Condition.UNKNOWN_KEY: "Unknown key identifier",
        Condition.DUPLICATE_KEY: "Duplicate key identifier",
        Condition.RECORD_LOCKED: "Application record locked",
        Condition.INTERNAL: "Application internal error",
    }
)
_BY_CATEGORY: Final[Mapping[Category, Condition]] = MappingProxyType(
    {
        Category.INVALID: Condition.DATA_TYPE,
        Category.UNAUTHENTICATED: Condition.INTERNAL,
        Category.FORBIDDEN: Condition.INTERNAL,
        Category.MISSING: Condition.UNKNOWN_KEY,
        Category.CONFLICT: Condition.DUPLICATE_KEY,
        Category.STALE: Condition.RECORD_LOCKED,
        Category.UNVERSIONED: Condition.RECORD_LOCKED,
        Category.TOO_LARGE: Condition.DATA_TYPE,
        Category.UNSUPPORTED: Condition.UNSUPPORTED_TYPE,
        Category.BUSY: Condition.INTERNAL,
        Category.FULL: Condition.INTERNAL,
        Category.UNAVAILABLE: Condition.INTERNAL,
        Category.BROKEN: Condition.INTERNAL,
    }
)
"""The one mapping of this door."""
_BY_CODE: Final[Mapping[str, Condition]] = MappingProxyType(
    {
        "required-field-missing": Condition.REQUIRED_FIELD,
        "required-segment-missing": Condition.SEGMENT_SEQUENCE,
        "not-a-segment": Condition.SEGMENT_SEQUENCE,
        "no-header": Condition.SEGMENT_SEQUENCE,
        "unsupported-event": Condition.UNSUPPORTED_EVENT,
        "unsupported-processing-id": Condition.UNSUPPORTED_PROCESSING_ID,
        "unsupported-version": Condition.UNSUPPORTED_VERSION,
        "unknown-table-value": Condition.TABLE_VALUE,
        "unknown-sender": Condition.TABLE_VALUE,
        "examination-not-found": Condition.TABLE_VALUE,
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a message is refused."""

    condition: Condition
    code: str
    """Our name of it."""
    text: str
    """One line without patient data."""
    location: Location | None = None
    retriable: bool = False


def fault_of(error: PlatformError) -> Fault:
    """Return what this door says of *error*."""
    condition = _BY_CODE.get(error.code) or _BY_CATEGORY[error.category]
    told: Any = error.members.get(LOCATION)
    return Fault(condition, error.code, error.detail, told, error.category in RETRIABLE)


def asks_enhanced(header: Segment) -> bool:
    """Return whether a message asks to be answered in enhanced mode."""
    return any(header.text(number) for number in _ENHANCED_FIELDS)


def is_wanted(condition: str, code: Code) -> bool:
    """Return whether an answer of *code* is sent where MSH-15 or MSH-16 says *condition*.

    AL always, NE and empty never, ER where it is refused, SU where it is not (HL7 table 0155).
    """
    good = code in (Code.AA, Code.CA)
    return condition in {"AL", "SU" if good else "ER"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Who answers, and when."""

    application: str
    facility: str
    control_id: str
    at: dt.datetime
    asks_accept: bool = False
    """Whether the answer is a message of its own, whose taking is to be acknowledged."""


def answer(
    header: Segment | None,
    code: Code,
    by: Answering,
    *,
    fault: Fault | None = None,
    handled: Handled | None = None,
    codec: str = "utf-8",
) -> bytes:
    """Return the message that answers the one with *header*.

    Args:
        header: its MSH, None where there was none to be read.
        code: what became of it.
        by: who answers.
        fault: why it is refused, None where it is not.
        handled: what was done.
        codec: what it was written in; the answer is, too.
    """
    told = handled or Handled()
    lines = [_header(header, by, told, codec), _msa(header, code)]
    if fault is not None:
        lines.append(_err(fault, _version(header)))
    text = "\r".join([*lines, *told.segments]) + "\r"
    return text.encode(codec, "replace")


def _header(header: Segment | None, by: Answering, told: Handled, codec: str) -> str:
    to = [""] * 2 if header is None else [_same(header, 3), _same(header, 4)]
    event = "" if header is None else header.text(9, 2)
    kind = told.response or ("ACK", event, "ACK")
    fields = [
        STANDARD.encoding,
        composed(by.application),
        composed(by.facility),
        *to,
        by.at.strftime("%Y%m%d%H%M%S%z"),
        "",
        composed(*kind) if kind[1] else kind[0],
        composed(by.control_id),
        composed((header.text(11) if header else "") or "P"),
        composed((header.text(12) if header else "") or "2.5.1"),
        *("", ""),
        *(("AL", "NE") if by.asks_accept else ("", "")),
        "",
        composed(charset_name(codec)),
    ]
    return segment_line("MSH", fields)


def _same(header: Segment, number: int) -> str:
    """Return a field of names as it stood, written anew."""
    return composed(*(header.text(number, component) for component in (1, 2, 3)))


def _msa(header: Segment | None, code: Code) -> str:
    control_id = header.text(10)[:_CONTROL_ID_MAX] if header else ""
    return segment_line("MSA", [code, composed(control_id)])


def _version(header: Segment | None) -> tuple[int, int]:
    found = _VERSION.fullmatch(header.text(12)) if header else None
    return (2, int(found[1])) if found else _ERR_SINCE


def is_version(text: str) -> bool:
    """Return whether *text* is a version of HL7 2 that is read here."""
    return _VERSION.fullmatch(text) is not None


def _err(fault: Fault, version: tuple[int, int]) -> str:
    number, text = str(fault.condition.value), _TEXTS[fault.condition]
    name, which, field, component = fault.location or ("", 0, 0, 0)
    place = [name, *(str(part) if part else "" for part in (which, field))]
    if version < _ERR_SINCE:
        # ELD: the code stands in the location, its parts one separator lower.
        coded = STANDARD.subcomponent.join([number, text, "HL70357"])
        return segment_line("ERR", [STANDARD.component.join([*place, coded])])
    if component:
        place += ["1", str(component)]
    fields = [
        "",
        composed(*place),
        composed(number, text, "HL70357"),
        "E",
        composed(fault.code),
        "",
        composed(fault.text),
    ]
    return segment_line("ERR", fields)
