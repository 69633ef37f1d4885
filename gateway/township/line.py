"""What is known of the line to the county: up or down, since when, how fast."""

import datetime as dt
from collections import deque
from enum import StrEnum
from typing import Final

import msgspec

_WINDOW_S: Final = 10.0
_FORGET_S: Final = 60.0
_MIN_SPAN_S: Final = 0.5


class LineState(StrEnum):
    """Whether the county could be reached at the last attempt."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The line as the page shows it."""

    state: LineState
    since: dt.datetime | None
    rate_bits_per_s: int | None
    code: str = ""
    """Why it is down, where more is known than that."""


class LineMeter:
    """Learns from every attempt; decides nothing."""

    def __init__(self) -> None:
        self._state = LineState.UNKNOWN
        self._since: dt.datetime | None = None
        self._code = ""
        self._sent: deque[tuple[float, int]] = deque()
        self._window_bytes = 0
        self.sent_bytes = 0
        """All that went out since the start."""

    def reached(self, at: dt.datetime) -> bool:
        """Note that the county answered; returns whether that is news."""
        return self._set(LineState.UP, at, "")

    def lost(self, at: dt.datetime, code: str) -> bool:
        """Note that the county could not be reached or is not able; returns whether it is news."""
        return self._set(LineState.DOWN, at, code)

    def sent(self, count: int, now_s: float) -> None:
        """Note that *count* bytes went out."""
        self.sent_bytes += count
        self._sent.append((now_s, count))
        self._window_bytes += count
        self._drop(now_s - _WINDOW_S, keep=2)

    def bytes_per_s(self, now_s: float) -> float | None:
        """Return the rate of the last ten seconds of sending; None when too little is known."""
        if not self._sent or self._state is LineState.DOWN:
            return None
        first_s, last_s = self._sent[0][0], self._sent[-1][0]
        if now_s - last_s > _FORGET_S or last_s - first_s < _MIN_SPAN_S:
            return None
        return (self._window_bytes - self._sent[0][1]) / (last_s - first_s)

    def line(self, now_s: float) -> Line:
        """Return the line as it is now."""
        rate = self.bytes_per_s(now_s)
        return Line(
            state=self._state,
            since=self._since,
            rate_bits_per_s=None if rate is None else round(rate * 8),
            code=self._code,
        )

    def _set(self, state: LineState, at: dt.datetime, code: str) -> bool:
        if state is self._state and code == self._code:
            return False
        if state is not self._state:
            self._since = at
            if state is LineState.DOWN:
                self._sent.clear()
                self._window_bytes = 0
        self._state, self._code = state, code
        return True

    def _drop(self, before_s: float, *, keep: int) -> None:
        while len(self._sent) > keep and self._sent[0][0] < before_s:
            self._window_bytes -= self._sent.popleft()[1]
