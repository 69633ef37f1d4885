"""Forms of a person's name by which it is found: folded text, pinyin, and suffixes.

Matching a name ignores case, accents, width and the difference between ``^`` and a space
(PS3.4 C.2.2.2.1 permits it for PN), and a Chinese name is found by its characters, its pinyin or
its initials.
"""

import functools
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kernel.dicom.shown import HAN, name_groups

_SEPARATORS: Final = re.compile(r"[\s^_,·•‧.]+")
_BETWEEN_HAN: Final = re.compile(rf"(?<=[{HAN}]) (?=[{HAN}])")
# Beside a Chinese character "?" is taken for another one, which no space parts from it.
_SPACE_AT_WILDCARD: Final = re.compile(
    rf" +(?=\*)|(?<=\*) +|(?<=[{HAN}]) (?=\?)|(?<=\?) (?=[{HAN}])"
)
_HAN_RUN: Final = re.compile(rf"[{HAN}]+")

FORM_MAX: Final = 256
"""A PN component group has at most 64 characters; devices send more, attackers much more."""
SUFFIX_MAX: Final = 24
"""So much of a suffix tells it from the others well enough."""

# How these characters are read when they are surnames, where that is not the usual reading.
_SURNAMES: Final = dict(
    zip(
        "单曾解仇朴查区盖翟缪乐员种折黑秘繁尉覃單區繆樂員種蓋",
        (
            *("shan", "zeng", "xie", "qiu", "piao", "zha", "ou", "ge", "zhai", "miao", "yue"),
            *("yun", "chong", "she", "he", "bi", "po", "yu", "qin"),
            *("shan", "ou", "miao", "yue", "yun", "chong", "ge"),
        ),
        strict=True,
    )
)


class TermKind(StrEnum):
    """What a searchable term is to the name it came from."""

    WRITTEN = "w"
    """One component group as written, folded."""
    WORD = "s"
    """A group from one of its later words on, so that a prefix finds any word."""
    PINYIN = "p"
    """The Chinese characters in pinyin without tones or spaces."""
    INITIALS = "i"
    """The first letters of that."""


@dataclass(frozen=True, slots=True, order=True)
class NameTerm:
    """One way to find a name."""

    kind: TermKind
    text: str


def fold(text: str) -> str:
    """Return *text* as it is compared: NFKC, case folded, no Latin accents, single spaces.

    ``^`` and other separators count as spaces, and a space between two Chinese characters counts
    as none: 张^三, 张 三 and 张三 are one name.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    if not plain.isascii():
        apart = unicodedata.normalize("NFD", plain)
        plain = unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", apart))
    spaced = _SEPARATORS.sub(" ", plain).strip(" ")
    return _BETWEEN_HAN.sub("", spaced)


def fold_pattern(pattern: str) -> str:
    """Return *pattern* folded like ``fold``, with its ``*`` and ``?`` and the spaces at them kept.

    A space beside ``*`` goes: ``zhang ^*`` means what ``zhang*`` means, as trailing separators
    are not significant.
    """
    pieces = re.split(r"([*?]+)", pattern)
    folded = "".join(
        piece if index % 2 else _fold_piece(piece) for index, piece in enumerate(pieces)
    )
    return _SPACE_AT_WILDCARD.sub("", folded).strip(" ")


def _fold_piece(piece: str) -> str:
    inner = fold(piece)
    before = " " if _SEPARATORS.match(piece) and inner else ""
    after = " " if inner and re.search(rf"(?:{_SEPARATORS.pattern})\Z", piece) else ""
    return f"{before}{inner}{after}"


def name_terms(*person_names: str) -> frozenset[NameTerm]:
    """Return every term by which a patient of these names is found.

    Args:
        person_names: PN values with ``=`` between their groups; several where a name is known in
            several readings (as declared, as repaired).
    """
    terms: set[NameTerm] = set()
    for person_name in person_names:
        for group in name_groups(person_name):
            written = fold(group)[:FORM_MAX]
            if not written:
                continue
            terms.add(NameTerm(TermKind.WRITTEN, written))
            terms.update(NameTerm(TermKind.WORD, tail) for tail in _later_words(written))
            for syllables in pinyin(written):
                terms.add(NameTerm(TermKind.PINYIN, "".join(syllables)))
                terms.add(NameTerm(TermKind.INITIALS, "".join(s[0] for s in syllables)))
    return frozenset(terms)


def _later_words(written: str) -> Iterator[str]:
    at = written.find(" ")
    while at != -1:
        yield written[at + 1 :]
        at = written.find(" ", at + 1)


def pinyin(written: str) -> list[tuple[str, ...]]:
    """Return the readings of the Chinese characters in *written*, as syllables without tones.

    The usual reading, and the one as a surname where that differs; none without Chinese.
    """
    han = "".join(_HAN_RUN.findall(written))
    if not han:
        return []
    usual = _syllables()(han)
    if not usual:
        return []
    surname = _SURNAMES.get(han[0])
    if surname is None or surname == usual[0]:
        return [usual]
    return [usual, (surname, *usual[1:])]


@functools.cache
def _syllables() -> Callable[[str], tuple[str, ...]]:
    # Loaded with the first Chinese name; without the phrases it costs 15 MB instead of 60.
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    from pypinyin import lazy_pinyin  # noqa: PLC0415  # see above

    # A name comes with each image of its patient.
    @functools.lru_cache(maxsize=4096)
    def syllables(han: str) -> tuple[str, ...]:
        return tuple(lazy_pinyin(han, errors="ignore"))

    return syllables


def suffixes(text: str, *, shortest: int = 1) -> frozenset[str]:
    """Return the ends of *text*, from each character on, cut to ``SUFFIX_MAX``.

    Whatever stands inside the text begins one of them, so that an index that finds beginnings
    finds insides: those of at least *shortest* and at most ``SUFFIX_MAX`` characters.
    """
    return frozenset(
        text[at : at + SUFFIX_MAX] for at in range(max(0, min(len(text), FORM_MAX) - shortest + 1))
    )
