r"""Text of DICOM elements: Specific Character Set, code extensions, and repair of wrong labels.

A value is decoded before it is split, because 5CH (``\``) and 5EH (``^``) are second bytes in GBK
and GB18030. Bytes are never changed; only the text made of them is repaired.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

DEFAULT_CODEC: Final = "latin-1"
"""Of the default repertoire: ASCII by the standard, and Latin-1 is what strays in."""

_CODECS: Final = {
    "": DEFAULT_CODEC,
    "6": DEFAULT_CODEC,
    "13": "shift_jis",
    "58": "gb18030",
    "87": "iso2022_jp",
    "100": "latin-1",
    "101": "iso8859-2",
    "109": "iso8859-3",
    "110": "iso8859-4",
    "126": "iso8859-7",
    "127": "iso8859-6",
    "138": "iso8859-8",
    "144": "iso8859-5",
    "148": "iso8859-9",
    "149": "euc_kr",
    "159": "iso2022_jp_2",
    "166": "iso8859-11",
    "192": "utf-8",
    "203": "iso8859-15",
    "GBK": "gb18030",
    "GB18030": "gb18030",
    "GB2312": "gb18030",
}
"""Python codec by the number of the ISO-IR register, or by name (PS3.3 C.12.1.1.2)."""

_ESCAPES: Final = {
    b"\x1b(B": DEFAULT_CODEC,
    b"\x1b(J": "shift_jis",
    b"\x1b)I": "shift_jis",
    b"\x1b-A": "latin-1",
    b"\x1b-B": "iso8859-2",
    b"\x1b-C": "iso8859-3",
    b"\x1b-D": "iso8859-4",
    b"\x1b-F": "iso8859-7",
    b"\x1b-G": "iso8859-6",
    b"\x1b-H": "iso8859-8",
    b"\x1b-L": "iso8859-5",
    b"\x1b-M": "iso8859-9",
    b"\x1b-T": "iso8859-11",
    b"\x1b-b": "iso8859-15",
    b"\x1b$)A": "gb18030",
    b"\x1b$)C": "euc_kr",
    b"\x1b$B": "iso2022_jp",
    b"\x1b$(D": "iso2022_jp_2",
}
"""Codec each escape sequence switches to (PS3.3 Tables C.12-3 and C.12-4)."""
_KEEPS_ESCAPE: Final = frozenset({"iso2022_jp", "iso2022_jp_2"})
_WHOLE: Final = frozenset({"shift_jis", DEFAULT_CODEC})
_STAND_ALONE: Final = frozenset({"utf-8", "gb18030"})
_HIGH_HALF: Final = ("gb18030", "euc_kr")
_REPAIRABLE: Final = frozenset({"latin-1"})

_TERM: Final = re.compile(r"ISO[ _-]*(?:2022)?[ _-]*(?:IR)?[ _-]*(\d+|GBK)")
_GB: Final = re.compile(r"GB[ _-]*(18030|2312|K)")
_DELIMITERS: Final = {"PN": re.compile(rb"[\\^=\r\n\f\t]"), "": re.compile(rb"[\\\r\n\f\t]")}
_LONG_TEXT_DELIMITERS: Final = re.compile(rb"[\r\n\f\t]")
_LONG_TEXT: Final = frozenset({"LT", "ST", "UT"})
_RUN: Final = re.compile(r"([A-Za-z]?)([^\x00-\x7f]+)(?=([A-Za-z]?))")
_C1: Final = range(0x80, 0xA0)
_LATIN_WORD: Final = re.compile("[A-Za-z][\u00c0-\u024f]|[\u00c0-\u024f][A-Za-z]")
_LAST_TWO_BYTE_UTF8: Final = "\u07ff"


def _codec(term: str) -> str | None:
    name = term.strip(" \0").upper()
    if name in {"", "UTF-8", "UTF8"}:
        return "utf-8" if name else DEFAULT_CODEC
    if gb := _GB.search(name):
        return _CODECS["GB" + gb[1]]
    found = _TERM.fullmatch(name)
    return _CODECS.get(found[1]) if found else None


def is_known(term: str) -> bool:
    """Return whether *term* names a character set, in any spelling that is read here."""
    return _codec(term) is not None


@lru_cache(maxsize=256)
def codecs_of(charsets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the Python codecs of the declared terms, the initial one first.

    Spelling is forgiven (``ISO-IR 100``, ``ISO 2022 GBK``, ``utf-8``); an unknown term counts as
    the default repertoire. A set that allows no code extensions stands alone where it is first
    and is passed over where it is not (PS3.5 6.1.2.4), but for GBK behind an empty first value,
    which Chinese modalities write.
    """
    found = [_codec(term) or DEFAULT_CODEC for term in charsets] or [DEFAULT_CODEC]
    if found[0] in _STAND_ALONE:
        return (found[0],)
    return (found[0], *(codec for codec in found[1:] if codec != "utf-8"))


