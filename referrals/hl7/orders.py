"""ORM^O01 and OMI^O23: orders placed, changed and cancelled by another system of the house.

All orders of a message are taken, or none is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import sqlalchemy as sa

from kernel.errors import Conflict, Missing, Unsupported
from referrals.hl7.asked_orders import Group, changes_of, groups, new_order
from referrals.hl7.model import (
    MessageText,
    MissingField,
    MissingSegment,
    OrderAnswer,
    Source,
    Taken,
    UnknownValue,
    at,
    the,
)
from referrals.hl7.patients import PatientMessages, by_source, told_by
from referrals.hl7.tables import placed
from referrals.orders import store
from referrals.orders.accession import folded
from referrals.orders.acts import Acts, Seen
from referrals.orders.examinations import find_examinations
from referrals.orders.ledger import By, Page
from referrals.orders.machine import Act
from referrals.orders.model import (
    ExaminationMissing,
    Order,
    Patient,
    State,
    version_tag,
)
from referrals.orders.tables import orders

_ORC: Final = "ORC"
_OBR: Final = "OBR"
_REASON: Final = "ordered otherwise by the sending system"
_OK: Final[Mapping[str, str]] = MappingProxyType(
    {"NW": "OK", "CA": "CR", "OC": "CR", "DC": "DR", "XO": "XR", "SC": "SR"}
)
"""What answers each ORC-1 that is taken here (HL7 table 0119)."""
_BY_STATUS: Final[Mapping[str, tuple[Act, ...]]] = MappingProxyType(
    {
        "IP": (Act.BEGIN,),
        "A": (),
        "SC": (),
        "CM": (Act.BEGIN, Act.COMPLETE),
        "CA": (Act.CANCEL,),
        "DC": (Act.DISCONTINUE,),
    }
)
"""Acts that lead to an ORC-5 (HL7 table 0038), those already done left out."""
_AFTER: Final = {
    Act.BEGIN: {State.IN_PROGRESS, State.COMPLETED, State.DISCONTINUED},
    Act.COMPLETE: {State.COMPLETED},
    Act.CANCEL: {State.CANCELLED},
    Act.DISCONTINUE: {State.DISCONTINUED},
}


@dataclass(frozen=True, slots=True)
class OrderMessages:
    """Takes messages of orders."""

    acts: Acts
    people: PatientMessages

    def take(self, conn: sa.Connection, message: MessageText, source: Source) -> Taken:
        """Do what each ORC of *message* asks for; a patient nobody knows is registered with it.

        Raises:
            MissingSegment, MissingField, Invalid: something is not there or cannot be.
            UnknownValue: an ORC-1, ORC-5 or priority that is in no table here.
            ExaminationMissing: the catalogue has no such examination.
            Missing: no order of that number (``order-not-found``).
            Conflict: an order of that number is there (``order-there``), it is another patient's
                (``other-patient``), or its state does not take the act.
        """
        page = Page(conn)
        told = told_by(the(message, "PID"))
        who = by_source(source)
        known = self.people.find(conn, told, who)
        asked = groups(message)
        if not asked:
            with at(_ORC, 0):
                raise MissingSegment("no ORC")
        answers: list[OrderAnswer] = []
        subject = ""
        for group in asked:
            by = by_source(source, group.doctor())
            if group.control() == "NW":
                known = known or self.people.register(page, by, told)
                made = self._place(page, by, known, group, source)
            else:
                made = self._act(page, by, known, group, source)
            subject = subject or f"order:{made.id}"
            control = _OK[group.control()]
            answers.append(OrderAnswer(control, group.placer_number(), made.accession_number))
        self.acts.ledger.end(page, at=self.acts.clock.now())
        return Taken(told.number, subject, tuple(answers))

    def _place(self, page: Page, by: By, person: Patient, group: Group, source: Source) -> Order:
        number = group.placer_number()
        with at(_ORC, 2, which=group.which):
            if not number:
                raise MissingField("ORC-2 or OBR-2")
            if self._placed(page.conn, source, number) is not None:
                raise Conflict("this number was placed before", code="order-there")
        with at(_OBR, 4, which=group.which):
            code = self._examination(page.conn, source.institution, group)
        new = new_order(group, code)
        with at(_OBR, 18, which=group.which):
            made = self.acts.order(page, by, person.id, new)
        page.conn.execute(
            sa.insert(placed).values(
                institution=source.institution,
                application=source.application,
                placer_number=number,
                order=made.id,
                placed_at=self.acts.clock.now(),
            )
        )
        return made

    def _act(
        self, page: Page, by: By, person: Patient | None, group: Group, source: Source
    ) -> Order:
        control = group.control()
        with at(_ORC, 1, which=group.which):
            if control not in _OK:
                raise UnknownValue("NW, CA, OC, DC, XO or SC")
        with at(_ORC, 2, which=group.which):
            order = self._find(page.conn, group, source)
            if person is None or order.patient != person.id:
                raise Conflict("that order is another patient's", code="other-patient")
        with at(_ORC, 5 if control == "SC" else 1, which=group.which):
            for act in _acts(control, group, order):
                order = self.acts.move(page, by, _seen(order), act, _REASON)
        if control == "XO":
            with at(_ORC, 1, which=group.which):
                order = self._change(page, by, order, group)
        return order

    def _change(self, page: Page, by: By, order: Order, group: Group) -> Order:
        if group.service() and order.examination.code not in self._codes(page.conn, order, group):
            raise Unsupported(
                "another examination is another order: cancel this one", code="other-examination"
            )
        changes = changes_of(group, order)
        if changes is None:
            return order
        return self.acts.change(page, by, _seen(order), changes)

    def _codes(self, conn: sa.Connection, order: Order, group: Group) -> set[str]:
        return {self._examination(conn, order.institution, group)}

    def _examination(self, conn: sa.Connection, institution: str, group: Group) -> str:
        """Return the code of the examination asked for; raises ``ExaminationMissing``.

        The sender's code and its alternative are looked for first, then their texts, which must
        be the whole name of one row.
        """
        catalogue = find_examinations(conn, institution)
        codes = {row.code for row in catalogue}
        for code in group.service():
            if code in codes:
                return code
        for text in group.service_names():
            named = [row.code for row in catalogue if row.name == text]
            if len(named) == 1:
                return named[0]
        raise ExaminationMissing("the catalogue of this institution has no such examination")

    def _find(self, conn: sa.Connection, group: Group, source: Source) -> Order:
        key = self._placed(conn, source, group.placer_number()) or self._numbered(
            conn, source.institution, group
        )
        found = store.find_order(conn, key) if key else None
        if found is None or found.institution != source.institution:
            raise Missing("no order of this number", code="order-not-found")
        return found

    def _placed(self, conn: sa.Connection, source: Source, number: str) -> str | None:
        columns = placed.c
        key: str | None = conn.scalar(
            sa.select(columns.order).where(
                columns.institution == source.institution,
                columns.application == source.application,
                columns.placer_number == number,
            )
        )
        return key if number else None

    def _numbered(self, conn: sa.Connection, institution: str, group: Group) -> str | None:
        """Return the order of one of the accession numbers told, None where there is none."""
        for number in group.accession_numbers():
            key: str | None = conn.scalar(
                sa.select(orders.c.id).where(
                    orders.c.institution == institution,
                    orders.c.accession_number == folded(number),
                )
            )
            if key is not None:
                return key
        return None


def _acts(control: str, group: Group, order: Order) -> Iterator[Act]:
    """Yield what is to be done to *order*, those already done left out."""
    if control in ("CA", "OC"):
        asked: tuple[Act, ...] = (Act.CANCEL,)
    elif control == "DC":
        asked = (Act.CANCEL if order.state is State.ORDERED else Act.DISCONTINUE,)
    elif control == "SC":
        status = group.status()
        if status not in _BY_STATUS:
            raise UnknownValue("ORC-5 is one of " + ", ".join(_BY_STATUS))
        asked = _BY_STATUS[status]
    else:
        asked = ()
    return (act for act in asked if order.state not in _AFTER[act])


def _seen(order: Order) -> Seen:
    return Seen(order.id, version_tag(order))
