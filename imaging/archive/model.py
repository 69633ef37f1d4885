"""What the archive tells: rows of the study list, where instances lie, what became of a filing."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import msgspec

from imaging.archive.correction import Correction
from kernel.arrival import NativeForm, Priority
from kernel.dicom.shown import Age, DateTime
from kernel.errors import Missing

PRIORITY_ORDER: Final = (
    Priority.EMERGENCY,
    Priority.URGENT,
    Priority.ROUTINE,
    Priority.BACKFILL,
)
"""A priority's number in the database is its place here; the least is the most urgent."""


STUDY_UPDATED: Final = "study.updated"
ORDER_TOLD: Final = "study.order-updated"
"""What the order behind a study says is to be asked for again."""
"""Topic of the event that carries a row of the study list."""
OTHER_CONTENT: Final = "other-content"
"""Why something needs a person: another content came under the UID of an instance."""
OTHER_PATIENT: Final = "other-patient"
"""Why something needs a person: an object names another patient than its study does."""


class StudyMissing(Missing):
    """There is no such study in the asker's reach."""

    code = "study-not-found"


class StudyElsewhere(StudyMissing):
    """It was here; its objects are only at the county now."""

    code = "study-at-county"


class Outcome(StrEnum):
    """What became of one object."""

    STORED = "stored"
    """A new instance."""
    DUPLICATE = "duplicate"
    """Content that is already there; nothing changed but a counter."""
    CONFLICT = "conflict"
    """Another content under a UID that is there; kept beside the first."""
    REJECTED = "rejected"
    """Of a UID somebody rejected: kept, and hidden as it was."""
    OPAQUE = "opaque"
    """Kept as bytes with a reason, in no study."""


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of one object of a batch."""

    sop_instance_uid: str
    outcome: Outcome
    reason: str = ""


class PatientRow(msgspec.Struct, frozen=True, kw_only=True):
    """The patient of a study as a list shows them."""

    name: str
    """For reading: the characters where there are some, else the letters."""
    alphabetic_name: str = ""
    sex: str
    """``M``, ``F``, ``O``, or empty."""
    birth_date: str | None = None
    """YYYY-MM-DD."""
    age: Age | None
    age_estimated: bool = False
    """Somebody's guess, where nobody knows."""
    patient_id: str
    """As events keep it; answers and streams carry it as ``masked_id``."""
    masked_id: str = ""
    """``kernel.policy.masked_number``"""


class InstitutionRow(msgspec.Struct, frozen=True):
    """An institution by its code and name."""

    code: str
    name: str


class Route(msgspec.Struct, frozen=True):
    """Where a rule has sent a study."""

    rule: str
    destination: str
    """Code of the institution that reads it."""


