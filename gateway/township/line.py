"""What is known of the line to the county: up or down, since when, how fast."""

import datetime as dt
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from statistics import median_low
from typing import Final, NamedTuple

import msgspec

from gateway.township.line_plan import LineWindow
from gateway.township.tcp_losses import TcpLosses

_WINDOW_S: Final = 10.0
_FORGET_S: Final = 60.0
_MIN_SPAN_S: Final = 0.5
_LEAST_BYTES: Final = 64 * 1024
"""Less than this measures how long answers take, and not the line."""
_SURE_SPAN_S: Final = 2.0
_FILLING_S: Final = 1.0
"""What goes out at first fills buffers on the way and says little of the line."""
_PLAN_WINDOW_S: Final = 300.0
_REMEMBER_S: Final = 1800.0
_NOTED_MAX: Final = 1000
_DELIVERED_LEAST_BYTES: Final = 256 * 1024
"""What is smaller measures the round trip, and not the line."""
_DELIVERIES: Final = 3
_TOGETHER_S: Final = 0.05
"""What goes out within this time is noted as one, so that a fast line makes no long lists."""


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


class _Sent(NamedTuple):
    at_s: float
    busy_s: float
    """Seconds so far in which something was on its way up."""
    size_bytes: int


class LineMeter:
    """Learns from every attempt; decides nothing.

    Rates are of the time in which something was on its way: a clinic that makes an image a minute
    has no slow line.
    """

    def __init__(self) -> None:
        self._state = LineState.UNKNOWN
        self._since: dt.datetime | None = None
        self._code = ""
        self._sent: deque[_Sent] = deque()
        self._under_way = 0
        self._idle_since_s: float | None = None
        self._idle_s = 0.0
        self._cuts: deque[float] = deque(maxlen=_NOTED_MAX)
        self._round_trips: deque[tuple[float, float]] = deque(maxlen=_NOTED_MAX)
        self._known_rate: tuple[float, float] | None = None
        self._deliveries: deque[tuple[float, float]] = deque(maxlen=_DELIVERIES)
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

    def began(self, now_s: float) -> None:
        """Note that an upload begins; ``ended`` follows."""
        if self._idle_since_s is not None:
            self._idle_s += now_s - self._idle_since_s
            self._idle_since_s = None
        self._under_way += 1

    def ended(self, now_s: float) -> None:
        """Note that an upload is over, whole or not."""
        self._under_way -= 1
        if self._under_way == 0:
            self._idle_since_s = now_s

    def sent(self, count: int, now_s: float) -> None:
        """Note that *count* bytes went out."""
        self.sent_bytes += count
        if self._sent and now_s - self._sent[-1].at_s < _TOGETHER_S:
            last = self._sent[-1]
            self._sent[-1] = last._replace(size_bytes=last.size_bytes + count)
            return
        idle_s = 0.0 if self._idle_since_s is None else now_s - self._idle_since_s
        busy_s = now_s - self._idle_s - idle_s
        self._sent.append(_Sent(now_s, busy_s, count))
        self._drop(busy_s - _WINDOW_S, now_s - _FORGET_S, keep=2)
        began_s = self._sent[0].busy_s
        if busy_s - began_s >= _SURE_SPAN_S:
            rate = _rate([one for one in self._sent if one.busy_s >= began_s + _FILLING_S])
            if rate is not None:
                self._known_rate = (now_s, rate)

    def delivered(self, count: int, within_s: float, now_s: float) -> None:
        """Note that the county acknowledged *count* bytes *within_s* seconds of the first.

        On a line that is faster than parcels are made, what went out in ten seconds says how fast
        they are made; this says how fast the line is.
        """
        if count >= _DELIVERED_LEAST_BYTES and within_s > 0:
            self._deliveries.append((now_s, count / within_s))

    def bytes_per_s(self, now_s: float, *, since_s: float | None = None) -> float | None:
        """Return the rate of the last ten seconds of sending; None when too little is known.

        Args:
            now_s: monotonic seconds.
            since_s: what went out before does not count; None for all of the ten seconds.
        """
        if not self._sent or self._state is LineState.DOWN:
            return None
        counted = [one for one in self._sent if since_s is None or one.at_s >= since_s]
        if not counted or now_s - counted[-1].at_s > _FORGET_S:
            return None
        return _rate(counted)

    def window(self, now_s: float) -> LineWindow:
        """Return what was measured in the last minutes, for a plan; a cut does not wipe it out."""
        since_s = now_s - _PLAN_WINDOW_S
        return LineWindow(
            bytes_per_s=self._line_rate(now_s),
            rtt_s=min((took for at_s, took in self._round_trips if at_s >= since_s), default=None),
            cuts=sum(at_s >= since_s for at_s in self._cuts),
            lost_share=self.losses.share(),
            window_s=_PLAN_WINDOW_S,
        )

    def _line_rate(self, now_s: float) -> float | None:
        known = [self._known_rate] if self._known_rate else []
        if self._deliveries:
            # The middle one: one that met a stall, or a buffer that took it all, counts little.
            middle = median_low(rate for _, rate in self._deliveries)
            known.append((self._deliveries[-1][0], middle))
        return max((rate for at_s, rate in known if now_s - at_s < _REMEMBER_S), default=None)

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
        self._state, self._code = state, code
        return True

    def _drop(self, busy_before_s: float, before_s: float, *, keep: int) -> None:
        sent = self._sent
        while len(sent) > keep and (sent[0].busy_s < busy_before_s or sent[0].at_s < before_s):
            sent.popleft()


def _rate(sent: Sequence[_Sent]) -> float | None:
    """Return bytes a second; None where these are too few to tell."""
    count = sum(one.size_bytes for one in sent[1:])
    span_s = sent[-1].busy_s - sent[0].busy_s if sent else 0.0
    return count / span_s if span_s >= _MIN_SPAN_S and count >= _LEAST_BYTES else None
