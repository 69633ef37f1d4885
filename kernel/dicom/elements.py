"""What a walk over a data set finds: elements, items, fragments, and where each lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from kernel.dicom.part10 import Source

PIXEL_DATA: Final = 0x7FE00010
PIXEL_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
"""Float Pixel Data, Double Float Pixel Data, Pixel Data."""
UNDEFINED: Final = 0xFFFFFFFF
VALUE_MAX_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of an object's structure we are willing to walk."""

    depth: int = 32
    elements: int = 200_000
    elements_per_frame: int = 400
    """Granted on top for each declared frame that data in the object can back."""
    elements_most: int = 1_000_000
    header_bytes: int = 256 << 20
    """Bytes walked; bulk values passed over by their length do not count."""
    inflated_min_bytes: int = 64 << 20
    inflated_ratio: int = 20


DEFAULT: Final = Limits()


class Fragment(msgspec.Struct, frozen=True, gc=False):
    """One fragment of an encapsulated value."""

    offset: int
    length: int


class Element(msgspec.Struct, frozen=True, gc=False):
    """Where one data element lies. Offsets are into ``Scan.source``."""

    tag: int
    vr: str
    """As encoded; in implicit VR from the dictionary, UN where that has no entry."""
    offset: int
    """Of its first byte, the tag."""
    value_offset: int
    length: int
    """Bytes from ``value_offset`` to the next element, with delimiter if it has one."""
    items: "tuple[Item, ...] | None" = None
    """Of a sequence (also one hidden in UN of undefined length), else None."""
    fragments: tuple[Fragment, ...] | None = None
    """Of an encapsulated value, the offset table first, else None."""
    undefined: bool = False
    """Its length was not stated and a delimiter ends it."""

    @property
    def end(self) -> int:
        """Where the next element begins."""
        return self.value_offset + self.length


class Item(msgspec.Struct, frozen=True, gc=False):
    """One item of a sequence."""

    offset: int
    """Of its item tag."""
    elements: tuple[Element, ...]
    undefined: bool = False

    def find(self, tag: int) -> Element | None:
        """Return the element *tag*, the last where it is there twice."""
        return find_in(self.elements, tag)


def find_in(elements: Sequence[Element], tag: int) -> Element | None:
    """Return the element *tag* among *elements*, the last where it is there twice."""
    for element in reversed(elements):
        if element.tag == tag:
            return element
    return None


class Scan:
    """A walked data set.

    Attributes:
        source: what the offsets point into; the inflated bytes of a deflated object.
        transfer_syntax_uid: as it was given to ``scan``.
        implicit: the elements are in implicit VR, whatever the transfer syntax says.
        big_endian: values of the top level are big endian.
        start: where the data set begins in ``source``.
        end: where its last element ends.
        elements: top level, in the order they stand.
        pixel: the pixel data element, None where there is none.
        oddities: codes of what was put up with.
    """

    __slots__ = (
        "_by_tag",
        "big_endian",
        "elements",
        "end",
        "implicit",
        "oddities",
        "pixel",
        "source",
        "start",
        "transfer_syntax_uid",
    )

    def __init__(  # noqa: PLR0913  # the walker's result, made in one place
        self,
        *,
        source: Source,
        transfer_syntax_uid: str,
        implicit: bool,
        big_endian: bool,
        start: int,
        end: int,
        elements: tuple[Element, ...],
        oddities: tuple[str, ...],
    ) -> None:
        self.source = source
        self.transfer_syntax_uid = transfer_syntax_uid
        self.implicit = implicit
        self.big_endian = big_endian
        self.start = start
        self.end = end
        self.elements = elements
        self.oddities = oddities
        self._by_tag = {element.tag: element for element in elements}
        self.pixel: Element | None = None
        for tag in PIXEL_TAGS:
            if tag in self._by_tag:
                self.pixel = self._by_tag[tag]

    @property
    def encapsulated(self) -> bool:
        """Whether the pixel data is a sequence of fragments."""
        return self.pixel is not None and self.pixel.fragments is not None

    def find(self, tag: int) -> Element | None:
        """Return the top-level element *tag*, the last where it is there twice."""
        return self._by_tag.get(tag)

    def value(self, tag: int) -> bytes:
        """Return the raw value of the top-level element *tag*, at most its first 64 KiB.

        Empty where it is absent, empty, a sequence or encapsulated.
        """
        element = self._by_tag.get(tag)
        if element is None or not element.length:
            return b""
        return self.raw(element)

    def raw(self, element: Element) -> bytes:
        """Return the raw value of *element*, wherever it lies, at most its first 64 KiB."""
        if element.items is not None or element.fragments is not None or not element.length:
            return b""
        return self.source.read(element.value_offset, min(element.length, VALUE_MAX_BYTES))

    def text(self, tag: int) -> str:
        """Return the value of a top-level element of ASCII characters, without its padding."""
        raw = self.value(tag)
        return raw.decode("latin-1").strip(" \0") if raw else ""

    def unsigned(self, tag: int) -> int | None:
        """Return the first value of a top-level US or UL element, None where there is none."""
        raw = self.value(tag)
        width = 4 if raw and self._by_tag[tag].vr in {"UL", "SL"} else 2
        if len(raw) < width:
            return None
        return int.from_bytes(raw[:width], "big" if self.big_endian else "little")
