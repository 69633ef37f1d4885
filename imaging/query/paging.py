"""Keeps the pages of one search together while new studies arrive.

A page is newest first. What arrives between two pages would push every row one place down and show
the last one twice; so the first page's bound is remembered for a while and used for the next.
Forgotten (another process, a restart), a row may be seen twice, none is missed.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from kernel.clock import Clock

KEEP_S: Final = 600.0
KEEP: Final = 4096


class PagingMemory:
    """Bounds of searches that are being paged through."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bounds: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()

    def begin(self, search: Hashable, bound: int) -> None:
        """Remember *bound* of the first page of *search*."""
        self._bounds[search] = (bound, self._clock.monotonic_s())
        self._bounds.move_to_end(search)
        while len(self._bounds) > KEEP:
            self._bounds.popitem(last=False)

    def bound(self, search: Hashable) -> int | None:
        """Return the bound of *search*, None where it is not remembered."""
        found = self._bounds.get(search)
        if found is None or self._clock.monotonic_s() - found[1] > KEEP_S:
            return None
        return found[0]