def decode_text(raw: bytes, vr: str, charsets: Sequence[str], *, hint: str = "") -> str:
    r"""Return the text of a whole value; the caller splits it at ``\`` (and ``^``, ``=``).

    Args:
        raw: the value as it stands, padding included (it is not removed).
        vr: decides which characters end a code extension (PS3.5 6.1.2.5.3).
        charsets: the terms of Specific Character Set in force for this item.
        hint: the term the sender is known to mean where it declares none or ISO_IR 100.

    Bytes that the declared set does not allow, or that are clearly UTF-8 or GBK under a Latin-1
    label, are decoded as what they are. It never raises: what cannot be decoded becomes U+FFFD.
    """
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    charsets, _ = settle((raw,), charsets, hint=hint)
    return decode_as_declared(raw, vr, charsets)


def decode_as_declared(raw: bytes, vr: str, charsets: Sequence[str]) -> str:
    """Return the text of a whole value by *charsets* alone, without looking for a wrong label."""
    codecs = codecs_of(tuple(charsets))
    if b"\x1b" not in raw:
        return _plain(raw, codecs)
    delimiter = _LONG_TEXT_DELIMITERS if vr in _LONG_TEXT else _DELIMITERS.get(vr, _DELIMITERS[""])
    first, *rest = raw.split(b"\x1b")
    return _plain(first, codecs) + "".join(
        _escaped(b"\x1b" + part, codecs, delimiter) for part in rest
    )


def _plain(part: bytes, codecs: tuple[str, ...]) -> str:
    codec = codecs[0]
    if codec == DEFAULT_CODEC and not part.isascii():
        # High bytes without their escape sequence: the declared two-byte set is what is meant.
        codec = next((other for other in codecs if other in _HIGH_HALF), codec)
    return _lenient(part, codec)


def _lenient(part: bytes, codec: str) -> str:
    try:
        return part.decode(codec)
    except UnicodeDecodeError:
        return part.decode(codec, "replace")


def _escaped(part: bytes, codecs: tuple[str, ...], delimiter: re.Pattern[bytes]) -> str:
    """Decode *part*, which begins with an escape sequence and holds no other."""
    escape = next((part[:n] for n in (3, 4) if part[:n] in _ESCAPES), b"")
    if not escape:
        return _plain(part, codecs)
    codec = _ESCAPES[escape]
    if codec in _KEEPS_ESCAPE:
        return _lenient(part, codec)
    body = part[len(escape) :]
    end = delimiter.search(body)
    if end is None or codec in _WHOLE:
        return _lenient(body, codec)
    return _lenient(body[: end.start()], codec) + _plain(body[end.start() :], codecs)


def settle(
    samples: Iterable[bytes], charsets: Sequence[str], *, hint: str = ""
) -> tuple[tuple[str, ...], bool]:
    """Return the character set the *samples* are really in, and whether that is a repair.

    Nothing is repaired where all is ASCII, or where the declared set decodes without a fault and
    is not the Latin-1 that devices put on anything. The more samples of one object, the safer.
    """
    declared = tuple(charsets)
    data = b"\n".join(sample for sample in samples if not sample.isascii())
    if not data or b"\x1b" in data:
        return declared, False
    codecs = codecs_of(declared)
    if any(codec in _HIGH_HALF for codec in codecs[1:]) and codecs[0] == DEFAULT_CODEC:
        return declared, False
    if codecs[0] not in _REPAIRABLE and _decodes(data, codecs[0]):
        return declared, False
    found = _hinted(data, hint) or _recognised(data)
    return ((found,), True) if found else (declared, False)


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _hinted(data: bytes, hint: str) -> str:
    codec = _codec(hint) if hint else None
    if codec is None or codec in _REPAIRABLE or not _decodes(data, codec):
        return ""
    if codec == "gb18030" and _is_utf8(data):
        return "ISO_IR 192"
    return hint


def _recognised(data: bytes) -> str:
    """Return the term of the set *data* is in by its own shape, empty where that is not plain."""
    if _is_utf8(data):
        return "ISO_IR 192"
    if _decodes(data, "gb18030") and _looks_chinese(data.decode("gb18030")):
        return "GB18030"
    return "ISO_IR 192" if _decodes(data, "utf-8") else ""


def _is_utf8(data: bytes) -> bool:
    """Return whether *data* is UTF-8 with a character no pair of GBK bytes can pass for.

    That is one of three bytes, or an accented Latin letter within a word of ASCII letters.
    """
    if not _decodes(data, "utf-8"):
        return False
    text = data.decode("utf-8")
    return _LATIN_WORD.search(text) is not None or max(text) > _LAST_TWO_BYTE_UTF8


def _looks_chinese(text: str) -> bool:
    """Return whether *text*, decoded as GB18030, reads as Chinese rather than as Latin-1.

    Latin-1 letters above 7FH stand alone between ASCII letters and swallow the next one when read
    as GBK; Chinese stands in runs of characters of GB 2312, or alone with no letter beside it.
    """
    score = 0
    for before, run, after in _RUN.findall(text):
        plain = sum(_is_plain(char) for char in run)
        alone = len(run) == 1 and (before or after)
        score += len(run) if plain * 2 >= len(run) and not alone else -len(run)
    return score > 0


def _is_plain(char: str) -> bool:
    """Return whether *char* is in GB 2312, or has a byte no Latin-1 text uses (80H-9FH)."""
    try:
        char.encode("gb2312")
    except UnicodeEncodeError:
        return any(byte in _C1 for byte in char.encode("gb18030"))
    return True
