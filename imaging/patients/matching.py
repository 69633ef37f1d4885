"""Are these two patients one person: what makes it certain, and what only worth asking. Pure."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from imaging.patients.names import NameTerm, TermKind, name_terms


class NumberKind(StrEnum):
    """What a number is that a trusted source gave."""

    RESIDENT_ID = "resident-id"
    """GB 11643, 18 characters."""
    HEALTH_CARD = "health-card"
    """Electronic health card."""
    PHONE = "phone"
    """Families share one: it makes nothing certain."""


CERTAIN: Final = frozenset({NumberKind.RESIDENT_ID, NumberKind.HEALTH_CARD})
"""Numbers one person has and nobody else."""


class Verdict(StrEnum):
    """What two patients are to each other, as far as their numbers and names tell."""

    SAME = "same"
    PERHAPS = "perhaps"
    """A person must look."""
    APART = "apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a patient of one house."""

    name: str = ""
    sex: str = ""
    birth_date: str = ""
    """YYYYMMDD, or empty."""
    numbers: Mapping[NumberKind, str] = field(default_factory=dict)


def verdict(one: Known, other: Known) -> Verdict:
    """Return what *one* and *other* are to each other.

    A certain number both have decides, whatever their names say. Else name, sex and birth date
    must all be told and alike to be worth a question.
    """
    shared = CERTAIN & one.numbers.keys() & other.numbers.keys()
    if shared:
        alike = {one.numbers[kind] == other.numbers[kind] for kind in shared}
        if alike == {True}:
            return Verdict.SAME
        # One number says yes and the other no: somebody mistyped.
        return Verdict.PERHAPS if True in alike else Verdict.APART
    told = one.sex and one.birth_date
    same = (one.sex, one.birth_date) == (other.sex, other.birth_date)
    return Verdict.PERHAPS if told and same and same_name(one.name, other.name) else Verdict.APART


def same_name(one: str, other: str) -> bool:
    """Return whether two names agree: in characters where both have some, else in pinyin."""
    first, second = _terms(one), _terms(other)
    if _han(first) and _han(second):
        return bool(_han(first) & _han(second))
    return bool(_letters(first) & _letters(second))


@functools.lru_cache(maxsize=1024)
def _terms(name: str) -> frozenset[NameTerm]:
    return name_terms(name)


def _written(terms: frozenset[NameTerm]) -> set[str]:
    return {term.text for term in terms if term.kind is TermKind.WRITTEN}


def _han(terms: frozenset[NameTerm]) -> set[str]:
    return {text for text in _written(terms) if not text.isascii()}


def _letters(terms: frozenset[NameTerm]) -> set[str]:
    plain = {text.replace(" ", "") for text in _written(terms) if text.isascii()}
    return plain | {term.text for term in terms if term.kind is TermKind.PINYIN}
