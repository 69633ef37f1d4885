"""An ORC and what belongs to it, read as an order of this house. Pure."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from kernel.arrival import Priority
from referrals.hl7.datatypes import joined, moment
from referrals.hl7.model import NULL, MessageText, SegmentText, UnknownValue, at, first
from referrals.orders.asked import NewOrder, OrderChanges
from referrals.orders.model import QUESTION_MAX, Order, PatientClass

_PRIORITIES: Final = {
    "S": Priority.EMERGENCY,
    "ST": Priority.EMERGENCY,
    "STAT": Priority.EMERGENCY,
    "A": Priority.URGENT,
    "ASAP": Priority.URGENT,
    "U": Priority.URGENT,
    "P": Priority.URGENT,
    "R": Priority.ROUTINE,
    "C": Priority.ROUTINE,
    "T": Priority.ROUTINE,
}
"""TQ1-9, ORC-7.6, OBR-5 or OBR-27.6: HL7 tables 0485 and 0027."""
_CLASSES: Final = {
    "E": PatientClass.EMERGENCY,
    "I": PatientClass.INPATIENT,
    "B": PatientClass.INPATIENT,
    "R": PatientClass.OUTPATIENT,
    "P": PatientClass.OUTPATIENT,
    "O": PatientClass.OUTPATIENT,
}
"""PV1-2, HL7 table 0004."""
_AE_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Group:
    """One ORC with the segments that follow it up to the next."""

    which: int
    """From 1 on."""
    orc: SegmentText
    others: tuple[SegmentText, ...]
    visit: SegmentText | None
    """The message's PV1."""

    def _first(self, name: str) -> SegmentText | None:
        return next((one for one in self.others if one.name == name), None)

    def _text(self, name: str, number: int, component: int = 1) -> str:
        found = self.orc if name == "ORC" else self._first(name)
        text = found.text(number, component) if found else ""
        return "" if text == NULL else text

    def control(self) -> str:
        """ORC-1."""
        return self._text("ORC", 1).upper()

    def status(self) -> str:
        """ORC-5."""
        return self._text("ORC", 5).upper()

    def placer_number(self) -> str:
        """ORC-2, or OBR-2."""
        return self._text("ORC", 2) or self._text("OBR", 2)

    def accession_numbers(self) -> tuple[str, ...]:
        """Where the number of the request may stand: IPC-1, OBR-18, then the filler's number."""
        places = (("IPC", 1), ("OBR", 18), ("ORC", 3), ("OBR", 3))
        return tuple(dict.fromkeys(filter(None, (self._text(*place) for place in places))))

    def accession_number(self) -> str:
        """IPC-1, or OBR-18; empty to be given one."""
        return self._text("IPC", 1) or self._text("OBR", 18)

    def service(self) -> tuple[str, ...]:
        """OBR-4: its code and its alternative."""
        return tuple(filter(None, (self._text("OBR", 4, 1), self._text("OBR", 4, 4))))

    def service_names(self) -> tuple[str, ...]:
        """OBR-4: its text and its alternative."""
        return tuple(filter(None, (self._text("OBR", 4, 2), self._text("OBR", 4, 5))))

    def doctor(self) -> str:
        """ORC-12, or OBR-16: the name of who ordered."""
        for name, number in (("ORC", 12), ("OBR", 16)):
            found = joined(*(self._text(name, number, part) for part in (2, 3)))
            if found:
                return found
        return ""

    def priority(self) -> Priority | None:
        """Return how urgent it is: as it says, else as the visit is; None where neither says.

        Raises:
            UnknownValue: it says what stands in no table.
        """
        for name, number, component in (
            ("TQ1", 9, 1),
            ("ORC", 7, 6),
            ("OBR", 5, 1),
            ("OBR", 27, 6),
        ):
            said = self._text(name, number, component).upper()
            if said:
                with at(name, number, which=self.which, component=component):
                    if said not in _PRIORITIES:
                        raise UnknownValue("S, A, U, P, R, C or T")
                return _PRIORITIES[said]
        emergency = self.patient_class() is PatientClass.EMERGENCY
        return Priority.EMERGENCY if emergency else None

    def patient_class(self) -> PatientClass:
        """PV1-2; outpatient where it says nothing known."""
        said = self.visit.text(2).upper() if self.visit else ""
        return _CLASSES.get(said, PatientClass.OUTPATIENT)

    def planned(self) -> dt.datetime | None:
        """When it is to be done: TQ1-7, ORC-7.4, OBR-27.4 or OBR-36; None where none says.

        Raises:
            Invalid: it is no moment.
        """
        for name, number, component in (
            ("TQ1", 7, 1),
            ("ORC", 7, 4),
            ("OBR", 27, 4),
            ("OBR", 36, 1),
        ):
            with at(name, number, which=self.which, component=component):
                found = moment(self._text(name, number, component))
            if found is not None:
                return found
        return None

    def question(self) -> str:
        """OBR-31, OBR-13 and notes: what is to be found out; cut to what is kept."""
        texts = [self._text("OBR", 31, 2) or self._text("OBR", 31, 1), self._text("OBR", 13)]
        texts += [one.text(3) for one in self.others if one.name == "NTE"]
        lines = dict.fromkeys(line for text in texts for line in _lines(text))
        return "\n".join(lines)[:QUESTION_MAX]

    def station(self) -> str:
        """IPC-9 where it is as short as an AE title; empty for any."""
        title = self._text("IPC", 9)
        return title if len(title) <= _AE_MAX else ""


def _lines(text: str) -> list[str]:
    """Return the lines of *text* that say something, without what cannot be shown."""
    lines = ("".join(c for c in line if c.isprintable()).strip() for line in text.split("\n"))
    return [line for line in lines if line and line != NULL]


def groups(message: MessageText) -> list[Group]:
    """Return each ORC with what belongs to it."""
    starts = [at for at, one in enumerate(message.segments) if one.name == "ORC"]
    ends = [*starts[1:], len(message.segments)][: len(starts)]
    visit = first(message, "PV1")
    return [
        Group(number, message.segments[start], message.segments[start + 1 : end], visit)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1)
    ]


def new_order(group: Group, examination: str) -> NewOrder:
    """Return what *group* orders, an *examination* of the house's catalogue.

    Raises:
        UnknownValue, Invalid: a field of it cannot be.
    """
    return NewOrder(
        examination=examination,
        scheduled_at=group.planned(),
        station_ae_title=group.station(),
        priority=group.priority() or Priority.ROUTINE,
        patient_class=group.patient_class(),
        clinical_question=group.question(),
        accession_number=group.accession_number(),
    )


def changes_of(group: Group, order: Order) -> OrderChanges | None:
    """Return what of *order* is to be other, None where nothing is; raises as ``new_order``."""
    planned, priority, question = group.planned(), group.priority(), group.question()
    kind = group.patient_class() if group.visit else order.patient_class
    station = group.station()
    changes = OrderChanges(
        scheduled_at=planned if planned not in (None, order.scheduled_at) else None,
        station_ae_title=station if station and station != order.station_ae_title else None,
        priority=priority if priority is not order.priority else None,
        patient_class=kind if kind is not order.patient_class else None,
        clinical_question=question if question and question != order.clinical_question else None,
    )
    return None if changes == OrderChanges() else changes
