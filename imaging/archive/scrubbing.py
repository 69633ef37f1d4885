"""Reads stored objects again, slowly and for ever, so that damage is found before it is needed.

What was longest not known whole comes first. Every object is written down with what was found of
it, so that a restart goes on where it was; only those of the batch in hand are read again.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from imaging.archive import integrity
from imaging.archive.integrity import Due, Occasion, Stands
from imaging.archive.object_truth import Found, Pace, Stored, look
from kernel.clock import Clock
from kernel.dicom.codecs import FrameDecoder
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_BATCH: Final = 64
_BATCH_BYTES: Final = 16 << 20
_LOOK_EVERY_S: Final = 10.0
_TAKE_EVERY_S: Final = 1.0
_DAY: Final = dt.timedelta(days=1)
_NEXT: Final = dt.timedelta(microseconds=1)
_WITHIN_S: Final = 30.0


class SteadyPace:
    """So many bytes a second, whatever the disk could do."""

    def __init__(self, bytes_per_s: int, clock: Clock) -> None:
        """Read *bytes_per_s* at most."""
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._free_at_s = clock.monotonic_s()

    async def __call__(self, count: int) -> None:
        """Return when *count* bytes more have had their time."""
        now_s = self._clock.monotonic_s()
        self._free_at_s = max(self._free_at_s, now_s) + count / self._bytes_per_s
        await asyncio.sleep(self._free_at_s - now_s)


async def unhurried(_count: int) -> None:
    """Hold nothing back."""


@dataclass(frozen=True, slots=True)
class Looked:
    """How one round went."""

    objects: int
    damaged: Sequence[Found]
    taken_down: bool = False
    """Whether there may be more rows that nobody has taken down."""


class Scrubber:
    """Looks at the objects of one store; one process of a node keeps it running."""

    def __init__(  # noqa: PLR0913  # all that scrubbing is done with
        self,
        database: Database,
        objects: Stored,
        decoder: FrameDecoder,
        clock: Clock,
        *,
        pace: Pace = unhurried,
        every: dt.timedelta = dt.timedelta(days=30),
        chain: str,
    ) -> None:
        """Make a scrubber that has not begun.

        Args:
            database: names the objects, and keeps what was found.
            objects: the store.
            decoder: for objects that are looked at the first time.
            clock: says what is due.
            pace: holds the reading back.
            every: how long an object counts as whole.
            chain: of the audit trail.
        """
        self._database = database
        self._objects = objects
        self._decoder = decoder
        self._clock = clock
        self._pace = pace
        self._every = every
        self._chain = chain

    async def run(self) -> None:
        """Scrub until cancelled."""
        while True:
            try:
                looked = await self.look()
            except PlatformError as exc:
                _LOG.warning("scrub.later", extra={"reason": exc.code})
                looked = Looked(0, ())
            if not looked.objects:
                await asyncio.sleep(_TAKE_EVERY_S if looked.taken_down else _LOOK_EVERY_S)

    async def look(self) -> Looked:
        """Look at some of what is due."""
        taken_down = await self._take_down(again=False)
        now = self._clock.now()
        looked = await self._look(now - self._every, unread_before=now - _DAY)
        return replace(looked, taken_down=taken_down)

    async def look_at_all(self) -> Looked:
        """Look at every object once; cut off and begun again, it takes the unseen first."""
        while await self._take_down(again=False):
            pass
        again = True
        while await self._take_down(again=again):
            again = False
        began, count = self._clock.now() + _NEXT, 0
        damaged: list[Found] = []
        while (looked := await self._look(began, unread_before=began)).objects:
            count += looked.objects
            damaged += looked.damaged
        return Looked(count, damaged)

    async def _take_down(self, *, again: bool) -> bool:
        read = partial(integrity.unnoted, at=self._clock.now(), again=again)
        pages = await self._database.read(read, within_s=_WITHIN_S)
        if pages:
            await self._database.write(lambda conn: integrity.take_down(conn, pages))
        return bool(pages)

    async def _look(self, before: dt.datetime, *, unread_before: dt.datetime) -> Looked:
        due = partial(integrity.due, before=before, unread_before=unread_before, limit=_BATCH)
        batch = await self._database.read(due, within_s=_WITHIN_S)
        whole: list[Found] = []
        damaged: list[tuple[Due, Found]] = []
        size = 0
        for each in batch:
            found = await look(
                self._objects,
                each.key,
                known_sha256=each.sha256,
                decoder=self._decoder,
                pace=self._pace,
            )
            size += found.size_bytes
            if found.damage is None:
                whole.append(found)
            else:
                damaged.append((each, found))
            if size >= _BATCH_BYTES:
                break
        at = max(self._clock.now(), before)
        if whole:
            await self._database.write(lambda conn: integrity.note_whole(conn, whole, at=at))
        # Looked at again tomorrow: somebody may be mending it.
        soon = max(before, at - self._every + _DAY)
        kept = [
            found
            for each, found in damaged
            if await self._note(each, found, Occasion(at, soon if each.sha256 else at, self._chain))
        ]
        return Looked(len(whole) + len(damaged), kept)

    async def _note(self, each: Due, found: Found, seen: Occasion) -> bool:
        """Write a damage down; False where nobody misses the object."""
        where: Stands | None = await self._database.read(
            partial(integrity.stands, key=each.key, sop_instance_uid=each.sop_instance_uid),
            within_s=_WITHIN_S,
        )
        if where is None:
            gone = partial(integrity.note_unnamed, keys=[each.key], at=seen.at)
            await self._database.write(gone)
            return False
        news = await self._database.write(
            lambda conn: integrity.note_damaged(conn, found, where, seen)
        )
        if news:
            _LOG.error("scrub.damaged", extra={"object_key": each.key, "kind": str(found.damage)})
        return True
