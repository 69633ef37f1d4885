"""C-MOVE and C-GET identifiers into a query for instances (PS3.4 C.4.2.1.4, C.4.2.2, C.6).

By their unique keys alone: other keys are passed over, for who retrieves has chosen already. A
unique key of a lower level is refused, for its sender would get more than it named.
"""

from collections.abc import Iterator
from typing import Final

from imaging.query.attributes import (
    ATTRIBUTES,
    PATIENT_ID,
    SERIES_INSTANCE_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    Level,
)
from imaging.query.keys import key_of
from imaging.query.matching import NothingMatches, OneOf
from imaging.query.model import Attributes, Key, Query
from imaging.query.parse_find import KEYS_MAX, FindRefused, level_of
from kernel.dicom.dictionary import keyword_of

OBJECTS_MAX: Final = 0xFFFF
"""As many as sub-operations can be counted."""
_UNIQUE: Final = {
    Level.PATIENT: PATIENT_ID,
    Level.STUDY: STUDY_INSTANCE_UID,
    Level.SERIES: SERIES_INSTANCE_UID,
    Level.INSTANCE: SOP_INSTANCE_UID,
}
_ISSUER_OF_PATIENT_ID: Final = 0x00100021


def parse_retrieve(keys: Attributes, *, relational: bool, patient_root: bool) -> Query:
    """Return the query for the instances the identifier *keys* asks for, and one more.

    Args:
        keys: the identifier, its level among them.
        relational: agreed: unique keys above the level may be missing, or lists.
        patient_root: whether the model has patients as its first level.

    Raises:
        FindRefused: no level of the model, a unique key that is missing, no UID, a wildcard, a
            list where one value has to be, or below the level.
    """
    if len(keys) > KEYS_MAX:
        raise FindRefused(f"There are over {KEYS_MAX} keys.")
    level = level_of(keys, patient_root=patient_root)
    first = Level.PATIENT if patient_root else Level.STUDY
    return Query(
        level=Level.INSTANCE,
        keys=tuple(_keys(keys, level, first, relational=relational)),
        limit=OBJECTS_MAX + 1,
    )


def _keys(keys: Attributes, level: Level, first: Level, *, relational: bool) -> Iterator[Key]:
    for unique, tag in _UNIQUE.items():
        value = keys.get(keyword_of(tag), "")
        text = value.strip(" ") if isinstance(value, str) else ""
        if unique > level:
            if text not in {"", "*"}:
                raise FindRefused(f"{keyword_of(tag)} is below the level.", tag)
        elif text:
            yield _single_or_list(tag, text, alone=unique < level and not relational)
        elif unique == level or (unique >= first and not relational):
            raise FindRefused(f"{keyword_of(tag)} is missing.", tag)
    issuer = keys.get(keyword_of(_ISSUER_OF_PATIENT_ID), "")
    if isinstance(issuer, str) and issuer.strip(" "):
        yield _single_or_list(_ISSUER_OF_PATIENT_ID, issuer, alone=True)


def _single_or_list(tag: int, text: str, *, alone: bool) -> Key:
    key = key_of(ATTRIBUTES[tag], text, fuzzy=False)
    if isinstance(key.match, NothingMatches):
        raise FindRefused(f"{keyword_of(tag)}: {key.match.why}.", tag)
    if not isinstance(key.match, OneOf):
        raise FindRefused(f"{keyword_of(tag)} has to be a value.", tag)
    if alone and len(key.match.values) > 1:
        raise FindRefused(f"{keyword_of(tag)} has to be one value here.", tag)
    return key
