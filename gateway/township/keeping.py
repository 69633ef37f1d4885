"""Makes room: object files go when the county has the instance and its keep time is over."""

import asyncio
import datetime as dt
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import sqlalchemy as sa

from gateway.township import spool_index
from gateway.township.model import KeptObject
from gateway.township.ports import ObjectFiles
from gateway.uploads import batches
from gateway.uploads.threads import finish_in_thread
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_BATCH: Final = 200
_JUMP_MAX: Final = dt.timedelta(hours=48)
"""A clock that moved further than this, beside the time that passed, measures no age."""


Forget: TypeAlias = Callable[[sa.Connection, Sequence[KeptObject]], None]
"""Lets objects that are deleted be found no more, in the transaction that says so."""


def forget_nothing(conn: sa.Connection, gone: Sequence[KeptObject]) -> None:
    """Do nothing, where nobody looks at what is here (``Forget``)."""
    del conn, gone


@dataclass(frozen=True, slots=True)
class KeepSettings:
    """How long what the county has stays here."""

    keep: dt.timedelta = dt.timedelta(days=7)
    free_target_bytes: int = 2 * 1024 * 1024 * 1024
    """Below this much free space, what the county has goes before its time, oldest first."""
    every_s: float = 60.0
    remember_files: dt.timedelta = dt.timedelta(days=30)
    """How long it is remembered what became of files chosen in a browser."""


class Keeper:
    """Deletes object files, and never one the county has not receipted."""

    def __init__(
        self,
        database: Database,
        objects: ObjectFiles,
        directory: Path,
        settings: KeepSettings,
        *,
        clock: Clock,
        forget: Forget = forget_nothing,
    ) -> None:
        self._forget = forget
        self._database = database
        self._objects = objects
        self._directory = directory
        self._settings = settings
        self._clock = clock
        self._began = (clock.now(), clock.monotonic_s())
        self._frozen = False

    async def run(self) -> None:
        """Make room until cancelled."""
        while True:
            try:
                await self.sweep()
            except (PlatformError, OSError) as exc:
                _LOG.warning("keeper.later", extra={"error": type(exc).__name__})
            await asyncio.sleep(self._settings.every_s)

    async def sweep(self) -> int:
        """Delete what is due now; returns how many object files.

        While the clock has jumped nothing is due by its age, only where room is needed.
        """
        deleted = 0
        frozen = self._has_jumped()
        if not frozen:
            forgotten = self._clock.now() - self._settings.remember_files
            await self._database.write(partial(batches.forget_before, before=forgotten))
        while True:
            now = self._clock.now()
            short = await finish_in_thread(self._is_short)
            if frozen and not short:
                return deleted
            before = now if short else now - self._settings.keep
            due = await self._database.read(
                partial(spool_index.deletable, before=before, limit=_BATCH)
            )
            if not due:
                return deleted
            await finish_in_thread(partial(self._delete, due))
            await self._database.write(partial(self._mark, due=due, at=now))
            deleted += len(due)

    def _mark(
        self, conn: sa.Connection, *, due: Sequence[spool_index.Deletable], at: dt.datetime
    ) -> None:
        spool_index.mark_deleted(conn, [each.id for each in due], at)
        self._forget(conn, [each.kept for each in due])

    def _has_jumped(self) -> bool:
        began, began_s = self._began
        passed = dt.timedelta(seconds=self._clock.monotonic_s() - began_s)
        moved = self._clock.now() - began - passed
        frozen = abs(moved) > _JUMP_MAX
        if frozen and not self._frozen:
            _LOG.warning(
                "keeper.clock-jumped", extra={"hours": round(moved.total_seconds() / 3600)}
            )
        self._frozen = frozen
        return frozen

    def _is_short(self) -> bool:
        return shutil.disk_usage(self._directory).free < self._settings.free_target_bytes

    def _delete(self, due: Sequence[spool_index.Deletable]) -> None:
        for each in due:
            self._objects.delete(each.kept.key)
