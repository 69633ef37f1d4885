"""What people do with patients and orders; each act is one transaction, all of it or nothing.

Every act takes the key under which it was asked for, so that asking again does nothing more, and a
change the version it was made from, so that nobody writes over what they have not seen.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

import sqlalchemy as sa

from kernel.clock import Clock
from kernel.errors import Conflict, Invalid, Stale
from kernel.idempotency import Ask, done_before, remember
from kernel.identity import Principal
from kernel.policy import Act as Duty, Subject, register_house, require
from kernel.sql.db import Database
from referrals.orders import registering, store
from referrals.orders.asked import (
    NewOrder,
    NewPatient,
    OrderChanges,
    PatientChanges,
)
from referrals.orders.gate import OrderGate
from referrals.orders.ledger import By, Ledger, Page
from referrals.orders.machine import PERFORMING, Act, ActNotAllowed, decide
from referrals.orders.model import (
    REASON_MAX,
    Order,
    OrderMissing,
    Patient,
    PatientMissing,
    PatientStatus,
    parse_text,
    version_tag,
)
from referrals.orders.moves import changed, moved
from referrals.orders.records import Record, RecordKind
from referrals.orders.settling import (
    SETTLE,
    ToSettle,
    chosen_version,
    settled,
    to_settle,
)
from referrals.orders.views import local_day, may_see

T = TypeVar("T")
R = TypeVar("R", Patient, Order)
_SAYS_WHY: Final = {Act.DISCONTINUE, Act.CANCEL}


@dataclass(frozen=True, slots=True)
class Seen:
    """A change of something: which, and the version its maker saw."""

    record: str
    version: str
    """``version_tag`` of what was seen."""


class OrderDesk:
    """Registers and orders at one node, in one process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        ledger: Ledger,
        gate: OrderGate,
        centre: str = "",
    ) -> None:
        """Register and order with *ledger*.

        Args:
            database: the node's.
            clock: where the time comes from.
            ledger: writes what follows.
            gate: asked before anything is ordered.
            centre: code of the institution that settles conflicts of all; empty where none does.
        """
        self._database = database
        self._centre = centre
        self._clock = clock
        self._ledger = ledger
        self._gate = gate

    async def register(self, by: By, new: NewPatient, ask: Ask) -> str:
        """Register a patient and return the id.

        Raises:
            InvalidRegistration: something typed cannot be.
            AlreadyRegistered: a patient of this institution has that number.
        """
        return await self._once(ask, partial(self._register, by=by, new=new))

    def _register(self, page: Page, *, by: By, new: NewPatient) -> str:
        who, now = _who(by), self._clock.now()
        require(who, Duty.REGISTER_PATIENT, Subject(register_house(who)))
        return registering.register(self._ledger, page, by, new, now=now).id

    async def correct(self, by: By, seen: Seen, changes: PatientChanges, ask: Ask) -> str:
        """Mend what was registered and return the patient's id.

        Raises:
            PatientMissing: not there, or another institution's.
            Stale: somebody changed it meanwhile; the answer says who and when.
            InvalidRegistration, AlreadyRegistered: as for ``register``.
        """

        def act(page: Page) -> str:
            now = self._clock.now()
            before = self._patient(page.conn, by, seen, Duty.REGISTER_PATIENT)
            after = changes.on(before, local_day(now))
            if changes.name is not None and changes.name_pinyin is None:
                pinyin = self._ledger.spellings.romanised(after.name)
                after = replace(after, name_pinyin=pinyin)
            if after.temporary is not None and changes.name is not None:
                after = replace(after, temporary=None)
            registering.check_numbers_free(page.conn, after)
            return self._ledger.write(page, after, by.change("correct", now), by).id

        return await self._once(ask, act)

    async def reconcile(self, by: By, seen: Seen, real: str, ask: Ask) -> str:
        """Say that a patient registered as unknown is *real*; returns the first one's id.

        Every order goes over to *real* and keeps whom it was ordered for.

        Raises:
            PatientMissing: one of them is not there, or another institution's.
            Conflict: it is no temporary patient (``not-temporary``), is reconciled already, or
                *real* is one itself (``not-a-real-patient``).
            Stale: somebody changed it meanwhile.
        """

        def act(page: Page) -> str:
            now, conn = self._clock.now(), page.conn
            before = self._patient(conn, by, seen, Duty.REGISTER_PATIENT)
            known = store.find_patient(conn, real)
            if known is None or known.institution != before.institution:
                raise PatientMissing
            if before.temporary is None or before.status is not PatientStatus.ACTIVE:
                raise Conflict("only a temporary patient is reconciled", code="not-temporary")
            if known.temporary is not None or known.id == before.id:
                raise Conflict("reconcile with a real patient", code="not-a-real-patient")
            change = by.change("reconcile", now)
            gone = replace(before, status=PatientStatus.RECONCILED, reconciled_with=known.id)
            self._ledger.write(page, gone, change, by)
            for order in store.orders_of_patient(conn, before.id):
                first = order.first_patient or before.id
                moved = replace(order, patient=known.id, first_patient=first)
                self._ledger.write(page, moved, change, by)
            return before.id

        return await self._once(ask, act)

    async def order(self, by: By, patient: str | NewPatient, new: NewOrder, ask: Ask) -> str:
        """Order an examination and return the order's id.

        Args:
            by: who orders.
            patient: the id of somebody registered, or somebody to register with it: both are
                written, or neither.
            new: what to order.
            ask: the key of this act.

        Raises:
            PatientMissing, ExaminationMissing: not there, or another institution's.
            InvalidRegistration, AlreadyRegistered: something typed cannot be.
            NoAccessionNumbers: this node has none left.
            InvalidAccessionNumber, AccessionNumberTaken: the number told cannot be the order's.
            GateAsks: there is a result that would do.
        """

        def act(page: Page) -> str:
            who, now = _who(by), self._clock.now()
            require(who, Duty.ORDER_EXAMINATION, Subject(register_house(who)))
            if isinstance(patient, NewPatient):
                person = self._register(page, by=by, new=patient)
            else:
                person = patient
            return self._place(page, by, person, new, now).id

        return await self._once(ask, act)

    def _place(
        self,
        page: Page,
        by: By,
        person: str,
        new: NewOrder,
        now: dt.datetime,
        replaces: str = "",
    ) -> Order:
        who = _who(by)
        found = store.find_patient(page.conn, person)
        if found is None or found.institution != register_house(who):
            raise PatientMissing
        if found.status is not PatientStatus.ACTIVE:
            raise Conflict("order for the patient this one turned out to be", code="reconciled")
        return registering.order(
            self._ledger, self._gate, page, by, found, new.checked(now), now=now, replaces=replaces
        )

    async def change(self, by: By, seen: Seen, changes: OrderChanges, ask: Ask) -> str:
        """Change when, where, how urgently or why; returns the order's id.

        Raises:
            OrderMissing: not there, or another institution's.
            ActNotAllowed: it has begun or ended; the answer says who did that and when.
            Stale: somebody changed it meanwhile.
            InvalidRegistration: something typed cannot be.
        """

        def act(page: Page) -> str:
            now = self._clock.now()
            before = self._order(page.conn, by, seen, Act.CHANGE)
            after = changed(before, changes, now)
            return self._ledger.write(page, after, by.change(Act.CHANGE, now), by).id

        return await self._once(ask, act)

    async def move(self, by: By, seen: Seen, act: Act, reason: str, ask: Ask) -> str:
        """Begin, complete, discontinue or cancel the order; returns its id.

        Raises:
            OrderMissing: not there, or another institution's.
            Forbidden: they order and do not examine there.
            ActNotAllowed: its state does not take the act; the answer says who did what and when.
            Stale: somebody changed it meanwhile.
            Invalid: no reason where one is asked for (``reason-missing``).
        """
        why = parse_text(reason, longest=REASON_MAX, code="invalid-reason")
        if act in _SAYS_WHY and not why:
            raise Invalid("say why", code="reason-missing")

        def write(page: Page) -> str:
            now = self._clock.now()
            before = self._order(page.conn, by, seen, act)
            after = moved(before, act, now, reason=why)
            change = by.change(act, now, reason=why)
            return self._ledger.write(page, after, change, by).id

        return await self._once(ask, write)

    async def reorder(self, by: By, seen: Seen, ask: Ask) -> str:
        """Order the same again after it ended; returns the new order's id.

        Raises:
            OrderMissing: not there, or another institution's.
            ActNotAllowed: it has not ended.
            Stale: somebody changed it meanwhile.
            NoAccessionNumbers, ExaminationMissing, GateAsks: as for ``order``.
        """

        def act(page: Page) -> str:
            now = self._clock.now()
            before = self._order(page.conn, by, seen, Act.REORDER)
            again = NewOrder(
                examination=before.examination.code,
                station_ae_title=before.station_ae_title,
                priority=before.priority,
                patient_class=before.patient_class,
                clinical_question=before.clinical_question,
            )
            return self._place(page, by, before.patient, again, now, before.id).id

        return await self._once(ask, act)

    async def settle(self, by: By, kind: RecordKind, seen: Seen, keep: str, ask: Ask) -> str:
        """End a conflict: what the version *keep* says holds from now on; returns the record's id.

        A choice made of late can be made otherwise, while nothing came after it.

        Raises:
            PatientMissing, OrderMissing: not there, or another institution's.
            NoSuchConflict: *keep* is no version to choose.
            Stale: somebody changed it meanwhile.
        """

        def act(page: Page) -> str:
            now, conn = self._clock.now(), page.conn
            about = self.to_settle(conn, _who(by), kind, seen.record)
            _check_seen(conn, about.record, seen)
            version = chosen_version(about.choice, keep)
            chosen = settled(about.record, store.record_at(conn, kind, seen.record, version))
            chooser = replace(by, reason=about.reason)
            change = replace(by.change(SETTLE, now, reason=keep), settles=True)
            if isinstance(chosen, Order):
                return self._ledger.write(page, chosen, change, chooser).id
            return self._ledger.write(page, chosen, change, chooser).id

        return await self._once(ask, act)

    def to_settle(
        self, conn: sa.Connection, who: Principal, kind: RecordKind, record: str
    ) -> ToSettle:
        """Return the record *who* may choose about; raises as ``settling.to_settle``."""
        return to_settle(conn, who, kind, record, centre=self._centre, now=self._clock.now())

    async def _once(self, ask: Ask, act: Callable[[Page], str]) -> str:
        def transaction(conn: sa.Connection) -> str:
            before = done_before(conn, ask)
            if before is not None:
                return before
            page, now = Page(conn), self._clock.now()
            made = act(page)
            remember(conn, ask, made, at=now)
            self._ledger.end(page, at=now)
            return made

        return await self._database.write(transaction)

    def _patient(self, conn: sa.Connection, by: By, seen: Seen, duty: Duty) -> Patient:
        who, found = _who(by), store.find_patient(conn, seen.record)
        if found is None or found.institution != register_house(who):
            raise PatientMissing
        require(who, duty, Subject(found.institution))
        _check_seen(conn, found, seen)
        return found

    def _order(self, conn: sa.Connection, by: By, seen: Seen, act: Act | None) -> Order:
        who, found = _who(by), store.find_order(conn, seen.record)
        if found is None or not may_see(found, who):
            raise OrderMissing
        duty = Duty.PERFORM_EXAMINATION if act in PERFORMING else Duty.ORDER_EXAMINATION
        require(who, duty, Subject(found.institution))
        if act is not None:
            try:
                decide(found.state, act)
            except ActNotAllowed as refused:
                refused.members = store.change_at(conn, found).told(found) | {"state": found.state}
                raise
        _check_seen(conn, found, seen)
        return found


def _check_seen(conn: sa.Connection, found: Record, seen: Seen) -> None:
    if version_tag(found) != seen.version:
        error = Stale("it was changed after it was read; read it again")
        error.members = store.change_at(conn, found).told(found)
        raise error


def _who(by: By) -> Principal:
    if by.principal is None:
        msg = "a person's act has a person"
        raise ValueError(msg)
    return by.principal
