"""Figures of rounds, and what they say against a bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of several rounds, with the lowest and the highest."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of *values*, at least one."""
        return cls(median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        return f"{_short(self.median)} ({_short(self.low)}-{_short(self.high)})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One bar, and the ratio that was measured."""

    name: str
    ratio: Spread
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the median is on the right side of the bar."""
        if self.at_least is not None and self.ratio.median < self.at_least:
            return False
        return self.at_most is None or self.ratio.median <= self.at_most

    @property
    def bar(self) -> str:
        """The bar in words."""
        said = [f">= {self.at_least:g}"] if self.at_least is not None else []
        said += [f"<= {self.at_most:g}"] if self.at_most is not None else []
        return " and ".join(said) or "none"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return ours over theirs, round by round: both of a round saw the same machine."""
    return Spread.of([a / b for a, b in zip(ours, theirs, strict=True)])


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which *part* (0 to 1) of *values* lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def _short(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"
