"""How far each journal is filed, for whoever must answer only when an object can be found."""

import asyncio
from typing import Final

from imaging.archive.cursor import cursor
from kernel.journal.frames import Position
from kernel.sql.db import Database

_FIRST_LOOK_S: Final = 0.01
_LAST_LOOK_S: Final = 0.1


class FilingProgress:
    """Answers from memory where the filer runs in this process, else from its cursor rows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._filed: dict[str, Position] = {}
        self._changed = asyncio.Event()

    def note(self, journal: str, position: Position) -> None:
        """Take down, on the filer's loop, that *journal* is filed up to *position*."""
        self._filed[journal] = position
        self._changed.set()
        self._changed = asyncio.Event()

    async def filed(self, journal: str, position: Position, timeout_s: float) -> bool:
        """Return True as soon as *journal* is filed up to *position*; False after *timeout_s*."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wait(journal, position)
        except TimeoutError:
            return False
        return True

    async def _wait(self, journal: str, position: Position) -> None:
        look_s = _FIRST_LOOK_S
        while True:
            if journal in self._filed:
                if self._filed[journal] >= position:
                    return
                await self._changed.wait()
                continue
            if await self._database.read(lambda conn: cursor(conn, journal)) >= position:
                return
            await asyncio.sleep(look_s)
            look_s = min(look_s * 1.5, _LAST_LOOK_S)
