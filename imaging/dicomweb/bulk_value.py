"""Values in bytes of a data set, by their paths: where they lie, and how they leave.

A path is what ``dicom_json`` writes into BulkDataURI: a tag, or item number and tag again and
again: ``7FE00010``, ``54000100/0/54001010``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from imaging.dicomweb.documents import DOCUMENT, PDF, document_of
from imaging.dicomweb.negotiate import OCTETS, NotAcceptable
from imaging.pixels.frames import FramePlan, NoFrames, plan_of
from imaging.pixels.pool import Pieces
from imaging.pixels.syntaxes import media_type
from kernel.dicom.elements import PIXEL_TAGS, Element, Scan, find_in
from kernel.dicom.rewrite import swap_width, swapped
from kernel.errors import Invalid, Missing

_PATH: Final = re.compile(r"[0-9A-Fa-f]{8}(?:/[0-9]{1,9}/[0-9A-Fa-f]{8}){0,31}", re.ASCII)
_PIECE_BYTES: Final = 1 << 20


class BulkdataMissing(Missing):
    """The data set has no such value, or it has no bytes of its own."""

    code = "no-such-value"


@dataclass(frozen=True, slots=True)
class BulkValue:
    """A value in bytes: where it lies, or the code streams it is made of."""

    start: int
    length: int
    width: int
    """Bytes that change places, 1 where it leaves as it lies."""
    plan: FramePlan | None
    media: str


def parse_path(text: str) -> tuple[int, ...]:
    """Return tag, item number, tag, ... of a bulk data path.

    Raises:
        Invalid: it is no such path (``invalid-bulkdata-path``).
    """
    if not _PATH.fullmatch(text):
        raise Invalid("a path is a tag, item numbers and tags", code="invalid-bulkdata-path")
    return tuple(
        int(part, 16) if index % 2 == 0 else int(part) for index, part in enumerate(text.split("/"))
    )


def find_element(walked: Scan, path: Sequence[int]) -> Element:
    """Return the element at *path*; raises ``BulkdataMissing``."""
    elements: Sequence[Element] = walked.elements
    for number, tag in zip((*path[1::2], -1), path[::2], strict=True):
        element = find_in(elements, tag)
        if element is None:
            break
        if number < 0:
            return element
        items = element.items or ()
        if number >= len(items):
            break
        elements = items[number].elements
    raise BulkdataMissing("the object has no such value")


def value_at(walked: Scan, path: Sequence[int]) -> BulkValue:
    """Return where the value at *path* lies.

    Raises:
        BulkdataMissing: there is none, or it has no bytes of its own.
        NoFrames: it is encapsulated and no pixel data.
    """
    element = find_element(walked, path)
    if element.items is not None:
        raise BulkdataMissing("a sequence has no bytes of its own")
    if element.fragments is not None:
        plan = plan_of(walked)
        if element.tag not in PIXEL_TAGS or len(path) > 1:
            raise NoFrames("only pixel data is encapsulated")
        return BulkValue(0, 0, 1, plan, media_type(plan.transfer_syntax_uid))
    width = 1
    if walked.big_endian:
        width = _pixel_width(walked) if element.tag in PIXEL_TAGS else swap_width(element.vr)
    return BulkValue(element.value_offset, element.length, width, None, _media(walked, path))


def _media(walked: Scan, path: Sequence[int]) -> str:
    """Return the media type of a value besides octets, octets where it has none."""
    if tuple(path) != (DOCUMENT,):
        return OCTETS
    try:
        document_of(walked)
    except NotAcceptable:
        return OCTETS
    return PDF


def _pixel_width(walked: Scan) -> int:
    allocated = walked.unsigned(0x00280100) or 0
    word = 2 if walked.pixel is not None and walked.pixel.vr == "OW" else 1
    return max(allocated // 8, word)


def octets(walked: Scan, found: BulkValue, start: int, stop: int) -> Pieces:
    """Yield the bytes from *start* to before *stop* of a value that is not encapsulated."""
    # Of a deflated object the value lies in what it inflates to.
    source = walked.source
    first = start - start % found.width
    skip = start - first
    for at in range(first, stop, _PIECE_BYTES):
        until = min(at + _PIECE_BYTES, stop + -stop % found.width, found.length)
        raw = swapped(source.read(found.start + at, until - at), found.width)
        yield raw[skip : stop - at]
        skip = 0
