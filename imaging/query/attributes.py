"""What can be asked of the archive: one row per attribute of the query models.

An attribute is found by its keyword or by its tag in eight hex digits, belongs to one level, and
names the column that holds it. Patient attributes stand at study level (study root model); those
that name a patient are ``PATIENT_TAGS`` as well (patient root model).
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from kernel.dicom.dictionary import implied_vr, keyword_of, tag_of


class Level(IntEnum):
    """Query/retrieve levels of the patient root model, from the top; study root has no first."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    INSTANCE = 3


class Kind(StrEnum):
    """How the values of an attribute are kept and compared."""

    TEXT = "text"
    """As sent, compared by code point."""
    NAME = "name"
    """A person's name with terms of its own (``study_name``)."""
    FOLDED_NAME = "folded-name"
    """A person's name with one folded column beside it."""
    UID = "uid"
    DATE = "date"
    TIME = "time"
    NUMBER = "number"
    CODES = "codes"
    """Several Defined Terms in one column, a backslash between two."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute the archive keeps in a column."""

    tag: int
    level: Level
    column: str
    kind: Kind = Kind.TEXT
    always: bool = False
    """Returned without being asked for (PS3.18 Tables 10.6.3-3 to 10.6.3-5)."""
    suffix: str = ""
    """Letter of the field in ``study_suffix``, empty where it is not there."""

    @property
    def keyword(self) -> str:
        """The attribute's keyword of PS3.6."""
        return keyword_of(self.tag)

    @property
    def vr(self) -> str:
        """The attribute's VR of PS3.6."""
        return implied_vr(self.tag)


PATIENT_NAME: Final = 0x00100010
PATIENT_ID: Final = 0x00100020
PATIENT_TAGS: Final = frozenset({PATIENT_NAME, PATIENT_ID, 0x00100021, 0x00100030, 0x00100040})
PATIENT_STUDIES: Final = 0x00201200
PATIENT_SERIES: Final = 0x00201202
PATIENT_INSTANCES: Final = 0x00201204
MODALITIES_IN_STUDY: Final = 0x00080061
STUDY_DATE: Final = 0x00080020
STUDY_TIME: Final = 0x00080030
STUDY_INSTANCE_UID: Final = 0x0020000D
SERIES_INSTANCE_UID: Final = 0x0020000E
SOP_INSTANCE_UID: Final = 0x00080018
SPECIFIC_CHARACTER_SET: Final = 0x00080005
QUERY_RETRIEVE_LEVEL: Final = 0x00080052
RETRIEVE_AE_TITLE: Final = 0x00080054
INSTANCE_AVAILABILITY: Final = 0x00080056
TIMEZONE_OFFSET_FROM_UTC: Final = 0x00080201
RETRIEVE_URL: Final = 0x00081190
REQUEST_ATTRIBUTES_SEQUENCE: Final = 0x00400275

_STUDY: Final = (
    Attribute(0x00080020, Level.STUDY, "study_date", Kind.DATE, always=True),
    Attribute(0x00080030, Level.STUDY, "study_time", Kind.TIME, always=True),
    Attribute(0x00080050, Level.STUDY, "accession_number", always=True, suffix="a"),
    Attribute(0x00080061, Level.STUDY, "modalities", Kind.CODES, always=True),
    Attribute(0x00080090, Level.STUDY, "referring_physician_name", Kind.FOLDED_NAME, always=True),
    Attribute(0x00080201, Level.STUDY, "timezone_offset_from_utc"),
    Attribute(0x00081030, Level.STUDY, "study_description"),
    Attribute(0x00100010, Level.STUDY, "patient_name", Kind.NAME, always=True, suffix="n"),
    Attribute(0x00100020, Level.STUDY, "patient_id", always=True, suffix="i"),
    Attribute(0x00100021, Level.STUDY, "issuer_of_patient_id"),
    Attribute(0x00100030, Level.STUDY, "patient_birth_date", Kind.DATE, always=True),
    Attribute(0x00100040, Level.STUDY, "patient_sex", always=True),
    Attribute(0x00101010, Level.STUDY, "patient_age"),
    Attribute(0x0020000D, Level.STUDY, "study_instance_uid", Kind.UID, always=True),
    Attribute(0x00200010, Level.STUDY, "study_id", always=True),
    Attribute(0x00201206, Level.STUDY, "series_count", Kind.NUMBER, always=True),
    Attribute(0x00201208, Level.STUDY, "instance_count", Kind.NUMBER, always=True),
)

