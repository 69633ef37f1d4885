"""What people do with patients and orders; each act is one transaction, all of it or nothing.

Every act takes the key under which it was asked for, so that asking again does nothing more, and a
change the version it was made from, so that nobody writes over what they have not seen.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

import sqlalchemy as sa

from kernel.clock import Clock
from kernel.errors import Conflict, Invalid
from kernel.idempotency import Ask, done_before, remember
from kernel.identity import Principal
from kernel.policy import Act as Duty, Subject, register_house, require
from kernel.sql.db import Database
from referrals.orders import store
from referrals.orders.acts import Acts, Seen, check_seen, person_of
from referrals.orders.asked import (
    NewOrder,
    NewPatient,
    OrderChanges,
    PatientChanges,
)
from referrals.orders.following import RECONCILE, SETTLE
from referrals.orders.gate import OrderGate
from referrals.orders.ledger import By, Ledger, Page
from referrals.orders.machine import Act
from referrals.orders.model import (
    REASON_MAX,
    Order,
    Patient,
    PatientMissing,
    PatientStatus,
    parse_text,
)
from referrals.orders.records import RecordKind
from referrals.orders.settling import (
    ToSettle,
    chosen_version,
    settled,
    to_settle,
)

__all__ = ["OrderDesk", "Seen"]

T = TypeVar("T")
R = TypeVar("R", Patient, Order)
_SAYS_WHY: Final = {Act.DISCONTINUE, Act.CANCEL}


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
        self._acts = Acts(ledger, gate, clock)

    async def register(self, by: By, new: NewPatient, ask: Ask) -> str:
        """Register a patient and return the id.

        Raises:
            InvalidRegistration: something typed cannot be.
            AlreadyRegistered: a patient of this institution has that number.
        """
        return await self._once(ask, lambda page: self._acts.register(page, by, new).id)

    async def correct(self, by: By, seen: Seen, changes: PatientChanges, ask: Ask) -> str:
        """Mend what was registered and return the patient's id.

        Raises:
            PatientMissing: not there, or another institution's.
            Stale: somebody changed it meanwhile; the answer says who and when.
            InvalidRegistration, AlreadyRegistered: as for ``register``.
        """
        return await self._once(ask, lambda page: self._acts.correct(page, by, seen, changes).id)

    async def reconcile(self, by: By, seen: Seen, real: str, ask: Ask) -> str:
        """Say that a patient registered as unknown is *real*; returns the first one's id.

        Every order is *real*'s from then on and keeps whom it was ordered for, also those this
        node hears of later (``following``).

        Raises:
            PatientMissing: one of them is not there, or another institution's.
            Conflict: it is no temporary patient (``not-temporary``), is reconciled already, or
                *real* is one itself (``not-a-real-patient``).
            Stale: somebody changed it meanwhile.
        """

        def act(page: Page) -> str:
            now, conn = self._clock.now(), page.conn
            before = self._acts.patient(conn, by, seen, Duty.REGISTER_PATIENT)
            known = store.find_patient(conn, real)
            if known is None or known.institution != before.institution:
                raise PatientMissing
            if before.temporary is None or before.status is not PatientStatus.ACTIVE:
                raise Conflict("only a temporary patient is reconciled", code="not-temporary")
            if known.temporary is not None or known.id == before.id:
                raise Conflict("reconcile with a real patient", code="not-a-real-patient")
            gone = replace(before, status=PatientStatus.RECONCILED, reconciled_with=known.id)
            return self._ledger.write(page, gone, by.change(RECONCILE, now), by).id

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
            who = person_of(by)
            # Who may not order registers nobody by the way.
            require(who, Duty.ORDER_EXAMINATION, Subject(register_house(who)))
            person = patient
            if isinstance(person, NewPatient):
                person = self._acts.register(page, by, person).id
            return self._acts.order(page, by, person, new).id

        return await self._once(ask, act)

    async def change(self, by: By, seen: Seen, changes: OrderChanges, ask: Ask) -> str:
        """Change when, where, how urgently or why; returns the order's id.

        Raises:
            OrderMissing: not there, or another institution's.
            ActNotAllowed: it has begun or ended; the answer says who did that and when.
            Stale: somebody changed it meanwhile.
            InvalidRegistration: something typed cannot be.
        """
        return await self._once(ask, lambda page: self._acts.change(page, by, seen, changes).id)

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

        return await self._once(ask, lambda page: self._acts.move(page, by, seen, act, why).id)

    async def reorder(self, by: By, seen: Seen, ask: Ask) -> str:
        """Order the same again after it ended; returns the new order's id.

        Raises:
            OrderMissing: not there, or another institution's.
            ActNotAllowed: it has not ended.
            Stale: somebody changed it meanwhile.
            NoAccessionNumbers, ExaminationMissing, GateAsks: as for ``order``.
        """

        def act(page: Page) -> str:
            before = self._acts.seen_order(page.conn, by, seen, Act.REORDER)
            again = NewOrder(
                examination=before.examination.code,
                station_ae_title=before.station_ae_title,
                priority=before.priority,
                patient_class=before.patient_class,
                clinical_question=before.clinical_question,
            )
            return self._acts.order(page, by, before.patient, again, replaces=before.id).id

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
            about = self.to_settle(conn, person_of(by), kind, seen.record)
            check_seen(conn, about.record, seen)
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
