"""A line and its troubles, as values. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_BITS: Final = 8
_WINDOW_LEAST_BYTES: Final = 64 * 1024


class Fault(StrEnum):
    """What a line does to those who use it."""

    RST = "rst"
    """Both ends are reset; what was under way is lost."""
    FIN = "fin"
    """Both ends see an orderly close; what was under way is lost."""
    BLACK_HOLE = "black-hole"
    """Open connections go silent for ever and nobody is told, as when a router forgets them."""
    STALL = "stall"
    """Nothing moves for a while, then everything goes on where it was."""
    FLIP = "flip"
    """One bit of one byte changes."""


@dataclass(frozen=True, slots=True)
class LineShape:
    """What the line is like on a good minute."""

    up_bits_per_s: float
    """From those who connect to those they connect to."""
    down_bits_per_s: float
    rtt_s: float
    window_bytes: int = 0
    """Most that one connection has under way in one direction; 0 is twice what the line holds."""

    def __post_init__(self) -> None:
        """Refuse a line on which nothing can move."""
        if min(self.up_bits_per_s, self.down_bits_per_s) <= 0 or self.rtt_s < 0:
            raise ValueError("a line has a rate above 0 and a round trip of 0 s or more")

    def rate_bytes_per_s(self, *, up: bool) -> float:
        """Return the rate of one direction."""
        return (self.up_bits_per_s if up else self.down_bits_per_s) / _BITS

    def window(self, *, up: bool) -> int:
        """Return how much one connection may have under way in one direction."""
        held = int(2 * self.rate_bytes_per_s(up=up) * self.rtt_s)
        return self.window_bytes or max(held, _WINDOW_LEAST_BYTES)


QUICK_LINE: Final = LineShape(80_000_000, 80_000_000, rtt_s=0.002)
"""So fast that what is tried on it does not depend on the rate."""


@dataclass(frozen=True, slots=True)
class AtTime:
    """A fault of the whole line, so many seconds after it was opened."""

    at_s: float
    fault: Fault
    lasts_s: float = 0.0
    """New connections are refused so long (RST, FIN), unanswered (BLACK_HOLE), or nothing moves."""

    def __post_init__(self) -> None:
        """Refuse what only a byte can tell."""
        if self.fault is Fault.FLIP:
            raise ValueError("a bit is flipped at a byte, not at a time")


@dataclass(frozen=True, slots=True)
class AtByte:
    """A fault of the first connection that gets so far; used once."""

    after_up: int
    """Bytes of that connection that went up whole; the fault strikes before the next one."""
    fault: Fault
    before_answer: bool = False
    """Wait for the answer: all that was asked has arrived, and the answer is lost."""
    lasts_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a bit flipped in what comes down."""
        if self.before_answer and self.fault is Fault.FLIP:
            raise ValueError("a bit is flipped in what goes up")


def every(
    seconds: float, *, fault: Fault = Fault.RST, lasts_s: float = 0.0, until_s: float
) -> Sequence[AtTime]:
    """Return a fault each *seconds*, the last before *until_s*."""
    if seconds <= 0:
        raise ValueError("the interval is above 0 s")
    count = int(until_s / seconds)
    return [AtTime(n * seconds, fault, lasts_s) for n in range(1, count + 1)]


def seeded(
    seed: int,
    count: int,
    *,
    most_bytes: int,
    faults: Sequence[Fault] = tuple(Fault),
    answers: float = 0.2,
    lasts_s: float = 0.0,
) -> Iterator[AtByte]:
    """Yield *count* faults at random bytes, the same for the same *seed*.

    Args:
        seed: of the draw.
        count: how many.
        most_bytes: each strikes after fewer bytes than these.
        faults: which, drawn evenly.
        answers: the share that lets everything up and takes the answer; flips and stalls never do.
        lasts_s: as in ``AtByte``.
    """
    draw = random.Random(seed)  # noqa: S311  # to be drawn again
    for _ in range(count):
        fault = draw.choice(faults)
        ends = fault not in (Fault.FLIP, Fault.STALL)
        yield AtByte(
            draw.randrange(1, most_bytes),
            fault,
            before_answer=draw.random() < answers and ends,
            lasts_s=lasts_s,
        )
