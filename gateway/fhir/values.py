"""Values of search parameters from their text (FHIR R4 search.html)."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from kernel.dicom.shown import LEGAL_TIME
from kernel.errors import Invalid
from kernel.fhir.query import Span, Target, Text, Token, Value
from kernel.fhir.resource import ParameterType, SearchParameter

_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
_DATE: Final = re.compile(
    r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?"
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?",
    re.ASCII,
)
_SPLIT: Final = re.compile(r"(?<!\\)((?:\\\\)*),")
_BAR: Final = re.compile(r"(?<!\\)((?:\\\\)*)\|")
_ESCAPED: Final = re.compile(r"\\([,|$\\])")
_CONTROL: Final = re.compile(r"[\x00-\x1f\ud800-\udfff]")
_NEAR: Final = 0.1
VALUES_MAX: Final = 100
"""Values of one parameter of which one has to fit."""


class InvalidValue(Invalid):
    """A search parameter's value is none of its kind; the detail names the parameter."""

    code = "invalid-value"


def values_of(
    parameter: SearchParameter, kind: ParameterType, raw: str, now: dt.datetime
) -> tuple[Value, ...]:
    """Return the values in *raw*, commas between them.

    Args:
        parameter: whose they are.
        kind: what they are, which for a chain is not what the parameter is.
        raw: percent-decoded.
        now: what a date near another is near by (``ap``).

    Raises:
        InvalidValue: one is none of its kind, or there are over a hundred.
    """
    if _CONTROL.search(raw):
        raise InvalidValue(f"{parameter.name}: no control characters")
    parts = _split(raw)
    if len(parts) > VALUES_MAX:
        raise InvalidValue(f"{parameter.name}: at most {VALUES_MAX} values")
    try:
        return tuple(_READ[kind](parameter, part, now) for part in parts)
    except (ValueError, OverflowError) as exc:
        raise InvalidValue(f"{parameter.name}: not a {kind}") from exc


def _split(raw: str) -> list[str]:
    # The pattern keeps the backslashes before a comma, which belong to the value before it.
    pieces = _SPLIT.split(raw)
    return [
        pieces[at] + (pieces[at + 1] if at + 1 < len(pieces) else "")
        for at in range(0, len(pieces), 2)
    ]


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _token(_parameter: SearchParameter, text: str, _now: dt.datetime) -> Token:
    system, bar, code = _BAR.sub(r"\1" + "\0", text).partition("\0")
    if not bar:
        return Token(_some(_plain(text)))
    if not system and not code:
        raise ValueError
    return Token(_plain(code), _plain(system))


def _text(_parameter: SearchParameter, text: str, _now: dt.datetime) -> Text:
    return Text(_some(_plain(text)))


def _some(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text


def _reference(parameter: SearchParameter, text: str, _now: dt.datetime) -> Target:
    kind, slash, key = text.rpartition("/")
    kind = kind.rpartition("/")[2]
    if not _ID.fullmatch(key) or (slash and kind not in parameter.targets):
        raise ValueError
    return Target(kind, key)


def _span(_parameter: SearchParameter, text: str, now: dt.datetime) -> Span:
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError
    first, last = _bounds(found)
    far = abs(now - first) * _NEAR
    return {
        "ne": Span(first, last, outside=True),
        "gt": Span(last, None),
        "sa": Span(last, None),
        "lt": Span(None, first),
        "eb": Span(None, first),
        "ge": Span(first, None),
        "le": Span(None, last),
        "ap": Span(first - far, last + far),
    }.get(found[1], Span(first, last))


def _bounds(found: re.Match[str]) -> tuple[dt.datetime, dt.datetime]:
    """Return the first instant a date stands for, and the first after it."""
    _, year, month, day, hour, minute, second, fraction, zone = found.groups()
    tz = LEGAL_TIME if zone is None else _zone(zone)
    first = dt.datetime(int(year), int(month or 1), int(day or 1), tzinfo=tz)
    if month is None:
        return first, first.replace(year=first.year + 1)
    if day is None:
        return first, (first + dt.timedelta(days=31)).replace(day=1)
    if hour is None:
        return first, first + dt.timedelta(days=1)
    first = first.replace(hour=int(hour), minute=int(minute), second=int(second or 0))
    if second is None:
        return first, first + dt.timedelta(minutes=1)
    if fraction is None:
        return first, first + dt.timedelta(seconds=1)
    # Of what is finer than a microsecond nothing is kept.
    first = first.replace(microsecond=int(fraction[:6].ljust(6, "0")))
    return first, first + dt.timedelta(microseconds=10 ** max(0, 6 - len(fraction)))


def _zone(text: str) -> dt.tzinfo:
    if text == "Z":
        return dt.UTC
    offset = dt.timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return dt.timezone(-offset if text[0] == "-" else offset)


_READ: Final[Mapping[ParameterType, Callable[[SearchParameter, str, dt.datetime], Value]]] = (
    MappingProxyType(
        {
            ParameterType.TOKEN: _token,
            ParameterType.STRING: _text,
            ParameterType.DATE: _span,
            ParameterType.REFERENCE: _reference,
        }
    )
)
