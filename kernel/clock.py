"""Time as a value that is handed in, so that rules and tests never ask the machine."""

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> dt.datetime:
        """Return the present instant, timezone-aware, in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards, for deadlines and rates."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> dt.datetime:
        """Return the present instant in UTC."""
        return dt.datetime.now(dt.UTC)  # noqa: TID251  # the one place that may ask the machine

    def monotonic_s(self) -> float:
        """Return ``time.monotonic()``."""
        return time.monotonic()


class FrozenClock:
    """A clock that moves only when told to."""

    def __init__(self, at: dt.datetime) -> None:
        if at.tzinfo is None:
            msg = "a clock needs a timezone-aware instant"
            raise ValueError(msg)
        self._at = at.astimezone(dt.UTC)
        self._monotonic_s = 0.0

    def now(self) -> dt.datetime:
        """Return the instant last set."""
        return self._at

    def monotonic_s(self) -> float:
        """Return the seconds this clock was advanced in all."""
        return self._monotonic_s

    def advance(self, by: dt.timedelta) -> None:
        """Move on by *by*, which may not be negative."""
        if by < dt.timedelta(0):
            msg = "time does not run backwards; make a new clock"
            raise ValueError(msg)
        self._at += by
        self._monotonic_s += by.total_seconds()
