"""What a matching key means (PS3.4 C.2.2.2), as values and pure functions.

``parse_match`` reads a key, ``matches`` decides on one value in Python, and ``glob_pattern``,
``like_pattern`` and ``literal_prefix`` say the same to a database. No regular expression is ever
made from a key: six wildcards on 64 characters would cost seconds.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

from imaging.query.attributes import Kind

LIST_MAX: Final = 1000
"""Values of one UID list or code list; more than that is a mistake or an attack."""
KEY_MAX: Final = 1024
"""Characters of one key that is not a list; the longest text VR searched has 64."""

_DATE: Final = re.compile(r"[0-9]{8}", re.ASCII)
_TIME: Final = re.compile(
    r"(?P<h>[01][0-9]|2[0-3])(?:(?P<m>[0-5][0-9])(?:(?P<s>[0-5][0-9]|60)(?:\.(?P<f>[0-9]{1,6}))?)?)?",
    re.ASCII,
)
_UID_KEY: Final = re.compile(r"[0-9.]{1,64}", re.ASCII)
_NUMBER: Final = re.compile(r" *[+-]?[0-9]{1,12} *", re.ASCII)


@dataclass(frozen=True, slots=True)
class Everything:
    """Universal matching: an empty key, or only ``*``."""


@dataclass(frozen=True, slots=True)
class NothingMatches:
    """The key is no value of its VR, so no value equals it."""

    why: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """Single value matching, or a list of them."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """``*`` stands for any run of characters, ``?`` for exactly one."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Between:
    """Range matching, both ends included; None is open. An absent value is not in any range."""

    first: str | None
    last: str | None


@dataclass(frozen=True, slots=True)
class Equals:
    """One number."""

    value: int


@dataclass(frozen=True, slots=True)
class Absent:
    """Empty value matching: the attribute is not there or has no value (PS3.4 C.2.2.2.7)."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Multiple value matching: one of several keys fits (PS3.4 C.2.2.2.8)."""

    matches: tuple["Match", ...]


Match = Everything | NothingMatches | OneOf | Wildcard | Between | Equals | Absent | AnyOf


def parse_match(raw: str, kind: Kind) -> Match:
    """Return what the key *raw* means for an attribute kept as *kind*.

    Names come folded (``imaging.patients.names.fold_pattern``) or are folded by the caller
    before; everything else is compared as it is, trailing spaces aside. Never raises: a key that
    is no value of its VR matches nothing.
    """
    text = raw.strip(" ")
    # A lone "*" asks for anything, also where the VR knows no wildcards: clients send it.
    if text in {"", '""', "*"}:
        return Everything()
    return _READ[kind](text)


def _text(text: str) -> Match:
    if len(text) > KEY_MAX:
        return NothingMatches("longer than any value")
    pattern = re.sub(r"\*{2,}", "*", text)
    if pattern == "*":
        return Everything()
    if "*" in pattern or "?" in pattern:
        return Wildcard(pattern)
    return OneOf((pattern,))


def _uids(text: str) -> Match:
    values = _listed(text)
    if len(values) > LIST_MAX:
        return NothingMatches(f"more than {LIST_MAX} UIDs")
    known = tuple(value for value in values if _UID_KEY.fullmatch(value))
    return OneOf(known) if known else NothingMatches("not a UID")


def _codes(text: str) -> Match:
    values = _listed(text)
    if len(values) > LIST_MAX:
        return NothingMatches(f"more than {LIST_MAX} values")
    if len(values) == 1:
        return _text(values[0])
    if any("*" in value or "?" in value for value in values):
        return NothingMatches("wildcards in a list")
    return OneOf(tuple(values))


def _listed(text: str) -> list[str]:
    parts = re.split(r"[,\\]", text, maxsplit=LIST_MAX)
    return [part.strip(" ") for part in parts if part.strip(" ")]


def _number(text: str) -> Match:
    return Equals(int(text)) if _NUMBER.fullmatch(text) else NothingMatches("not a number")


