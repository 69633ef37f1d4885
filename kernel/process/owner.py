"""Background tasks of a role, none of them forgotten."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from kernel.clock import Clock, SystemClock

_LOG: Final = logging.getLogger(__name__)
_ASKED_AGAIN_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How long to wait before what ended is started again."""

    first_s: float = 0.1
    most_s: float = 10.0
    reset_after_s: float = 60.0

    def delay_s(self, last_delay_s: float, up_for_s: float) -> float:
        """Return the next delay: doubled each time, from the start after a long life."""
        if last_delay_s == 0.0 or up_for_s >= self.reset_after_s:
            return self.first_s
        return min(last_delay_s * 2, self.most_s)


class Owner:
    """Owns the background tasks of a role: none is forgotten, none fails in silence.

    Use it as ``async with Owner() as owner``; leaving it cancels and awaits all its tasks.
    """

    def __init__(self, *, policy: RestartPolicy | None = None, clock: Clock | None = None) -> None:
        self.faults: dict[str, int] = {}
        """How often each task has failed since it last ran long, for the health page."""
        self._policy = policy or RestartPolicy()
        self._clock = clock or SystemClock()
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            while self._tasks:
                # Asked again, because a library may swallow a cancellation (redis-py does).
                for task in self._tasks:
                    task.cancel()
                await asyncio.wait(self._tasks, timeout=_ASKED_AGAIN_S)
        finally:
            # Tasks keep their failures to themselves, so that the body's error comes unwrapped.
            await self._group.__aexit__(None, None, None)

    def keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run *work*, and again after a delay each time it fails; not when it returns."""
        self._add(name, self._kept(name, work))

    def once(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run *work* to its end; a failure is logged and ends nothing else."""
        self._add(name, self._tried(name, work))

    def _add(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _kept(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        delay_s = 0.0
        while True:
            started_s = self._clock.monotonic_s()
            if await self._tried(name, work()):
                return
            up_for_s = self._clock.monotonic_s() - started_s
            if up_for_s >= self._policy.reset_after_s:
                self.faults[name] = 1
            delay_s = self._policy.delay_s(delay_s, up_for_s)
            await asyncio.sleep(delay_s)

    async def _tried(self, name: str, work: Coroutine[Any, Any, None]) -> bool:
        try:
            await work
        except Exception as exc:  # noqa: BLE001  # the owner of last resort
            self.faults[name] = self.faults.get(name, 0) + 1
            _LOG.exception("task.failed", extra={"task": name, "reason": type(exc).__name__})
            return False
        return True
