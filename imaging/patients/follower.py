"""Follows what is registered and what arrives, so that persons are matched soon after."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import sqlalchemy as sa

from imaging.archive.amending import Hand
from imaging.archive.event_place import keep_place, place_of
from imaging.patients import likeness, person_terms, persons, reconciling
from imaging.patients.matching import NumberKind
from imaging.patients.model import Demographics, PatientIdentity
from kernel.clock import Clock
from kernel.events import events_after, last_event_id
from kernel.sql.db import Database

TOPICS: Final = ("patient.registered", "patient.updated")
_READER: Final = "persons.2"
"""The number goes up when more is taken down of each, so that all are gone through anew."""
_CHAIN: Final = "worker-persons"
_BATCH: Final = 200
_MATCHED_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """Somebody registered, as a trusted source has them."""

    identity: PatientIdentity
    demographics: Demographics
    numbers: dict[NumberKind, str] = field(default_factory=dict)
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundToBe:
    """What a house says of who a patient turned out to be."""

    patient: Registered
    real: Registered | None
    """None where it is nobody else."""
    username: str = ""
    """Of whoever said so last."""
    name: str = ""


class Registrations(Protocol):
    """Knows who is registered."""

    def all_after(self, conn: sa.Connection, last: str, /, *, limit: int) -> Sequence[str]:
        """Return ids of registered patients behind *last*, in order."""
        ...

    def get(self, conn: sa.Connection, patient: str, /) -> Registered | None:
        """Return the one of that id, None where nobody is known behind it."""
        ...

    def found_to_be(self, conn: sa.Connection, patient: str, /) -> Sequence[FoundToBe]:
        """Return what is said of who the one of that id is, and of all that were found to be it."""
        ...


class PersonFollower:
    """One process of the county runs this."""

    def __init__(
        self, database: Database, clock: Clock, registrations: Registrations, *, institution: str
    ) -> None:
        """Follow nothing yet; *institution* is the centre's code, for the audit trail."""
        self._database = database
        self._clock = clock
        self._registrations = registrations
        self._institution = institution

    async def look(self) -> int:
        """Take down what was registered and match whom more is known of; returns how many.

        Safe to repeat: a crash leaves the place somewhere before.
        """
        now = self._clock.now()
        if await self._database.read(lambda conn: place_of(conn, _READER)) is None:
            # Those registered before anybody followed, and whose events are long gone.
            await self._begin(now)
        taken = await self._database.write(lambda conn: self._take(conn, now))
        return taken + await self._database.write(lambda conn: self._match(conn, now))

    async def _begin(self, now: dt.datetime) -> None:
        newest = await self._database.read(last_event_id)
        person: int | None = 0
        while person is not None:
            person = await self._database.write(
                partial(person_terms.index_all, after=person, limit=_BATCH)
            )
        last = ""
        while True:
            ids = await self._database.write(partial(self._seed, last=last, now=now))
            if not ids:
                break
            last = ids[-1]
        await self._database.write(lambda conn: keep_place(conn, _READER, newest))

    def _seed(self, conn: sa.Connection, last: str, now: dt.datetime) -> Sequence[str]:
        ids = self._registrations.all_after(conn, last, limit=_BATCH)
        for each in ids:
            self._note(conn, each, now)
        return ids

    def _take(self, conn: sa.Connection, now: dt.datetime) -> int:
        events = events_after(conn, place_of(conn, _READER) or 0, limit=_BATCH, topics=TOPICS)
        for each in dict.fromkeys(str(event.payload["id"]) for event in events):
            self._note(conn, each, now)
        if events:
            keep_place(conn, _READER, events[-1].id)
        return len(events)

    def _note(self, conn: sa.Connection, patient: str, now: dt.datetime) -> None:
        told = self._registrations.get(conn, patient)
        if told is not None:
            persons.note_registered(
                conn, told.identity, told.demographics, told.numbers, source=told.source, at=now
            )
        for found in self._registrations.found_to_be(conn, patient):
            self._reconcile(conn, found, now)

    def _reconcile(self, conn: sa.Connection, found: FoundToBe, now: dt.datetime) -> None:
        real = found.real
        hand = Hand(
            username=found.username,
            name=found.name,
            institution=found.patient.identity.assigner,
            allowed=reconciling.RECONCILIATION,
            reason=real.source if real else "",
            at=now,
            chain=_CHAIN,
        )
        if real is None:
            row = persons.row_of(conn, found.patient.identity)
            if row is not None:
                reconciling.reconcile(conn, row, None, hand)
            return
        unknown, known = (
            persons.note_registered(
                conn, each.identity, each.demographics, each.numbers, source=each.source, at=now
            )
            for each in (found.patient, real)
        )
        reconciling.reconcile(conn, unknown, known, hand)
        # Both are of several patients now, whose images may know them by other names.
        for row, each in ((unknown, found.patient), (known, real)):
            person_terms.know_name(conn, row, each.demographics.name)

    def _match(self, conn: sa.Connection, now: dt.datetime) -> int:
        hand = Hand(
            institution=self._institution,
            allowed="matching",
            reason="",
            at=now,
            chain=_CHAIN,
        )
        rows = likeness.to_match(conn, limit=_MATCHED_AT_ONCE)
        for row in rows:
            likeness.match(conn, row, hand)
        return len(rows)
