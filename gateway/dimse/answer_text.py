r"""Text of answers in the character set the asker reads (PS3.3 C.12.1.1.2, PS3.5 6.1.2.5).

Many Chinese modalities read GB18030, GBK or GB 2312 with escape sequences and nothing else, so the
set they ask in is the set they are answered in. Where it lacks a character, the next larger one of
its family is written and declared, never a question mark.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from kernel.dicom.charset import codecs_of

_TO_GB2312: Final = b"\x1b$)A"
_GB2312: Final = "gb2312"
_BACK_TO_INITIAL: Final = re.compile(r"([\\^=\r\n\f\t])")
"""What ends a code extension within a value (PS3.5 6.1.2.5.3)."""
_BACK_IN_LONG_TEXT: Final = re.compile(r"([\r\n\f\t])")
_LONG_TEXT: Final = frozenset({"LT", "ST", "UT"})
_GB18030: Final = (("GB18030",), "gb18030")
_UTF_8: Final = (("ISO_IR 192",), "utf-8")


@dataclass(frozen=True, slots=True)
class AnswerText:
    """One character set to write in.

    Attributes:
        terms: for Specific Character Set; none where all is ASCII and nothing was asked.
        codec: Python's name of it.
    """

    terms: tuple[str, ...]
    codec: str

    @classmethod
    def choose(cls, texts: Sequence[str], asked: Sequence[str]) -> Self:
        """Return the first set of *asked*, its family and UTF-8 that holds all of *texts*."""
        asked = tuple(term for term in asked) if any(asked) else ()
        for terms, codec in _candidates(asked):
            chosen = cls(terms, codec)
            if chosen._holds(texts):
                return chosen
        return cls(*_UTF_8)

    def encode(self, text: str, vr: str) -> bytes:
        """Return the bytes of the whole value *text*.

        What even UTF-8 has no bytes for (half a surrogate pair) becomes a question mark.
        """
        if self.codec != _GB2312 or text.isascii():
            return text.encode(self.codec, "replace")
        delimiter = _BACK_IN_LONG_TEXT if vr in _LONG_TEXT else _BACK_TO_INITIAL
        return b"".join(
            part.encode("ascii") if part.isascii() else _TO_GB2312 + part.encode(_GB2312, "replace")
            for part in delimiter.split(text)
        )

    def _holds(self, texts: Sequence[str]) -> bool:
        try:
            for text in texts:
                text.encode(self.codec)
        except UnicodeEncodeError:
            return False
        return True


def _candidates(asked: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    if not asked:
        return [((), "ascii"), _UTF_8]
    names = [re.sub(r"[^A-Z0-9]", "", term.upper()) for term in asked]
    if any(name.endswith("18030") for name in names):
        return [(asked, "gb18030"), _UTF_8]
    if any(name.endswith("GBK") for name in names):
        return [(asked, "gbk"), _GB18030, _UTF_8]
    if any(name.endswith(("58", "GB2312")) for name in names):
        return [(("", "ISO 2022 IR 58"), _GB2312), _GB18030, _UTF_8]
    if len(asked) > 1 or "2022" in names[0]:
        # Other code extensions are not written here; plain ASCII needs none of them.
        return [(asked, "ascii"), _UTF_8]
    codec = codecs_of(asked)[0]
    if codec == "latin-1" and names[0] not in {"ISOIR100", "100"}:
        codec = "ascii"
    return [(asked, codec), _UTF_8]


__all__ = ["AnswerText"]