def _dates(text: str) -> Match:
    if "-" not in text:
        value = _date(text)
        return OneOf((value,)) if value else NothingMatches("not a date")
    first_text, _, last_text = text.partition("-")
    first, last = _date(first_text.strip(" ")), _date(last_text.strip(" "))
    if (first_text.strip(" ") and not first) or (last_text.strip(" ") and not last):
        return NothingMatches("not a range of dates")
    if first is None and last is None:
        return NothingMatches("a range without ends")
    return Between(first, last)


def _date(text: str) -> str | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
    return text


def _times(text: str) -> Match:
    if "-" not in text:
        value = normal_time(text)
        return OneOf((value,)) if value else NothingMatches("not a time")
    first_text, _, last_text = text.partition("-")
    first, last = normal_time(first_text.strip(" ")), _last_moment(last_text.strip(" "))
    if (first_text.strip(" ") and not first) or (last_text.strip(" ") and not last):
        return NothingMatches("not a range of times")
    if not first and not last:
        return NothingMatches("a range without ends")
    return Between(first or None, last or None)


_READ: Final = {
    Kind.TEXT: _text,
    Kind.NAME: _text,
    Kind.FOLDED_NAME: _text,
    Kind.UID: _uids,
    Kind.CODES: _codes,
    Kind.NUMBER: _number,
    Kind.DATE: _dates,
    Kind.TIME: _times,
}


def normal_date(text: str) -> str:
    """Return a DA value, or the old ``YYYY.MM.DD``, as YYYYMMDD; empty where it is no date."""
    return _date(text.strip(" \0").replace(".", "")) or ""


def normal_time(text: str) -> str:
    """Return a TM value, or the old ``HH:MM:SS``, as HHMMSS.FFFFFF; empty where it is no time."""
    found = _TIME.fullmatch(text.strip(" \0").replace(":", ""))
    if found is None:
        return ""
    fraction = (found["f"] or "").ljust(6, "0")
    return f"{found['h']}{found['m'] or '00'}{found['s'] or '00'}.{fraction}"


def _last_moment(text: str) -> str:
    """Return the last instant *text* covers: 10 ends with 10:59:59.999999."""
    found = _TIME.fullmatch(text.replace(":", ""))
    if found is None:
        return ""
    fraction = (found["f"] or "").ljust(6, "9")
    return f"{found['h']}{found['m'] or '59'}{found['s'] or '59'}.{fraction}"


def matches(match: Match, value: str) -> bool:
    """Return whether *value*, as it is kept, is what *match* asks for.

    A column of several codes is asked once per code; one match is enough.
    """
    if isinstance(match, AnyOf):
        return any(matches(each, value) for each in match.matches)
    match match:
        case Everything() | NothingMatches():
            return isinstance(match, Everything)
        case Absent() | OneOf():
            return value in (match.values if isinstance(match, OneOf) else ("",))
        case Wildcard(pattern):
            return matches_wildcard(pattern, value)
        case Between(first, last):
            return (
                value != ""
                and (first is None or first <= value)
                and (last is None or value <= last)
            )
        case Equals(number):
            return value != "" and int(value) == number


def matches_wildcard(pattern: str, value: str) -> bool:
    """Return whether the whole of *value* fits *pattern*, in time proportional to both."""
    at = here = 0
    star, resume = -1, 0
    while at < len(value):
        if here < len(pattern) and pattern[here] == "*":
            star, resume = here, at
            here += 1
        elif here < len(pattern) and pattern[here] in {"?", value[at]}:
            here += 1
            at += 1
        elif star >= 0:
            resume += 1
            here, at = star + 1, resume
        else:
            return False
    return pattern[here:].strip("*") == ""


def glob_pattern(pattern: str) -> str:
    """Return *pattern* for SQLite's GLOB, in which ``[`` would open a class of characters."""
    return pattern.replace("[", "[[]")


def like_pattern(pattern: str) -> str:
    r"""Return *pattern* for ``LIKE … ESCAPE '\'``, ``%`` and ``_`` taken literally."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def literal_prefix(pattern: str) -> str:
    """Return the characters every match of *pattern* begins with."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


def literal_runs(pattern: str) -> list[str]:
    """Return the runs of literal characters in *pattern*, each inside every match."""
    return [run for run in re.split(r"[*?]+", pattern) if run]
