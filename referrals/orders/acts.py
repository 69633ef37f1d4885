"""What is done with patients and orders inside one transaction, whoever began it.

The desk gives each act a transaction of its own; a door whose message asks for several gives them
one together.
"""

from dataclasses import dataclass, replace

import sqlalchemy as sa

from kernel.clock import Clock
from kernel.errors import Conflict, Stale
from kernel.identity import Principal
from kernel.policy import Act as Duty, Subject, register_house, require
from referrals.orders import registering, store
from referrals.orders.asked import NewOrder, NewPatient, OrderChanges, PatientChanges
from referrals.orders.gate import OrderGate
from referrals.orders.ledger import By, Ledger, Page
from referrals.orders.machine import PERFORMING, Act, ActNotAllowed, decide
from referrals.orders.model import (
    Order,
    OrderMissing,
    Patient,
    PatientMissing,
    PatientStatus,
    version_tag,
)
from referrals.orders.moves import changed, moved
from referrals.orders.records import Record
from referrals.orders.views import local_day, may_see


@dataclass(frozen=True, slots=True)
class Seen:
    """A change of something: which, and the version its maker saw."""

    record: str
    version: str
    """``version_tag`` of what was seen."""


@dataclass(frozen=True, slots=True)
class Acts:
    """The acts of one node, in one process; each raises before it has written anything."""

    ledger: Ledger
    gate: OrderGate
    clock: Clock

    def register(self, page: Page, by: By, new: NewPatient) -> Patient:
        """Register a patient; raises as ``OrderDesk.register``."""
        who, now = person_of(by), self.clock.now()
        require(who, Duty.REGISTER_PATIENT, Subject(register_house(who)))
        return registering.register(self.ledger, page, by, new, now=now)

    def correct(self, page: Page, by: By, seen: Seen, changes: PatientChanges) -> Patient:
        """Mend what was registered; raises as ``OrderDesk.correct``."""
        now = self.clock.now()
        before = self.patient(page.conn, by, seen, Duty.REGISTER_PATIENT)
        after = changes.on(before, local_day(now))
        if changes.name is not None and changes.name_pinyin is None:
            pinyin = self.ledger.spellings.romanised(after.name)
            after = replace(after, name_pinyin=pinyin)
        if after.temporary is not None and changes.name is not None:
            after = replace(after, temporary=None)
        registering.check_numbers_free(page.conn, after)
        return self.ledger.write(page, after, by.change("correct", now), by)

    def order(self, page: Page, by: By, person: str, new: NewOrder, *, replaces: str = "") -> Order:
        """Order for the patient *person*; raises as ``OrderDesk.order``."""
        who, now = person_of(by), self.clock.now()
        require(who, Duty.ORDER_EXAMINATION, Subject(register_house(who)))
        found = store.find_patient(page.conn, person)
        if found is None or found.institution != register_house(who):
            raise PatientMissing
        if found.status is not PatientStatus.ACTIVE:
            raise Conflict("order for the patient this one turned out to be", code="reconciled")
        return registering.order(
            self.ledger, self.gate, page, by, found, new.checked(now), now=now, replaces=replaces
        )

    def change(self, page: Page, by: By, seen: Seen, changes: OrderChanges) -> Order:
        """Change an order; raises as ``OrderDesk.change``."""
        now = self.clock.now()
        before = self.seen_order(page.conn, by, seen, Act.CHANGE)
        return self.ledger.write(
            page, changed(before, changes, now), by.change(Act.CHANGE, now), by
        )

    def move(self, page: Page, by: By, seen: Seen, act: Act, why: str) -> Order:
        """Do *act* to an order; raises as ``OrderDesk.move``."""
        now = self.clock.now()
        before = self.seen_order(page.conn, by, seen, act)
        after = moved(before, act, now, reason=why)
        return self.ledger.write(page, after, by.change(act, now, reason=why), by)

    def patient(self, conn: sa.Connection, by: By, seen: Seen, duty: Duty) -> Patient:
        """Return the patient that was *seen*, where *by* may do *duty* there.

        Raises:
            PatientMissing: not there, or another institution's.
            Stale: somebody changed it meanwhile.
        """
        who, found = person_of(by), store.find_patient(conn, seen.record)
        if found is None or found.institution != register_house(who):
            raise PatientMissing
        require(who, duty, Subject(found.institution))
        check_seen(conn, found, seen)
        return found

    def seen_order(self, conn: sa.Connection, by: By, seen: Seen, act: Act) -> Order:
        """Return the order that was *seen*, where *by* may do *act* to it.

        Raises:
            OrderMissing: not there, or another institution's.
            ActNotAllowed: its state does not take the act.
            Stale: somebody changed it meanwhile.
        """
        who, found = person_of(by), store.find_order(conn, seen.record)
        if found is None or not may_see(found, who):
            raise OrderMissing
        duty = Duty.PERFORM_EXAMINATION if act in PERFORMING else Duty.ORDER_EXAMINATION
        require(who, duty, Subject(found.institution))
        try:
            decide(found.state, act)
        except ActNotAllowed as refused:
            refused.members = store.change_at(conn, found).told(found) | {"state": found.state}
            raise
        check_seen(conn, found, seen)
        return found


def check_seen(conn: sa.Connection, found: Record, seen: Seen) -> None:
    """Raise ``Stale`` where *found* is another version than the one that was *seen*."""
    if version_tag(found) != seen.version:
        error = Stale("it was changed after it was read; read it again")
        error.members = store.change_at(conn, found).told(found)
        raise error


def person_of(by: By) -> Principal:
    """Return who does something; raises ``ValueError`` where a machine only notes it."""
    if by.principal is None:
        msg = "a person's act has a person"
        raise ValueError(msg)
    return by.principal
