"""The same data set in another native form: implicit or explicit VR, either byte order.

Where source and target have one form the bytes are copied as they stand; else every element is
written anew and its value kept. Sequences and items keep the form of their length. Group lengths
(gggg,0000), which such a change makes wrong, are left out.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from kernel.dicom.elements import UNDEFINED, Element, Item, Scan
from kernel.dicom.part10 import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    LONG_VRS,
    BrokenDataset,
    chunks,
)

_LENGTH_TO_END: Final = 0x00080001
_ITEM: Final = (0xFFFE, 0xE000)
_ITEM_END: Final = (0xFFFE, 0xE00D)
_SEQUENCE_END: Final = (0xFFFE, 0xE0DD)
_SHORT_MAX: Final = 0xFFFF
_SWAPPED: Final = {
    **dict.fromkeys(("US", "SS", "OW", "AT"), 2),
    **dict.fromkeys(("UL", "SL", "FL", "OF", "OL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
_LONG: Final = frozenset(LONG_VRS.values())


def swap_width(vr: str) -> int:
    """Return how many bytes change places between the byte orders in a value of *vr*."""
    return _SWAPPED.get(vr, 1)


def swapped(value: bytes, width: int) -> bytes:
    """Return *value* with each *width* bytes reversed; a last part cell stays as it is."""
    whole = len(value) - len(value) % width
    if width == 1 or not whole:
        return value
    return np.frombuffer(value[:whole], f">u{width}").astype(f"<u{width}").tobytes() + value[whole:]


class Form(NamedTuple):
    """How the elements of a data set are written."""

    explicit: bool
    big: bool


FORMS: Final = {
    IMPLICIT_LE: Form(explicit=False, big=False),
    EXPLICIT_LE: Form(explicit=True, big=False),
    EXPLICIT_BE: Form(explicit=True, big=True),
}
_IMPLICIT: Final = FORMS[IMPLICIT_LE]


def own_form(scan: Scan) -> Form:
    """Return the form the data set of *scan* is in."""
    return Form(explicit=not scan.implicit, big=scan.big_endian)


class Value(NamedTuple):
    """What stands in an element instead of what stood there, in the target's byte order."""

    vr: str
    length: int
    """``UNDEFINED`` where *pieces* end in their own sequence delimiter."""
    pieces: Iterable[bytes]


def element_head(tag: int, vr: str, length: int, form: Form) -> bytes:
    """Return tag, VR and length of an element as *form* writes them (PS3.5 7.1)."""
    order = ">" if form.big else "<"
    group, number = tag >> 16, tag & 0xFFFF
    if not form.explicit:
        return struct.pack("<HHL", group, number, length)
    if vr in _LONG:
        return struct.pack(order + "HH2sHL", group, number, vr.encode(), 0, length)
    if length > _SHORT_MAX:
        # A value too long for its VR's length field goes as UN (PS3.5 6.2.2 note 2).
        return struct.pack(order + "HH2sHL", group, number, b"UN", 0, length)
    return struct.pack(order + "HH2sH", group, number, vr.encode(), length)


def rewrite(
    scan: Scan, *, form: Form, replace: Mapping[int, Value | None] | None = None
) -> Iterator[bytes]:
    """Yield the data set of *scan* in *form*.

    Args:
        scan: the data set; its source must stay readable while this runs.
        form: how to write it.
        replace: top-level elements to write with another value, or, where None, to leave out. A
            tag that is not there is put in where its number belongs.

    Raises:
        BrokenDataset: the source ends before what the scan saw (``truncated``).
    """
    replace = replace or {}
    missing = sorted((tag for tag in replace if scan.find(tag) is None), reverse=True)
    copier = _Copier(scan, form)
    for element in scan.elements:
        while missing and missing[-1] < element.tag:
            yield from copier.flush()
            tag = missing.pop()
            yield from _written(tag, replace[tag], form)
        if element.tag in replace:
            yield from copier.flush()
            yield from _written(element.tag, replace[element.tag], form)
        elif element.tag & 0xFFFF and element.tag != _LENGTH_TO_END:
            yield from copier.element(element)
    yield from copier.flush()
    for tag in reversed(missing):
        yield from _written(tag, replace[tag], form)


def _written(tag: int, value: Value | None, form: Form) -> Iterator[bytes]:
    if value is not None:
        yield element_head(tag, value.vr, value.length, form)
        yield from value.pieces


class _Copier:
    """Copies elements; in runs where the form stays, one by one where it changes."""

    def __init__(self, scan: Scan, form: Form) -> None:
        self._source = scan.source
        self._from = own_form(scan)
        self._form = form
        self._start = self._end = 0

    def element(self, element: Element) -> Iterator[bytes]:
        """Yield *element*, or remember it as part of a run."""
        if self._from != self._form:
            yield from self._changed(element, self._from, self._form)
            return
        if element.offset != self._end:
            yield from self.flush()
            self._start = element.offset
        self._end = element.end

    def flush(self) -> Iterator[bytes]:
        """Yield the run so far."""
        yield from chunks(self._source, self._start, self._end)
        self._start = self._end = 0

    def _changed(self, element: Element, old: Form, new: Form) -> Iterator[bytes]:
        tag, vr = element.tag, element.vr
        if element.items is not None:
            yield from self._sequence(element, element.items, old, new)
        elif element.fragments is not None:
            raise BrokenDataset("wrong-length", "an encapsulated value has no other native form")
        else:
            yield element_head(tag, vr, element.length, new)
            width = swap_width(vr) if old.big != new.big else 1
            for piece in chunks(self._source, element.value_offset, element.end):
                yield swapped(piece, width)

    def _sequence(
        self, element: Element, items: tuple[Item, ...], old: Form, new: Form
    ) -> Iterator[bytes]:
        if element.vr == "UN":
            # The items of a UN are in implicit VR little endian wherever it stands.
            old, inner = _IMPLICIT, _IMPLICIT
        else:
            inner = new
        length = UNDEFINED if element.undefined else sum(_item_size(i, inner) for i in items)
        yield element_head(element.tag, element.vr, length, new)
        for item in items:
            inside = UNDEFINED if item.undefined else _elements_size(item, inner)
            yield _delimiter(_ITEM, inside, inner)
            for one in item.elements:
                if one.tag & 0xFFFF:
                    yield from self._changed(one, old, inner)
            if item.undefined:
                yield _delimiter(_ITEM_END, 0, inner)
        if element.undefined:
            yield _delimiter(_SEQUENCE_END, 0, inner)


def _delimiter(tag: tuple[int, int], length: int, form: Form) -> bytes:
    return struct.pack(">HHL" if form.big else "<HHL", *tag, length)


def _item_size(item: Item, form: Form) -> int:
    return 8 + _elements_size(item, form) + (8 if item.undefined else 0)


def _elements_size(item: Item, form: Form) -> int:
    return sum(_element_size(element, form) for element in item.elements if element.tag & 0xFFFF)


def _element_size(element: Element, form: Form) -> int:
    head = len(element_head(element.tag, element.vr, min(element.length, UNDEFINED), form))
    if element.items is None:
        return head + element.length
    inner = _IMPLICIT if element.vr == "UN" else form
    end = 8 if element.undefined else 0
    return head + sum(_item_size(item, inner) for item in element.items) + end
