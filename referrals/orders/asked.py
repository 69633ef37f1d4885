"""What somebody asks to have registered or ordered, checked before anything is written. Pure."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final

from kernel.arrival import Priority
from referrals.orders.accession import parse_foreign
from referrals.orders.model import (
    PRIORITIES,
    QUESTION_MAX,
    InvalidRegistration,
    Patient,
    PatientClass,
    Sex,
    Temporary,
    birth_date_in,
    check_birth_date,
    parse_name,
    parse_number,
    parse_phone,
    parse_resident_id,
    parse_station,
    parse_text,
    sex_in,
)

_AHEAD: Final = dt.timedelta(days=366)
_BEHIND: Final = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPatient:
    """Somebody to register."""

    name: str = ""
    """Empty only where ``temporary`` is given."""
    name_pinyin: str = ""
    """Empty to have it read from the name."""
    sex: Sex = Sex.UNKNOWN
    birth_date: dt.date | None = None
    resident_id: str = ""
    phone: str = ""
    patient_id: str = ""
    """Empty to be given one."""
    temporary: Temporary | None = None

    def checked(self, today: dt.date) -> "NewPatient":
        """Return it as it is kept, with what a resident number states filled in.

        Raises:
            InvalidRegistration: something cannot be; its code says what.
        """
        if self.temporary is not None and (self.name.strip() or self.resident_id.strip()):
            raise InvalidRegistration(
                "whoever has a name or a number is not unknown", code="temporary-with-name"
            )
        resident_id = parse_resident_id(self.resident_id)
        sex, birth_date = agreed(self.sex, self.birth_date, resident_id)
        check_birth_date(birth_date, today)
        return replace(
            self,
            name="" if self.temporary else parse_name(self.name),
            name_pinyin=parse_name(self.name_pinyin) if self.name_pinyin.strip() else "",
            sex=sex,
            birth_date=birth_date,
            resident_id=resident_id,
            phone=parse_phone(self.phone),
            patient_id=parse_number(self.patient_id) if self.patient_id.strip() else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientChanges:
    """What of a patient is to be other; None leaves it."""

    name: str | None = None
    name_pinyin: str | None = None
    sex: Sex | None = None
    birth_date: dt.date | None = None
    resident_id: str | None = None
    phone: str | None = None
    patient_id: str | None = None

    def on(self, before: Patient, today: dt.date) -> Patient:
        """Return *before* with the changes made.

        Raises:
            InvalidRegistration: the whole cannot be; its code says what.
        """
        resident_id = before.resident_id
        if self.resident_id is not None:
            resident_id = parse_resident_id(self.resident_id)
        sex, birth_date = agreed(
            before.sex if self.sex is None else self.sex,
            before.birth_date if self.birth_date is None else self.birth_date,
            resident_id,
        )
        check_birth_date(birth_date, today)
        return replace(
            before,
            name=before.name if self.name is None else parse_name(self.name),
            name_pinyin=before.name_pinyin
            if not self.name_pinyin
            else parse_name(self.name_pinyin),
            sex=sex,
            birth_date=birth_date,
            resident_id=resident_id,
            phone=before.phone if self.phone is None else parse_phone(self.phone),
            patient_id=parse_number(self.patient_id) if self.patient_id else before.patient_id,
        )


def agreed(sex: Sex, birth_date: dt.date | None, resident_id: str) -> tuple[Sex, dt.date | None]:
    """Return sex and birth date, from the resident number where they are not told.

    Raises:
        InvalidRegistration: they are told and the number says otherwise
            (``resident-id-differs``).
    """
    if not resident_id:
        return sex, birth_date
    stated, born = sex_in(resident_id), birth_date_in(resident_id)
    if sex not in {Sex.UNKNOWN, stated} or birth_date not in {None, born}:
        raise InvalidRegistration(
            "the resident number states another sex or birth date", code="resident-id-differs"
        )
    return stated, born


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An examination to order."""

    examination: str
    """Code in the institution's catalogue."""
    scheduled_at: dt.datetime | None = None
    """None for now."""
    station_ae_title: str = ""
    priority: Priority = Priority.ROUTINE
    patient_class: PatientClass = PatientClass.OUTPATIENT
    clinical_question: str = ""
    accession_number: str = ""
    """The number another system gave the request, or that stands on its slip; empty to be given
    one."""

    def checked(self, now: dt.datetime) -> "NewOrder":
        """Return it as it is kept.

        Raises:
            InvalidRegistration: something cannot be; its code says what.
            InvalidIdentifier: the station is no AE title.
            InvalidAccessionNumber: the number does not fit.
        """
        return replace(
            self,
            scheduled_at=checked_time(self.scheduled_at or now, now),
            station_ae_title=parse_station(self.station_ae_title),
            priority=checked_priority(self.priority),
            clinical_question=checked_question(self.clinical_question),
            accession_number=parse_foreign(self.accession_number),
        )


def checked_time(at: dt.datetime, now: dt.datetime) -> dt.datetime:
    """Return *at* where an examination may be planned then: a week back, a year ahead."""
    if at.tzinfo is None or not now - _BEHIND <= at <= now + _AHEAD:
        raise InvalidRegistration(
            "a moment with its offset, a week back to a year ahead", code="invalid-scheduled-at"
        )
    return at


def checked_priority(priority: Priority) -> Priority:
    """Return *priority* where a person may choose it; raises ``InvalidRegistration``."""
    if priority not in PRIORITIES:
        raise InvalidRegistration("emergency, urgent or routine", code="invalid-priority")
    return priority


def checked_question(text: str) -> str:
    """Return the clinical question without blanks around it; raises ``InvalidRegistration``."""
    return parse_text(text, longest=QUESTION_MAX, code="invalid-clinical-question")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChanges:
    """What of an order is to be other; None leaves it."""

    scheduled_at: dt.datetime | None = None
    station_ae_title: str | None = None
    priority: Priority | None = None
    patient_class: PatientClass | None = None
    clinical_question: str | None = None
