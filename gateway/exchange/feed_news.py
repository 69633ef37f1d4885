"""Wakes those who wait for letters down: one look at the database for all of them."""

import asyncio
from typing import Final

from gateway.exchange.feed import newest_id
from kernel.sql.db import Database

_LOOK_S: Final = 0.5


class FeedNews:
    """Knows the number of the newest letter of all feeds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = asyncio.Condition()
        self.newest = -1
        """Number of the newest letter seen; changes whenever one is written."""

    async def run(self) -> None:
        """Look until cancelled; raises what the database raises."""
        while True:
            newest = await self._database.look_up(newest_id)
            if newest != self.newest:
                async with self._changed:
                    self.newest = newest
                    self._changed.notify_all()
            await asyncio.sleep(_LOOK_S)

    async def wait(self, seen: int, within_s: float) -> bool:
        """Return True once ``newest`` is not *seen* any more; False after *within_s* seconds."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: self.newest != seen)
        except TimeoutError:
            return False
        return True
