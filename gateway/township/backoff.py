"""How long to wait after a failure: longer each time, never the same twice, and never for ever."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: a random part of a bound that doubles up to a cap.

    With 1 s and 30 s the bounds of successive waits are 1, 2, 4, 8, 16, 30, 30, ... seconds. All
    of the wait is random, so that twenty townships that lost the same line do not come back in
    the same second. There is no last attempt.
    """

    first_s: float = 1.0
    cap_s: float = 30.0
    at_first: int = 1
    """So many failures in a row have the first bound, 1 or more."""

    def delay_s(self, failures: int, chance: float) -> float:
        """Return how many seconds to wait.

        Args:
            failures: failures in a row, 1 or more.
            chance: a random number, at least 0 and below 1.
        """
        # Beyond 60 doublings the number means nothing and would leave what a float holds.
        doublings = min(max(failures - self.at_first, 0), 60)
        return min(self.cap_s, self.first_s * 2.0**doublings) * chance
