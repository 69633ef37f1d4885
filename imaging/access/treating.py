"""Treating: an open order lets its institution see what other houses made of the same person.

The same person is whoever has exactly the same resident number; no name, no birth date and no
likeness opens anything. It lasts as long as the order is open.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import sqlalchemy as sa

from imaging.access.grants import Grant, give, withdraw
from imaging.access.numbers import Registered, patients_of_resident
from imaging.access.tables import grants
from imaging.archive.event_place import keep_place, place_of
from imaging.archive.tables import patient, study
from imaging.patients.model import PatientIdentity
from kernel.clock import Clock
from kernel.events import Event, events_after
from kernel.policy import Reason
from kernel.sql.db import Database

_READER: Final = "treating"
_BATCH: Final = 200
_SAVE_EVERY: Final = 1000
"""Events read before it is written down how far that is; to read them again changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encounter:
    """Somebody is being treated somewhere."""

    key: str
    """Names it among all, such as ``order:01J...``; its grants are given by it."""
    institution: str
    resident_id: str
    """Empty where the house does not know it; then it opens nothing."""
    is_open: bool


class OpenEncounters(Protocol):
    """Knows who is being treated where."""

    def __call__(self, conn: sa.Connection, identity: PatientIdentity, /) -> Sequence[Encounter]:
        """Return the open ones of the person whom a house knows by *identity*, at any house."""
        ...


Concerned: TypeAlias = Callable[[sa.Connection, Event], Sequence[Encounter]]
"""Tells which encounters an event may begin, change or end."""


class TreatingWatch:
    """Follows the node's events, and gives and withdraws what they are a reason for."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        registered: Registered,
        concerned: Mapping[str, Concerned],
    ) -> None:
        """Watch nothing yet.

        Args:
            database: the county's.
            clock: for the instants written down.
            registered: knows under which numbers houses registered somebody.
            concerned: by topic of an event, which encounters to look at.
        """
        self._database = database
        self._clock = clock
        self._registered = registered
        self._concerned = concerned
        self._after: int | None = None
        self._unsaved = 0

    async def look(self) -> int:
        """Deal with the events since the last time; returns how many there were.

        Safe to repeat: a crash leaves the place somewhere before.
        """
        found = await self._database.read(self._read)
        self._unsaved += found.events
        if found.changed or self._unsaved >= _SAVE_EVERY:
            at = self._clock.now()
            await self._database.write(lambda conn: self._write(conn, found, at))
            self._unsaved = 0
        self._after = found.last_id
        return found.events

    def _read(self, conn: sa.Connection) -> "_Found":
        after = place_of(conn, _READER) or 0 if self._after is None else self._after
        events = events_after(conn, after, limit=_BATCH, topics=list(self._concerned))
        if not events:
            return _Found(0, after, ())
        newest = {
            encounter.key: encounter
            for event in events
            for encounter in self._concerned[event.topic](conn, event)
        }
        changed = [
            each for each in newest.values() if self._wanted(conn, each) != _held(conn, each)
        ]
        return _Found(len(events), events[-1].id, changed)

    def _wanted(self, conn: sa.Connection, encounter: Encounter) -> frozenset[int]:
        """Return the rows of the patients the encounter is a reason for: other houses' of it."""
        if not encounter.is_open or not encounter.resident_id:
            return frozenset()
        rows = patients_of_resident(conn, encounter.resident_id, self._registered)
        elsewhere = sa.select(patient.c.id).where(
            patient.c.id.in_(rows), patient.c.assigner != encounter.institution
        )
        return frozenset(conn.scalars(elsewhere))

    def _write(self, conn: sa.Connection, found: "_Found", at: dt.datetime) -> None:
        keep_place(conn, _READER, found.last_id)
        for encounter in found.changed:
            wanted, held = self._wanted(conn, encounter), _held(conn, encounter)
            if held - wanted:
                withdraw(conn, encounter.key, at=at)
                held = frozenset()
            for row in sorted(wanted - held):
                grant = Grant(
                    holder=encounter.institution,
                    reason=Reason.TREATING,
                    given_by=encounter.key,
                    patient=row,
                )
                give(conn, grant, at=at)


@dataclass(frozen=True, slots=True)
class _Found:
    """What some events came to."""

    events: int
    last_id: int
    changed: Sequence[Encounter]


def identity_of(conn: sa.Connection, study_instance_uid: str) -> PatientIdentity | None:
    """Return by what its house knows the patient of a study, None where nobody does."""
    row = conn.execute(
        sa.select(patient.c.patient_id, patient.c.issuer, patient.c.assigner)
        .join(study, study.c.patient == patient.c.id)
        .where(study.c.study_instance_uid == study_instance_uid)
    ).one_or_none()
    return None if row is None else PatientIdentity(row.patient_id, row.issuer, row.assigner)


def _held(conn: sa.Connection, encounter: Encounter) -> frozenset[int]:
    columns = grants.c
    query = sa.select(columns.patient).where(
        columns.given_by == encounter.key,
        columns.withdrawn_at.is_(None),
        columns.patient.is_not(None),
    )
    return frozenset(conn.scalars(query))
