"""When bytes leave, arrive and are known to have arrived. Pure: told the time, never asking it."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Passage:
    """The way of one piece, in seconds of the line's clock."""

    size: int
    leaves_s: float
    """When its last bit is on the line."""
    arrives_s: float
    known_s: float
    """When the sender can know; until then it counts as under way."""


class Way:
    """One direction of a line; all its connections share the rate, in the order they come."""

    def __init__(self, rate_bytes_per_s: float, *, delay_s: float) -> None:
        """Open it.

        Args:
            rate_bytes_per_s: above 0.
            delay_s: from one end to the other, half of a round trip.
        """
        self._rate = rate_bytes_per_s
        self._delay_s = delay_s
        self._free_s = 0.0

    def pass_on(self, size: int, *, now_s: float) -> Passage:
        """Put a piece of *size* bytes on the line as soon as it is free."""
        leaves_s = max(now_s, self._free_s) + size / self._rate
        self._free_s = leaves_s
        arrives_s = leaves_s + self._delay_s
        return Passage(size, leaves_s, arrives_s, arrives_s + self._delay_s)

    def run_at(self, rate_bytes_per_s: float) -> None:
        """Let what follows go at another rate, above 0."""
        self._rate = rate_bytes_per_s

    def hold(self, until_s: float) -> None:
        """Let nothing more leave before *until_s*."""
        self._free_s = max(self._free_s, until_s)

    def drop(self, *, now_s: float) -> None:
        """Forget what has not left yet: the line is free from *now_s*."""
        self._free_s = min(self._free_s, now_s)


@dataclass(slots=True)
class Window:
    """How much of one connection is under way in one direction."""

    limit: int
    _under_way: deque[Passage] = field(default_factory=deque)
    _bytes: int = 0

    def add(self, passage: Passage) -> None:
        """Count a piece in until it is known to have arrived."""
        self._under_way.append(passage)
        self._bytes += passage.size

    def room(self, *, now_s: float) -> int:
        """Return how many bytes may follow now; 0 until some are known to have arrived."""
        while self._under_way and self._under_way[0].known_s <= now_s:
            self._bytes -= self._under_way.popleft().size
        return max(0, self.limit - self._bytes)

    def opens_s(self) -> float:
        """Return when the next piece is known to have arrived; only where there is no room."""
        return self._under_way[0].known_s
