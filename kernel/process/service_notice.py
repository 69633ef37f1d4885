"""What a service manager is told: ready, still well, on the way out (the sd_notify protocol).

systemd names a datagram socket in ``NOTIFY_SOCKET`` and, where it watches, an interval in
``WATCHDOG_USEC``. Both are taken out of the environment, so that no child speaks for the service.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Final, Self

from kernel.clock import Clock, SystemClock

_LOG: Final = logging.getLogger(__name__)
_SOCKET: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = ("WATCHDOG_USEC", "WATCHDOG_PID")
_WITHIN_S: Final = 1.0
_SIGNS_PER_INTERVAL: Final = 4


class ServiceNotice:
    """Speaks to the service manager, where there is one; elsewhere every call does nothing."""

    def __init__(self, address: str = "", watchdog_s: float = 0.0) -> None:
        self.watchdog_s = watchdog_s
        """A sign of life is expected at least so often; 0 where nobody watches."""
        # A leading @ stands for the NUL of an abstract address.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    @classmethod
    def enter(cls, environ: MutableMapping[str, str] | None = None) -> Self:
        """Return the way to this process's service manager, taking it out of *environ*."""
        environ = os.environ if environ is None else environ
        address = environ.pop(_SOCKET, "")
        interval, watched = (environ.pop(name, "") for name in _WATCHDOG)
        mine = watched in ("", str(os.getpid()))
        watchdog_s = int(interval) / 1e6 if interval.isdecimal() and mine and address else 0.0
        return cls(address if address[:1] in ("/", "@") else "", watchdog_s)

    def ready(self) -> None:
        """Say that all doors answer."""
        self._say("READY=1")

    def alive(self) -> None:
        """Say that all is well."""
        self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._say("STOPPING=1")

    async def follow(
        self,
        stop: asyncio.Event,
        well: Callable[[], Awaitable[bool]],
        *,
        clock: Clock | None = None,
    ) -> None:
        """Give signs of life while *well* says so, until *stop*; then say that it ends.

        A question that takes longer than a quarter of the interval counts as a no, so that the
        manager restarts what has hung.

        Args:
            stop: set when the service is to end.
            well: asked four times in each interval.
            clock: measures how long the question took.
        """
        clock = clock or SystemClock()
        every_s = self.watchdog_s / _SIGNS_PER_INTERVAL
        while every_s and not stop.is_set():
            asked_s = clock.monotonic_s()
            if await _answered(well, every_s):
                self.alive()
            else:
                _LOG.error("service.not-well")
            left_s = max(every_s - (clock.monotonic_s() - asked_s), 0.0)
            try:
                async with asyncio.timeout(left_s):
                    await stop.wait()
            except TimeoutError:
                continue
        await stop.wait()
        self.stopping()

    def _say(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
                door.settimeout(_WITHIN_S)
                door.sendto(text.encode("ascii"), self._address)
        except OSError as exc:
            # Whoever does not hear it judges by its own deadlines; the node's work goes on.
            _LOG.warning("service.not-told", extra={"said": text, "reason": str(exc)})


async def _answered(question: Callable[[], Awaitable[bool]], within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            return await question()
    except (OSError, TimeoutError, EOFError):
        return False
