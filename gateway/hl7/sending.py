"""What waits to go to peers, tried again for ever: one after the other for each peer.

A peer that is away holds up its own messages alone. One that it refuses as wrong is set aside with
its answer, and blocks nothing.
"""

import asyncio
import datetime as dt
import logging
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.hl7 import store
from gateway.hl7.client import exchange
from kernel.clock import Clock
from kernel.errors import PlatformError, Unavailable
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_ANSWER_S: Final = 30.0
_FIRST_S: Final = 2.0
_LONGEST_S: Final = 300.0
_DOUBLINGS_MAX: Final = 10
_AT_ONCE: Final = 8
_LOOK_EVERY_S: Final = 1.0


def pause_s(failures: int, chance: float) -> float:
    """Return how long to wait after so many failures: doubling to 5 minutes, half of it by chance.

    Args:
        failures: 0 after the first.
        chance: from 0 to 1.
    """
    whole = min(_LONGEST_S, _FIRST_S * (1 << min(failures, _DOUBLINGS_MAX)))
    return whole * (0.5 + chance / 2)


class Sending:
    """Sends what waits, in one process of a node."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        chance: Callable[[], float],
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        """Send by *clock*, peers that ask for TLS with what *tls* makes."""
        self._database = database
        self._clock = clock
        self._chance = chance
        self._tls = tls
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            if not await self.send_due():
                await asyncio.sleep(_LOOK_EVERY_S)

    async def send_due(self) -> int:
        """Send what is due now, one message to each peer; returns how many were taken."""
        rows = await self._database.read(partial(store.due, now=self._clock.now()))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._send(row)) for row in rows]
        return sum(task.result() for task in tasks)

    async def _send(self, row: store.Outgoing) -> bool:
        try:
            async with self._places:
                tls = self._tls() if row.peer.tls else None
                host, port = row.peer.host, row.peer.port
                if not host:
                    raise Unavailable("it has no address to send to", code="no-address")
                told = await exchange(host, port, row.message, within_s=_ANSWER_S, tls=tls)
        except (PlatformError, OSError) as error:
            reason = error.code if isinstance(error, PlatformError) else type(error).__name__
            await self._put_off(row, reason)
            return False
        if told.taken:
            await self._database.write(partial(store.gone, out=row.id))
            return True
        if told.never:
            _LOG.warning("hl7.set-aside", extra={"reason": told.code})
            set_aside = partial(store.set_aside, out=row.id, reason=f"answered {told.code}")
            await self._database.write(set_aside)
            return True
        await self._put_off(row, f"answered {told.code}")
        return False

    async def _put_off(self, row: store.Outgoing, reason: str) -> None:
        _LOG.info("hl7.not-sent", extra={"reason": reason, "failures": row.failures + 1})
        pause = dt.timedelta(seconds=pause_s(row.failures, self._chance()))
        again = partial(store.put_off, out=row.id, reason=reason, due_at=self._clock.now() + pause)
        await self._database.write(again)
