"""Who looked at what: one committed row before the data leaves, later looks counted into it.

A viewer fetches hundreds of frames of one study. The first of them waits until its row is on disk;
the others within the same hour of the same sign-in are counted and the count is written now and
then. Rows of several askers share one commit.
"""

import asyncio
import datetime as dt
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from kernel.audit.trail import AuditEntry, AuditEvent, HashName, count_accesses, record
from kernel.clock import Clock
from kernel.identity import Principal
from kernel.sql.db import Database

_KEEP: Final = 20_000
_FLUSH_EVERY_S: Final = 5.0
EMERGENCY: Final = "break-glass"
"""``kernel.policy.Reason.BREAK_GLASS``, which stands above this room."""
PURPOSE: Final = {"purpose_of_use": "BTG"}
"""What rows say of looks that an emergency allowed (v3-ActReason, break the glass)."""


@dataclass(frozen=True, slots=True)
class Access:
    """One look at one study or record."""

    principal: Principal
    subject: str
    """Such as ``study:1.2.3``."""
    patient: str
    reason: str
    address: str = ""
    sign_in: str = ""
    """Names the session or token without being it; looks of another one make another row."""
    event: AuditEvent = AuditEvent.STUDY_SEEN
    to: str = ""
    """Whom it was sent to, where that is not who asked; another one makes another row."""


@dataclass(slots=True)
class _Seen:
    """A row on its way or on disk, and the looks not yet counted in it."""

    row: asyncio.Future[int]
    uncounted: int = 0
    last_at: dt.datetime | None = None


_Key = tuple[str, str, str, str, str]


def _detail(access: Access) -> dict[str, str]:
    told = {"to": access.to} if access.to else {}
    return told | PURPOSE if access.reason == EMERGENCY else told


class AccessLog:
    """The trail of looks of one process; it owns one chain."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        chain: str,
        algorithm: HashName = HashName.SHA256,
    ) -> None:
        self._database = database
        self._clock = clock
        self._chain = chain
        self._algorithm = algorithm
        self._seen: OrderedDict[_Key, _Seen] = OrderedDict()
        self._waiting: list[tuple[AuditEntry, _Key, _Seen]] = []
        self._turn = asyncio.Lock()

    async def saw(self, access: Access) -> None:
        """Return once *access* is in the trail; only then may data leave.

        Raises whatever the database raises; then nothing may leave.
        """
        now = self._clock.now()
        who = access.principal
        asker = access.sign_in or who.user_id
        key = (asker, access.subject, access.event, f"{now:%Y%m%d%H}", access.to)
        seen = self._seen.get(key)
        if seen is not None:
            await asyncio.shield(seen.row)
            seen.uncounted += 1
            seen.last_at = now
            return
        seen = self._seen[key] = _Seen(asyncio.get_running_loop().create_future())
        entry = AuditEntry(
            at=now,
            event=access.event,
            user_id=who.user_id,
            username=who.username,
            institution=who.institution,
            address=access.address,
            subject=access.subject,
            patient=access.patient,
            reason=access.reason,
            detail=_detail(access),
        )
        self._waiting.append((entry, key, seen))
        await asyncio.shield(self._write_waiting(seen))

    async def add(self, entry: AuditEntry) -> None:
        """Write any other *entry* into this process's chain; returns once it is on disk."""
        seen = _Seen(asyncio.get_running_loop().create_future())
        self._waiting.append((entry, ("", "", "", "", ""), seen))
        await asyncio.shield(self._write_waiting(seen))

    async def _write_waiting(self, mine: _Seen) -> None:
        # One commit at a time; whoever comes meanwhile shares the next one. A chain written by two
        # transactions at once would make PostgreSQL run all but one of them again.
        async with self._turn:
            if not mine.row.done():
                batch, self._waiting = self._waiting, []
                await self._write(batch)
        await mine.row

    async def _write(self, batch: list[tuple[AuditEntry, _Key, _Seen]]) -> None:
        def insert(conn: sa.Connection) -> list[int]:
            return [
                record(conn, self._chain, entry, algorithm=self._algorithm) for entry, _, _ in batch
            ]

        try:
            ids = await self._database.write(insert)
        except BaseException as exc:
            for _, key, seen in batch:
                self._seen.pop(key, None)
                if not seen.row.done():
                    seen.row.set_exception(exc)
                    seen.row.exception()  # a caller that went away leaves nobody to look at it
            raise
        for (_, _, seen), entry_id in zip(batch, ids, strict=True):
            if not seen.row.done():
                seen.row.set_result(entry_id)

    async def flush(self) -> None:
        """Write the counts not yet written, and forget what is old; call it at the end, too."""
        taken = [
            (seen, seen.uncounted, seen.last_at)
            for seen in self._seen.values()
            if seen.uncounted and seen.row.done() and seen.last_at is not None
        ]
        if taken:

            def write(conn: sa.Connection) -> None:
                for seen, more, at in taken:
                    count_accesses(conn, seen.row.result(), more, at=at)

            await self._database.write(write)
            for seen, more, _ in taken:
                seen.uncounted -= more
        while len(self._seen) > _KEEP:
            self._seen.popitem(last=False)

    async def run(self) -> None:
        """Write counts every few seconds until cancelled, then once more."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_EVERY_S)
                await self.flush()
        finally:
            await self.flush()
