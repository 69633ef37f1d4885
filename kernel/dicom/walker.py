"""The walk itself: one pass over untrusted bytes, within a budget of depth, count and bytes."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from kernel.dicom.dictionary import US_OR_SS, implied_vr, vr_table
from kernel.dicom.elements import (
    PIXEL_DATA,
    UNDEFINED,
    Element,
    Fragment,
    Item,
    Limits,
    find_in,
)
from kernel.dicom.part10 import LONG_VRS, SHORT_VRS, BrokenDataset, Source

_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
_DELIMITERS: Final = 0xFFFE
_NUMBER_OF_FRAMES: Final = 0x00280008
_PIXEL_REPRESENTATION: Final = 0x00280103
_WINDOW: Final = 1 << 16
_JUMP_WINDOW: Final = 1 << 12
# What one frame takes at least: of the pixel data, and, while that is still to come, of the rest
# of the object, in which elements could otherwise back themselves.
_FRAME_MIN_BYTES: Final = 1024
_FRAME_LEFT_BYTES: Final = 4096
_PAD: Final = b"\0" * 12
# What the walk may take as it stands; the VRs left out depend on another element.
_IMPLIED: Final = {tag: vr for tag, vr in vr_table().items() if tag not in US_OR_SS}


@dataclass(frozen=True, slots=True)
class Mode:
    """How element headers are written, and the 32-bit lengths among them."""

    header: Callable[[bytes, int], tuple[Any, ...]]
    long: Callable[[bytes, int], tuple[Any, ...]]
    explicit: bool = True


AS_EXPLICIT_LE: Final = Mode(struct.Struct("<HH2sH").unpack_from, struct.Struct("<L").unpack_from)
AS_EXPLICIT_BE: Final = Mode(struct.Struct(">HH2sH").unpack_from, struct.Struct(">L").unpack_from)
AS_IMPLICIT_LE: Final = Mode(
    struct.Struct("<HHL").unpack_from, struct.Struct("<L").unpack_from, explicit=False
)
_TAG: Final = struct.Struct("<HH").unpack_from
_TAG_BE: Final = struct.Struct(">HH").unpack_from


class Walker:
    """One walk over one source, through a window that only moves forward."""

    __slots__ = (
        "_allowed",
        "_base",
        "_buf",
        "_count",
        "_limits",
        "_safe",
        "_size",
        "_source",
        "_walked",
        "top",
    )

    def __init__(self, source: Source, limits: Limits) -> None:
        self._source = source
        self._size = source.size
        self._limits = limits
        self._buf = b""
        self._base = 0
        # The last position at which a whole element header lies in the window.
        self._safe = -1
        self._count = 0
        self._allowed = limits.elements
        self._walked = 0
        self.top: list[Element] = []

    def _fill(self, pos: int) -> None:
        """Move the window to *pos*; small after a jump, for then little of it will be used."""
        follows = 0 < pos <= self._base + len(self._buf)
        data = self._source.read(pos, _WINDOW if follows or pos < _WINDOW else _JUMP_WINDOW)
        self._walked += len(data)
        if self._walked > self._limits.header_bytes:
            most = self._limits.header_bytes
            raise BrokenDataset("too-large-header", f"more than {most} bytes of elements")
        if pos + len(data) >= self._size:
            data += _PAD
        self._base = pos
        self._buf = data
        self._safe = pos + len(data) - len(_PAD)

    def _spend(self, count: int) -> None:
        self._count += count
        if self._count <= self._allowed:
            return
        self._allowed = self._budget(self._size - self._base, _FRAME_LEFT_BYTES)
        if self._count > self._allowed:
            self._too_many()

    def settle(self, pixel_bytes: int) -> None:
        """Hold the whole walk to what *pixel_bytes* of pixel data really back.

        Raises:
            BrokenDataset: more elements than that (``too-many-elements``).
        """
        if self._count <= self._limits.elements:
            return
        if self._count > self._budget(pixel_bytes, _FRAME_MIN_BYTES):
            self._too_many()

    def _budget(self, data_bytes: int, frame_bytes: int) -> int:
        """Return the budget with what is granted for the frames *data_bytes* can back."""
        element = find_in(self.top, _NUMBER_OF_FRAMES)
        raw = b"" if element is None else self._source.read(element.value_offset, 12)
        text = raw[: min(element.length, 12)].strip(b" \0") if element is not None else b""
        frames = int(text) if text.isdigit() else 1
        granted = self._limits.elements_per_frame * min(frames, max(0, data_bytes) // frame_bytes)
        return min(self._limits.elements + granted, self._limits.elements_most)

    def _too_many(self) -> NoReturn:
        raise BrokenDataset("too-many-elements", f"{self._count} elements and items, or more")

    def _overrun(self, tag: int, at: int, end: int) -> NoReturn:
        where = f"element {tag >> 16:04x},{tag & 0xFFFF:04x} at byte {at}"
        if end >= self._size:
            raise BrokenDataset("truncated", f"{where} ends after the object")
        raise BrokenDataset("wrong-length", f"{where} ends after what encloses it")

    def elements(self, out: list[Element], pos: int, end: int, mode: Mode, depth: int) -> int:
        """Append the elements from *pos* to exactly *end* and return *end*.

        A negative *end* means: to the item delimiter, at the latest ``-end``; returned is then
        the position after the delimiter.
        """
        if depth > self._limits.depth:
            raise BrokenDataset("too-deep", f"more than {self._limits.depth} levels of sequences")
        stop = abs(end)
        if mode.explicit:
            pos = self._explicit(out, pos, stop, mode, depth)
        else:
            pos = self._implicit(out, pos, stop, mode, depth)
        if pos < 0:
            if end < 0:
                return -pos
            raise BrokenDataset(
                "wrong-length", f"an item delimiter out of place before byte {-pos}"
            )
        if pos > stop and not (depth == 0 and self._drop_trailing_zeros(out)):
            self._overrun(out[-1].tag, out[-1].offset, stop)
        if end < 0:
            self._overrun(_ITEM_END, pos, stop)
        return stop

    def _explicit(self, out: list[Element], pos: int, stop: int, mode: Mode, depth: int) -> int:
        """Append elements up to *stop*; return where they end, negative after an item delimiter."""
        header, short, append = mode.header, SHORT_VRS, out.append
        buf, base, safe, spent = self._buf, self._base, self._safe, len(out)
        while pos < stop:
            if pos > safe:
                self._spend(len(out) - spent)
                spent = len(out)
                self._fill(pos)
                buf, base, safe = self._buf, self._base, self._safe
            group, number, code, length = header(buf, pos - base)
            vr = short.get(code)
            if vr is not None:
                value = pos + 8
                append(Element(group << 16 | number, vr, pos, value, length))
                pos = value + length
                continue
            tag = group << 16 | number
            if tag == _ITEM_END:
                self._spend(len(out) - spent)
                return -(pos + 8)
            self._spend(len(out) - spent)
            spent = len(out)
            element = self._long(tag, code, pos, stop, mode, depth)
            append(element)
            pos = element.value_offset + element.length
            buf, base, safe = self._buf, self._base, self._safe
        self._spend(len(out) - spent)
        return pos

    def _implicit(self, out: list[Element], pos: int, stop: int, mode: Mode, depth: int) -> int:
        """As ``_explicit``, for elements whose VR only the dictionary knows."""
        header, implied, append = mode.header, _IMPLIED, out.append
        buf, base, safe, spent = self._buf, self._base, self._safe, len(out)
        while pos < stop:
            if pos > safe:
                self._spend(len(out) - spent)
                spent = len(out)
                self._fill(pos)
                buf, base, safe = self._buf, self._base, self._safe
            group, number, length = header(buf, pos - base)
            tag = group << 16 | number
            vr = implied.get(tag)
            if vr is None and group & 1:
                vr = implied_vr(tag)
            if vr is not None and vr != "SQ" and length != UNDEFINED:
                value = pos + 8
                append(Element(tag, vr, pos, value, length))
                pos = value + length
                continue
            if tag == _ITEM_END:
                self._spend(len(out) - spent)
                return -(pos + 8)
            self._spend(len(out) - spent)
            spent = len(out)
            head = Element(tag, vr or self._open_vr(tag, out), pos, pos + 8, length)
            element = self._value(head, stop, mode, depth)
            append(element)
            pos = element.value_offset + element.length
            buf, base, safe = self._buf, self._base, self._safe
        self._spend(len(out) - spent)
        return pos

    def _long(self, tag: int, code: bytes, pos: int, stop: int, mode: Mode, depth: int) -> Element:
        """Return the element at *pos* of an explicit data set whose VR is not of the short form."""
        if pos + 8 > stop:
            return Element(tag, "UN", pos, pos + 8, 0)
        rel = pos - self._base
        vr = LONG_VRS.get(code)
        if vr is not None:
            (length,) = mode.long(self._buf, rel + 8)
            return self._value(Element(tag, vr, pos, pos + 12, length), stop, mode, depth)
        if code.isalpha() and code.isupper():
            # A VR newer than this table has the long form (PS3.5 6.2), but devices that invent
            # one write the short form: a length where the reserved zeros must be tells.
            (length,) = mode.long(self._buf, rel + 8)
            if self._buf[rel + 6 : rel + 8] == b"\0\0" and pos + 12 + length <= stop:
                return Element(tag, "UN", pos, pos + 12, length)
            return Element(tag, "UN", pos, pos + 8, mode.header(self._buf, rel)[3])
        # Some devices slip into implicit VR in the middle of an explicit data set.
        (length,) = mode.long(self._buf, rel + 4)
        if length != UNDEFINED and pos + 8 + length > stop and tag:
            raise BrokenDataset("bad-vr", f"no VR where one must be, at byte {pos + 4}")
        head = Element(tag, implied_vr(tag), pos, pos + 8, length)
        return self._value(head, stop, AS_IMPLICIT_LE, depth)

    def _open_vr(self, tag: int, out: list[Element]) -> str:
        vr = implied_vr(tag)
        if tag in US_OR_SS:
            element = find_in(out, _PIXEL_REPRESENTATION) or find_in(
                self.top, _PIXEL_REPRESENTATION
            )
            if element and self._source.read(element.value_offset, 2) == b"\1\0":
                return "SS"
        return vr

    def _value(self, head: Element, stop: int, mode: Mode, depth: int) -> Element:
        """Return *head* with the structure of its value, if it has one."""
        tag, vr, value = head.tag, head.vr, head.value_offset
        if tag >> 16 == _DELIMITERS and (tag != SEQUENCE_END or depth):
            raise BrokenDataset("wrong-length", f"a delimiter out of place at byte {head.offset}")
        if value > stop:
            return Element(tag, vr, head.offset, value, 0)
        if head.length != UNDEFINED:
            if value + head.length > stop:
                self._overrun(tag, head.offset, stop)
            if vr != "SQ":
                return head
            items, _ = self.items(value, value + head.length, mode, depth)
            return Element(tag, vr, head.offset, value, head.length, items)
        if tag == PIXEL_DATA or vr in {"OB", "OW"}:
            fragments, end = self._fragments(value, stop, mode)
            length = end - value
            return Element(tag, vr, head.offset, value, length, None, fragments, undefined=True)
        if mode.explicit and vr not in {"SQ", "UN"}:
            raise BrokenDataset("wrong-length", f"a value of VR {vr} must state its length")
        if vr == "UN" and mode.explicit:
            # Whatever the data set, the items inside are in implicit VR little endian (PS3.5
            # 6.2.2).
            items, end = self.items(value, -stop, AS_IMPLICIT_LE, depth)
        else:
            vr = "SQ"
            items, end = self.items(value, -stop, mode, depth)
        return Element(tag, vr, head.offset, value, end - value, items, undefined=True)

    def _header(self, pos: int, stop: int, mode: Mode) -> tuple[int, int]:
        """Return tag and length of the item tag or delimiter at *pos*."""
        if pos + 8 > stop:
            self._overrun(_ITEM, pos, stop)
        if pos > self._safe:
            self._fill(pos)
        rel = pos - self._base
        group, number = _TAG_BE(self._buf, rel) if mode is AS_EXPLICIT_BE else _TAG(self._buf, rel)
        return group << 16 | number, mode.long(self._buf, rel + 4)[0]

    def items(self, pos: int, end: int, mode: Mode, depth: int) -> tuple[tuple[Item, ...], int]:
        """Return the items from *pos*, and where the sequence ends; *end* as in ``elements``."""
        items: list[Item] = []
        stop = abs(end)
        while pos < stop or end < 0:
            tag, length = self._header(pos, stop, mode)
            if tag == SEQUENCE_END and (end < 0 or pos + 8 == stop):
                return tuple(items), pos + 8
            if tag != _ITEM:
                raise BrokenDataset("wrong-length", f"no sequence item where one must be, at {pos}")
            undefined = length == UNDEFINED
            if not undefined and pos + 8 + length > stop:
                self._overrun(_ITEM, pos, stop)
            elements: list[Element] = []
            self._spend(1)
            start, pos = pos, pos + 8
            if length:
                pos = self.elements(
                    elements, pos, -stop if undefined else pos + length, mode, depth + 1
                )
            items.append(Item(start, tuple(elements), undefined))
        return tuple(items), stop

    def _fragments(self, pos: int, stop: int, mode: Mode) -> tuple[tuple[Fragment, ...], int]:
        """Return the fragments from *pos*, the offset table first, and where their value ends."""
        fragments: list[Fragment] = []
        walked = self._walked
        while True:
            tag, length = self._header(pos, stop, mode)
            if tag == SEQUENCE_END:
                self._walked = walked
                return tuple(fragments), pos + 8
            if tag != _ITEM or length == UNDEFINED:
                raise BrokenDataset("wrong-length", f"no fragment where one must be, at byte {pos}")
            pos += 8
            if pos + length > stop:
                self._overrun(PIXEL_DATA, pos, stop)
            self._spend(1)
            # Looking for the next fragment is no walk through elements.
            self._walked = walked
            fragments.append(Fragment(pos, length))
            pos += length

    def _drop_trailing_zeros(self, out: list[Element]) -> bool:
        """Forget the half element that zeros after the data set look like, if it is one."""
        last = out[-1].offset
        if last + 8 <= self._size or self._source.read(last, 8).strip(b"\0"):
            return False
        out.pop()
        return True
