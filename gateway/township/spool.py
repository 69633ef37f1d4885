"""The node's filer: what doors committed becomes object files and rows, then leaves the journal.

Emergencies are filed first (``filing_order``). Order of each turn: prepare (threads), object files
durable, rows and the journal's cursor in one transaction, then the journal's segment may go. After
a crash the turn is done again; keys are made of UID and content and rows are unique by them, so it
ends in the same files and rows.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa

from gateway.township.compress import Prepared, Preparer
from gateway.township.filing_order import FilingOrder, Turn
from gateway.township.model import Filed
from gateway.township.order_urgency import emergencies_among, raise_to_orders
from gateway.township.ports import ObjectFiles, OrderUrgency, QueuedStudy, nobody_ordered
from gateway.township.queue_news import QueueNews
from gateway.township.spool_index import (
    FiledAs,
    Outcome,
    file_batch,
    gone_before,
    position_of,
    written_anew,
)
from gateway.uploads.threads import finish_in_thread
from kernel.arrival import Priority
from kernel.errors import PlatformError
from kernel.journal.writer import JournalReader, Position, Stored
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_POLL_S: Final = 0.5
_BATCH: Final = 32
_READ: Final = 256
"""Batches read from the journal before each turn; there is time for an emergency among them."""
_THREADS: Final = 2
_TROUBLE_FIRST_S: Final = 0.5
_TROUBLE_MAX_S: Final = 15.0
_WORTH_SAYING: Final = {Outcome.CONFLICT: "spool.conflict", Outcome.ANEW: "spool.anew"}


class Hint(Protocol):
    """Something that may say early that there is work (``kernel.process.wake.Wake``)."""

    async def wait(self, timeout_s: float) -> bool:
        """Return at the next hint, or after *timeout_s*."""
        ...


@dataclass(frozen=True, slots=True)
class DoorJournal:
    """One door's journal."""

    name: str
    directory: Path
    hint: Hint


