"""What the township's queue is made of, as values. Pure."""

import datetime as dt
import re
from enum import StrEnum
from typing import Final

import msgspec

from kernel.arrival import Arrival, Priority
from kernel.dicom.header import Header

RANK: Final = {
    Priority.EMERGENCY: 0,
    Priority.URGENT: 1,
    Priority.ROUTINE: 2,
    Priority.BACKFILL: 3,
}
"""Order of sending; the lowest goes first."""
PRIORITY_OF_RANK: Final = {rank: priority for priority, rank in RANK.items()}
_AGE: Final = re.compile(r"(\d{3})([DWMY])", re.ASCII)
_UNITS: Final = {"D": "days", "W": "weeks", "M": "months", "Y": "years"}
_DATE_DIGITS: Final = 8
ARRIVING_FOR: Final = dt.timedelta(seconds=5)
"""A study that grew within this time is still coming in."""


class InstanceState(StrEnum):
    """How far one instance is on its way."""

    WAITING = "waiting"
    """Safe here, not yet in a parcel."""
    PACKED = "packed"
    """In a parcel that is not wholly over the line."""
    SENT = "sent"
    """Wholly over the line; the receipt is not here yet."""
    AT_COUNTY = "at-county"
    """The county's receipt is here."""
    SET_ASIDE = "set-aside"
    """Cannot be sent as it is; kept, shown with its reason, blocks nothing."""


class StudyState(StrEnum):
    """How far one study is, as a technician reads it."""

    ARRIVING = "arriving"
    WAITING = "waiting"
    SENDING = "sending"
    AT_COUNTY = "at_county"
    SET_ASIDE = "set_aside"


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """One instance ready for the index: its bytes are an object file already."""

    arrival: Arrival
    """With the size, transfer syntax and digest of the object file."""
    header: Header | None
    """None where the object could not be read; then ``reason_code`` says why."""
    object_key: str
    reason_code: str = ""
    reason: str = ""

    @property
    def study_key(self) -> str:
        """The study's UID; the instance's own where the object belongs to no study."""
        return self.arrival.study_instance_uid or self.arrival.sop_instance_uid


class Age(msgspec.Struct, frozen=True):
    """Age at the examination."""

    value: int
    unit: str


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """Who was examined, as far as the queue shows."""

    name: str
    sex: str
    age: Age | None
    patient_id: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Instances of one study by how far they are."""

    here: int
    """All that are safe here or were."""
    sent: int
    at_county: int
    set_aside: int


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """One instance a person must look at."""

    id: int
    sop_instance_uid: str
    reason_code: str
    reason: str


class QueueItem(msgspec.Struct, frozen=True, kw_only=True):
    """One study of the queue."""

    study_instance_uid: str
    patient: Patient
    modality: str
    description: str
    body_part: str
    study_date_time: str | None
    priority: Priority
    paused: bool
    instances: Counts
    state: StudyState
    position: int | None
    eta: dt.datetime | None
    county_received_at: dt.datetime | None
    unidentified: bool
    conflicts: int
    set_aside: tuple[SetAside, ...]


def display_name(person_name: str) -> str:
    """Return a DICOM person name as people read it: the ideographic group where there is one."""
    groups = person_name.split("=")
    chosen = next((group for group in (groups[1:2] + groups[:1] + groups[2:]) if group), "")
    return " ".join(part for part in chosen.split("^") if part)


def age_at_examination(age: str, birth_date: str, study_date: str) -> Age | None:
    """Return the age the object states, else the one its two dates make."""
    if (stated := _AGE.fullmatch(age)) is not None:
        return Age(int(stated[1]), _UNITS[stated[2]])
    if len(birth_date) != _DATE_DIGITS or len(study_date) != _DATE_DIGITS:
        return None
    try:
        born = dt.date.fromisoformat(birth_date)
        seen = dt.date.fromisoformat(study_date)
    except ValueError:
        return None
    if seen < born:
        return None
    years = seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day))
    if years >= 1:
        return Age(years, "years")
    months = (seen.year - born.year) * 12 + seen.month - born.month - (seen.day < born.day)
    return Age(months, "months") if months >= 1 else Age((seen - born).days, "days")


def instant_of(study_date: str, study_time: str, zone: dt.tzinfo) -> str | None:
    """Return a study's date and time as ISO 8601 in UTC; the date alone where no time is known."""
    try:
        day = dt.date.fromisoformat(study_date)
    except ValueError:
        return None
    digits = study_time.partition(".")[0]
    try:
        hour, minute, second = (int(digits[at : at + 2] or "0") for at in (0, 2, 4))
        local = dt.datetime.combine(day, dt.time(hour, minute, min(second, 59)), zone)
    except ValueError:
        return day.isoformat()
    if not digits:
        return day.isoformat()
    return local.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def state_of(
    counts: Counts, packed: int, last_received_at: dt.datetime, now: dt.datetime
) -> StudyState:
    """Return the one word for a study.

    Args:
        counts: of its instances.
        packed: instances in a parcel that is not wholly over the line.
        last_received_at: when it last grew.
        now: the present instant.
    """
    if counts.at_county == counts.here:
        return StudyState.AT_COUNTY
    if counts.at_county + counts.set_aside == counts.here:
        return StudyState.SET_ASIDE
    if packed or counts.sent > counts.at_county:
        return StudyState.SENDING
    if now - last_received_at < ARRIVING_FOR:
        return StudyState.ARRIVING
    return StudyState.WAITING
