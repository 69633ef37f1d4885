"""A data set in Explicit VR Little Endian out of DICOM JSON (PS3.18 F), as it is written.

The other way round than ``dicom_json``: for clients that store metadata and bulk values apart.
Nothing is read from an address: bulk values are those that came along.
"""

import base64
import binascii
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kernel.dicom.part10 import EXPLICIT_LE, BrokenDataset, Source, chunks

_SHORT: Final = frozenset(
    [
        "AE",
        "AS",
        "AT",
        "CS",
        "DA",
        "DS",
        "DT",
        "FD",
        "FL",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "SL",
        "SS",
        "ST",
        "TM",
        "UI",
        "UL",
        "US",
    ]
)
_LONG: Final = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SV", "UC", "UN", "UR", "UT", "UV"])
_NUMBERS: Final = {
    "FL": "f", "FD": "d", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q",
}  # fmt: skip
_ZERO_PADDED: Final = frozenset({"UI", "OB", "UN"})
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_CHARSET: Final = 0x00080005
_PIXEL_DATA: Final = 0x7FE00010
_SHORT_MAX: Final = 0xFFFE
_LONG_MAX: Final = 0xFFFFFFFE
_UNDEFINED: Final = b"\xff\xff\xff\xff"
_ITEM, _ITEM_END, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
_NOTHING: Final = b"\0\0\0\0"
_DEPTH_MAX: Final = 30
_DS_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Bulk:
    """A value that came beside the metadata."""

    source: Source
    size: int
    transfer_syntax_uid: str = ""
    """Of one compressed frame; empty for plain octets."""


BulkFor = Callable[[str], Bulk]
"""Gives the value a BulkDataURI names; raises ``BrokenDataset`` where none came."""


def pieces(dataset: Mapping[str, Any], bulk_for: BulkFor) -> Iterator[bytes]:
    """Yield the data set in its order, with Specific Character Set ISO_IR 192.

    Group lengths and groups that belong to a file's head are left out. Sequences have undefined
    length, so that nothing is held but one element.

    Raises:
        BrokenDataset: it is no DICOM JSON object (``invalid-metadata``), or names a bulk value
            that did not come (``no-such-bulk-value``).
    """
    told = {**dataset, f"{_CHARSET:08X}": {"vr": "CS", "Value": ["ISO_IR 192"]}}
    yield from _elements(told, bulk_for, 0)


def _elements(dataset: Mapping[str, Any], bulk_for: BulkFor, depth: int) -> Iterator[bytes]:
    if depth > _DEPTH_MAX:
        raise _broken("nested too deep")
    for name in sorted(dataset):
        tag, element = _tag(name), dataset[name]
        if tag >> 16 < 8 or tag & 0xFFFF == 0:  # noqa: PLR2004
            continue
        if not isinstance(element, Mapping) or not isinstance(element.get("vr"), str):
            raise _broken(f"{name} has no vr")
        yield from _element(tag, element, bulk_for, depth)


def _element(
    tag: int, element: Mapping[str, Any], bulk_for: BulkFor, depth: int
) -> Iterator[bytes]:
    vr = element["vr"]
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode("ascii", "replace")
    if vr == "SQ":
        yield head + b"\0\0" + _UNDEFINED
        for item in _values(element):
            if not isinstance(item, Mapping):
                raise _broken(f"an item of {tag:08X} is no object")
            yield _ITEM + _UNDEFINED
            yield from _elements(item, bulk_for, depth + 1)
            yield _ITEM_END + _NOTHING
        yield _END + _NOTHING
        return
    if vr not in _SHORT and vr not in _LONG:
        raise _broken(f"{tag:08X} has no VR of DICOM")
    if "BulkDataURI" in element:
        yield from _bulk(tag, head, vr, bulk_for(str(element["BulkDataURI"])))
        return
    value = _inline(tag, element) if "InlineBinary" in element else _encoded(tag, vr, element)
    value += (b"\0" if vr in _ZERO_PADDED else b" ") * (len(value) % 2)
    yield _headed(tag, head, vr, len(value)) + value


def _headed(tag: int, head: bytes, vr: str, length: int) -> bytes:
    if length > (_SHORT_MAX if vr in _SHORT else _LONG_MAX):
        raise _broken(f"the value of {tag:08X} is too long for its VR")
    return head + (
        struct.pack("<H", length) if vr in _SHORT else b"\0\0" + struct.pack("<I", length)
    )


def _bulk(tag: int, head: bytes, vr: str, value: Bulk) -> Iterator[bytes]:
    padding = b"\0" * (value.size % 2)
    if tag == _PIXEL_DATA and is_compressed(value):
        length = struct.pack("<I", value.size + len(padding))
        yield head[:4] + b"OB\0\0" + _UNDEFINED + _ITEM + _NOTHING + _ITEM + length
        yield from chunks(value.source, 0, value.size)
        yield padding + _END + _NOTHING
        return
    yield _headed(tag, head, vr, value.size + len(padding))
    yield from chunks(value.source, 0, value.size)
    yield padding


def is_compressed(value: Bulk) -> bool:
    """Whether *value* is a code stream."""
    return value.transfer_syntax_uid not in ("", EXPLICIT_LE)


def _inline(tag: int, element: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(element["InlineBinary"], validate=True)
    except (TypeError, ValueError, binascii.Error) as exc:
        raise _broken(f"InlineBinary of {tag:08X} is not base64") from exc


def _encoded(tag: int, vr: str, element: Mapping[str, Any]) -> bytes:
    values = _values(element)
    try:
        if vr in _NUMBERS:
            return struct.pack(f"<{len(values)}{_NUMBERS[vr]}", *map(_number(vr), values))
        if vr == "AT":
            return b"".join(
                struct.pack("<HH", each >> 16, each & 0xFFFF) for each in map(_tag, values)
            )
        if vr == "PN":
            text = "\\".join(map(_name, values))
        else:
            text = "\\".join("" if each is None else _text(vr, each) for each in values)
        return text.encode()
    except (TypeError, ValueError, struct.error, OverflowError) as exc:
        raise _broken(f"a value of {tag:08X} is none of its VR") from exc


def _number(vr: str) -> Callable[[Any], float | int]:
    return float if vr in {"FL", "FD"} else int


def _text(vr: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if vr not in {"DS", "IS"} or isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(vr)
    text = repr(value)
    return text if len(text) <= _DS_MAX else f"{value:.10g}"


def _name(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, Mapping):
        raise TypeError("PN")
    return "=".join(str(value.get(group, "")) for group in _GROUPS).rstrip("=")


def _values(element: Mapping[str, Any]) -> Sequence[Any]:
    values = element.get("Value", [])
    if not isinstance(values, list):
        raise _broken("Value is no array")
    return values


def _tag(name: Any) -> int:
    if not isinstance(name, str) or len(name) != 8:  # noqa: PLR2004
        raise _broken("a tag is eight hex digits")
    try:
        return int(name, 16)
    except ValueError as exc:
        raise _broken("a tag is eight hex digits") from exc


def _broken(why: str) -> BrokenDataset:
    return BrokenDataset("invalid-metadata", why)
