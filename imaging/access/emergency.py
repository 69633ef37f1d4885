"""Emergency looks: one person opens one patient for an hour, says why, and is looked into after.

It opens reading alone: no order, no image, no correction. Whoever watches over them hears of it at
once, and every look under it is in the trail with its purpose.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa

from imaging.access import store
from imaging.access.grants import Grant, give, studies_of, withdraw
from imaging.access.model import (
    LASTS,
    TRIES_EACH,
    TRIES_WITHIN,
    AlreadyReviewed,
    EmergencyRequest,
    LookMissing,
    NobodyFound,
    OwnLook,
    ReviewRequest,
    TooManyTries,
    WithinReach,
    parse_note,
    parse_number,
    parse_why,
)
from imaging.access.numbers import Named, Registered, named_by
from imaging.access.store import Look
from imaging.archive.tables import study
from imaging.query.ways import within_reach
from kernel.audit.access_log import PURPOSE, AccessLog
from kernel.audit.trail import AuditEntry, AuditEvent
from kernel.clock import Clock
from kernel.events import publish
from kernel.identity import Principal
from kernel.policy import Act, Reason, Subject, person_holder, reach, require
from kernel.sql.db import Database

OPENED = "glass.opened"
"""Topic of the news that somebody opened a patient; it names none."""
REVIEWED = "glass.reviewed"
_REFUSED = 4
"""Minor failure (PS3.15 A.5.2)."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and from where."""

    principal: Principal
    address: str = ""


@dataclass(frozen=True, slots=True)
class _Opening:
    """What is about to be opened."""

    named: Named
    study_instance_uid: str
    owner: str
    patient_id: str


