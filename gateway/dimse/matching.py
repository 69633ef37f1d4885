r"""Attribute matching of C-FIND (PS3.4 C.2.2.2), as pure functions of a key and a value.

No regular expression is ever made from a key: a handful of wildcards would cost seconds.
"""

import re
from dataclasses import dataclass
from typing import Final

from kernel.dicom.shown import HAN
from kernel.errors import Invalid

KEY_MAX: Final = 1024
"""Characters of one key; the longest value searched here has 64, a list of UIDs is longer."""
UIDS_MAX: Final = 500

NO_WILDCARD: Final = frozenset(
    {"DA", "TM", "DT", "AS", "DS", "IS", "UI", "AT", "SL", "SS", "US", "UL", "UV", "SV"}
    | {"FL", "FD", "OB", "OD", "OF", "OL", "OV", "OW", "UN"}
)
"""VRs in which ``*`` and ``?`` are no wildcards (PS3.4 C.2.2.2.4)."""
_DATE: Final = re.compile(r"([0-9]{4})[.]?([0-9]{2})[.]?([0-9]{2})", re.ASCII)
_TIME: Final = re.compile(
    r"([01][0-9]|2[0-3])(?::?([0-5][0-9])(?::?([0-5][0-9]|60)(?:\.([0-9]{1,6}))?)?)?", re.ASCII
)
_LONG_TEXT: Final = frozenset({"LT", "ST", "UT", "UR"})
_BETWEEN_HAN: Final = re.compile(rf"(?<=[{HAN}])[\^ ]+(?=[{HAN}])")
_GROUPS: Final = 3


class BadKey(Invalid):
    """A matching key that is no value and no range of its VR."""

    code = "bad-identifier"


@dataclass(frozen=True, slots=True)
class Range:
    """From *first* to *last*, both ends in; an empty text is an open end.

    Dates are ``YYYYMMDD``, times ``HHMMSSFFFFFF``, so that text compares as time does.
    """

    first: str
    last: str

    def holds(self, value: str) -> bool:
        """Whether *value*, written alike, lies in it; an empty value lies in none."""
        return bool(value) and self.first <= value and (not self.last or value <= self.last)


def is_universal(key: str) -> bool:
    """Whether *key* matches whatever there is, and nothing at all (PS3.4 C.2.2.2.3)."""
    return not key.strip("* ")


def matches(key: str, value: str, vr: str) -> bool:
    r"""Whether *value* satisfies *key*, neither of them a sequence.

    Of several values in an attribute one is enough. A key with several values matches like a list
    of UIDs does, whatever its VR: modalities ask for ``CT\DX``.

    Raises:
        BadKey: *key* is too long, or no value or range of a date or time.
    """
    if is_universal(key):
        return True
    if len(key) > (KEY_MAX if vr != "UI" else UIDS_MAX * 65):
        raise BadKey(f"a key of {len(key)} characters")
    if vr == "DA":
        return date_range(key).holds(_date(value))
    if vr == "TM":
        return time_range(key).holds(_time(value, "0"))
    if vr == "PN":
        return _matches_name(key, value)
    wanted = [key] if vr in _LONG_TEXT else key.split("\\")
    values = [value] if vr in _LONG_TEXT else value.split("\\")
    if vr in NO_WILDCARD:
        return not {one.strip() for one in wanted}.isdisjoint(one.strip() for one in values)
    return any(glob(one.strip(), other.strip()) for one in wanted for other in values)


def glob(pattern: str, text: str) -> bool:
    """Whether the whole *text* is what *pattern* says, ``*`` any run, ``?`` any one character.

    In time of at most their lengths multiplied.
    """
    at = mark = 0
    star = -1
    position = 0
    while position < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in {"?", text[position]}:
            at += 1
            position += 1
        elif star >= 0:
            mark += 1
            at, position = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")


def date_range(key: str) -> Range:
    """Return the days *key*, a date or a range of dates, stands for.

    Raises:
        BadKey: it is neither.
    """
    first, last = _ends(key)
    return Range(_key_date(first), _key_date(last))


def time_range(key: str) -> Range:
    """Return the times of day *key* stands for; ``10`` is the whole hour, ``1030`` the minute.

    Raises:
        BadKey: it is neither a time nor a range of times.
    """
    first, last = _ends(key)
    return Range(_key_time(first, "0"), _key_time(last, "9"))


def moment_range(date_key: str, time_key: str) -> Range | None:
    """Return the one interval a range of dates and a range of times mean together.

    July 5 to 7 with 10:00 to 18:00 is from July 5, 10:00, to July 7, 18:00 (PS3.4 Table K.6-1).
    None where either is no range: then each is matched on its own.
    """
    if is_universal(date_key) or is_universal(time_key):
        return None
    if "-" not in date_key or "-" not in time_key:
        return None
    dates, times = date_range(date_key), time_range(time_key)
    # An open first day has no first moment; an open last one no last.
    first = dates.first and dates.first + (times.first or "0" * 12)
    last = dates.last and dates.last + (times.last or "9" * 12)
    return Range(first, last)


def moment(date: str, time: str) -> str:
    """Return a date and a time as ``moment_range`` compares them, empty where there is no date."""
    day = _date(date)
    return day and day + (_time(time, "0") or "0" * 12)


def _ends(key: str) -> tuple[str, str]:
    text = key.strip()
    if "-" not in text:
        return text, text
    first, _, last = text.partition("-")
    if not first.strip() and not last.strip():
        raise BadKey("a range without ends")
    return first.strip(), last.strip()


def _key_date(text: str) -> str:
    value = _date(text)
    if text and not value:
        raise BadKey("not a date")
    return value


def _key_time(text: str, filler: str) -> str:
    value = _time(text, filler)
    if text and not value:
        raise BadKey("not a time")
    return value


def _date(text: str) -> str:
    found = _DATE.fullmatch(text.strip())
    return "".join(found.groups()) if found else ""


def _time(text: str, filler: str) -> str:
    """Return a TM of any precision as twelve digits, what is not stated filled with *filler*."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return ""
    hour, minute, second, fraction = found.groups()
    end = "59" if filler == "9" else "00"
    # 10:30 as an end is all of that minute; 10:30:15 all of that second.
    return hour + (minute or end) + (second or end) + (fraction or "").ljust(6, filler)


def _matches_name(key: str, value: str) -> bool:
    """Match a PN without regard to case, ``^`` at the end, and blanks between characters.

    A key of one group is tried on each group of the name, so that 张三 finds Zhang^San=张^三; one
    with several must match in each group it has.
    """
    wanted = [_folded(group) for group in key.split("=")]
    return any(_matches_one_name(wanted, name.split("=")) for name in value.split("\\"))


def _matches_one_name(wanted: list[str], groups: list[str]) -> bool:
    have = [_folded(group) for group in groups]
    if len(wanted) == 1:
        return any(glob(wanted[0], group) for group in have if group)
    have += [""] * (_GROUPS - len(have))
    return len(wanted) <= _GROUPS and all(
        glob(one, group) for one, group in zip(wanted, have, strict=False) if one.strip("*")
    )


def _folded(group: str) -> str:
    return _BETWEEN_HAN.sub("", group.strip(" ").rstrip("^ ")).casefold()
