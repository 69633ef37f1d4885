"""Who waits after a failure, and until when: the line as a whole, or one study by itself."""

from collections.abc import Callable

from gateway.township.backoff import Backoff


class Waits:
    """Back-off by name. Pure but for the chance it is given; there is no last attempt."""

    def __init__(self, backoff: Backoff, chance: Callable[[], float]) -> None:
        self._backoff = backoff
        self._chance = chance
        self._failures: dict[str, int] = {}
        self._until_s: dict[str, float] = {}

    def add(self, name: str, now_s: float) -> float:
        """Count a failure and return how many seconds *name* waits.

        Several failures within one wait are one: what was on the line together falls together.
        """
        left_s = self._until_s.get(name, 0.0) - now_s
        if left_s > 0:
            return left_s
        self._failures[name] = self._failures.get(name, 0) + 1
        wait_s = self._backoff.delay_s(self._failures[name], self._chance())
        self._until_s[name] = now_s + wait_s
        return wait_s

    def over(self, *names: str) -> None:
        """Forget the failures of *names*: something went well. A wait that runs is not cut."""
        for name in names:
            self._failures.pop(name, None)

    def waiting(self, now_s: float) -> frozenset[str]:
        """Return who waits at *now_s*."""
        self._until_s = {name: at_s for name, at_s in self._until_s.items() if at_s > now_s}
        return frozenset(self._until_s)
