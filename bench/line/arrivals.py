"""How much had arrived when: asked of the receiving server, again and again, by one clock."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_EVERY_S: Final = 0.25
Point = tuple[float, float]


@dataclass
class Arrivals:
    """The curve of one sender."""

    name: str
    stored: Callable[[], int]
    """How many instances the receiving server can find; blocking."""
    expected: int
    now_s: Callable[[], float]
    points: list[Point] = field(default_factory=list)
    """Seconds since the start, and the share (0 to 1) that could be found."""

    @property
    def ended_s(self) -> float | None:
        """When all had arrived, None where not all did."""
        return self.points[-1][0] if self.points and self.points[-1][1] >= 1 else None

    @property
    def share(self) -> float:
        """How much had arrived in the end, 0 to 1."""
        return self.points[-1][1] if self.points else 0.0

    async def watch(self, until_s: Callable[[], float]) -> None:
        """Return once all have arrived, or at *until_s*, which may come nearer meanwhile."""
        before = await asyncio.to_thread(self.stored)
        while self.now_s() < until_s():
            found = await asyncio.to_thread(self.stored) - before
            share = min(1.0, found / self.expected)
            if not self.points or self.points[-1][1] != share:
                self.points.append((round(self.now_s(), 2), round(share, 4)))
            if share >= 1:
                return
            await asyncio.sleep(_EVERY_S)
        self.points.append((round(self.now_s(), 2), self.share))
