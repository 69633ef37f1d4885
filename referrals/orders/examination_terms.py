"""How people look an examination up: what they may type for it, and whether it is meant. Pure.

Something typed means an examination when each of its words, Chinese and other letters counted
apart, begins somewhere in it: in its name, in how that is read, in the initials of that, in its
code, or in what its modality is called. So ``xbct``, ``CT 胸部`` and ``平扫`` all mean 胸部CT平扫.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from kernel.dicom.shown import HAN
from referrals.orders.model import Examination
from referrals.orders.ports import Spellings

_WORDS: Final = re.compile(rf"[{HAN}]+|[^\W{HAN}]+(?:-[^\W{HAN}]+)*-?")
_UNITS: Final = re.compile(rf"[{HAN}]|[^\W_{HAN}]+[-/+]*")
_CALLED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "CR": ("CR", "X线", "平片", "拍片", "X-ray"),
        "DX": ("DR", "X线", "平片", "拍片", "X-ray"),
        "RF": ("透视", "造影", "胃肠", "Fluoroscopy"),
        "XA": ("造影", "DSA", "Angiography"),
        "MG": ("乳腺", "钼靶", "Mammography"),
        "CT": ("CT",),
        "MR": ("MR", "磁共振", "核磁", "MRI"),
        "US": ("超声", "彩超", "B超", "Ultrasound"),
        "ECG": ("心电图", "ECG", "EKG"),
        "ES": ("内镜", "胃镜", "肠镜", "Endoscopy"),
        "NM": ("核医学", "Nuclear medicine"),
        "PT": ("PET",),
        "SM": ("病理", "Pathology"),
        "BMD": ("骨密度",),
    }
)
"""What the ward calls a modality, the word first that pages show before the name."""


def read_terms(examination: Examination, spellings: Spellings) -> list[str]:
    """Return how the name and the modality's words are read, as ``meant`` takes them.

    Each text is its syllables, or the initials of those, with a blank between; letters and digits
    that are no Chinese stand as they are.
    """
    called = _CALLED.get(examination.modality, ())
    # The row on a page reads "DR 胸部正位".
    texts = (examination.name, *called, *(f"{word} {examination.name}" for word in called[:1]))
    found: set[str] = set()
    for text in texts:
        spoken = spellings.spoken(text)
        found.add(" ".join(read for _, read in spoken))
        found.add(" ".join(read[:1] if read != written else read for written, read in spoken))
    return sorted(found - {""})


def words_of(typed: str, spellings: Spellings) -> Sequence[str]:
    """Return the words of *typed*, each of which has to be found; none where it holds no letter."""
    return [word for piece in typed.split() for word in _WORDS.findall(spellings.folded(piece))]


def distance(examination: Examination, read: Iterable[str], words: Sequence[str]) -> int | None:
    """Return how far *examination* is from what somebody typed, None where it is not meant.

    Args:
        examination: the row.
        read: its ``read_terms``.
        words: of what was typed (``words_of``).

    Returns:
        How many of the words begin nothing but stand farther in; 0 is the nearest.
    """
    called = (examination.modality, *_CALLED.get(examination.modality, ()))
    written = (examination.name, examination.code, *called)
    texts = [_UNITS.findall(text.casefold()) for text in written]
    texts += [text.split(" ") for text in read]
    far = 0
    for word in words:
        places = [place for units in texts if (place := _place(units, word)) is not None]
        if not places:
            return None
        far += min(places) > 0
    return far


def _place(units: Sequence[str], word: str) -> int | None:
    """Return after how many of *units* the text goes on as *word*, None for nowhere."""
    whole = "".join(units)
    at = 0
    for number, unit in enumerate(units):
        if whole.startswith(word, at):
            return number
        at += len(unit)
    return None
