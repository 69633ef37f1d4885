"""When each study will be over the line, from the order of sending and the measured rate. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.township.fair_turns import OPEN_STUDIES

_AMONG: Final = OPEN_STUDIES


@dataclass(frozen=True, slots=True)
class Load:
    """One study that waits for the line."""

    study: str
    precedence: tuple[float, ...]
    """Studies of a lesser one go wholly before it; those of the same take turns."""
    left_bytes: int
    """What is not over yet, 0 or more."""


def arrivals_s(loads: Sequence[Load], bytes_per_s: float | None) -> dict[str, float | None]:
    """Return in how many seconds each study will be over; None for all where no rate is known.

    Args:
        loads: what waits, in the order of sending: precedence first, then age.
        bytes_per_s: what the line carries; None while it is down: it waits for the line.
    """
    if bytes_per_s is None or bytes_per_s <= 0:
        return {load.study: None for load in loads}
    over: dict[str, float | None] = {}
    begun = 0.0
    for lane in _lanes(loads):
        for study, sent_bytes in _by_turns(lane):
            over[study] = (begun + sent_bytes) / bytes_per_s
        begun += sum(load.left_bytes for load in lane)
    return over


def _lanes(loads: Sequence[Load]) -> list[list[Load]]:
    lanes: dict[tuple[float, ...], list[Load]] = {}
    for load in loads:
        lanes.setdefault(load.precedence, []).append(load)
    return [lanes[precedence] for precedence in sorted(lanes)]


def _by_turns(lane: Sequence[Load]) -> list[tuple[str, float]]:
    """Return after how many bytes of the lane each study is over.

    The oldest few share the line evenly; whenever one is over, the next oldest joins them.
    """
    waiting = list(reversed(lane))
    sharing: list[tuple[str, float]] = []
    over: list[tuple[str, float]] = []
    sent = 0.0
    while waiting or sharing:
        while waiting and len(sharing) < _AMONG:
            load = waiting.pop()
            sharing.append((load.study, float(load.left_bytes)))
        least = min(left for _, left in sharing)
        sent += least * len(sharing)
        over += [(study, sent) for study, left in sharing if left <= least]
        sharing = [(study, left - least) for study, left in sharing if left > least]
    return over
