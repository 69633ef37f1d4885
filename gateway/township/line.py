"""What is known of the line to the county: up or down, since when, how fast."""

import datetime as dt
from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from statistics import median_low
from typing import Final, NamedTuple

import msgspec

from gateway.township.full_line import FullLine
from gateway.township.line_plan import LineWindow
from gateway.township.tcp_losses import TcpLosses

_FORGET_S: Final = 60.0
_TOLD_SPAN_S: Final = 0.5
_SURE_SPAN_S: Final = 2.0
"""Sockets take lumps, of half a second on a slow line."""
_PLAN_WINDOW_S: Final = 300.0
_REMEMBER_S: Final = 1800.0
_NOTED_MAX: Final = 1000
_DELIVERED_LEAST_BYTES: Final = 256 * 1024
"""What is smaller measures the round trip, and not the line."""
_DELIVERIES: Final = 3
_ROUND_TRIPS: Final = 5.0
"""Of what took longer than so many, one that nobody knows of makes less than a third."""


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
    held_until: dt.datetime | None = None
    """Until when a person holds it; before, no image goes or comes, of letters what is urgent."""
    held_by: str = ""
    limit_bits_per_s: int | None = None
    """What images may take of it now; None for all there is."""
    clinic_hours: bool = False
    """Whether that is because the clinic works."""


class _Delivery(NamedTuple):
    at_s: float
    began_s: float
    bytes_per_s: float
    long: bool
    """Whether it took so long that it tells how fast the line is, whatever answers took."""


class LineMeter:
    """Learns from every attempt; decides nothing.

    Rates are of the time in which the line was kept full (``FullLine``), or of uploads long enough
    to fill it: a clinic that makes a small image now and then has no slow line.
    """

    def __init__(self) -> None:
        self._state = LineState.UNKNOWN
        self._since: dt.datetime | None = None
        self._code = ""
        self._full = FullLine()
        self._cuts: deque[float] = deque(maxlen=_NOTED_MAX)
        self._round_trips: deque[tuple[float, float]] = deque(maxlen=_NOTED_MAX)
        self._known_rate: tuple[float, float] | None = None
        self._deliveries: deque[_Delivery] = deque(maxlen=_DELIVERIES)
        self.sent_bytes = 0
        """All that went out since the start."""
        self.losses = TcpLosses()
        """Of the connections to the county."""

    def reached(self, at: dt.datetime) -> bool:
        """Note that the county answered; returns whether that is news."""
        return self._set(LineState.UP, at, "")

    def lost(self, at: dt.datetime, code: str, now_s: float) -> bool:
        """Note that the county could not be reached or is not able; returns whether it is news."""
        if self._state is LineState.UP:
            self._cuts.append(now_s)
        return self._set(LineState.DOWN, at, code)

    def answered(self, within_s: float, now_s: float) -> None:
        """Note that a small question had its answer *within_s* seconds."""
        self._round_trips.append((now_s, within_s))

    def began(self, upload: str, now_s: float) -> None:
        """Note that the bytes of *upload* are handed over from now on; ``handed`` follows."""
        self._full.begin(upload, now_s)

    def handed(self, upload: str) -> None:
        """Note that *upload* has no more to hand over, whole or not. Safe to call twice."""
        self._full.end(upload)

    def sent(self, count: int, now_s: float) -> None:
        """Note that *count* bytes went out."""
        self.sent_bytes += count
        if self._full.took(count, now_s):
            rate = self._full.bytes_per_s(now_s, least_s=_SURE_SPAN_S)
            if rate is not None:
                self._known_rate = (now_s, rate)

    def delivered(self, count: int, within_s: float, now_s: float) -> None:
        """Note that the county acknowledged *count* bytes *within_s* seconds of the first.

        On a line that is faster than parcels are made, what went out in ten seconds says how fast
        they are made; this says how fast the line is.
        """
        if count >= _DELIVERED_LEAST_BYTES and within_s > 0:
            rtt_s = self._rtt_s(now_s) or 0.0
            # The answer's way is no sending; that it is more than half of it nobody can know.
            rate = count / max(within_s - rtt_s, within_s / 2)
            long = within_s >= rtt_s * _ROUND_TRIPS
            self._deliveries.append(_Delivery(now_s, now_s - within_s, rate, long))

    def bytes_per_s(self, now_s: float) -> float | None:
        """Return the rate of the last ten seconds of sending; None when too little is known."""
        if self._state is LineState.DOWN:
            return None
        return self._full.bytes_per_s(now_s, least_s=_TOLD_SPAN_S)

    def carried_bytes_per_s(self, now_s: float, *, since_s: float, waited_s: float) -> float | None:
        """Return what the line was found to carry; None where nothing filled it.

        Never less than two thirds of what it does carry, however long answers take and however
        small uploads are: what is too small to tell tells nothing.

        Args:
            now_s: monotonic seconds.
            since_s: since when nothing but the line has limited what goes.
            waited_s: when anything was held back last, if only for a moment.
        """
        if self._state is LineState.DOWN:
            return None
        full = self._full.bytes_per_s(now_s, least_s=_SURE_SPAN_S, since_s=since_s)
        long = [
            one for one in self._deliveries if one.long and one.began_s >= max(since_s, waited_s)
        ]
        found = [each for each in (full, _middle(long)) if each is not None]
        return max(found, default=None)

    def window(self, now_s: float) -> LineWindow:
        """Return what was measured in the last minutes, for a plan; a cut does not wipe it out."""
        since_s = now_s - _PLAN_WINDOW_S
        return LineWindow(
            bytes_per_s=self._line_rate(now_s),
            rtt_s=self._rtt_s(now_s),
            cuts=sum(at_s >= since_s for at_s in self._cuts),
            lost_share=self.losses.share(),
            window_s=_PLAN_WINDOW_S,
        )

    def _rtt_s(self, now_s: float) -> float | None:
        since_s = now_s - _PLAN_WINDOW_S
        return min((took for at_s, took in self._round_trips if at_s >= since_s), default=None)

    def _line_rate(self, now_s: float) -> float | None:
        known = [self._known_rate] if self._known_rate else []
        middle = _middle(self._deliveries)
        if middle is not None:
            known.append((self._deliveries[-1].at_s, middle))
        return max((rate for at_s, rate in known if now_s - at_s < _REMEMBER_S), default=None)

    def line(self, now_s: float) -> Line:
        """Return the line as it is now."""
        rate = self.bytes_per_s(now_s)
        if rate is None and self._state is not LineState.DOWN:
            # Uploads that are over within a second are told by when they were acknowledged.
            rate = _middle([one for one in self._deliveries if now_s - one.at_s < _FORGET_S])
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
                self._full.clear()
        self._state, self._code = state, code
        return True


def _middle(deliveries: Iterable[_Delivery]) -> float | None:
    """Return the middle rate: one that met a stall, or a buffer that took all, counts little."""
    rates = [one.bytes_per_s for one in deliveries]
    return median_low(rates) if rates else None
