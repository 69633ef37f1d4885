"""Stores that are durable and not filed yet: who stores and then looks finds what he stored.

A store is answered once it is on disk; filing it takes some milliseconds more. Only the one who
stored it waits for that, and only when he looks. What is remembered is a hint: it is bounded, and
lost with the process.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from aiohttp import web

from imaging.archive.progress import FilingProgress
from kernel.journal.writer import Position
from kernel.web import PRINCIPAL

WITHIN_S: Final = 2.0
_USERS: Final = 1000
_UIDS: Final = 50_000


class UnfiledStores:
    """The latest store of each user of this process, and the objects of the latest stores."""

    def __init__(
        self, journal: str, progress: FilingProgress, *, within_s: float = WITHIN_S
    ) -> None:
        """Remember stores into *journal*.

        Args:
            journal: its name.
            progress: how far it is filed.
            within_s: how long somebody waits for it at most.
        """
        self.within_s: Final = within_s
        self._journal = journal
        self._progress = progress
        self._of_user: OrderedDict[str, Position] = OrderedDict()
        self._uids: OrderedDict[str, None] = OrderedDict()

    def note(self, user_id: str, position: Position, uids: Iterable[str]) -> None:
        """Take down that *user_id* has stored *uids*, in a commit that ends at *position*."""
        self._of_user[user_id] = position
        self._of_user.move_to_end(user_id)
        self._uids.update(dict.fromkeys(uids))
        while len(self._of_user) > _USERS:
            self._of_user.popitem(last=False)
        while len(self._uids) > _UIDS:
            self._uids.popitem(last=False)

    def may_hold(self, uids: Sequence[str]) -> bool:
        """Return whether any of *uids* was stored lately, and perhaps is not filed."""
        return any(uid in self._uids for uid in uids)

    async def settled(self, user_id: str) -> bool:
        """Return True once all that *user_id* stored is filed; False after a while."""
        position = self._of_user.get(user_id)
        if position is None:
            return True
        if not await self._progress.filed(self._journal, position, self.within_s):
            return False
        if self._of_user.get(user_id) == position:
            del self._of_user[user_id]
        return True

    async def settle(self, request: web.Request) -> None:
        """Wait, for a moment at most, until what the asker stored can be found."""
        if self._of_user:
            await self.settled(request[PRINCIPAL].user_id)
