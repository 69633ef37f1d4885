r"""Which characters a message is written in: MSH-18, what the sender is known to mean, the bytes.

The whole message is decoded before it is split, for 5CH (``\``), 5EH (``^``), 7CH (``|``) and 7EH
(``~``) are second bytes of characters in GBK and GB18030.
"""

import re
from dataclasses import dataclass
from typing import Final

from kernel.dicom.charset import codecs_of, is_known, settle
from kernel.errors import Invalid

_UTF_8: Final = "ISO_IR 192"
_TERMS: Final = {
    "": "",
    "ASCII": "",
    "UNICODE": _UTF_8,
    "UNICODE UTF-8": _UTF_8,
    "UTF-8": _UTF_8,
    "UTF8": _UTF_8,
    "8859/1": "ISO_IR 100",
    "8859/2": "ISO_IR 101",
    "8859/5": "ISO_IR 144",
    "8859/15": "ISO_IR 203",
}
_NAMES: Final = {"utf-8": "UNICODE UTF-8", "gb18030": "GB 18030-2000"}
"""Of HL7 table 0211, for what goes out."""
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CHARSET_FIELD: Final = 17
"""Of MSH, counted from 0 behind the field separator's own place."""
_HEADER_MAX: Final = 2000
_LINE_END: Final = re.compile(rb"[\r\n]")


class UnreadableCharacters(Invalid):
    """Bytes that are no text in any character set the sender may mean."""

    code = "unreadable-characters"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message as text."""

    text: str
    codec: str
    """Python's name of the character set it was in; answers go out in it."""
    repaired: bool
    """Whether MSH-18 said something else."""


def is_charset(name: str) -> bool:
    """Return whether *name* names a character set a sender may be known to mean."""
    return bool(name) and (name.upper() in _TERMS or is_known(name))


def charset_name(codec: str) -> str:
    """Return what MSH-18 says of *codec*; empty for ASCII and what is like it."""
    return _NAMES.get(codec, "")


def decode(raw: bytes, *, hint: str = "") -> Decoded:
    """Return *raw* as text.

    Args:
        raw: a whole message, with or without a byte order mark.
        hint: what the sender's text really is where MSH-18 is empty or wrong; empty for unknown.

    Raises:
        UnreadableCharacters: it is no text in the declared set, nor in one it may be mistaken for.
    """
    marked = raw.startswith(_BYTE_ORDER_MARK)
    raw = raw.removeprefix(_BYTE_ORDER_MARK)
    declared = _UTF_8 if marked else _declared(raw)
    meant = declared or _term(hint) or ""
    if raw.isascii():
        return Decoded(raw.decode("ascii"), _ascii_like(meant), repaired=False)
    terms, _ = settle((raw,), (), hint=meant)
    term = terms[0] if terms else meant
    codec = codecs_of((term,))[0]
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError as exc:
        raise UnreadableCharacters("not written in the character set of MSH-18") from exc
    return Decoded(text, codec, repaired=bool(declared) and codecs_of((declared,))[0] != codec)


def _ascii_like(term: str) -> str:
    codec = codecs_of((term,))[0]
    return codec if codec in _NAMES else "utf-8"


def _declared(raw: bytes) -> str:
    """Return the term MSH-18 names, empty for none, ASCII or one nobody knows."""
    header = _LINE_END.split(raw[:_HEADER_MAX], maxsplit=1)[0]
    fields = header.split(header[3:4]) if len(header) > 3 else []  # noqa: PLR2004  # "MSH|"
    said = fields[_CHARSET_FIELD] if len(fields) > _CHARSET_FIELD else b""
    first = re.split(rb"[~^]", said, maxsplit=1)[0]
    return _term(first.decode("latin-1")) or ""


def _term(name: str) -> str | None:
    folded = name.strip().upper()
    if folded in _TERMS:
        return _TERMS[folded]
    return folded if is_known(folded) else None
