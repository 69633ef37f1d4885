"""Patients nobody knows: a name that cannot be taken for a person's, and an age in years. Pure."""

import datetime as dt
from typing import Final

from referrals.orders.model import MARKS_MAX, InvalidRegistration, Sex, Temporary, parse_text

_WORD: Final = {Sex.MALE: "男", Sex.FEMALE: "女", Sex.OTHER: "", Sex.UNKNOWN: ""}
_OLDEST: Final = 130


def temporary_name(sex: Sex, day: dt.date, number: int) -> str:
    """Return such a patient's name: ``无名氏男 1122-1`` for the first one of 22 November.

    Args:
        sex: as it looks; none is written where it is not known.
        day: of the registration, in legal time.
        number: the how manyeth of that day here, from 1.
    """
    return f"无名氏{_WORD[sex]} {day:%m%d}-{number}"


def temporary_pinyin(sex: Sex, day: dt.date, number: int) -> str:
    """Return that name in Latin letters, for modalities without Chinese."""
    word = {Sex.MALE: " Nan", Sex.FEMALE: " Nu"}.get(sex, "")
    return f"Wumingshi{word} {day:%m%d}-{number}"


def parse_temporary(estimated_age_years: int | None, marks: str) -> Temporary:
    """Return what is known of somebody nobody knows.

    Raises:
        InvalidRegistration: an age below 0 or above 130 (``invalid-estimated-age``), or marks of
            more than 500 characters (``invalid-marks``).
    """
    if estimated_age_years is not None and not 0 <= estimated_age_years <= _OLDEST:
        raise InvalidRegistration(f"0 to {_OLDEST} years", code="invalid-estimated-age")
    return Temporary(
        estimated_age_years=estimated_age_years,
        marks=parse_text(marks, longest=MARKS_MAX, code="invalid-marks"),
    )
