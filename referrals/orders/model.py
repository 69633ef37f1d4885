"""Who is registered and what is ordered, as values. Pure."""

import datetime as dt
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kernel.arrival import Priority
from kernel.errors import Conflict, Invalid, Missing
from kernel.identifiers import AETitle

NAME_MAX: Final = 64
"""Characters of one component group of a PN (PS3.5 6.2)."""
NUMBER_MAX: Final = 64
"""Characters of a Patient ID (VR LO)."""
QUESTION_MAX: Final = 2000
REASON_MAX: Final = 200
MARKS_MAX: Final = 500
_PHONE: Final = re.compile(r"[+0-9][0-9 -]{2,30}", re.ASCII)
_RESIDENT: Final = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"
_OLDEST: Final = 150


class Sex(StrEnum):
    """Patient's Sex (0010,0040)."""

    MALE = "M"
    FEMALE = "F"
    OTHER = "O"
    UNKNOWN = ""


class PatientStatus(StrEnum):
    """Whether a patient is one of their own."""

    ACTIVE = "active"
    RECONCILED = "reconciled"
    """Registered without knowing who it was, and found to be another patient."""


class PatientClass(StrEnum):
    """In which part of the house somebody is treated."""

    OUTPATIENT = "outpatient"
    INPATIENT = "inpatient"
    EMERGENCY = "emergency"
    CHECKUP = "checkup"


class State(StrEnum):
    """How far an order is."""

    ORDERED = "ordered"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    DISCONTINUED = "discontinued"
    CANCELLED = "cancelled"


OPEN: Final = frozenset({State.ORDERED, State.IN_PROGRESS})
"""What still stands on the worklist."""
PRIORITIES: Final = frozenset({Priority.EMERGENCY, Priority.URGENT, Priority.ROUTINE})


class PatientMissing(Missing):
    """There is no such patient here."""

    code = "patient-not-found"


class OrderMissing(Missing):
    """There is no such order here."""

    code = "order-not-found"


class ExaminationMissing(Missing):
    """The catalogue of this institution has no such examination."""

    code = "examination-not-found"


class AlreadyRegistered(Conflict):
    """A patient of this institution has that number."""

    code = "already-registered"


class InvalidRegistration(Invalid):
    """What was typed cannot be; the code says which field."""

    code = "invalid-registration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Temporary:
    """What is known of somebody nobody knows: unconscious, alone, without papers."""

    estimated_age_years: int | None = None
    marks: str = ""
    """Clothes, scars, where and when found; what a relative would ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Somebody registered at one institution."""

    id: str
    institution: str
    patient_id: str
    """Patient ID (0010,0020), the number the house knows them by."""
    name: str
    name_pinyin: str
    """Latin letters, the family name first: ``Liu Xiaofeng``."""
    sex: Sex
    birth_date: dt.date | None = None
    resident_id: str = ""
    """18 characters with a right check digit (GB 11643), or empty."""
    phone: str = ""
    temporary: Temporary | None = None
    status: PatientStatus = PatientStatus.ACTIVE
    reconciled_with: str = ""
    """``id`` of the patient this one turned out to be."""
    registered_by: str = ""
    registered_at: dt.datetime
    updated_at: dt.datetime
    version: int
    origin_node: str
    """Code of the node it was registered at."""
    written_by_node: str
    """Code of the node that wrote this version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """A row of an institution's catalogue."""

    code: str
    name: str
    modality: str
    body_part: str
    example: bool = False
    """Written for demonstrations; bears no legal force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One examination asked for one patient."""

    id: str
    institution: str
    patient: str
    """``Patient.id``."""
    first_patient: str = ""
    """Whom it was ordered for, where that patient turned out to be another."""
    accession_number: str
    former_accession_numbers: tuple[str, ...] = ()
    """Numbers it had to give up, oldest first; images may bear them."""
    study_instance_uid: str
    requested_procedure_id: str
    scheduled_procedure_step_id: str
    examination: Examination
    """As the catalogue had it when it was ordered."""
    station_ae_title: str = ""
    """Where it is to be done; empty for any modality of its kind."""
    scheduled_at: dt.datetime
    priority: Priority = Priority.ROUTINE
    patient_class: PatientClass = PatientClass.OUTPATIENT
    clinical_question: str = ""
    ordered_by: str
    ordered_by_name: str
    ordered_at: dt.datetime
    state: State = State.ORDERED
    ended_reason: str = ""
    performed_at: dt.datetime | None = None
    """When the modality or the first image said that it has begun."""
    ended_at: dt.datetime | None = None
    recognition_checked: bool = False
    """Whether earlier results were looked for before it was ordered."""
    replaces: str = ""
    """``id`` of the order this one repeats."""
    updated_at: dt.datetime
    version: int
    origin_node: str
    """Code of the node it was ordered at."""
    written_by_node: str
    """Code of the node that wrote this version."""