_SERIES: Final = (
    Attribute(0x00080021, Level.SERIES, "series_date", Kind.DATE),
    Attribute(0x00080031, Level.SERIES, "series_time", Kind.TIME),
    Attribute(0x00080060, Level.SERIES, "modality", Kind.CODES, always=True),
    Attribute(0x00080070, Level.SERIES, "manufacturer"),
    Attribute(0x00080080, Level.SERIES, "institution_name"),
    Attribute(0x00081010, Level.SERIES, "station_name"),
    Attribute(0x0008103E, Level.SERIES, "series_description", always=True),
    Attribute(0x00180015, Level.SERIES, "body_part_examined", Kind.CODES),
    Attribute(0x00181030, Level.SERIES, "protocol_name"),
    Attribute(0x0020000E, Level.SERIES, "series_instance_uid", Kind.UID, always=True),
    Attribute(0x00200011, Level.SERIES, "series_number", Kind.NUMBER, always=True),
    Attribute(0x00200060, Level.SERIES, "laterality", Kind.CODES),
    Attribute(0x00201209, Level.SERIES, "instance_count", Kind.NUMBER, always=True),
    Attribute(
        0x00400244, Level.SERIES, "performed_procedure_step_start_date", Kind.DATE, always=True
    ),
    Attribute(
        0x00400245, Level.SERIES, "performed_procedure_step_start_time", Kind.TIME, always=True
    ),
)

_INSTANCE: Final = (
    Attribute(0x00080016, Level.INSTANCE, "sop_class_uid", Kind.UID, always=True),
    Attribute(0x00080018, Level.INSTANCE, "sop_instance_uid", Kind.UID, always=True),
    Attribute(0x00083002, Level.INSTANCE, "transfer_syntax_uid", Kind.UID, always=True),
    Attribute(0x00200013, Level.INSTANCE, "instance_number", Kind.NUMBER, always=True),
    Attribute(0x00280008, Level.INSTANCE, "number_of_frames", Kind.NUMBER, always=True),
    Attribute(0x00280010, Level.INSTANCE, "rows", Kind.NUMBER, always=True),
    Attribute(0x00280011, Level.INSTANCE, "columns", Kind.NUMBER, always=True),
    Attribute(0x00280100, Level.INSTANCE, "bits_allocated", Kind.NUMBER, always=True),
)

SHORTEST_SUFFIX: Final = {"n": 1, "i": 3, "a": 3}
"""By letter of the field; shorter ends of numbers are in too many to be worth their room."""

ATTRIBUTES: Final = {each.tag: each for each in (*_STUDY, *_SERIES, *_INSTANCE)}

# Keys inside Request Attributes Sequence (0040,0275), by the innermost tag.
REQUEST_ATTRIBUTES: Final = {
    0x00400009: Attribute(0x00400009, Level.SERIES, "scheduled_procedure_step_id"),
    0x00401001: Attribute(0x00401001, Level.SERIES, "requested_procedure_id"),
}


def parse_path(text: str) -> tuple[int, ...] | None:
    """Return the tags *text* names, outermost first; None where it names no attribute.

    A tag is a keyword of PS3.6 or eight hex digits, a dot stands before the attribute of a
    sequence's items (PS3.18 8.3.1.1).
    """
    tags: list[int] = []
    for part in text.split(".", _PATH_MAX):
        tag = _parse_tag(part)
        if tag is None:
            return None
        tags.append(tag)
    return tuple(tags)


_PATH_MAX: Final = 8
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_TAG_DIGITS: Final = 8


def _parse_tag(part: str) -> int | None:
    if len(part) == _TAG_DIGITS and _HEX.issuperset(part):
        return int(part, 16)
    return tag_of(part)


def find_attribute(path: tuple[int, ...]) -> Attribute | None:
    """Return the attribute kept for *path*, None where the archive keeps no column for it."""
    match path:
        case (tag,):
            return ATTRIBUTES.get(tag)
        case (sequence, tag) if sequence == REQUEST_ATTRIBUTES_SEQUENCE:
            return REQUEST_ATTRIBUTES.get(tag)
        case _:
            return None
