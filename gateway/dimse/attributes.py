"""Small data sets of messages: identifiers, procedure steps, commitment requests (PS3.5 7).

Bytes in, plain values out, and back. What a peer sends is walked within a bound before a value of
it is read; text is decoded before it is split, so that GBK's second byte 5CH is no backslash. No
bulk value comes through here.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.dimse.answer_text import AnswerText
from gateway.dimse.negotiate import EXPLICIT_LE
from kernel.dicom.charset import decode_as_declared, settle
from kernel.dicom.dataset import BrokenDataset, BytesSource, Element, Limits, Scan, scan
from kernel.dicom.dictionary import implied_vr, keyword_of, tag_of
from kernel.errors import Invalid

Value: TypeAlias = "str | tuple[Attributes, ...]"
r"""Text (numbers in decimal, values separated by ``\``), or the items of a sequence."""
Attributes: TypeAlias = Mapping[str, Value]
"""Attributes by keyword; one the dictionary has no keyword for by its eight hex digits."""

LIMITS: Final = Limits(
    depth=6,
    elements=4_000,
    elements_per_frame=0,
    elements_most=4_000,
    header_bytes=1 << 20,
    inflated_min_bytes=0,
    inflated_ratio=1,
)
"""An identifier or a procedure step; a walk within these takes some milliseconds."""

SPECIFIC_CHARACTER_SET: Final = "SpecificCharacterSet"
_CHARSET_TAG: Final = 0x00080005
_LONG_TEXT: Final = frozenset({"LT", "ST", "UT"})
_IN_CHARSET: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_PLAIN_TEXT: Final = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
_NUMBERS: Final[Mapping[str, str]] = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip
_LONG_FORM: Final = frozenset(
    {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR"}
) | {
    "UT",
    "UV",
}
_SHORT_VALUE_MAX: Final = 0xFFFE
_ITEM: Final = struct.Struct("<HHI")
_IMPLICIT: Final = struct.Struct("<HHI")
_SHORT: Final = struct.Struct("<HH2sH")
_LONG: Final = struct.Struct("<HH2s2xI")


@dataclass(frozen=True, slots=True)
class Message:
    """The data set of one message.

    Attributes:
        attributes: what it says.
        charsets: the character set its text was really in, for whoever answers; empty for none.
    """

    attributes: Attributes
    charsets: tuple[str, ...] = ()


def read_message(
    raw: bytes, transfer_syntax: str, *, hint: str = "", limits: Limits = LIMITS
) -> Message:
    """Return what the data set *raw* says.

    Text under a wrong label is read as what it is (``kernel.dicom.charset``). Binary values other
    than numbers come out empty: they are asked for here and there, and never needed.

    Args:
        raw: the whole data set, already bounded by the caller.
        transfer_syntax: of its presentation context.
        hint: the character set the peer is known to mean.
        limits: how much structure it may have.

    Raises:
        BrokenDataset: it is no data set, or over a limit.
    """
    walked = scan(BytesSource(raw), offset=0, transfer_syntax_uid=transfer_syntax, limits=limits)
    charsets = _terms(walked, walked.elements)
    samples = list(_samples(walked, walked.elements))
    settled, _ = settle(samples, charsets, hint=hint)
    return Message(_attributes(walked, walked.elements, settled), settled)


def write_attributes(
    attributes: Attributes, transfer_syntax: str, charsets: Sequence[str] = ()
) -> bytes:
    """Return *attributes* as a data set in explicit or implicit VR little endian.

    Args:
        attributes: what to say; keys that are no keyword are left out.
        transfer_syntax: explicit VR little endian, or anything else for implicit.
        charsets: the set the reader asks in; where its characters do not suffice, a larger one is
            written and declared.

    Raises:
        Invalid: a value is too long for its VR, or is no value of it (``bad-value``).
    """
    text = AnswerText.choose(list(_texts(attributes)), charsets)
    said = dict(attributes)
    said.pop(SPECIFIC_CHARACTER_SET, None)
    if text.terms:
        said[SPECIFIC_CHARACTER_SET] = "\\".join(text.terms)
    return _Writer(text, explicit=transfer_syntax == EXPLICIT_LE).data_set(said)


def first_item(attributes: Attributes, keyword: str) -> Attributes:
    """Return the first item of the sequence *keyword*, empty where there is none."""
    value = attributes.get(keyword)
    return value[0] if isinstance(value, tuple) and value else {}


def items_of(attributes: Attributes, keyword: str) -> tuple[Attributes, ...]:
    """Return the items of the sequence *keyword*, none where it is absent or text."""
    value = attributes.get(keyword)
    return value if isinstance(value, tuple) else ()


def text_of(attributes: Attributes, keyword: str) -> str:
    """Return the text of *keyword*, empty where it is absent or a sequence."""
    value = attributes.get(keyword)
    return value if isinstance(value, str) else ""


def _terms(walked: Scan, elements: Sequence[Element]) -> tuple[str, ...]:
    for element in elements:
        if element.tag == _CHARSET_TAG:
            text = walked.raw(element).decode("latin-1").strip(" \0")
            return tuple(term.strip(" ") for term in text.split("\\")) if text else ()
    return ()


def _samples(walked: Scan, elements: Sequence[Element]) -> Iterator[bytes]:
    for element in elements:
        if element.items is not None:
            for item in element.items:
                yield from _samples(walked, item.elements)
        elif _vr(element) in _IN_CHARSET:
            yield walked.raw(element)


def _attributes(
    walked: Scan, elements: Sequence[Element], charsets: tuple[str, ...]
) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for element in elements:
        if not element.tag & 0xFFFF:
            continue  # a group length
        key = keyword_of(element.tag) or f"{element.tag:08X}"
        if element.items is not None:
            found[key] = tuple(
                _attributes(walked, item.elements, _terms(walked, item.elements) or charsets)
                for item in element.items
            )
        elif _vr(element) == "SQ":
            found[key] = ()
        else:
            found[key] = _text(walked, element, charsets)
    return found


def _vr(element: Element) -> str:
    # A peer may write UN for what it does not know and the dictionary does (PS3.5 6.2.2).
    return implied_vr(element.tag) if element.vr == "UN" else element.vr


def _text(walked: Scan, element: Element, charsets: tuple[str, ...]) -> str:
    vr, raw = _vr(element), walked.raw(element)
    if vr in _IN_CHARSET:
        text = decode_as_declared(raw, vr, charsets)
        return text.rstrip(" \0") if vr in _LONG_TEXT else text.strip(" \0")
    if vr in _PLAIN_TEXT:
        return raw.decode("latin-1").strip(" \0")
    code = _NUMBERS.get(vr)
    if code is None:
        return ""
    order = ">" if walked.big_endian else "<"
    whole = len(raw) - len(raw) % struct.calcsize(order + code)
    return "\\".join(str(number) for (number,) in struct.iter_unpack(order + code, raw[:whole]))


def _texts(attributes: Attributes) -> Iterator[str]:
    for key, value in attributes.items():
        if isinstance(value, str):
            if key != SPECIFIC_CHARACTER_SET:
                yield value
        else:
            for item in value:
                yield from _texts(item)


class _Writer:
    def __init__(self, text: AnswerText, *, explicit: bool) -> None:
        self._text = text
        self._explicit = explicit

    def data_set(self, attributes: Attributes) -> bytes:
        tags = {tag: key for key in attributes if (tag := tag_of(key)) is not None}
        return b"".join(self._element(tag, attributes[tags[tag]]) for tag in sorted(tags))

    def _element(self, tag: int, value: Value) -> bytes:
        vr = implied_vr(tag)
        body = self._sequence(value) if isinstance(value, tuple) else self._value(tag, vr, value)
        group, number = tag >> 16, tag & 0xFFFF
        if not self._explicit:
            return _IMPLICIT.pack(group, number, len(body)) + body
        if vr in _LONG_FORM:
            return _LONG.pack(group, number, vr.encode(), len(body)) + body
        if len(body) > _SHORT_VALUE_MAX:
            raise Invalid(f"{tag:08x}: {len(body)} bytes", code="bad-value")
        return _SHORT.pack(group, number, vr.encode(), len(body)) + body

    def _sequence(self, items: tuple[Attributes, ...]) -> bytes:
        parts = []
        for item in items:
            body = self.data_set(item)
            parts.append(_ITEM.pack(0xFFFE, 0xE000, len(body)) + body)
        return b"".join(parts)

    def _value(self, tag: int, vr: str, text: str) -> bytes:
        if vr in _IN_CHARSET:
            raw = self._text.encode(text, vr)
        elif vr in _PLAIN_TEXT:
            raw = text.encode("ascii", "replace")
        elif vr in _NUMBERS and text:
            raw = _packed(tag, vr, text)
        else:
            raw = b""
        return raw + (b"\0" if vr == "UI" else b" ") * (len(raw) & 1)


def _packed(tag: int, vr: str, text: str) -> bytes:
    convert = float if vr in {"FL", "FD"} else int
    try:
        return b"".join(
            struct.pack("<" + _NUMBERS[vr], convert(number)) for number in text.split("\\")
        )
    except (ValueError, struct.error) as error:
        raise Invalid(f"{tag:08x}: no {vr}", code="bad-value") from error


__all__ = [
    "LIMITS",
    "Attributes",
    "BrokenDataset",
    "Message",
    "Value",
    "first_item",
    "items_of",
    "read_message",
    "text_of",
    "write_attributes",
]
