"""A study is as urgent as anybody who knows of it says: its order, its township's people.

Whatever came with its images and whatever rules gave it stays: this only makes a study more urgent.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import msgspec
import sqlalchemy as sa

from imaging.archive.event_place import keep_place, place_of
from imaging.archive.model import PRIORITY_ORDER, STUDY_UPDATED
from imaging.archive.study_rows import reach_of, rows_of
from imaging.archive.tables import study
from kernel.arrival import Priority
from kernel.clock import Clock
from kernel.events import Event, events_after, publish
from kernel.sql.db import Database

_READER: Final = "study-urgency"
_BATCH: Final = 200
_IN_MAX: Final = 500
_SAVE_EVERY: Final = 1000
"""Events read before it is written down how far that is; to read them again changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedStudy:
    """A study, as far as others know it."""

    institution: str
    study_instance_uid: str
    accession_number: str
    patient_id: str


class Urgency(Protocol):
    """Knows how urgent somebody holds a study."""

    def __call__(self, conn: sa.Connection, study: NamedStudy, /) -> Priority | None:
        """Return it; None where they say nothing of it."""
        ...


Concerned: TypeAlias = Callable[[sa.Connection, Event], Sequence[str]]
"""Tells which studies an event may make more urgent; some may not be here."""


def raise_priority(
    conn: sa.Connection, study_instance_uid: str, priority: Priority, *, at: dt.datetime
) -> bool:
    """Make the study at least as urgent as *priority*, and tell those who watch the list.

    Returns whether that changed anything; a study that is not here stays unknown.
    """
    number = PRIORITY_ORDER.index(priority)
    raised = conn.execute(
        sa.update(study)
        .where(study.c.study_instance_uid == study_instance_uid, study.c.priority > number)
        .values(priority=number, updated_at=at)
    )
    if not raised.rowcount:
        return False
    key = conn.scalars(
        sa.select(study.c.id).where(study.c.study_instance_uid == study_instance_uid)
    ).one()
    (row,) = rows_of(conn, [key])
    publish(
        conn,
        STUDY_UPDATED,
        msgspec.to_builtins(row),
        institution=row.institution.code,
        routed_to=reach_of(conn, [key]).get(key, ()),
        at=at,
    )
    return True


def studies_bearing(
    conn: sa.Connection, institution: str, study_instance_uid: str, numbers: Iterable[str]
) -> list[str]:
    """Return the institution's studies with that UID or one of those accession numbers."""
    columns = study.c
    spelt = {each for number in numbers for each in (number, number.lower()) if each}
    query = sa.select(columns.study_instance_uid).where(
        columns.institution == institution,
        sa.or_(
            columns.study_instance_uid == study_instance_uid,
            columns.accession_number.in_(sorted(spelt)),
        ),
    )
    return list(conn.scalars(query))


class UrgencyWatch:
    """Follows the node's events, and raises the studies they concern."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        urgencies: Sequence[Urgency],
        concerned: Mapping[str, Concerned],
    ) -> None:
        """Watch nothing yet.

        Args:
            database: the node's.
            clock: for the instants written down.
            urgencies: all are asked of a study, and the most urgent answer holds.
            concerned: by topic of an event, which studies to look at.
        """
        self._database = database
        self._clock = clock
        self._urgencies = urgencies
        self._concerned = concerned
        self._after: int | None = None
        self._unsaved = 0

    async def look(self) -> int:
        """Deal with the events since the last time; returns how many there were.

        Safe to repeat: a crash leaves the place somewhere before.
        """
        found = await self._database.read(self._read)
        self._unsaved += found.events
        if found.more_urgent or self._unsaved >= _SAVE_EVERY:
            at = self._clock.now()
            await self._database.write(lambda conn: _write(conn, found, at))
            self._unsaved = 0
        self._after = found.last_id
        return found.events

    def _read(self, conn: sa.Connection) -> "_Found":
        after = place_of(conn, _READER) or 0 if self._after is None else self._after
        events = events_after(conn, after, limit=_BATCH, topics=list(self._concerned))
        if not events:
            return _Found(0, after, {})
        concerned: dict[str, None] = {}
        for event in events:
            concerned.update(dict.fromkeys(self._concerned[event.topic](conn, event)))
        return _Found(len(events), events[-1].id, self._more_urgent(conn, list(concerned)))

    def _more_urgent(self, conn: sa.Connection, uids: Sequence[str]) -> dict[str, Priority]:
        columns = study.c
        query = sa.select(
            columns.study_instance_uid,
            columns.institution,
            columns.accession_number,
            columns.patient_id,
            columns.priority,
        ).where(columns.priority > 0)
        found: dict[str, Priority] = {}
        for at in range(0, len(uids), _IN_MAX):
            part = uids[at : at + _IN_MAX]
            for row in conn.execute(query.where(columns.study_instance_uid.in_(part))).all():
                named = NamedStudy(
                    institution=row.institution,
                    study_instance_uid=row.study_instance_uid,
                    accession_number=row.accession_number,
                    patient_id=row.patient_id,
                )
                said = [PRIORITY_ORDER.index(each) for each in self._said(conn, named)]
                if min(said, default=row.priority) < row.priority:
                    found[row.study_instance_uid] = PRIORITY_ORDER[min(said)]
        return found

    def _said(self, conn: sa.Connection, named: NamedStudy) -> list[Priority]:
        answers = [urgency(conn, named) for urgency in self._urgencies]
        return [answer for answer in answers if answer is not None]


@dataclass(frozen=True, slots=True)
class _Found:
    """What some events came to."""

    events: int
    last_id: int
    more_urgent: Mapping[str, Priority]
    """By study, of those that are to be raised."""


def _write(conn: sa.Connection, found: _Found, at: dt.datetime) -> None:
    keep_place(conn, _READER, found.last_id)
    # Last: it publishes, which holds a lock from there to the commit.
    for uid, priority in found.more_urgent.items():
        raise_priority(conn, uid, priority, at=at)
