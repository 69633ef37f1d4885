"""What was set aside is filed from the bytes the county kept, once what hindered it is mended.

Nobody has to send it again: bytes and arrival are here. Each object is a transaction of its own,
in which it comes to be an instance and is set aside no more, so that a cut leaves the one or the
other, and doing it again changes nothing.
"""

import asyncio
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

import msgspec
import sqlalchemy as sa

from imaging.archive import backlog
from imaging.archive.blame import cause
from imaging.archive.examine import Examiner
from imaging.archive.examined import Examined
from imaging.archive.filing import file_kept, known_contents
from imaging.archive.objects import (
    NewObject,
    ObjectMissing,
    ObjectReader,
    ObjectStore,
    pieces,
    put_new,
)
from imaging.archive.tables import instance, set_aside
from kernel.arrival import Arrival, encode_arrival
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import Clock
from kernel.errors import Missing, PlatformError
from kernel.sql.db import Database

_AT_ONCE: Final = 100_000
_ID_DIGITS: Final = 15
_OPERATOR: Final = "operator"


class Refiling(StrEnum):
    """What trying to file one object again came to."""

    FILED = "filed"
    FILED_BEFORE = "filed-before"
    """The same content was taken since; nothing was counted."""
    REFUSED = "refused"
    """The database still does not take it."""
    UNREADABLE = "unreadable"
    """Nobody can read it, with this program either."""
    LOST = "lost"
    """Its bytes, or what its door wrote down of it, are gone: it has to be sent again."""


OPEN_STILL: Final = frozenset({Refiling.REFUSED, Refiling.UNREADABLE, Refiling.LOST})
"""Where the object is set aside as before."""


@dataclass(frozen=True, slots=True)
class Refiled:
    """One object and what trying came to."""

    id: int
    sop_instance_uid: str
    outcome: Refiling
    reason: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """One row of what is set aside, with what filing needs."""

    id: int
    sop_instance_uid: str
    study_instance_uid: str
    object_key: str
    reason: str
    arrival: Arrival | None


@dataclass(frozen=True, slots=True)
class _StoredObject:
    """An object of the store as a journal would give it (``examined.StoredObject``)."""

    meta: bytes
    reader: ObjectReader

    @property
    def size(self) -> int:
        return self.reader.size

    def read(self, pos: int, n: int, /) -> bytes:
        return self.reader.read(pos, n)

    def chunks(self) -> Iterator[bytes]:
        return pieces(self.reader)


class Refiler:
    """Files what is set aside, beside a county that runs or without one."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        examiner: Examiner,
        clock: Clock,
        *,
        chain: str,
    ) -> None:
        self._database = database
        self._objects = objects
        self._examiner = examiner
        self._clock = clock
        self._chain = chain

    async def file_again(self, which: str = "") -> list[Refiled]:
        """Try what is set aside and open, the oldest first; returns what each came to.

        Args:
            which: id of the row, or a SOP Instance UID, of which there may be several; empty for
                all that is open.

        Raises:
            Missing: nothing of that name is set aside, nor was it filed since.
            PlatformError: the house is in trouble; what is reported in the trail was done.
        """
        found = await self._database.read(partial(_chosen, which=which))
        if found:
            return [await self._file_again(row) for row in found]
        if not which:
            return []
        if not await self._database.read(partial(_is_filed, sop_instance_uid=which)):
            raise Missing("nothing of that id or UID is set aside here", code="nothing-set-aside")
        return [Refiled(0, which, Refiling.FILED_BEFORE, "")]

    async def _file_again(self, row: _Kept) -> Refiled:
        if row.arrival is None or not row.object_key:
            return await self._leave(row, Refiling.LOST, row.reason)
        try:
            told = await asyncio.to_thread(self._examine, row.object_key, row.arrival)
        except ObjectMissing:
            return await self._leave(row, Refiling.LOST, row.reason)
        except (PlatformError, OSError):
            raise
        except Exception as exc:  # noqa: BLE001  # what one object provokes stops no other
            told = cause(exc)
        if isinstance(told, str):
            return await self._leave(row, Refiling.UNREADABLE, told)
        try:
            return await self._database.write(partial(self._file, row=row, examined=told))
        except (sa.exc.SQLAlchemyError, ValueError) as exc:
            return await self._leave(row, Refiling.REFUSED, cause(exc))

    def _examine(self, key: str, arrival: Arrival) -> Examined | str:
        """Return the object ready to be filed, its file durable; the reason where it is not."""
        with self._objects.open(key) as reader:
            stored = _StoredObject(encode_arrival(arrival), reader)
            each, chunks = self._examiner.examine(stored)
            if not isinstance(each, Examined):
                return each.reason
            # It may lie here already, under the name of its content or of its bytes only.
            put_new(self._objects, [NewObject(each.key, chunks)])
        return each

    def _file(self, conn: sa.Connection, *, row: _Kept, examined: Examined) -> Refiled:
        uid, at = examined.header.sop_instance_uid, self._clock.now()
        gone = conn.execute(sa.delete(set_aside).where(set_aside.c.id == row.id)).rowcount == 0
        if gone or examined.content in known_contents(conn, [uid]):
            done, reason = Refiling.FILED_BEFORE, ""
        else:
            [one] = file_kept(conn, [examined], at=at).filed
            done, reason = Refiling.FILED, one.outcome.value
        return self._told(conn, Refiled(row.id, uid, done, reason), row, at)

    async def _leave(self, row: _Kept, outcome: Refiling, reason: str) -> Refiled:
        left = Refiled(row.id, row.sop_instance_uid, outcome, reason)
        at = self._clock.now()
        return await self._database.write(lambda conn: self._told(conn, left, row, at))

    def _told(self, conn: sa.Connection, one: Refiled, row: _Kept, at: dt.datetime) -> Refiled:
        """Return *one*, which the trail tells of."""
        study = row.study_instance_uid
        entry = AuditEntry(
            at=at,
            event=AuditEvent.CHANGED,
            username=_OPERATOR,
            subject=f"study:{study}" if study else f"object:{row.object_key}",
            detail={
                "act": "retry-aside",
                "id": row.id,
                "sop_instance_uid": one.sop_instance_uid,
                "code": row.reason,
                "outcome": one.outcome.value,
            },
        )
        record(conn, self._chain, entry)
        return one


def _chosen(conn: sa.Connection, *, which: str) -> Sequence[_Kept]:
    columns = set_aside.c
    if which.isascii() and which.isdigit() and len(which) <= _ID_DIGITS:
        rows = backlog.aside(conn, which=int(which))
    else:
        rows = backlog.aside(conn, limit=_AT_ONCE)
    named = [one.id for one in rows if which in ("", str(one.id), one.sop_instance_uid)]
    found = []
    for number in sorted(named):
        row = conn.execute(sa.select(set_aside).where(columns.id == number)).one()
        arrival = msgspec.convert(row.arrival, Arrival) if row.arrival else None
        told = (row.sop_instance_uid, row.study_instance_uid, row.object_key, row.reason)
        found.append(_Kept(row.id, *told, arrival))
    return found


def _is_filed(conn: sa.Connection, *, sop_instance_uid: str) -> bool:
    query = sa.select(instance.c.id).where(instance.c.sop_instance_uid == sop_instance_uid)
    return conn.execute(query).first() is not None
