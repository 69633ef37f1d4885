"""Reports go down by themselves: whatever the county files of a township's study for reading.

The county reads its own events, and names the reports of each study that has changed to the nodes
of the institution the study belongs to, once for each new set of reports.
"""

import asyncio
import datetime as dt
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import sqlalchemy as sa

from gateway.exchange.model import Kind, Source
from gateway.exchange.nodes import all_nodes
from gateway.exchange.return_letters import ReportsOf, StudyReports, send_study
from gateway.exchange.sender import Hint
from gateway.exchange.tables import event_places, report_letters
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.events import events_after
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_READER: Final = "reports-down"
_BATCH: Final = 200
_LOOK_S: Final = 5.0
_LATER_S: Final = 5.0


class PutRight(Protocol):
    """Knows which studies were put right after they were filed."""

    def __call__(self, conn: sa.Connection, studies: Sequence[str], /) -> Sequence[str]:
        """Return those of *studies* that are read otherwise than they were filed."""
        ...


def nothing_put_right(conn: sa.Connection, studies: Sequence[str], /) -> Sequence[str]:
    """Return none of *studies*, where nothing is ever put right (``PutRight``)."""
    return []


class ReportsDown:
    """The one sender of reports of a county."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        reports_of: ReportsOf,
        *,
        topic: str,
        put_right: PutRight = nothing_put_right,
    ) -> None:
        """Make one that has not begun.

        Args:
            database: of the county.
            clock: for the instants written down.
            reports_of: knows the archive.
            topic: of events that name a study that has changed (``study_instance_uid``).
            put_right: whose reports an older program may have named otherwise than they are read.
        """
        self._database = database
        self._clock = clock
        self._reports_of = reports_of
        self._topic = topic
        self._put_right = put_right

    async def run(self, hint: Hint) -> None:
        """Name whatever is filed, until cancelled."""
        looked = False
        while True:
            try:
                if not looked:
                    await self.name_again()
                    looked = True
                if not await self.name_new():
                    await hint.wait(_LOOK_S)
            except PlatformError as exc:
                _LOG.warning("reports-down.later", extra={"code": exc.code})
                await asyncio.sleep(_LATER_S)

    async def name_new(self) -> int:
        """Deal with the events since the last time; returns how many there were."""
        news = await self._database.read(self._read)
        if news is None:
            return 0
        await self._database.write(partial(_write, news=news, at=self._clock.now()))
        return news.events

    async def name_again(self) -> int:
        """Name what was named otherwise than it is read now; returns how many studies were asked.

        A program that named the reports of a study that was put right as they are stored may have
        run here before.
        """
        found = await self._database.read(self._named_before)
        at = self._clock.now()
        for study, reports in found.items():
            await self._database.write(partial(_name, study=study, found=reports, at=at))
        return len(found)

    def _named_before(self, conn: sa.Connection) -> dict[str, StudyReports]:
        columns = report_letters.c
        named = list(conn.scalars(sa.select(columns.study_instance_uid).distinct()))
        found: dict[str, StudyReports] = {}
        for begin in range(0, len(named), _BATCH):
            for study in self._put_right(conn, named[begin : begin + _BATCH]):
                reports = self._reports_of(conn, study)
                if reports and reports.objects:
                    found[study] = reports
        return found

    def _read(self, conn: sa.Connection) -> "_News | None":
        """Look the studies up; others may go on writing meanwhile, this is the only reader."""
        events = events_after(conn, _place(conn), limit=_BATCH, topics=[self._topic])
        if not events:
            return None
        houses = {node.institution for node in all_nodes(conn) if node.revoked_at is None}
        found: dict[str, StudyReports] = {}
        for study in dict.fromkeys(str(event.payload["study_instance_uid"]) for event in events):
            reports = self._reports_of(conn, study)
            if reports and reports.objects and reports.institution in houses:
                found[study] = reports
        return _News(len(events), events[-1].id, found)


@dataclass(frozen=True, slots=True)
class _News:
    """What some events came to."""

    events: int
    last_id: int
    reports: Mapping[str, StudyReports]
    """By study, of those that have any."""


def _write(conn: sa.Connection, *, news: _News, at: dt.datetime) -> None:
    _move(conn, news.last_id)
    for study, found in news.reports.items():
        _name(conn, study, found, at=at)


def _name(conn: sa.Connection, study: str, found: StudyReports, *, at: dt.datetime) -> None:
    told = "\n".join(f"{one.sop_instance_uid} {one.digest.whole}" for one in found.objects)
    digest = hashlib.sha256(told.encode()).hexdigest()
    columns = report_letters.c
    mine = (columns.study_instance_uid == study) & (columns.institution == found.institution)
    known = conn.scalar(sa.select(columns.digest).where(mine))
    if known == digest:
        return
    if known is None:
        conn.execute(
            sa.insert(report_letters).values(
                study_instance_uid=study, institution=found.institution, digest=digest, at=at
            )
        )
    else:
        conn.execute(sa.update(report_letters).where(mine).values(digest=digest, at=at))
    send_study(conn, Kind.REPORT, study, found.objects, Source("", found.institution, at))


def _place(conn: sa.Connection) -> int:
    columns = event_places.c
    return conn.scalar(sa.select(columns.event_id).where(columns.reader == _READER)) or 0


def _move(conn: sa.Connection, event_id: int) -> None:
    mine = event_places.c.reader == _READER
    moved = conn.execute(sa.update(event_places).where(mine).values(event_id=event_id))
    if not moved.rowcount:
        conn.execute(sa.insert(event_places).values(reader=_READER, event_id=event_id))
