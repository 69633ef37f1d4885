"""What the township's queue is made of, as values. Pure."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from gateway.exchange.completeness import Completeness
from kernel.arrival import Arrival, Priority
from kernel.dicom.header import Header
from kernel.dicom.place import placed
from kernel.dicom.shown import Age, DateTime

RANK: Final = {
    Priority.EMERGENCY: 0,
    Priority.URGENT: 1,
    Priority.ROUTINE: 2,
    Priority.BACKFILL: 3,
}
"""Order of sending; the lowest goes first."""
PRIORITY_OF_RANK: Final = {rank: priority for priority, rank in RANK.items()}
DAMAGED_HERE: Final = frozenset(
    {
        *("object-damaged", "object-missing", "object-unreadable", "journal-corrupt"),
        # What the county found under a parcel whose own bytes were as they were sent.
        *("digest-mismatch", "size-mismatch", "body-broken"),
    }
)
"""Reasons that say: this machine has not kept what it was given; it has to be given it again."""
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
    RELEASED = "released"
    """Was set aside, and a person decided that it shall not go; kept, and nobody waits for it."""


class StudyState(StrEnum):
    """How far one study is, as a technician reads it."""

    ARRIVING = "arriving"
    WAITING = "waiting"
    SENDING = "sending"
    AT_COUNTY = "at_county"
    SET_ASIDE = "set_aside"


@dataclass(frozen=True, slots=True)
class KeptObject:
    """An object by the UID and the key it is kept under."""

    sop_instance_uid: str
    key: str


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """One instance ready for the index: its bytes are an object file already."""

    arrival: Arrival
    """With the size, transfer syntax and digest of the object file."""
    header: Header | None
    """None where the object could not be read; then ``reason_code`` says why."""
    object_key: str
    timezone_offset_from_utc: str = ""
    """As the object states it, such as ``+0800``."""
    position_mm: float | None = None
    """Place along the normal of the image's plane; None where it states no plane."""
    reason_code: str = ""
    reason: str = ""

    @property
    def study_key(self) -> str:
        """The study's UID; as the county derives it where the object belongs to no study."""
        told = self.arrival
        place = placed(told.sop_instance_uid, study=told.study_instance_uid, series="")
        return place.study_instance_uid


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """Who was examined, as far as the queue shows."""

    name: str
    sex: str
    age: Age | None
    patient_id: str
    age_estimated: bool = False
    """Somebody's guess, where nobody knows."""
    alphabetic_name: str = ""
    """In Latin letters, where somebody registered here is shown."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Instances of one study by how far they are.

    An instance is one SOP Instance UID, as at the county; a second content under it is no second
    instance but a conflict (docs/reference/http.md).
    """

    here: int
    """All that came here; those of ``QueueItem.damaged_here`` are not safe."""
    sent: int
    """Wholly over the line, at least one content of each."""
    at_county: int
    """Receipted, at least one content of each; the county's ``instance_count``."""
    set_aside: int
    """With a content that cannot be sent as it is."""
    released: int = 0
    """With a content that shall not go, as a person decided."""


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
    study_date_time: DateTime | None
    priority: Priority
    paused: bool
    put_first: bool
    """Whether a person put it before the others of its priority."""
    instances: Counts
    completeness: Completeness
    """How many images it has of how many it will have, and how we know."""
    state: StudyState
    position: int | None
    eta: dt.datetime | None
    """When it will be over the line; None where it is, or where it waits for the line."""
    county_received_at: dt.datetime | None
    unidentified: bool
    conflicts: int
    set_aside: tuple[SetAside, ...]
    damaged_here: int = 0
    """Of the images here, those this machine's disk has not kept whole."""
    unread_at_county: int = 0
    """Of the images at the county, those it keeps and cannot read yet, as it told."""
    patient_is_now: Patient | None = None
    """Who the patient turned out to be that nobody knew when the images were made."""


def state_of(
    counts: Counts, packed: int, last_received_at: dt.datetime, now: dt.datetime
) -> StudyState:
    """Return the one word for a study.

    Args:
        counts: of its contents.
        packed: contents in a parcel that is not wholly over the line.
        last_received_at: when it last grew.
        now: the present instant.
    """
    settled = counts.at_county + counts.released
    if settled == counts.here:
        return StudyState.AT_COUNTY if counts.at_county else StudyState.SET_ASIDE
    if settled + counts.set_aside == counts.here:
        return StudyState.SET_ASIDE
    if packed or counts.sent > counts.at_county:
        return StudyState.SENDING
    if now - last_received_at < ARRIVING_FOR:
        return StudyState.ARRIVING
    return StudyState.WAITING
