"""Names, ages and times of an object as people read them: one form, whichever node shows them."""

import datetime as dt
import re
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import msgspec

LEGAL_TIME: Final = ZoneInfo("Asia/Shanghai")
"""China has one legal time, and modalities write it; an object may state another offset."""

HAN: Final = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters, to stand inside the brackets of a pattern."""
_BETWEEN_HAN: Final = re.compile(rf"(?<=[{HAN}]) (?=[{HAN}])")
_SEPARATORS: Final = re.compile(r"[\^\s]+")

_AGE: Final = re.compile(r"([0-9]{1,3})([DWMY])", re.ASCII)
_AGE_UNITS: Final = {"D": "days", "W": "weeks", "M": "months", "Y": "years"}
_NEWBORN_DAYS: Final = 28
_INFANT_MONTHS: Final = 24

_OFFSET: Final = re.compile(r"([+-])(0[0-9]|1[0-4])([0-5][0-9])", re.ASCII)
_TIME: Final = re.compile(
    r"([01][0-9]|2[0-3])(?:([0-5][0-9])(?:([0-5][0-9]|60)(?:\.[0-9]*)?)?)?", re.ASCII
)
_DATE_DIGITS: Final = 8
_LAST_SECOND: Final = 59


DateTime = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}[+-]\d{2}:\d{2})?$",
        description="ISO 8601 in the device's local time with its offset; the date alone where no "
        "time of day is known",
        examples=["2026-05-12T10:21:00+08:00", "2026-05-12"],
    ),
]
"""What ``date_time`` returns, as the descriptions of both nodes' APIs say it."""


class Age(msgspec.Struct, frozen=True):
    """Age at the examination."""

    value: int
    unit: str
    """``days``, ``weeks``, ``months`` or ``years``."""


def name_groups(person_name: str) -> tuple[str, str, str]:
    """Return the alphabetic, ideographic and phonetic group of a PN, empty where absent."""
    parts = [part.strip(" \0") for part in person_name.split("=", 3)]
    parts += [""] * (3 - len(parts))
    return parts[0].rstrip("^ "), parts[1].rstrip("^ "), parts[2].rstrip("^ ")


def display_name(person_name: str) -> str:
    """Return a PN for reading: its characters where it has some, else its letters.

    Between two Chinese characters stands no blank, between other parts one: 刘^小凤 is 刘小凤,
    Liu^Xiaofeng is Liu Xiaofeng.
    """
    alphabetic, ideographic, phonetic = name_groups(person_name)
    chosen = ideographic or alphabetic or phonetic
    return _BETWEEN_HAN.sub("", _SEPARATORS.sub(" ", chosen).strip())


def age_at(patient_age: str, birth_date: str, study_date: str) -> Age | None:
    """Return the age at the examination: as the device states it, else from the two dates.

    Under 28 days it is in days, under 24 months in months, else in years.
    """
    if found := _AGE.fullmatch(patient_age):
        return Age(int(found[1]), _AGE_UNITS[found[2]])
    born, seen = _day(birth_date), _day(study_date)
    if born is None or seen is None or seen < born:
        return None
    months = (seen.year - born.year) * 12 + seen.month - born.month - (seen.day < born.day)
    days = (seen - born).days
    if days < _NEWBORN_DAYS:
        return Age(days, "days")
    return Age(months, "months") if months < _INFANT_MONTHS else Age(months // 12, "years")


def date_time(
    date: str, time: str, offset: str = "", *, zone: dt.tzinfo = LEGAL_TIME
) -> DateTime | None:
    """Return a DA and a TM as one ISO 8601 text in the local time of the device.

    ``2026-05-12T10:21:00+08:00``; the date alone, ``2026-05-12``, where no time of day is known;
    None without a date. The first ten characters are the day the device wrote.

    Args:
        date: YYYYMMDD.
        time: HH, HHMM, HHMMSS or HHMMSS.ffffff; a fraction is left out, a leap second is the
            second before it.
        offset: Timezone Offset From UTC (0008,0201), such as ``+0800``; empty or impossible where
            the object states none.
        zone: of the device where the object states none.
    """
    day = _day(date)
    if day is None:
        return None
    found = _TIME.fullmatch(time)
    if found is None:
        return day.isoformat()
    hour, minute, second = (int(digits or "0") for digits in found.groups())
    at = dt.time(hour, minute, min(second, _LAST_SECOND))
    return dt.datetime.combine(day, at, _stated(offset) or zone).isoformat()


def utc_offset(text: str) -> str:
    """Return a Timezone Offset From UTC as ``+HHMM`` or ``-HHMM``, empty where it is none."""
    plain = text.strip(" \0")
    return plain if _OFFSET.fullmatch(plain) else ""


def _stated(offset: str) -> dt.timezone | None:
    found = _OFFSET.fullmatch(offset)
    if found is None:
        return None
    ahead = dt.timedelta(hours=int(found[2]), minutes=int(found[3]))
    return dt.timezone(-ahead if found[1] == "-" else ahead)


def _day(date: str) -> dt.date | None:
    if len(date) != _DATE_DIGITS or not (date.isascii() and date.isdigit()):
        return None
    try:
        return dt.date.fromisoformat(date)
    except ValueError:
        return None
