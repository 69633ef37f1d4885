"""How to use the line, from what was measured of it: one pure decision.

A parcel goes on where it was cut, so its size does not decide what a cut costs; it decides how
soon the county has a first whole piece, and how much of the line goes into asking and answering.
"""

from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * 1024
PARCEL_LEAST_BYTES: Final = 256 * KIB
PARCEL_MOST_BYTES: Final = 8 * MIB
PARCEL_UNKNOWN_BYTES: Final = 1 * MIB
"""Before anything is known: not long on a bad line, not too many on a good one."""
PARALLEL_MOST: Final = 3
RESENT_MOST_BYTES: Final = 1 * MIB
"""What one cut may cost over all uploads together."""
_PARCEL_S: Final = 4.0
_PARCELS_BETWEEN_CUTS: Final = 3.0
_ROUND_TRIPS_PER_PARCEL: Final = 10.0
"""A parcel takes at least so many round trips: the next is announced in two, and has to be made."""
_LOSSY: Final = 0.01
"""From here on losses, not the line, hold one connection down (the rule of Mathis et al.)."""
_LONG_RTT_S: Final = 0.1
_CUTS_PER_MINUTE_MOST: Final = 2.0
_BUFFER_LEAST_BYTES: Final = 16 * KIB
_BUFFER_ALL_BYTES: Final = 192 * KIB
"""Linux doubles what is asked for, and routers hold some more: together well below a MiB."""
_ALONE: Final = 0.8
_BUFFER_UNKNOWN_BYTES: Final = 96 * KIB
_QUEUED_S: Final = 0.2
"""About this much of the line may wait in sockets, so that an emergency does not queue."""
_LEVELS: Final = ((1_250_000, 15), (2_500_000, 9), (12_500_000, 3))
"""Up to so many bytes a second, this Zstandard level; each is some times faster than its line."""
_LEVEL_FAST: Final = 1
_DENSE_MOST_BYTES_PER_S: Final = 2_500_000
"""Frames are made dense at some 8 MB of them a second and core; up to a third of that."""
_LEVEL_UNKNOWN: Final = 9


@dataclass(frozen=True, slots=True)
class LineWindow:
    """What was measured of the line lately."""

    bytes_per_s: float | None = None
    """Rate while something was being sent; None where too little was."""
    rtt_s: float | None = None
    """Shortest time from a question to its answer; None where none was asked."""
    cuts: int = 0
    """How often the line was lost within the window."""
    lost_share: float = 0.0
    """Segments sent again of all that were sent, 0 to 1; 0 where the system does not tell."""
    window_s: float = 300.0
    """How long the window is, above 0."""


@dataclass(frozen=True, slots=True)
class LinePlan:
    """How to use the line now."""

    parcel_bytes: int
    """Least to most as above; an instance larger than that travels alone."""
    parallel: int
    """Uploads that send at a time, 1 to 3; one more is announced meanwhile."""
    level: int
    """Zstandard level for what is not compressed already."""
    dense: bool
    """Whether bytes are dearer than the time to make them fewer (``kernel.dicom.dense``)."""
    send_buffer_bytes: int
    """What one connection asks the system to hold for it."""


def line_plan(window: LineWindow, *, parallel_most: int = PARALLEL_MOST) -> LinePlan:
    """Return how to use a line that was measured so.

    Args:
        window: what is known of it; of an impossible number no use is made.
        parallel_most: what the operator allows; at least 1.
    """
    rate = window.bytes_per_s if window.bytes_per_s and window.bytes_per_s > 0 else None
    rtt_s = max(window.rtt_s or 0.0, 0.0)
    parallel = min(_parallel(window, rtt_s), max(parallel_most, 1), PARALLEL_MOST)
    return LinePlan(
        parcel_bytes=_parcel_bytes(window, rate, rtt_s),
        parallel=parallel,
        level=_level(rate),
        dense=rate is None or rate <= _DENSE_MOST_BYTES_PER_S,
        send_buffer_bytes=_buffer_bytes(rate, rtt_s, parallel),
    )


def _parcel_bytes(window: LineWindow, rate: float | None, rtt_s: float) -> int:
    if rate is None:
        return PARCEL_UNKNOWN_BYTES
    takes_s = _PARCEL_S
    if window.cuts > 0:
        # Several receipts between two cuts: what is receipted can be looked at.
        takes_s = min(takes_s, window.window_s / window.cuts / _PARCELS_BETWEEN_CUTS)
    takes_s = max(takes_s, rtt_s * _ROUND_TRIPS_PER_PARCEL)
    return int(min(max(rate * takes_s, PARCEL_LEAST_BYTES), PARCEL_MOST_BYTES))


def _parallel(window: LineWindow, rtt_s: float) -> int:
    """Return how many uploads keep the line full while they send.

    One, so that each parcel is over as early as it can be; three where round trips or losses hold
    one connection down, and the line lasts for longer than it takes to open them.
    """
    minutes = max(window.window_s, 1.0) / 60
    if window.cuts / minutes > _CUTS_PER_MINUTE_MOST:
        return 1
    return 3 if window.lost_share >= _LOSSY or rtt_s >= _LONG_RTT_S * 4 else 1


def _level(rate: float | None) -> int:
    if rate is None:
        return _LEVEL_UNKNOWN
    return next((level for most, level in _LEVELS if rate <= most), _LEVEL_FAST)


def _buffer_bytes(rate: float | None, rtt_s: float, parallel: int) -> int:
    if rate is None:
        return max(_BUFFER_UNKNOWN_BYTES // parallel, _BUFFER_LEAST_BYTES)
    # What the line holds in a round trip keeps it busy, also when one upload is alone.
    held = rate * rtt_s
    each = max(rate * max(rtt_s, _QUEUED_S) / parallel, held * _ALONE)
    return int(max(min(each, _BUFFER_ALL_BYTES / parallel), _BUFFER_LEAST_BYTES))