def version_tag(record: Patient | Order) -> str:
    """Return what names this version of *record* among all nodes' versions, for an ETag."""
    return f"{record.version}.{record.written_by_node}"


def parse_name(raw: str) -> str:
    r"""Return a name as it is kept: no blanks around it, one inside where there are many.

    Raises:
        InvalidRegistration: empty, over 64 characters, or with ``\ ^ =`` or control characters,
            which a PN cannot hold (``invalid-name``).
    """
    name = " ".join(raw.split())
    if not name or len(name) > NAME_MAX or not name.isprintable() or set(name) & set("\\^="):
        raise InvalidRegistration(f"a name has 1 to {NAME_MAX} characters", code="invalid-name")
    return name


def parse_number(raw: str) -> str:
    r"""Return a Patient ID.

    Raises:
        InvalidRegistration: empty, over 64 characters, or with ``\`` or control characters
            (``invalid-patient-id``).
    """
    number = raw.strip()
    if not number or len(number) > NUMBER_MAX or not number.isprintable() or "\\" in number:
        raise InvalidRegistration(
            f"a patient ID has 1 to {NUMBER_MAX} characters", code="invalid-patient-id"
        )
    return number


def parse_resident_id(raw: str) -> str:
    """Return an 18-character resident number (GB 11643), empty for an empty one.

    Raises:
        InvalidRegistration: its form, its date or its check digit is wrong
            (``invalid-resident-id``); the detail never quotes it.
    """
    number = raw.strip().upper()
    if not number:
        return ""
    if not _RESIDENT.fullmatch(number):
        raise InvalidRegistration("18 characters, digits and X", code="invalid-resident-id")
    total = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False))
    if _CHECK[total % 11] != number[-1] or birth_date_in(number) is None:
        raise InvalidRegistration("the check digit does not fit", code="invalid-resident-id")
    return number


def whole_resident_id(typed: str) -> str:
    """Return *typed* as a resident number is kept, without the blanks it is read out with.

    Empty for what is none: part of one, or one with a slip in it.
    """
    try:
        return parse_resident_id("".join(typed.split()))
    except InvalidRegistration:
        return ""


def birth_date_in(resident_id: str) -> dt.date | None:
    """Return the birth date a resident number states, None where it is no date."""
    try:
        return dt.date.fromisoformat(resident_id[6:14])
    except ValueError:
        return None


def sex_in(resident_id: str) -> Sex:
    """Return the sex a resident number states."""
    return Sex.MALE if int(resident_id[16]) % 2 else Sex.FEMALE


def parse_phone(raw: str) -> str:
    """Return a telephone number, empty for an empty one.

    Raises:
        InvalidRegistration: anything but digits, blanks, hyphens and a leading plus
            (``invalid-phone``).
    """
    phone = raw.strip()
    if phone and not _PHONE.fullmatch(phone):
        raise InvalidRegistration("3 to 31 digits", code="invalid-phone")
    return phone


def check_birth_date(birth_date: dt.date | None, today: dt.date) -> None:
    """Raise ``InvalidRegistration`` for a birth date after today or over 150 years ago."""
    if birth_date is not None and not 0 <= today.year - birth_date.year <= _OLDEST:
        raise InvalidRegistration("not a birth date of a living person", code="invalid-birth-date")
    if birth_date is not None and birth_date > today:
        raise InvalidRegistration("the birth date is after today", code="invalid-birth-date")


def parse_text(raw: str, *, longest: int, code: str) -> str:
    """Return free text without blanks around it.

    Raises:
        InvalidRegistration: longer than *longest* or with control characters but line breaks,
            under *code*.
    """
    text = raw.strip()
    if len(text) > longest or not all(char.isprintable() or char == "\n" for char in text):
        raise InvalidRegistration(f"at most {longest} characters", code=code)
    return text


def parse_station(raw: str) -> str:
    """Return an AE title, empty for an empty one; raises ``InvalidIdentifier``."""
    return AETitle.parse(raw).value if raw.strip() else ""