class StudyArrival(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a study its township has sent, as the township last said."""

    node: str
    """Id of the township's node."""
    expected: int | None
    """Instances the study will have; None while nobody knows."""
    basis: str
    """``mpps`` the modality said it, ``quiet`` nothing came for a while, empty while unknown."""
    here: int
    """Instances that are at the township or were."""
    arrived: int
    """Of these, those the county has signed for."""
    state: str
    """``growing``, ``short``, ``on-the-way`` or ``complete``."""
    told_at: dt.datetime
    """When the township said so."""
    down_since: dt.datetime | None
    """Since when nothing is heard of the township; None while its line is up."""


class StudyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the study list, and the payload of ``study.updated``."""

    study_instance_uid: str
    patient: PatientRow
    accession_number: str
    description: str
    modalities: list[str]
    body_part: str
    institution: InstitutionRow
    study_date_time: DateTime | None
    received_at: dt.datetime
    updated_at: dt.datetime
    instance_count: int
    series_count: int
    unidentified: bool
    conflicts: int
    """Contents kept beside the first of which nobody has decided, plus one where the objects name
    several patients."""
    priority: Priority
    route: Route | None
    pinned_until: dt.datetime | None = None
    """Until when it stands in the zone of emergencies at the top of the list (``pinning``); null
    where it has no place there."""
    completeness: StudyArrival | msgspec.UnsetType | None = msgspec.UNSET
    """Null where no township told of it; left out of events, which change nothing of it."""


class SeriesRow(msgspec.Struct, frozen=True, kw_only=True):
    """One series of a study."""

    series_instance_uid: str
    modality: str
    description: str
    number: int | None
    instance_count: int
    body_part: str
    thumbnail: str
    """Path of a small JPEG of its middle image."""


class FirstContent(msgspec.Struct, frozen=True, kw_only=True):
    """The content that answers for a UID: the first that came, or the one a person chose."""

    received_at: dt.datetime
    institution: str
    institution_name: str
    ae_title: str
    size_bytes: int
    digest: str
    """Names the content, wherever it stands; what a decision takes as ``content``."""
    content: str
    """Path of the object as a DICOM file."""


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided of the contents under a UID, while that stands."""

    content: str
    """``digest`` of the content chosen."""
    reason: str
    made_by: str
    made_at: dt.datetime


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of patient or study in which two contents differ; empty where one says nothing."""

    field: str
    """``patient_name``, ``study_description`` …, as the index calls it."""
    first: str
    other: str


class ConflictRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something of a study a person must decide, or has."""

    id: str
    sop_instance_uid: str
    kept_at: dt.datetime
    """When it was filed here, seconds after it was received."""
    reason: str
    """``OTHER_CONTENT`` or ``OTHER_PATIENT``."""
    differs: list[str] = []
    """What of another content differs from the first: ``dataset``, ``pixels``."""
    institution: str = ""
    """Code of the institution that sent it."""
    institution_name: str = ""
    ae_title: str = ""
    """Calling AE title it came under; empty where it came by another door."""
    seen_count: int = 1
    """How often it came."""
    size_bytes: int
    """Of the object as it is stored."""
    content: str
    """Path of the object as a DICOM file."""
    first: FirstContent | None = None
    """What answers for the UID meanwhile; None where no other content is in question."""
    says: list[Said] = []
    """What each says where they differ, numbers masked; of a content of the study's own house."""
    digest: str = ""
    """Names the content, wherever it stands; empty where no other content is in question."""
    etag: str = ""
    """State of the matter, for ``If-Match`` of a decision; the same for all of one UID."""
    decision: DecisionRow | None = None
    """None while it is open."""


class ConflictPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what of a study a person must decide, and of what was decided.

    Second contents come first, oldest first; then objects of other patients.
    """

    items: list[ConflictRow]
    next_cursor: str | None
    total: int
    """Of the study, counted up to ``CONFLICTS_TOTAL_MAX``."""


class StudyPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the study list, newest first."""

    items: list[StudyRow]
    next_cursor: str | None
    total: int
    """Studies that match, counted up to ``TOTAL_MAX``."""
    last_event_id: int
    """Events after this one are not in the page yet."""
    pinned: list[StudyRow] = []
    """With the first page: the emergencies that stand above whatever is newest, newest first. Each
    comes among ``items`` as well, in its turn."""
    pinned_elsewhere: list[str] = []
    """Study Instance UIDs of the emergencies that stand there where nothing is narrowed."""


class StudyDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A study with its series."""

    study: StudyRow
    series: list[SeriesRow]
    conflicts: list[ConflictRow]
    """The first of them; the rest is ``…/conflicts?cursor=`` with ``conflicts_cursor``."""
    conflicts_cursor: str | None
    conflicts_total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceLocation:
    """Where an instance lies and in what form."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    """Of the object as it is stored."""
    native: NativeForm | None
    """What it was before it was compressed without loss; None where it is as it came."""
    object_key: str
    size_bytes: int
    dataset_offset: int
    pixel_offset: int
    """Where the value of the pixel data lies in the object; 0 where there is none, or where it
    has no place of its own (deflated objects)."""
    pixel_length: int
    """-1 where the pixel data is encapsulated."""
    number_of_frames: int
    instance_number: int | None
    dataset_digest: str
    pixels_digest: str
    institution: str
    correction: Correction | None = None
    """Whose it is since a person put that right; what leaves here goes by that
    (``corrected_object.opened``). Size, places and digests are the stored object's; those of what
    leaves are told by ``corrected_object.handed_out_content``."""

    @property
    def content_tag(self) -> str:
        """Names what a reader gets of the stored object: another one after each correction."""
        made = "" if self.correction is None else f"-c{self.correction.at.timestamp():.6f}"
        return f"{self.object_key[6:]}{made}"


class RevealRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which masked field of a study to show."""

    field: Literal["patient_id"]


class Revealed(msgspec.Struct, frozen=True, kw_only=True):
    """One field, for thirty seconds on one page."""

    field: str
    value: str
    hide_after_s: int = 30
