"""An event loop whose clock jumps to the next timer when no socket has anything to say.

Only for what runs in one process on loopback and uses no threads: a whole minute of a slow line
takes some milliseconds, and a busy machine changes nothing of what is measured.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_LOOPBACK_S = 0.001
"""Real time that loopback is given to hand over what was written."""


class _Jumping(selectors.DefaultSelector):
    jumped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(min(timeout, _LOOPBACK_S))
        if not ready and timeout > 0:
            self.jumped_s += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its ``time()`` is that of the timers alone."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the seconds all jumps made."""
        return self._jumping.jumped_s


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* to its end and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
