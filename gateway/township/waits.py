"""Who waits after a failure, and until when: the line as a whole, or one study by itself."""

from collections.abc import Callable
from typing import Final

from gateway.township.backoff import Backoff

LINE: Final = ""
"""Everything, because nobody answered: until the time is over, or the county is heard."""
REFUSED: Final = "refused"
"""Everything, because the county takes nothing of this node; that it talks changes nothing."""


class Waits:
    """Back-off by name. Pure but for the chance it is given; there is no last attempt."""

    def __init__(self, backoff: Backoff, chance: Callable[[], float]) -> None:
        self._backoff = backoff
        self._chance = chance
        self._failures: dict[str, int] = {}
        self._until_s: dict[str, float] = {}
        self._spread = False
        """Whether the line waits only so that not all nodes come in the same second."""

    def add(self, name: str, now_s: float) -> float:
        """Count a failure and return how many seconds *name* waits.

        Several failures within one wait are one: what was on the line together falls together.
        One while the line waits for other nodes only is a first one: it is not there after all.
        """
        left_s = self._until_s.get(name, 0.0) - now_s
        if left_s > 0 and not (name == LINE and self._spread):
            return left_s
        self._failures[name] = self._failures.get(name, 0) + 1
        wait_s = self._backoff.delay_s(self._failures[name], self._chance())
        self._until_s[name] = now_s + wait_s
        if name == LINE:
            self._spread = False
        return wait_s

    def over(self, *names: str) -> None:
        """Forget the failures of *names*: something went well. A wait that runs is not cut."""
        for name in names:
            self._failures.pop(name, None)

    def heard(self, now_s: float, *, spread_s: float) -> None:
        """End the wait of ``LINE`` within *spread_s*, and forget why: the county is there."""
        self.over(LINE)
        if LINE in self.waiting(now_s):
            spread_until_s = now_s + spread_s * self._chance()
            self._until_s[LINE] = min(self._until_s[LINE], spread_until_s)
            self._spread = True

    def keep_off(self, now_s: float, *, emergency: bool) -> bool:
        """Return whether nothing may go now.

        An emergency does not stand back for other nodes, until it has failed itself.
        """
        blocked = self.waiting(now_s)
        return REFUSED in blocked or (LINE in blocked and not (emergency and self._spread))

    def waiting(self, now_s: float) -> frozenset[str]:
        """Return who waits at *now_s*."""
        self._until_s = {name: at_s for name, at_s in self._until_s.items() if at_s > now_s}
        return frozenset(self._until_s)
