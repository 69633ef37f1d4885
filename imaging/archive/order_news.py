"""A study's order says more of the patient than its images: those who look hear when that changes.

Whoever has a study open asks for its order again. An age somebody guessed, of a patient nobody
knows, comes with the images like any other; that it is a guess the order tells, and the study's
row says so from then on.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import sqlalchemy as sa

from imaging.archive.event_place import keep_place, place_of
from imaging.archive.model import ORDER_TOLD, STUDY_UPDATED
from imaging.archive.study_rows import reach_of, rows_of
from imaging.archive.tables import study
from imaging.archive.urgency import Concerned, NamedStudy
from kernel.clock import Clock
from kernel.events import EventDraft, events_after, last_event_id, publish_all
from kernel.sql.db import Database

_READER: Final = "study-orders"
_BATCH: Final = 200
_IN_MAX: Final = 500
_SAVE_EVERY: Final = 1000
"""Events read before it is written down how far that is; to read them again changes nothing."""


class GuessedAge(Protocol):
    """Knows the age somebody guessed of a study's patient."""

    def __call__(self, conn: sa.Connection, study: NamedStudy, /) -> int | None:
        """Return it in years; None where it is known, or nobody guessed."""
        ...


class OrderNews:
    """Follows the node's events, and tells of the studies whose orders they change."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        guessed: GuessedAge,
        concerned: Mapping[str, Concerned],
    ) -> None:
        """Follow nothing yet.

        Args:
            database: the node's.
            clock: for the instants written down.
            guessed: asked of a study whose images state no birth date.
            concerned: by topic of an event about an order or its patient, whose studies those are.
        """
        self._database = database
        self._clock = clock
        self._guessed = guessed
        self._concerned = concerned
        self._after: int | None = None
        self._unsaved = 0

    async def look(self) -> int:
        """Deal with the events since the last time; returns how many there were.

        Safe to repeat: a crash leaves the place somewhere before.
        """
        if self._after is None:
            self._after = await self._database.read(lambda conn: place_of(conn, _READER))
        if self._after is None:
            self._after = await self._begin()
        after = self._after
        found = await self._database.read(lambda conn: self._read(conn, after))
        self._unsaved += found.events
        if found.ordered or found.guesses or self._unsaved >= _SAVE_EVERY:
            at = self._clock.now()
            await self._database.write(lambda conn: _write(conn, found, at))
            self._unsaved = 0
        self._after = found.last_id
        return found.events

    async def _begin(self) -> int:
        """Mark the guesses of studies that came before anybody followed; return where to go on.

        Nothing else of them is news: whoever looks at one has just asked.
        """
        newest = await self._database.read(last_event_id)
        last = 0
        while True:
            some = await self._database.read(partial(_undated_after, last=last))
            if not some:
                break
            last = max(some)
            guesses = await self._database.read(partial(self._guesses, uids=list(some.values())))
            if guesses:
                await self._database.write(partial(_mark, guesses=guesses, at=self._clock.now()))
        await self._database.write(lambda conn: keep_place(conn, _READER, newest))
        return newest

    def _read(self, conn: sa.Connection, after: int) -> "_Found":
        topics = [*self._concerned, STUDY_UPDATED]
        events = events_after(conn, after, limit=_BATCH, topics=topics)
        if not events:
            return _Found(0, after, (), {})
        ordered: dict[str, None] = {}
        changed: dict[str, None] = {}
        for event in events:
            if event.topic == STUDY_UPDATED:
                changed[str(event.payload["study_instance_uid"])] = None
            else:
                ordered.update(dict.fromkeys(self._concerned[event.topic](conn, event)))
        guesses = self._guesses(conn, list(ordered | changed))
        return _Found(len(events), events[-1].id, tuple(ordered), guesses)

    def _guesses(self, conn: sa.Connection, uids: Sequence[str]) -> dict[int, int | None]:
        columns = study.c
        query = sa.select(
            columns.id,
            columns.study_instance_uid,
            columns.institution,
            columns.accession_number,
            columns.patient_id,
            columns.patient_birth_date,
            columns.estimated_age_years,
        ).where(sa.or_(columns.patient_birth_date == "", columns.estimated_age_years.is_not(None)))
        found: dict[int, int | None] = {}
        for at in range(0, len(uids), _IN_MAX):
            part = uids[at : at + _IN_MAX]
            for row in conn.execute(query.where(columns.study_instance_uid.in_(part))).all():
                named = NamedStudy(
                    institution=row.institution,
                    study_instance_uid=row.study_instance_uid,
                    accession_number=row.accession_number,
                    patient_id=row.patient_id,
                )
                guess = None if row.patient_birth_date else self._guessed(conn, named)
                if guess != row.estimated_age_years:
                    found[row.id] = guess
        return found


@dataclass(frozen=True, slots=True)
class _Found:
    """What some events came to."""

    events: int
    last_id: int
    ordered: Sequence[str]
    """Studies whose order, or its patient, changed."""
    guesses: Mapping[int, int | None]
    """By row of a study, the age in years that was guessed of its patient, where that is new."""


def _write(conn: sa.Connection, found: _Found, at: dt.datetime) -> None:
    keep_place(conn, _READER, found.last_id)
    _mark(conn, found.guesses, found.ordered, at=at)


def _mark(
    conn: sa.Connection,
    guesses: Mapping[int, int | None],
    ordered: Sequence[str] = (),
    *,
    at: dt.datetime,
) -> None:
    """Write down the *guesses*, and tell of them and of the studies *ordered*; last, it publishes.

    That holds a lock from there to the commit.
    """
    for key, years in guesses.items():
        one = sa.update(study).where(study.c.id == key)
        conn.execute(one.values(estimated_age_years=years, updated_at=at))
    publish_all(conn, [*_changed(conn, list(guesses)), *_told(conn, ordered)], at=at)


def _changed(conn: sa.Connection, keys: Sequence[int]) -> list[EventDraft]:
    given = reach_of(conn, keys)
    # One that has left the index since is in no list.
    rows = [(key, row) for key in keys for row in rows_of(conn, [key])]
    return [
        EventDraft(
            STUDY_UPDATED, msgspec.to_builtins(row), row.institution.code, given.get(key, ())
        )
        for key, row in rows
    ]


def _told(conn: sa.Connection, uids: Sequence[str]) -> list[EventDraft]:
    columns = study.c
    query = sa.select(columns.id, columns.study_instance_uid, columns.institution)
    rows: list[Any] = []
    for at in range(0, len(uids), _IN_MAX):
        part = uids[at : at + _IN_MAX]
        rows += conn.execute(query.where(columns.study_instance_uid.in_(part))).all()
    given = reach_of(conn, [row.id for row in rows])
    # Who it is about the page asks at the door, which writes down the look.
    return [
        EventDraft(
            ORDER_TOLD,
            {"study_instance_uid": row.study_instance_uid},
            row.institution,
            given.get(row.id, ()),
        )
        for row in rows
    ]


def _undated_after(conn: sa.Connection, last: int) -> dict[int, str]:
    """Return the next studies behind the row *last* that state no birth date: row and UID."""
    columns = study.c
    query = (
        sa.select(columns.id, columns.study_instance_uid)
        .where(columns.patient_birth_date == "", columns.id > last)
        .order_by(columns.id)
        .limit(_BATCH)
    )
    return {row.id: row.study_instance_uid for row in conn.execute(query)}
