"""How names are read and typed, for the rooms that register people: the archive's own way."""

import re
from collections.abc import Sequence
from typing import Final

from imaging.patients.names import SUFFIX_MAX, TermKind, fold, name_terms, pinyin, suffixes
from kernel.dicom.shown import HAN

_TWO_CHARACTERS: Final = frozenset(
    (
        *("欧阳", "司马", "上官", "诸葛", "夏侯", "东方", "皇甫"),
        *("尉迟", "公孙", "令狐", "慕容", "司徒", "长孙", "宇文"),
        *("司空", "端木", "百里", "南宫", "轩辕", "呼延", "独孤"),
        *("钟离", "闻人", "申屠", "公羊", "赫连", "澹台", "宗政"),
        *("濮阳", "淳于", "公冶", "鲜于", "闾丘", "太史"),
    )
)
"""Family names of two characters that are still borne."""
_LENGTH: Final = 2
_READ: Final = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")


class NameSpellings:
    """Binds ``referrals.orders.ports.Spellings`` to the archive's forms of a name."""

    def romanised(self, name: str) -> str:
        """Return *name* in pinyin, the family name first: ``Liu Xiaofeng``."""
        readings = pinyin(fold(name))
        if not readings:
            return name
        # The reading as a surname comes last where there are two.
        syllables = readings[-1]
        family = _LENGTH if name[:_LENGTH] in _TWO_CHARACTERS else 1
        words = ("".join(syllables[:family]), "".join(syllables[family:]))
        return " ".join(word.capitalize() for word in words if word)

    def terms(self, *names: str) -> frozenset[str]:
        """Return what begins like something somebody may type: characters, pinyin, initials."""
        found: set[str] = set()
        for term in name_terms(*(name for name in names if name)):
            written = term.kind in {TermKind.WRITTEN, TermKind.WORD}
            inside = written and not term.text.isascii()
            found |= suffixes(term.text) if inside else {term.text[:SUFFIX_MAX]}
        return frozenset(found)

    def folded(self, typed: str) -> str:
        """Return *typed* as it is compared with them."""
        return fold(typed)[:SUFFIX_MAX]

    def spoken(self, text: str) -> Sequence[tuple[str, str]]:
        """Return the characters of *text* with their syllables, what is no Chinese as it is."""
        # The usual reading comes first; none is somebody's surname here.
        return [(unit, next(iter(pinyin(unit)), (unit,))[0]) for unit in _READ.findall(fold(text))]
