"""DICOM JSON (PS3.18 Annex F) of a walked data set, made once, when an instance is filed.

An encoder writes the JSON of each element by itself and keeps what it wrote: the instances of a
series differ in a handful of elements, so most of the second one is looked up, not made.
"""

import base64
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from kernel.dicom.dataset import sequence_in
from kernel.dicom.dictionary import implied_vr
from kernel.dicom.elements import PIXEL_TAGS, Element, Item, Scan
from kernel.dicom.header import decode_text
from kernel.dicom.part10 import Source

INLINE_MAX_BYTES: Final = 1024
"""Longer values of binary VRs are given by address."""
TEXT_MAX_BYTES: Final = 1 << 20
"""Longer values of text VRs are given by address too."""
NUMBERS_MAX_BYTES: Final = 64 << 10
"""Longer values of numeric VRs are given by address."""

_KEPT_RAW_BYTES: Final = 512
_KEPT_OVERHEAD_BYTES: Final = 200
_KEPT_BYTES_IN_ALL: Final = 8 << 20
_SPECIFIC_CHARACTER_SET: Final = 0x00080005
_LENGTH_TO_END: Final = 0x00080001

_WHOLE_TEXT: Final = frozenset({"LT", "ST", "UT", "UR"})
_ENCODED: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs in the data set's character set; the others are ASCII (PS3.5 6.1.2.3)."""
_NUMBERS: Final = {
    "FL": "f", "FD": "d", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q",
}  # fmt: skip
_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_SAFE_INTEGER: Final = 2**53
_EXACT_DIGITS: Final = 15
_PN_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_encode: Final = msgspec.json.Encoder().encode

BulkAddress = Callable[[str], str]
"""Gives the BulkDataURI of a value by its path: tag, item number from 0, tag, ..."""