class Spool:
    """Files the journals of the node's doors."""

    def __init__(
        self,
        database: Database,
        objects: ObjectFiles,
        preparer: Preparer,
        news: QueueNews,
        *,
        on_filed: Callable[[], None],
        urgency: OrderUrgency = nobody_ordered,
    ) -> None:
        self._database = database
        self._objects = objects
        self._preparer = preparer
        self._news = news
        self._on_filed = on_filed
        self._urgency = urgency

    async def run(self, journals: Sequence[DoorJournal]) -> None:
        """File until cancelled; what is in hand is done again at the next start."""
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="spool") as pool:
            async with asyncio.TaskGroup() as group:
                for journal in journals:
                    group.create_task(self._follow(journal, pool))

    async def _follow(self, journal: DoorJournal, pool: ThreadPoolExecutor) -> None:
        after = await self._database.read(lambda conn: position_of(conn, journal.name))
        reader = await finish_in_thread(lambda: JournalReader.open(journal.directory, after=after))
        try:
            await finish_in_thread(lambda: reader.release(after))
            order, names = FilingOrder(_BATCH), dict[str, QueuedStudy | None]()
            while True:
                wanted = min(order.room, _READ)
                order.add(await finish_in_thread(partial(reader.poll, wanted)))
                if order.empty:
                    await journal.hint.wait(_POLL_S)
                    continue
                turn = order.turn(await self._emergencies(order, names))
                await self._file_until_done(journal.name, turn, pool)
                order.done(turn)
                if turn.upto is not None:
                    await finish_in_thread(partial(reader.release, turn.upto))
        finally:
            reader.close()

    async def _emergencies(
        self, order: FilingOrder, names: dict[str, QueuedStudy | None]
    ) -> Collection[str]:
        """Return the emergencies that would have to wait for another turn.

        Args:
            order: what waits.
            names: what images say of their studies; kept here for those that wait.
        """
        behind = order.behind()
        if not behind:
            names.clear()
            return ()
        unread = {study: found for study, found in behind.items() if study not in names}
        read = await finish_in_thread(
            lambda: {key: self._preparer.study_of(stored) for key, (_, stored) in unread.items()}
        )
        known = {study: names.get(study) for study in behind} | read
        names.clear()
        names.update(known)
        told = {
            study
            for study, (arrival, _) in behind.items()
            if arrival.priority is Priority.EMERGENCY
        }
        among = [each for each in known.values() if each is not None]
        look = partial(emergencies_among, among=among, told=told, urgency=self._urgency)
        try:
            return await self._database.read(look)
        except PlatformError as exc:
            # Whoever files meets the same, and waits.
            _LOG.warning("spool.urgency-unknown", extra={"code": exc.code})
            return ()

    async def _file_until_done(self, journal: str, turn: Turn, pool: ThreadPoolExecutor) -> None:
        delay_s = _TROUBLE_FIRST_S
        while True:
            try:
                await self._file(journal, turn, pool)
            except (PlatformError, OSError) as exc:
                # A full disk, a decoder that is down: no object is to blame.
                code = exc.code if isinstance(exc, PlatformError) else "disk"
                _LOG.warning("spool.later", extra={"journal": journal, "code": code})
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, _TROUBLE_MAX_S)
            else:
                return

    async def _file(self, journal: str, turn: Turn, pool: ThreadPoolExecutor) -> None:
        with ExitStack() as held:
            prepared = await self._prepare(turn.stored, pool, held)
            batch = [one.filed for one in prepared]
            anew, gone = await self._database.read(
                lambda conn: (written_anew(conn, batch), gone_before(conn, batch))
            )
            kept = [one for one in prepared if one.filed.object_key not in gone]
            await finish_in_thread(lambda: self._keep(kept, anew))
        told = await self._news.write(
            lambda conn: self._enter(conn, journal, turn.upto, batch, anew),
            lambda filed: [one.filed.study_key for one in filed],
        )
        await self._after(told, gone)
        self._on_filed()

    def _keep(self, prepared: Sequence[Prepared], anew: Collection[str]) -> None:
        """Make the files of *prepared* durable, *anew* in the place of what lies there."""
        files = [(one.filed.object_key, one.chunks) for one in prepared if one.filed.object_key]
        self._objects.put_new([(key, chunks) for key, chunks in files if key not in anew])
        for key, chunks in files:
            if key in anew:
                self._objects.put_anew(key, chunks)

    def _enter(
        self,
        conn: sa.Connection,
        journal: str,
        position: Position | None,
        batch: Sequence[Filed],
        anew: Collection[str],
    ) -> list[FiledAs]:
        """File *batch*; before anybody sees its studies they are as urgent as they were ordered."""
        told = file_batch(conn, journal, position, batch, anew)
        raise_to_orders(conn, [one.study_key for one in batch], self._urgency)
        return told

    async def _prepare(
        self, stored: Sequence[Stored], pool: ThreadPoolExecutor, held: ExitStack
    ) -> list[Prepared]:
        futures = [pool.submit(self._preparer.prepare, entry, held) for entry in stored]
        try:
            return await asyncio.gather(*map(asyncio.wrap_future, futures))
        except BaseException:
            # Those that began still read what is about to be closed.
            for future in futures:
                future.cancel()
            await finish_in_thread(lambda: wait(futures))
            raise

    async def _after(self, told: Sequence[FiledAs], gone: Collection[str]) -> None:
        """Say what is worth it; files that went while these were written anew go again.

        Args:
            told: what was filed.
            gone: keys nothing was written under.
        """
        for one in told:
            key = one.filed.object_key
            if one.outcome is Outcome.GONE_BEFORE and key not in gone:
                await finish_in_thread(partial(self._objects.delete, key))
            elif one.outcome in _WORTH_SAYING:
                _LOG.warning(
                    _WORTH_SAYING[one.outcome],
                    extra={"sop_instance_uid": one.filed.arrival.sop_instance_uid},
                )
