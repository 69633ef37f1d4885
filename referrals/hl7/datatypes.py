"""HL7 data types read as this house's values: names, identifiers, times, people. Pure."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

from kernel.dicom.shown import LEGAL_TIME
from kernel.errors import Invalid
from referrals.hl7.model import NULL, SegmentText, UnknownValue
from referrals.orders.model import Sex, whole_resident_id

_TIME: Final = re.compile(
    r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(?:(\d\d)(?:\.\d{1,4})?)?)?([+-]\d{4})?", re.ASCII
)
_DAY: Final = re.compile(r"(\d{4})(\d\d)?(\d\d)?(?:\d{2,6}(?:\.\d{1,4})?)?(?:[+-]\d{4})?", re.ASCII)
_SEXES: Final = {
    "M": Sex.MALE,
    "F": Sex.FEMALE,
    "O": Sex.OTHER,
    "A": Sex.OTHER,
    "N": Sex.OTHER,
    "U": Sex.UNKNOWN,
    "": Sex.UNKNOWN,
    NULL: Sex.UNKNOWN,
}
_RESIDENT: Final = frozenset({"NI", "NNCHN", "NN"})
"""National person identifiers, HL7 table 0203."""
_NUMBERS: Final = frozenset({"", "MR", "PI", "PT", "PN"})
"""Identifiers a house gives its own patients, HL7 table 0203."""
_ALPHABETIC: Final = frozenset({"A", "P"})
"""Written in Latin letters or as it sounds, HL7 table 0465."""
_NOT_PHONE: Final = re.compile(r"[^0-9+ -]+")
_PHONE_MIN: Final = 3
_PHONE_MAX: Final = 31
_RESIDENT_LENGTH: Final = 18


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What a list of identifiers (CX) says."""

    number: str
    """By which the sender's house knows the patient; empty where there is none."""
    resident_id: str
    """As it was written, for whoever checks it; empty where there is none."""


def identifiers(segment: SegmentText, number: int) -> Identifiers:
    """Return whose identifiers stand in a field: the house's first, and a resident number.

    A resident number is known by its type, or by being one and untyped.
    """
    own, resident = "", ""
    for repetition in range(1, segment.count(number) + 1):
        value = segment.text(number, 1, repetition=repetition)
        kind = segment.text(number, 5, repetition=repetition).upper()
        if not value or value == NULL:
            continue
        if kind in _RESIDENT or (not kind and own and whole_resident_id(value)):
            resident = resident or value
        elif kind in _NUMBERS:
            own = own or value
    return Identifiers(own, resident)


def old_resident_id(text: str) -> str:
    """Return what PID-19 says where it is long enough for a resident number, else nothing."""
    bare = "".join(text.split())
    return bare if len(bare) == _RESIDENT_LENGTH else ""


@dataclass(frozen=True, slots=True)
class Name:
    """How somebody is called."""

    name: str
    latin: str = ""
    """In Latin letters, empty where the sender does not say."""


def person_name(segment: SegmentText, number: int) -> Name:
    """Return the name in a field of XPN: family and given name, one in Latin letters beside it.

    Chinese names are written without a blank, whether they stand in one component or in two.
    """
    name, latin = "", ""
    for repetition in range(1, segment.count(number) + 1):
        parts = [segment.text(number, part, repetition=repetition) for part in (1, 2, 3)]
        text = joined(*parts)
        represented = segment.text(number, 8, repetition=repetition).upper()
        if represented in _ALPHABETIC and text.isascii():
            latin = latin or text
        else:
            name = name or text
    return Name(name or latin, latin if name else "")


def joined(*parts: str) -> str:
    """Return the parts of a name as it is written: Chinese without blanks, others with them."""
    there = [part for part in parts if part and part != NULL]
    sign = " " if any(part.isascii() for part in there) else ""
    return sign.join(there)


def sex(text: str) -> Sex:
    """Return the sex that PID-8 says; raises ``UnknownValue``."""
    found = _SEXES.get(text.upper())
    if found is None:
        raise UnknownValue("M, F, O, A, N or U")
    return found


def day(text: str) -> dt.date | None:
    """Return the date a DT or DTM begins with; None where it is empty or only part of a date.

    Raises:
        Invalid: it is no date (``invalid-date``).
    """
    if text in ("", NULL):
        return None
    found = _DAY.fullmatch(text)
    if found is None:
        raise Invalid("YYYYMMDD", code="invalid-date")
    if not found[3]:
        return None
    try:
        return dt.date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError as exc:
        raise Invalid("no such day", code="invalid-date") from exc


def moment(text: str) -> dt.datetime | None:
    """Return the instant a DTM names, in legal time where it has no offset; None for empty.

    Raises:
        Invalid: it is none, or a day without a time (``invalid-time``).
    """
    if text in ("", NULL):
        return None
    found = _TIME.fullmatch(text)
    if found is None or found[4] is None:
        raise Invalid("YYYYMMDDHHMM[SS][+ZZZZ]", code="invalid-time")
    try:
        made = dt.datetime.strptime("".join(found.group(1, 2, 3, 4, 5)), "%Y%m%d%H%M").replace(
            second=int(found[6] or 0), tzinfo=LEGAL_TIME
        )
        offset = dt.datetime.strptime(found[7], "%z").tzinfo if found[7] else LEGAL_TIME
        return made.replace(tzinfo=offset).astimezone(dt.UTC)
    except (ValueError, OverflowError) as exc:
        raise Invalid("no such moment", code="invalid-time") from exc


def phone(segment: SegmentText, number: int) -> str:
    """Return the first telephone number of a field of XTN, empty where none can be kept."""
    for repetition in range(1, segment.count(number) + 1):
        texts = [segment.text(number, part, repetition=repetition) for part in (1, 12)]
        parts = [segment.text(number, part, repetition=repetition) for part in (5, 6, 7)]
        for text in (*texts, " ".join(filter(None, parts))):
            bare = " ".join(_NOT_PHONE.sub(" ", text).split()).replace(" -", "-")
            if _PHONE_MIN <= len(bare) <= _PHONE_MAX and bare[0] in "+0123456789":
                return bare
    return ""
