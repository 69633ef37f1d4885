"""When the clinic needs the line itself, and what images may take of it then. Pure."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final, Self

from kernel.errors import Invalid

_SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LEARN_AGAIN: Final = dt.timedelta(minutes=30)
_SLOWLY: Final = 0.1


class BadHours(Invalid):
    """Not hours as the settings write them."""

    code = "clinic-hours"


@dataclass(frozen=True, slots=True)
class ClinicHours:
    """Hours of a day, on some days of the week, by the clock on the clinic's wall."""

    spans: tuple[tuple[dt.time, dt.time | None], ...] = ()
    """Begin included, end not; None ends with the day."""
    days: frozenset[int] = frozenset(range(7))
    """Monday is 0."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the hours in *text*, such as ``mon-sat 08:00-12:00,14:00-17:30``; empty is none.

        Raises:
            BadHours: not written so, or a span that ends before it begins.
        """
        text = text.strip().lower()
        if not text:
            return cls()
        days, _, rest = text.rpartition(" ")
        return cls(tuple(_span(part) for part in rest.split(",")), _days(days.strip()))

    def hold(self, at: dt.datetime) -> bool:
        """Return whether the clinic works at *at*, a local time."""
        now = at.time()
        return at.weekday() in self.days and any(
            begin <= now and (end is None or now < end) for begin, end in self.spans
        )


def _span(text: str) -> tuple[dt.time, dt.time | None]:
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise BadHours("hours are written like 08:00-12:00,14:00-17:30")
    hour, minute, end_hour, end_minute = map(int, found.groups())
    begin_min, end_min = hour * 60 + minute, end_hour * 60 + end_minute
    if not begin_min < end_min <= 24 * 60:
        raise BadHours("hours end after they begin, at 24:00 at the latest")
    end = None if end_min == 24 * 60 else dt.time(end_hour, end_minute)
    return dt.time(hour, minute), end


def _days(text: str) -> frozenset[int]:
    if not text:
        return frozenset(range(7))
    first, dash, last = text.partition("-")
    if first not in _DAYS or (dash and last not in _DAYS):
        raise BadHours("days are written like mon-sat")
    begin, end = _DAYS.index(first), _DAYS.index(last if dash else first)
    return frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))


@dataclass(frozen=True, slots=True)
class Learnt:
    """What the line carried when nothing held images back."""

    bytes_per_s: float
    at: dt.datetime
    """When that was last measured."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What images may take of the line."""

    hours: ClinicHours = ClinicHours()
    share: float = 0.5
    """Of the line within the hours, above 0 up to 1."""
    most_bytes_per_s: float | None = None
    """At any hour; None for all of it."""


def allowed_bytes_per_s(
    shares: Shares, learnt: Learnt | None, now: dt.datetime, *, emergency: bool
) -> float | None:
    """Return what images may take of the line at *now*; None for all there is.

    The share is of what the operator gave or of what the line was found to carry, whichever is
    less. An emergency may take more than the share, never more than the operator's limit. While
    neither is known, or what was learnt is old, images may take all of it for some seconds: a share
    of an unknown is no number.

    Args:
        shares: what the operator set.
        learnt: what the line was found to carry.
        now: local time of the clinic.
        emergency: whether it is for an examination of that priority.
    """
    most = shares.most_bytes_per_s
    if emergency or not shares.hours.hold(now):
        return most
    fresh = learnt is not None and now - learnt.at < _LEARN_AGAIN
    carried = learnt.bytes_per_s if learnt is not None and fresh else None
    line = min((each for each in (most, carried) if each is not None), default=None)
    return None if line is None else line * shares.share


def learn(before: Learnt | None, bytes_per_s: float, now: dt.datetime) -> Learnt:
    """Return what is known of the line after *bytes_per_s* were measured with nothing in the way.

    Faster is believed at once; slower only by and by, because something else may have used it.
    """
    if before is None or bytes_per_s >= before.bytes_per_s:
        return Learnt(bytes_per_s, now)
    slower = before.bytes_per_s + (bytes_per_s - before.bytes_per_s) * _SLOWLY
    return Learnt(slower, now)
