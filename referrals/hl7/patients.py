"""ADT messages: a patient of the sender's house registered, or what is known of them mended.

A message never takes a number away from somebody else, and never makes one person another: where
the number, or the resident number, says that two are meant, nothing is written and the answer says
which field it is.
"""

import datetime as dt
from dataclasses import dataclass, fields
from typing import Final

import sqlalchemy as sa

from kernel.errors import Conflict
from kernel.identity import Principal, PrincipalKind, Role
from kernel.policy import register_house
from referrals.hl7.datatypes import (
    Name,
    day,
    identifiers,
    old_resident_id,
    person_name,
    phone,
    sex,
)
from referrals.hl7.model import (
    NULL,
    MessageText,
    MissingField,
    SegmentText,
    Source,
    Taken,
    at,
    the,
)
from referrals.orders import store
from referrals.orders.acts import Acts, Seen
from referrals.orders.asked import NewPatient, PatientChanges
from referrals.orders.ledger import By, Page
from referrals.orders.model import (
    AlreadyRegistered,
    Patient,
    PatientStatus,
    Sex,
    parse_name,
    parse_number,
    parse_resident_id,
    version_tag,
)
from referrals.orders.tables import patients

_PID: Final = "PID"
_IDENTIFIERS: Final = 3
_NAME: Final = 5
_BIRTH_DATE: Final = 7
_SEX: Final = 8
_PHONE: Final = 13
_OLD_RESIDENT: Final = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a PID tells of a patient; empty where it tells nothing."""

    number: str
    name: Name
    sex: Sex
    birth_date: dt.date | None
    resident_id: str
    phone: str
    no_phone: bool
    """Whether it says that there is none."""

    def new(self) -> NewPatient:
        """Return it as somebody to register."""
        return NewPatient(
            name=self.name.name,
            name_pinyin=self.name.latin,
            sex=self.sex,
            birth_date=self.birth_date,
            resident_id=self.resident_id,
            phone=self.phone,
            patient_id=self.number,
        )

    def changes(self, known: Patient) -> PatientChanges:
        """Return what of *known* is to be other."""
        return PatientChanges(
            name=_other(self.name.name, known.name),
            name_pinyin=_other(self.name.latin, known.name_pinyin),
            sex=None if self.sex in {Sex.UNKNOWN, known.sex} else self.sex,
            birth_date=None if self.birth_date == known.birth_date else self.birth_date,
            resident_id=_other(self.resident_id, known.resident_id),
            phone="" if self.no_phone and known.phone else _other(self.phone, known.phone),
        )


def _other(told: str, known: str) -> str | None:
    return told if told and told != known else None


def by_source(source: Source, doctor: str = "") -> By:
    """Return who acts: the sending system, for the people of its house.

    Args:
        source: which system.
        doctor: whom it names, shown as who ordered.
    """
    name = f"hl7:{source.application}"
    principal = Principal(
        user_id=name,
        username=name,
        display_name=doctor or source.application,
        roles=frozenset({Role.REGISTRAR}),
        institution=source.institution,
        kind=PrincipalKind.MACHINE,
    )
    return By(principal=principal, address=source.address)


def told_by(pid: SegmentText) -> Told:
    """Return what *pid* tells.

    Raises:
        MissingField: no number of the house's own.
        Invalid: something in it cannot be; it says which field.
    """
    found = identifiers(pid, _IDENTIFIERS)
    with at(_PID, _IDENTIFIERS):
        if not found.number:
            raise MissingField("a number of the sender's house, of type MR, PI, PT or none")
        number = parse_number(found.number)
        resident = parse_resident_id(found.resident_id)
    with at(_PID, _OLD_RESIDENT):
        resident = resident or parse_resident_id(old_resident_id(pid.text(_OLD_RESIDENT)))
    name = person_name(pid, _NAME)
    with at(_PID, _NAME):
        if name.name:
            name = Name(parse_name(name.name), parse_name(name.latin) if name.latin else "")
    with at(_PID, _BIRTH_DATE):
        born = day(pid.text(_BIRTH_DATE))
    with at(_PID, _SEX):
        said = sex(pid.text(_SEX))
    return Told(
        number=number,
        name=name,
        sex=said,
        birth_date=born,
        resident_id=resident,
        phone=phone(pid, _PHONE),
        no_phone=pid.text(_PHONE) == NULL,
    )


@dataclass(frozen=True, slots=True)
class PatientMessages:
    """Takes ADT^A01, A04 and A08: admitted, registered, told anew."""

    acts: Acts

    def take(self, conn: sa.Connection, message: MessageText, source: Source) -> Taken:
        """Register the patient of *message*, or mend what is known of them.

        Raises:
            MissingSegment, MissingField, Invalid: something is not there or cannot be.
            AlreadyRegistered: another patient of the house has its resident number.
            Conflict: the patient of that number is somebody else (``other-person``), or was found
                to be one under another number (``reconciled``).
        """
        page, by = Page(conn), by_source(source)
        told = told_by(the(message, _PID))
        known = self.find(conn, told, by)
        made = self._mend(page, by, known, told) if known else self.register(page, by, told)
        self.acts.ledger.end(page, at=self.acts.clock.now())
        return Taken(made.patient_id, f"patient:{made.id}")

    def find(self, conn: sa.Connection, told: Told, by: By) -> Patient | None:
        """Return the patient of that number, None where nobody has it; raises as ``take``."""
        institution = register_house(by.principal) if by.principal else ""
        known = registered(conn, institution, told.number)
        if known is None:
            return None
        with at(_PID, _IDENTIFIERS):
            if known.status is not PatientStatus.ACTIVE:
                raise Conflict("found to be a patient of another number", code="reconciled")
            if _is_somebody_else(known, told):
                raise Conflict("this number is another person's", code="other-person")
        return known

    def register(self, page: Page, by: By, told: Told) -> Patient:
        """Register whom *told* tells of; raises as ``take``."""
        with at(_PID, _NAME):
            if not told.name.name:
                raise MissingField("a name")
        try:
            with at(_PID, _IDENTIFIERS):
                return self.acts.register(page, by, told.new())
        except AlreadyRegistered as error:
            _tell_nobody(error)
            raise

    def _mend(self, page: Page, by: By, known: Patient, told: Told) -> Patient:
        changes = told.changes(known)
        if all(getattr(changes, one.name) is None for one in fields(changes)):
            return known
        try:
            with at(_PID, _IDENTIFIERS):
                return self.acts.correct(page, by, Seen(known.id, version_tag(known)), changes)
        except AlreadyRegistered as error:
            _tell_nobody(error)
            raise


def registered(conn: sa.Connection, institution: str, number: str) -> Patient | None:
    """Return the patient a house knows under *number*, None where there is none."""
    columns = patients.c
    key = conn.scalar(
        sa.select(columns.id).where(
            columns.institution == institution, columns.patient_id == number
        )
    )
    return None if key is None else store.find_patient(conn, key)


def _is_somebody_else(known: Patient, told: Told) -> bool:
    """Whether both the resident number and the name are others than those known.

    One of them may be mended; who differs in both is another person under a number given twice.
    """
    if known.temporary is not None:
        return False
    number = bool(told.resident_id and known.resident_id) and told.resident_id != known.resident_id
    return number and bool(told.name.name) and told.name.name != known.name


def _tell_nobody(error: AlreadyRegistered) -> None:
    """Leave out of the answer whose the number is."""
    error.members = {key: told for key, told in error.members.items() if key != "patient"}