class EmergencyDesk:
    """Opens, ends and judges emergency looks."""

    def __init__(
        self,
        database: Database,
        log: AccessLog,
        clock: Clock,
        *,
        registered: Registered,
        centre: str,
    ) -> None:
        """Work on *database*.

        Args:
            database: the county's.
            log: takes what is opened and judged before it is.
            clock: where the time comes from.
            registered: knows under which numbers houses registered somebody.
            centre: code of the institution that watches over all of them.
        """
        self._database = database
        self._log = log
        self._clock = clock
        self.registered = registered
        self._centre = centre

    async def open(self, asker: Asker, asked: EmergencyRequest) -> Look:
        """Open the patient that *asked* names to *asker* for an hour.

        Raises:
            Forbidden: the asker's roles treat nobody, or a machine asks.
            Invalid: the reason is too short, or the number is none.
            TooManyTries: more than 10 numbers within an hour.
            NobodyFound: nobody has that number; the try is in the trail.
            NotOne: several have.
            WithinReach: the asker may see the patient without.
        """
        who, now = asker.principal, self._clock.now()
        require(who, Act.BREAK_GLASS, Subject())
        why, number = parse_why(asked.why), parse_number(asked)
        since = now - TRIES_WITHIN
        tries = await self._database.write(
            lambda conn: store.note_try(conn, who.user_id, at=now, since=since)
        )
        if tries > TRIES_EACH:
            await self._refused(asker, asked, now, TooManyTries.code)
            raise TooManyTries(TRIES_WITHIN.total_seconds())
        try:
            opening = await self._database.read(
                lambda conn: self._find(conn, who, asked, number, now)
            )
        except NobodyFound:
            await self._refused(asker, asked, now, NobodyFound.code)
            raise
        told = {"by": asked.kind.value, "minutes": int(LASTS.total_seconds() // 60)}
        entry = _opened(asker, now, f"study:{opening.study_instance_uid}", told)
        await self._log.add(replace(entry, patient=opening.patient_id))
        return await self._database.write(lambda conn: self._open(conn, who, opening, why, now))

    def _find(
        self,
        conn: sa.Connection,
        who: Principal,
        asked: EmergencyRequest,
        number: str,
        now: dt.datetime,
    ) -> _Opening:
        named = named_by(conn, asked.kind, number, asked.institution, self.registered)
        every = sorted(
            {
                *named.studies,
                *(each for row in named.patients for each in studies_of(conn, patient=row)),
            }
        )
        if not every:
            raise NobodyFound
        columns = study.c
        theirs = columns.id.in_(every)
        newest = conn.execute(
            sa.select(
                columns.id, columns.study_instance_uid, columns.institution, columns.patient_id
            )
            .where(theirs)
            .order_by(columns.id.desc())
            .limit(1)
        ).one()
        mine = sa.select(sa.func.count()).where(theirs, within_reach(reach(who, at=now)))
        if conn.scalar(mine) == len(every):
            raise WithinReach(newest.study_instance_uid)
        return _Opening(named, newest.study_instance_uid, newest.institution, newest.patient_id)

    def _open(
        self, conn: sa.Connection, who: Principal, opening: _Opening, why: str, now: dt.datetime
    ) -> Look:
        until = now + LASTS
        look = store.add_look(
            conn,
            {
                "user_id": who.user_id,
                "username": who.username,
                "display_name": who.display_name,
                "institution": who.institution,
                "owner": opening.owner,
                "why": why,
                "since": now,
                "until": until,
            },
        )
        holder, reason = person_holder(who.user_id), Reason.BREAK_GLASS
        for patient in opening.named.patients:
            give(
                conn,
                Grant(
                    holder=holder, reason=reason, given_by=look.grant, until=until, patient=patient
                ),
                at=now,
            )
        for row in opening.named.studies:
            give(
                conn,
                Grant(holder=holder, reason=reason, given_by=look.grant, until=until, study=row),
                at=now,
            )
        told = {"id": look.id, "username": look.username, "display_name": look.display_name}
        self._tell(conn, OPENED, look, told, now)
        return look

    async def end(self, asker: Asker, number: int) -> None:
        """End a look of the asker's own before its time; ending it again changes nothing.

        Raises:
            LookMissing: it is not theirs.
        """
        now = self._clock.now()

        def write(conn: sa.Connection) -> None:
            look = store.find_look(conn, number)
            if look is None or look.user_id != asker.principal.user_id:
                raise LookMissing
            if look.ended_at is None and look.until > now:
                withdraw(conn, look.grant, at=now)
                store.change_look(conn, number, {"ended_at": now})

        await self._database.write(write)

    async def review(self, asker: Asker, number: int, asked: ReviewRequest) -> Look:
        """Write down what the privacy officer found.

        Raises:
            LookMissing: the asker does not watch over it.
            OwnLook: it is the asker's own.
            AlreadyReviewed: somebody has judged it.
            Invalid: the note is missing or too long.
        """
        who, now = asker.principal, self._clock.now()
        note = parse_note(asked.note, asked.verdict)
        told = {"verdict": asked.verdict.value}
        await self._log.add(_entry(asker, now, f"emergency:{number}", told))

        def write(conn: sa.Connection) -> Look:
            look = store.find_look(conn, number)
            if look is None:
                raise LookMissing
            if not self.watches(who, look):
                raise LookMissing
            if look.user_id == who.user_id:
                raise OwnLook
            if look.verdict:
                raise AlreadyReviewed
            store.change_look(
                conn,
                number,
                {
                    "verdict": asked.verdict.value,
                    "note": note,
                    "reviewed_by": who.username,
                    "reviewed_at": now,
                },
            )
            self._tell(conn, REVIEWED, look, {"id": number}, now)
            found = store.find_look(conn, number)
            assert found is not None  # noqa: S101  # read above, in this transaction
            return found

        return await self._database.write(write)

    def watches(self, who: Principal, look: Look) -> bool:
        """Tell whether *look* is *who*'s to watch over: their house's, its patient's, or all."""
        return who.institution in {self._centre, look.institution, look.owner}

    def house_of(self, who: Principal) -> str:
        """Return the code of the institution whose looks *who* watches; empty for all."""
        return "" if who.institution == self._centre else who.institution

    def _tell(
        self,
        conn: sa.Connection,
        topic: str,
        look: Look,
        payload: dict[str, object],
        at: dt.datetime,
    ) -> None:
        others = {look.owner, self._centre} - {look.institution}
        publish(conn, topic, payload, institution=look.institution, routed_to=others, at=at)

    async def _refused(
        self, asker: Asker, asked: EmergencyRequest, now: dt.datetime, code: str
    ) -> None:
        # The number is not written down: what was typed wrongly may be somebody else's.
        told = {"by": asked.kind.value, "refused": code}
        entry = _opened(asker, now, "emergency", told)
        await self._log.add(replace(entry, outcome=_REFUSED))


def _opened(asker: Asker, at: dt.datetime, subject: str, told: Mapping[str, object]) -> AuditEntry:
    entry = _entry(asker, at, subject, {**told, **PURPOSE})
    return replace(entry, event=AuditEvent.EMERGENCY_OPENED, reason=Reason.BREAK_GLASS)


def _entry(asker: Asker, at: dt.datetime, subject: str, told: Mapping[str, object]) -> AuditEntry:
    who = asker.principal
    return AuditEntry(
        at=at,
        event=AuditEvent.EMERGENCY_REVIEWED,
        user_id=who.user_id,
        username=who.username,
        institution=who.institution,
        address=asker.address,
        subject=subject,
        detail=dict(told),
    )