class DatasetEncoder:
    """Turns walked data sets into DICOM JSON; for one thread at a time.

    What it keeps between objects is bounded and only saves time: the JSON of a data set does not
    depend on what came before.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[tuple[str, ...], str], dict[tuple[int, str, bytes], bytes]] = {}
        self._kept_bytes = 0

    def encode(
        self,
        scan: Scan,
        *,
        charsets: Sequence[str],
        charset_hint: str = "",
        bulk_address: BulkAddress,
        supplied_uids: Mapping[int, str] = MappingProxyType({}),
    ) -> bytes:
        """Return the JSON object of *scan*'s data set, in UTF-8.

        Group lengths are left out; Specific Character Set says ISO_IR 192 where any text is not
        ASCII or a set was declared. Values that are not of their VR stay text.

        Args:
            scan: the walked data set.
            charsets: Specific Character Set as declared.
            charset_hint: what the sender's text really is, where that is known.
            bulk_address: where values too long for JSON can be fetched.
            supplied_uids: by tag, what stands for a UID the data set does not have.
        """
        walk = _Walk(self, scan.source, tuple(charsets), charset_hint, bulk_address)
        parts = walk.members(scan.elements, big_endian=scan.big_endian, path="")
        added = {tag: _uid_member(tag, uid) for tag, uid in supplied_uids.items()}
        if walk.beyond_ascii and scan.find(_SPECIFIC_CHARACTER_SET) is None:
            added[_SPECIFIC_CHARACTER_SET] = _CHARSET_MEMBER
        if added:
            own = {part[1:9]: part for part in parts}
            own.update({b"%08X" % tag: part for tag, part in added.items()})
            parts = [part for _, part in sorted(own.items())]
        return b"{" + b",".join(parts) + b"}"

    def kept(self, charsets: tuple[str, ...], hint: str) -> dict[tuple[int, str, bytes], bytes]:
        """Return what was already made for text of these character sets."""
        if self._kept_bytes > _KEPT_BYTES_IN_ALL:
            self._kept.clear()
            self._kept_bytes = 0
        return self._kept.setdefault((charsets, hint), {})

    def count(self, added_bytes: int) -> None:
        """Count what a walk has added to what is kept."""
        self._kept_bytes += added_bytes


_CHARSET_MEMBER: Final = b'"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'


def _uid_member(tag: int, uid: str) -> bytes:
    return b'"%08X":{"vr":"UI","Value":["%s"]}' % (tag, uid.encode("ascii"))


def _varies(element: Element) -> bool:
    """Return whether the JSON of *element* depends on more than its bytes."""
    return (
        element.items is not None
        or element.fragments is not None
        or element.tag in PIXEL_TAGS
        or (element.vr == "UN" and implied_vr(element.tag) == "SQ")
    )


def _by_address(element: Element, vr: str) -> bool:
    """Return whether the value is too long, or not of the kind, to stand in JSON."""
    if vr in _BINARY:
        most = INLINE_MAX_BYTES
    else:
        most = NUMBERS_MAX_BYTES if vr in _NUMBERS else TEXT_MAX_BYTES
    return element.length > most or element.tag in PIXEL_TAGS or element.fragments is not None


def bulk_paths(scan: Scan) -> Iterator[tuple[int, ...]]:
    """Yield the path (tag, item number from 0, tag, ...) of each value JSON gives by address."""
    return _bulk_paths(scan.source, scan.elements, ())


def _bulk_paths(
    source: Source, elements: Iterable[Element], above: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    for element in elements:
        tag = element.tag
        vr = implied_vr(tag) if element.vr == "UN" else element.vr
        items = element.items
        if items is None and vr == "SQ":
            items = sequence_in(source, element)
            vr = "UN"
        if items is not None:
            for index, item in enumerate(items):
                yield from _bulk_paths(source, item.elements, (*above, tag, index))
        elif tag & 0xFFFF and _by_address(element, vr):
            yield (*above, tag)


class _Walk:
    """One data set on its way into JSON."""

    def __init__(
        self,
        encoder: DatasetEncoder,
        source: Source,
        charsets: tuple[str, ...],
        hint: str,
        bulk_address: BulkAddress,
    ) -> None:
        self.beyond_ascii = False
        self._encoder = encoder
        self._source = source
        self._charsets = charsets
        self._hint = hint
        self._bulk_address = bulk_address
        self._kept = encoder.kept(charsets, hint)

    def members(self, elements: Iterable[Element], *, big_endian: bool, path: str) -> list[bytes]:
        """Return ``"GGGGEEEE":{...}`` for each element that belongs into JSON."""
        read, kept = self._source.read, self._kept
        parts: list[bytes] = []
        last, ordered = -1, True
        for element in elements:
            tag, length = element.tag, element.length
            ordered = ordered and tag > last
            last = tag
            if length > _KEPT_RAW_BYTES or big_endian or _varies(element):
                found = self._member(element, big_endian=big_endian, path=path)
            else:
                raw = read(element.value_offset, length) if length else b""
                known = kept.get((tag, element.vr, raw))
                if known is None:
                    found = self._member(element, big_endian=False, path=path)
                    kept[(tag, element.vr, raw)] = found
                    self._encoder.count(len(raw) + len(found) + _KEPT_OVERHEAD_BYTES)
                else:
                    found = known
                if not self.beyond_ascii and not found.isascii():
                    self.beyond_ascii = True
            if found:
                parts.append(found)
        if not ordered:
            # The last of a tag that is there twice is the one that counts, as everywhere.
            parts = [part for _, part in sorted({part[1:9]: part for part in parts}.items())]
        return parts

    def _member(self, element: Element, *, big_endian: bool, path: str) -> bytes:
        tag = element.tag
        if tag & 0xFFFF == 0 or tag == _LENGTH_TO_END:
            return b""
        name = f"{tag:08X}"
        if tag == _SPECIFIC_CHARACTER_SET:
            return _CHARSET_MEMBER if element.length else b'"00080005":{"vr":"CS"}'
        # What is or hides in UN is in implicit VR little endian, whatever encloses it (PS3.5
        # 6.2.2); many archives write public elements so.
        big_endian = big_endian and element.vr != "UN"
        vr = implied_vr(tag) if element.vr == "UN" else element.vr
        items = element.items
        if items is None and vr == "SQ":
            items = sequence_in(self._source, element)
            vr = "UN"
        if items is not None:
            vr = "SQ"
            body = self._sequence(items, big_endian=big_endian, path=f"{path}{name}")
        else:
            body = self._value(element, vr, big_endian=big_endian, path=f"{path}{name}")
        if not body.isascii():
            self.beyond_ascii = True
        return b'"%s":{"vr":"%s"%s}' % (name.encode(), vr.encode(), body)

    def _sequence(self, items: Sequence[Item], *, big_endian: bool, path: str) -> bytes:
        made = []
        for index, item in enumerate(items):
            inner = self._of_item(item)
            parts = inner.members(item.elements, big_endian=big_endian, path=f"{path}/{index}/")
            self.beyond_ascii = self.beyond_ascii or inner.beyond_ascii
            made.append(b"{" + b",".join(parts) + b"}")
        return b',"Value":[' + b",".join(made) + b"]" if made else b""

    def _of_item(self, item: Item) -> "_Walk":
        declared = item.find(_SPECIFIC_CHARACTER_SET)
        if declared is None or not declared.length:
            return self
        raw = self._source.read(declared.value_offset, min(declared.length, _KEPT_RAW_BYTES))
        charsets = tuple(part.strip(" \0") for part in raw.decode("latin-1").split("\\"))
        return _Walk(self._encoder, self._source, charsets, self._hint, self._bulk_address)

    def _value(self, element: Element, vr: str, *, big_endian: bool, path: str) -> bytes:
        length = element.length
        if _by_address(element, vr):
            return b',"BulkDataURI":' + _encode(self._bulk_address(path))
        if length == 0:
            return b""
        raw = self._source.read(element.value_offset, length)
        if vr in _BINARY:
            told = _little(raw, vr) if big_endian else raw
            return b',"InlineBinary":"%s"' % base64.b64encode(told)
        values = self._values(vr, raw, ">" if big_endian else "<")
        if all(value is None for value in values):
            return b""
        return b',"Value":' + _encode(values)

    def _values(self, vr: str, raw: bytes, order: str) -> list[Any]:
        if vr in _NUMBERS:
            return _numbers(raw, _NUMBERS[vr], order)
        if vr == "AT":
            pairs = _numbers(raw[: len(raw) // 4 * 4], "H", order)
            return [f"{pairs[at]:04X}{pairs[at + 1]:04X}" for at in range(0, len(pairs), 2)]
        text = self._text(raw, vr)
        if vr in _WHOLE_TEXT:
            whole = text.rstrip(" \0")
            return [whole] if whole else []
        read = _READ_TEXT.get(vr, _plain)
        return [read(piece.strip(" \0")) for piece in text.split("\\")]

    def _text(self, raw: bytes, vr: str) -> str:
        if raw.isascii() and b"\x1b" not in raw:
            return raw.decode("ascii")
        if vr in _ENCODED:
            return decode_text(raw, vr, self._charsets, hint=self._hint)
        return raw.decode("latin-1")


def _numbers(raw: bytes, letter: str, order: str) -> list[Any]:
    width = struct.calcsize(f"{order}{letter}")
    count = len(raw) // width
    values: list[Any] = list(struct.unpack_from(f"{order}{count}{letter}", raw))
    if letter in "fd":
        return [value if math.isfinite(value) else _not_finite(value) for value in values]
    if letter in "qQ":
        # Digits beyond a double's would be lost in most readers (PS3.18 F.2.3.1).
        return [value if abs(value) <= _SAFE_INTEGER else str(value) for value in values]
    return values


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _little(raw: bytes, vr: str) -> bytes:
    """Return *raw*, words in big endian, as JSON carries them: little endian (PS3.18 F.2.7)."""
    width = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}.get(vr, 1)
    if width == 1 or len(raw) % width:
        return raw
    return b"".join(raw[at : at + width][::-1] for at in range(0, len(raw), width))


def _integer_string(text: str) -> int | str | None:
    if not text:
        return None
    try:
        value = int(text) if text.isascii() and "_" not in text else None
    except ValueError:
        value = None
    return text if value is None or abs(value) > _SAFE_INTEGER else value


def _decimal_string(text: str) -> float | int | str | None:
    if not text:
        return None
    if not text.isascii() or "_" in text:
        return text
    try:
        whole = text.lstrip("+-").isdigit() and len(text) <= _EXACT_DIGITS
        return int(text) if whole else _finite(text)
    except ValueError:
        return text


def _finite(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def person_name(text: str) -> dict[str, str] | None:
    """Return a PN value as its JSON object; None where it is empty."""
    groups = (group.strip(" \0") for group in text.split("=", 2))
    named = {name: group for name, group in zip(_PN_GROUPS, groups, strict=False) if group}
    return named or None


def _plain(text: str) -> str | None:
    return text or None


_READ_TEXT: Final[Mapping[str, Callable[[str], Any]]] = {
    "PN": person_name,
    "IS": _integer_string,
    "DS": _decimal_string,
}
