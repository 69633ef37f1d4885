"""One matching key of a query, from its text."""

from typing import Final

from imaging.patients.names import fold_pattern
from imaging.query.attributes import Attribute, Kind
from imaging.query.matching import Absent, AnyOf, NothingMatches, parse_match
from imaging.query.model import Key

FOLDED: Final = frozenset({Kind.NAME, Kind.FOLDED_NAME})
"""Kinds of names, which are compared folded."""
EMPTY: Final = '""'
"""The key that asks for what has no value, where empty value matching is asked for."""
SEVERAL_MAX: Final = 100
"""Values of one key in multiple value matching."""


def key_of(
    attribute: Attribute, value: str, *, fuzzy: bool, empty: bool = False, several: bool = False
) -> Key:
    r"""Return the key *value* is for *attribute*; never raises.

    Args:
        attribute: what is compared.
        value: the key as it was asked.
        fuzzy: names by the beginning of a word, pinyin too.
        empty: ``""`` asks for what has no value (PS3.4 C.2.2.2.7), not for anything.
        several: values with ``\`` between two are keys of which one must fit (C.2.2.2.8).
    """
    if empty and value.strip(" ") == EMPTY:
        return Key(attribute, Absent(), fuzzy)
    if several and "\\" in value and attribute.kind is not Kind.UID:
        parts = [part for part in value.split("\\", SEVERAL_MAX) if part.strip(" ")]
        if len(parts) > SEVERAL_MAX:
            return Key(attribute, NothingMatches(f"more than {SEVERAL_MAX} values"), fuzzy)
        keys = [key_of(attribute, part, fuzzy=fuzzy, empty=empty) for part in parts]
        return Key(attribute, AnyOf(tuple(key.match for key in keys)), fuzzy)
    if attribute.kind not in FOLDED:
        return Key(attribute, parse_match(value, attribute.kind), fuzzy)
    text = fold_pattern(value)
    # An empty key asks for everything; one of separators is not empty and names nobody.
    lost = not text and value.strip(" ") != ""
    match = NothingMatches("no part of a name") if lost else parse_match(text, attribute.kind)
    return Key(attribute, match, fuzzy)
