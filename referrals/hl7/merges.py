"""ADT^A40: two numbers of the sender's house are one person.

Whoever knows persons says so there; both registrations stay, with their orders.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import sqlalchemy as sa

from kernel.errors import Conflict, Invalid
from referrals.hl7.datatypes import identifiers
from referrals.hl7.model import (
    MessageText,
    MissingField,
    MissingSegment,
    SegmentText,
    Source,
    Taken,
    at,
)
from referrals.hl7.patients import PatientMessages, by_source, registered, told_by
from referrals.orders.acts import Acts
from referrals.orders.ledger import By, Page
from referrals.orders.model import Patient

_PID: Final = "PID"
_MRG: Final = "MRG"


class PersonMerge(Protocol):
    """Knows which patients are one person."""

    def __call__(self, conn: sa.Connection, kept: Patient, gone: Patient | str, by: By, /) -> None:
        """Say in *conn*'s transaction that *gone* is the person *kept*; once said, nothing more.

        Args:
            conn: the transaction.
            kept: whose number stays.
            gone: registered, too, or only a number of the same house.
            by: who says so.

        Raises:
            PlatformError: nobody has that number, or the two cannot be one.
        """
        ...


@dataclass(frozen=True, slots=True)
class MergeMessages:
    """Takes ADT^A40."""

    acts: Acts
    people: PatientMessages
    merge: PersonMerge

    def take(self, conn: sa.Connection, message: MessageText, source: Source) -> Taken:
        """Merge each MRG of *message* into the PID before it; all of them, or none.

        Raises:
            MissingSegment, MissingField, Invalid: something is not there or cannot be.
            Missing: nobody has the number of an MRG.
            Conflict: the two have different resident numbers (``other-person``), or cannot be
                merged.
        """
        page, by = Page(conn), by_source(source)
        kept: Patient | None = None
        for which, (pid, mrg) in enumerate(_pairs(message), 1):
            told = told_by(pid)
            kept = self.people.find(conn, told, by) or self.people.register(page, by, told)
            with at(_MRG, 1, which=which):
                self._merge(conn, kept, mrg, source, by)
        if kept is None:
            with at(_MRG, 0):
                raise MissingSegment("no MRG behind a PID")
        self.acts.ledger.end(page, at=self.acts.clock.now())
        return Taken(kept.patient_id, f"patient:{kept.id}")

    def _merge(
        self, conn: sa.Connection, kept: Patient, mrg: SegmentText, source: Source, by: By
    ) -> None:
        number = identifiers(mrg, 1).number
        if not number:
            raise MissingField("the number that is no longer used")
        if number == kept.patient_id:
            raise Invalid("nobody is merged with themselves", code="merge-with-itself")
        gone = registered(conn, source.institution, number)
        if gone is not None and len({kept.resident_id, gone.resident_id} - {""}) > 1:
            raise Conflict("their resident numbers differ", code="other-person")
        self.merge(conn, kept, gone or number, by)


def _pairs(message: MessageText) -> Iterator[tuple[SegmentText, SegmentText]]:
    """Yield each MRG with the PID before it."""
    pid: SegmentText | None = None
    for segment in message.segments:
        if segment.name == _PID:
            pid = segment
        elif segment.name == _MRG and pid is not None:
            yield pid, segment
