"""The filer: what the doors made durable in journals becomes object files and rows.

For each journal in turn it takes some committed batches, reads the objects in worker threads, puts
those that are new into the object store, writes all rows and the journal's cursor in one
transaction, and only then lets the journal go. Cut off anywhere, the same batches come again and
end the same: object keys are made from content, and the cursor says what is filed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import sqlalchemy as sa

from imaging.archive.attempts import Attempts
from imaging.archive.blame import Blame, Suspects, UnknownTrouble, blame, cause
from imaging.archive.cursor import cursor
from imaging.archive.examine import Examiner
from imaging.archive.examined import Examined
from imaging.archive.filing import Entry, FilingResult, known_contents
from imaging.archive.filing_batches import FilingBatch, file_batch
from imaging.archive.model import Outcome
from imaging.archive.objects import ObjectStore
from imaging.archive.progress import FilingProgress
from imaging.archive.reading import Numbered, Reading, named, witness
from imaging.archive.series_metadata import MetadataKeeper
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.journal.writer import Committed, JournalReader, Wake
from kernel.sql.db import Database

T = TypeVar("T")

_LOG: Final = logging.getLogger(__name__)

BATCH_OBJECTS: Final = 128
BATCH_BYTES: Final = 64 << 20
LOOK_EVERY_S: Final = 0.5
GATHER_S: Final = 0.25
"""How long more objects of an unhurried journal are gathered after a round of few."""
_GATHER_OBJECTS: Final = 64
_GLANCE_S: Final = 0.02
"""How often the other journals are looked at meanwhile; hints come for each object then."""
_RETRY_FIRST_S: Final = 0.2
_RETRY_LAST_S: Final = 10.0
_THREADS: Final = 2
_BEHIND_MOST: Final = 2048
"""So many batches are looked at behind one in which something fails for an unknown reason."""


@dataclass(slots=True)
class _Desk:
    """One journal being filed."""

    name: str
    reader: JournalReader
    attempts: Attempts
    suspects: Suspects = field(default_factory=Suspects)
    waiting: deque[Committed] = field(default_factory=deque)
    retry_s: float = 0.0
    look_at: float = 0.0


class Filer:
    """Files any number of journals; exactly one filer for a journal."""

    def __init__(  # noqa: PLR0913  # all that filing is done with
        self,
        database: Database,
        objects: ObjectStore,
        examiner: Examiner,
        *,
        journals: Mapping[str, Path],
        clock: Clock,
        wake: Wake | None = None,
        unhurried: Collection[str] = (),
    ) -> None:
        """Make a filer that has not begun.

        Args:
            database: where rows go.
            objects: where object files go.
            examiner: reads the objects.
            journals: name, which never changes, and folder of each journal.
            clock: for the instants written down.
            wake: hints that a journal has grown.
            unhurried: journals whose senders have their answer before the filing. While objects
                trickle in there, some are gathered: a round for many costs a fraction of many
                rounds. The first object after a while is never kept waiting.
        """
        self._database = database
        self._objects = objects
        self._examiner = examiner
        self._folders = dict(journals)
        self._clock = clock
        self._progress = FilingProgress(database)
        self._wake = wake or Wake.local()
        self._threads: ThreadPoolExecutor | None = None
        self._unhurried = frozenset(unhurried)
        self._desks: list[_Desk] = []
        self._metadata = MetadataKeeper(database, clock)

    @property
    def progress(self) -> FilingProgress:
        """How far each journal is filed, to be shared with the doors of this process."""
        return self._progress

    async def run(self) -> None:
        """File whatever comes, until cancelled; may be run again after it ended."""
        try:
            while True:
                if await self.file_waiting():
                    continue
                if self._is_gathering():
                    await asyncio.sleep(_GLANCE_S)
                    continue
                await self._metadata.make_quiet()
                await self._wake.wait(LOOK_EVERY_S)
        finally:
            self.close()

    async def file_waiting(self) -> int:
        """File one round of every journal; returns how many objects were filed.

        Trouble of the house (a full disk, a database that is away) leaves the journal as it is,
        to be tried again after a while; it is never the end of an object. Nor does one object
        hold a journal for good: ``imaging.archive.blame`` finds the culprit. Whatever befalls
        one journal, the others go on.
        """
        if not self._desks:
            await self._open()
        filed = 0
        for desk in self._desks:
            if self._clock.monotonic_s() < desk.look_at:
                continue
            try:
                count = await self._file_next(desk)
                filed += count
                desk.retry_s = 0.0
                if 0 < count < _GATHER_OBJECTS and desk.name in self._unhurried:
                    desk.look_at = self._clock.monotonic_s() + GATHER_S
            except Exception as exc:  # noqa: BLE001  # a journal in trouble stops no other
                self._put_off(desk, exc)
        return filed

    def _put_off(self, desk: _Desk, exc: Exception) -> None:
        desk.retry_s = min(max(desk.retry_s * 2, _RETRY_FIRST_S), _RETRY_LAST_S)
        desk.look_at = self._clock.monotonic_s() + desk.retry_s
        desk.attempts.put_off()
        reason = exc.code if isinstance(exc, PlatformError) else cause(exc)
        if isinstance(exc, UnknownTrouble):
            desk.suspects.note(exc)
            reason = exc.reason
        _LOG.warning("filing.delayed", extra={"journal": desk.name, "reason": reason})

    def _is_gathering(self) -> bool:
        now_s = self._clock.monotonic_s()
        return any(desk.look_at > now_s and not desk.retry_s for desk in self._desks)

    def close(self) -> None:
        """Give threads and files back; what was not filed is still in the journals."""
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
            self._threads = None
        for desk in self._desks:
            desk.reader.close()
            desk.attempts.done()
            desk.attempts.close()
        self._desks.clear()

    async def _open(self) -> None:
        for name, folder in sorted(self._folders.items()):
            after = await self._database.read(partial(cursor, journal=name))
            reader = await self._in_thread(partial(JournalReader.open, folder, after=after))
            attempts = Attempts(folder / "filing.attempt")
            self._desks.append(_Desk(name, reader, attempts))
            self._progress.note(name, after)

    async def _file_next(self, desk: _Desk) -> int:
        # Behind a suspect somebody may wait who is a witness.
        if not desk.waiting or (desk.suspects and len(desk.waiting) < _BEHIND_MOST):
            desk.waiting.extend(await self._in_thread(lambda: desk.reader.poll(BATCH_OBJECTS)))
        if not desk.waiting:
            return 0
        taken = _take(desk.waiting)
        one_by_one = desk.attempts.begin(taken[0].position)
        reading = Reading(self._examiner, self._objects, desk.suspects)
        try:
            entries = await self._read(desk, _numbered(taken), reading, one_by_one=one_by_one)
            if wanted := reading.wanted(entries):
                await self._in_thread(partial(self._objects.publish, wanted))
        finally:
            await self._in_thread(reading.discard)
        # Not where the process died of something: the witness may be what kills it.
        look = desk.suspects and not one_by_one
        seen = await self._witness(desk, taken) if look else None
        batch = FilingBatch(desk.name, taken[-1].position, entries, reading.unexamined, seen)
        result = await self._write(batch, desk.suspects)
        desk.attempts.done()
        desk.suspects.clear()
        for _ in taken:
            desk.waiting.popleft()
        self._progress.note(desk.name, batch.position)
        self._metadata.grown(result.series)
        _report(desk.name, result)
        await self._in_thread(partial(desk.reader.release, batch.position))
        return len(entries)

    async def _read(
        self,
        desk: _Desk,
        numbered: Sequence[Numbered],
        reading: Reading,
        *,
        one_by_one: bool,
    ) -> list[Entry]:
        uids = await self._in_thread(lambda: [named(stored) for _, _, stored in numbered])
        known = await self._database.read(partial(known_contents, sop_instance_uids=uids))
        if one_by_one:
            entries: list[Entry] = []
            for position, number, stored in numbered:
                alone = [(position, number, stored)]
                if desk.attempts.reading(position, number):
                    read = partial(reading.read, alone, known)
                else:
                    read = partial(reading.keep_unread, alone)
                entries += await self._in_thread(read)
            return entries
        # A few objects per hop: a hop to a thread costs as much as reading a small object.
        shares = [numbered[start::_THREADS] for start in range(_THREADS)]
        found = await asyncio.gather(
            *(self._in_thread(partial(reading.read, share, known)) for share in shares if share),
            # No share stages files any more once what was staged is given back.
            return_exceptions=True,
        )
        read_all: list[Entry] = []
        for each in found:
            if isinstance(each, BaseException):
                raise each
            read_all += each
        return sorted(read_all, key=lambda entry: entry[:2])

    async def _witness(self, desk: _Desk, taken: Sequence[Committed]) -> Examined | None:
        """Return the newest of what waits behind *taken*, where it can be read."""
        newest = desk.waiting[-1]
        if newest is taken[-1] or not newest.entries:
            return None
        return await self._in_thread(partial(witness, self._examiner, newest.entries[0]))

    async def _write(self, batch: FilingBatch, suspects: Suspects) -> FilingResult:
        now = self._clock.now()
        if not batch.unexamined:
            try:
                return await self._database.write(lambda conn: file_batch(conn, batch, at=now))
            except Exception as exc:
                if blame(exc) is Blame.HOUSE and not isinstance(exc, sa.exc.SQLAlchemyError):
                    raise
                # One of the objects may be what the database cannot take: others must not wait.
                _LOG.error(  # the trace may quote patient data
                    "filing.careful", extra={"journal": batch.journal, "reason": cause(exc)}
                )
        return await self._database.write(
            lambda conn: file_batch(conn, batch, at=now, suspects=suspects)
        )

    async def _in_thread(self, call: Callable[[], T]) -> T:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="filer")
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _numbered(taken: Sequence[Committed]) -> list[Numbered]:
    return [
        (committed.position, number, stored)
        for committed in taken
        for number, stored in enumerate(committed.entries)
    ]


def _take(waiting: Sequence[Committed]) -> list[Committed]:
    """Return the first of *waiting* that make one transaction: at least one, not too many."""
    taken: list[Committed] = []
    objects = size = 0
    for committed in waiting:
        objects += len(committed.entries)
        size += sum(stored.size for stored in committed.entries)
        if taken and (objects > BATCH_OBJECTS or size > BATCH_BYTES):
            break
        taken.append(committed)
    return taken


def _report(journal: str, result: FilingResult) -> None:
    counts = {outcome.value: 0 for outcome in Outcome}
    for each in result.filed:
        counts[each.outcome.value] += 1
        if each.outcome is Outcome.OPAQUE:
            _LOG.warning("filing.set-aside", extra={"journal": journal, "reason": each.reason})
    _LOG.info("filing.batch", extra={"journal": journal, **counts})
