"""C-FIND identifiers of the query/retrieve models into a query (PS3.4 C.2.2, C.4.1, C.6).

Strict where a peer would otherwise take a wrong answer for a right one: the level, the unique keys
above it, and values that are none of their kind. Keys that are not kept only say what to return.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from imaging.query.answer import from_instance
from imaging.query.attributes import (
    ATTRIBUTES,
    INSTANCE_AVAILABILITY,
    PATIENT_ID,
    PATIENT_INSTANCES,
    PATIENT_SERIES,
    PATIENT_STUDIES,
    PATIENT_TAGS,
    QUERY_RETRIEVE_LEVEL,
    REQUEST_ATTRIBUTES,
    REQUEST_ATTRIBUTES_SEQUENCE,
    RETRIEVE_AE_TITLE,
    SERIES_INSTANCE_UID,
    SOP_INSTANCE_UID,
    SPECIFIC_CHARACTER_SET,
    STUDY_INSTANCE_UID,
    TIMEZONE_OFFSET_FROM_UTC,
    Attribute,
    Kind,
    Level,
)
from imaging.query.keys import key_of
from imaging.query.matching import Between, Everything, NothingMatches, OneOf
from imaging.query.model import Attributes, Key, Moment, Query, Value
from kernel.dicom.dictionary import keyword_of, tag_of
from kernel.errors import Invalid

MOST: Final[Mapping[Level, int]] = MappingProxyType(
    {Level.PATIENT: 1000, Level.STUDY: 1000, Level.SERIES: 2000, Level.INSTANCE: 10_000}
)
"""Most matches of one answer, by level."""
KEYS_MAX: Final = 256

_LEVELS: Final = {
    "PATIENT": Level.PATIENT,
    "STUDY": Level.STUDY,
    "SERIES": Level.SERIES,
    "IMAGE": Level.INSTANCE,
}
_UNIQUE: Final = {
    Level.PATIENT: PATIENT_ID,
    Level.STUDY: STUDY_INSTANCE_UID,
    Level.SERIES: SERIES_INSTANCE_UID,
    Level.INSTANCE: SOP_INSTANCE_UID,
}
# The request says by them how it is to be read, and they are no keys; the door answers them.
_NO_KEYS: Final = frozenset(
    {
        *(SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL, RETRIEVE_AE_TITLE),
        0x00080053,  # Query/Retrieve View
    }
)
_RELATED: Final = frozenset({PATIENT_STUDIES, PATIENT_SERIES, PATIENT_INSTANCES})
_MOMENTS: Final = (
    (0x00080020, 0x00080030),
    (0x00080021, 0x00080031),
    (0x00400244, 0x00400245),
)
_SEPARATORS: Final = " ^"


class FindRefused(Invalid):
    """The identifier cannot be searched for; the detail is a sentence for its sender."""

    code = "bad-identifier"

    def __init__(self, detail: str, tag: int | None = None) -> None:
        """Refuse with *detail*, because of the key *tag*."""
        super().__init__(detail)
        self.members: Mapping[str, Any] = {} if tag is None else {"tag": tag}


@dataclass(frozen=True, slots=True, kw_only=True)
class FindOptions:
    """What was agreed by extended negotiation (PS3.4 C.5.1.1)."""

    relational: bool = False
    combined_moments: bool = False
    fuzzy_names: bool = False


@dataclass(frozen=True, slots=True)
class Find:
    """An identifier that can be searched for."""

    query: Query
    asked: Attributes
    """Every key that is answered, as it was asked."""
    all_keys: bool
    """No key was passed over, for existence or for matching."""

    @property
    def study_instance_uid(self) -> str:
        """The one study it is about, empty where it names none or several."""
        for key in self.query.keys:
            if key.attribute.tag == STUDY_INSTANCE_UID and isinstance(key.match, OneOf):
                return key.match.values[0] if len(key.match.values) == 1 else ""
        return ""


def parse_find(
    keys: Attributes,
    options: FindOptions,
    *,
    patient_root: bool,
    most: Mapping[Level, int] = MOST,
) -> Find:
    """Return what the identifier *keys* asks for.

    Args:
        keys: the identifier, its level among them.
        options: what was agreed.
        patient_root: whether the model has patients as its first level.
        most: matches of one answer, by level; the query finds one more, to know that there is.

    Raises:
        FindRefused: no level of the model, a unique key above it that is missing or no single
            value, a value that is none of its kind, or too many keys.
    """
    if len(keys) > KEYS_MAX:
        raise FindRefused(f"There are over {KEYS_MAX} keys.")
    level = level_of(keys, patient_root=patient_root)
    reader = _Reader(level, options)
    for keyword, value in keys.items():
        reader.take(keyword, value)
    if not options.relational:
        _demand_above(reader.keys, level, patient_root=patient_root)
    matched, moments = _together(reader.keys) if options.combined_moments else (reader.keys, ())
    query = Query(
        level=level,
        keys=tuple(matched),
        moments=moments,
        include=tuple((tag,) for tag in reader.included),
        limit=most[level] + 1,
    )
    return Find(query, reader.asked, reader.all_keys)


def level_of(keys: Attributes, *, patient_root: bool) -> Level:
    """Return the level the identifier *keys* names.

    Raises:
        FindRefused: none, or none of the model.
    """
    asked = keys.get(keyword_of(QUERY_RETRIEVE_LEVEL), "")
    if not isinstance(asked, str) or not asked:
        raise FindRefused("Query/Retrieve Level is missing.", QUERY_RETRIEVE_LEVEL)
    level = _LEVELS.get(asked)
    if level is None:
        raise FindRefused("Query/Retrieve Level is none there is.", QUERY_RETRIEVE_LEVEL)
    if level is Level.PATIENT and not patient_root:
        raise FindRefused("Study root has no level PATIENT.", QUERY_RETRIEVE_LEVEL)
    return level


def _demand_above(keys: list[Key], level: Level, *, patient_root: bool) -> None:
    first = Level.PATIENT if patient_root else Level.STUDY
    found = {key.attribute.tag: key.match for key in keys}
    for above in Level:
        if not first <= above < level:
            continue
        tag = _UNIQUE[above]
        match = found.get(tag)
        if not isinstance(match, OneOf) or len(match.values) != 1:
            raise FindRefused(f"{keyword_of(tag)} has to be one value here.", tag)


def _together(keys: list[Key]) -> tuple[list[Key], tuple[Moment, ...]]:
    """Return *keys* without the times that belong to a range of dates, and what they mean."""
    by_tag = {key.attribute.tag: key for key in keys}
    moments, times = [], set()
    for date_tag, time_tag in _MOMENTS:
        date, time = by_tag.get(date_tag), by_tag.get(time_tag)
        if date is None or time is None:
            continue
        if isinstance(date.match, Between) and isinstance(time.match, Between):
            moments.append(Moment(date.attribute, time.attribute, date.match, time.match))
            times.add(time_tag)
    return [key for key in keys if key.attribute.tag not in times], tuple(moments)


class _Reader:
    """Sorts the keys of one identifier: matched, returned, passed over."""

    def __init__(self, level: Level, options: FindOptions) -> None:
        self.keys: list[Key] = []
        self.asked: dict[str, Value] = {}
        self.included: list[int] = []
        self.all_keys = True
        self._level = level
        self._options = options

    def take(self, keyword: str, value: Value) -> None:
        tag = tag_of(keyword)
        if tag in _NO_KEYS:
            return
        if tag is None:
            self.all_keys = False
        elif tag == TIMEZONE_OFFSET_FROM_UTC:
            # It says what the asker's times mean, where that is agreed; here it never is.
            self._kept(ATTRIBUTES[tag], keyword, "")
        elif isinstance(value, tuple):
            self._sequence(tag, keyword, value)
        elif (attribute := ATTRIBUTES.get(tag)) is not None:
            self._kept(attribute, keyword, value)
        else:
            self._other(tag, keyword, value)

    def _kept(self, attribute: Attribute, keyword: str, value: str) -> None:
        here = _level_of(attribute) <= self._level
        if here:
            self.asked[keyword] = value
        elif not self._options.relational:
            self.all_keys = False
            return
        self._match(attribute, value)

    def _match(self, attribute: Attribute, value: str) -> None:
        for part in _parts(attribute, value):
            key = key_of(attribute, part, fuzzy=self._options.fuzzy_names)
            if isinstance(key.match, NothingMatches):
                raise FindRefused(f"{attribute.keyword}: {key.match.why}.", attribute.tag)
            if not isinstance(key.match, Everything):
                self.keys.append(key)

    def _sequence(self, tag: int, keyword: str, items: tuple[Attributes, ...]) -> None:
        if len(items) > 1:
            raise FindRefused("A sequence has more than one item.", tag)
        if tag == REQUEST_ATTRIBUTES_SEQUENCE and self._level >= Level.SERIES:
            self.asked[keyword] = items
            for name, value in (items[0] if items else {}).items():
                self._of_request(name, value)
            return
        self._other(tag, keyword, items)

    def _of_request(self, keyword: str, value: Value) -> None:
        tag = tag_of(keyword)
        attribute = REQUEST_ATTRIBUTES.get(tag) if tag is not None else None
        if attribute is None or isinstance(value, tuple):
            self.all_keys = False
        else:
            self._match(attribute, value)

    def _other(self, tag: int, keyword: str, value: Value) -> None:
        """Take a key that no column is kept for."""
        told = Query(level=self._level, include=((tag,),), limit=1)
        if tag in from_instance(told):
            self.included.append(tag)
        elif tag != INSTANCE_AVAILABILITY and not (
            tag in _RELATED and self._level is Level.PATIENT
        ):
            self.all_keys = False
            return
        self.asked[keyword] = value
        if _has_value(value):
            self.all_keys = False


def _level_of(attribute: Attribute) -> Level:
    return Level.PATIENT if attribute.tag in PATIENT_TAGS else attribute.level


def _parts(attribute: Attribute, value: str) -> list[str]:
    r"""Return the keys *value* is, all of which must match.

    The groups of a name are matched each on its own, and one of separators only is none. Dates
    lose the points of old (ACR-NEMA). Codes and UIDs are split by their own matching.
    """
    if attribute.kind is Kind.NAME:
        return [group for group in value.split("=") if group.strip(_SEPARATORS)]
    if attribute.kind is Kind.FOLDED_NAME:
        return [value] if value.strip(_SEPARATORS) else []
    if attribute.kind is Kind.DATE:
        return [value.replace(".", "")]
    return [value]


def _has_value(value: Value) -> bool:
    if isinstance(value, tuple):
        return any(_has_value(each) for item in value for each in item.values())
    return value.strip(" *") != ""
