"""One digest for what an object says, however it is encoded.

Equal for the same object in implicit, explicit, big-endian or deflated form, with sequences of
stated or undefined length, with or without group lengths and trailing padding, with strings padded
by space or NUL, and natively or in any lossless compression. Different as soon as a value or a
pixel differs. A lossy re-encoding is different content, as it must be.
"""

import hashlib
import struct
from functools import lru_cache
from operator import attrgetter
from typing import Final

import numpy as np

from kernel.arrival import ContentDigest
from kernel.dicom.codecs import DecodeFailed, FrameDecoder, is_lossless
from kernel.dicom.dataset import sequence_in
from kernel.dicom.dictionary import public_vr
from kernel.dicom.elements import DEFAULT, PIXEL_TAGS, VALUE_MAX_BYTES, Element, Item, Scan
from kernel.dicom.frames import (
    FRAME_MAX_BYTES,
    Frame,
    FrameLayout,
    codestream,
    encapsulated_frames,
    frame_array,
    layout_of,
    native_frame,
)
from kernel.dicom.part10 import chunks
from kernel.dicom.rewrite import swap_width, swapped
from kernel.errors import TooLarge, Unsupported

_VERSION: Final = b"yilian content 1\0"
_PADDED_VRS: Final = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI"}
    | {"UR", "UT"}
)
_NOT_OF_DATASET: Final = frozenset({0x0000, 0x0002})
_UNSAID: Final = frozenset({0x00080001, 0xFFFCFFFC})
"""Length to End, Data Set Trailing Padding."""
_END_OF_ITEM: Final = b"\xff\xff\xff\xffE"
_PHOTOMETRIC: Final = 0x00280004
_OF_ENCODING: Final = PIXEL_TAGS | {0x00280006, 0x7FE00001, 0x7FE00002, 0x7FE00003}
"""Planar Configuration, pixel data, and the tables that tell where its frames lie."""
_AS_DECODED: Final = {b"YBR_RCT": b"RGB", b"YBR_ICT": b"RGB"}
_CELLS: Final = frozenset({2, 4, 8})
_ITEM_TAG: Final = b"\xfe\xff\x00\xe0"
_TAG: Final = attrgetter("tag")
_VALUE_HEAD: Final = struct.Struct("<LcQ").pack


def content_digest(scan: Scan, *, decoder: FrameDecoder) -> ContentDigest:
    """Return the digest of the object in *scan*, decoding compressed frames with *decoder*.

    Reads every pixel: run it off the event loop. Memory is bounded by one frame.
    """
    return ContentDigest(dataset=dataset_digest(scan), pixels=pixel_digest(scan, decoder=decoder))


def has_content(scan: Scan, told: ContentDigest, *, decoder: FrameDecoder) -> bool:
    """Return whether the object in *scan* has the content *told*.

    Frames may equal by their cells or by their code streams: whether a stream decodes can depend
    on the machine (memory, time), and what one node could not decode another must still be able
    to receive.
    """
    if dataset_digest(scan) != told.dataset:
        return False
    if scan.pixel is None:
        return not told.pixels
    if scan.encapsulated and told.pixels == undecoded_digest(scan, scan.pixel):
        return True
    return told.pixels == pixel_digest(scan, decoder=decoder)


def dataset_digest(scan: Scan) -> str:
    """Return the digest of the data set without what belongs to the encoding of its pixels."""
    return _Canonical(scan).digest()


class _Canonical:
    """Feeds a data set to SHA-256 in one form: tag, then length and value in little endian."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._hash = hashlib.sha256(_VERSION)
        self._waiting = bytearray()

    def digest(self) -> str:
        self._elements(self._scan.elements, big=self._scan.big_endian, depth=0)
        self._hash.update(self._waiting)
        return self._hash.hexdigest()

    def _elements(self, elements: tuple[Element, ...], *, big: bool, depth: int) -> None:
        read = self._scan.source.read
        for element in sorted(elements, key=_TAG):
            tag, length = element.tag, element.length
            if tag & 0xFFFF == 0 or tag >> 16 in _NOT_OF_DATASET or tag in _UNSAID:
                continue
            if depth == 0 and tag in _OF_ENCODING:
                continue
            if (
                big
                or length > VALUE_MAX_BYTES
                or element.vr == "UN"
                or element.items is not None
                or element.fragments is not None
            ):
                self._element(element, big=big, depth=depth)
                continue
            # What nearly all are, without a call for each: what ``_element`` does in six.
            value = read(element.value_offset, length) if length else b""
            if _is_padded(tag):
                value = value.rstrip(b" \0")
            if tag == _PHOTOMETRIC and depth == 0:
                value = _AS_DECODED.get(value, value)
            self._waiting += _VALUE_HEAD(tag, b"V", len(value))
            self._waiting += value
        if len(self._waiting) > VALUE_MAX_BYTES:
            self._hash.update(self._waiting)
            self._waiting.clear()

    def _element(self, element: Element, *, big: bool, depth: int) -> None:
        tag, vr = element.tag, element.vr
        items = element.items
        if items is None and vr == "UN" and depth < DEFAULT.depth:
            items = self._hidden_items(element)
        if items is not None:
            self._waiting += struct.pack("<LcQ", tag, b"S", len(items))
            for item in items:
                self._elements(item.elements, big=big and vr != "UN", depth=depth + 1)
                self._waiting += _END_OF_ITEM
        elif element.fragments is not None:
            self._waiting += struct.pack("<LcQ", tag, b"F", len(element.fragments) - 1)
            for fragment in element.fragments[1:]:
                self._bulk(fragment.offset, fragment.length, 1)
        else:
            self._waiting += struct.pack("<Lc", tag, b"V")
            width = swap_width(vr) if big else 1
            if element.length > VALUE_MAX_BYTES:
                length = element.length - self._padding(element)
                self._bulk(element.value_offset, length, width)
            else:
                self._value(element, width, top=depth == 0)

    def _value(self, element: Element, width: int, *, top: bool) -> None:
        tag = element.tag
        value = swapped(self._scan.raw(element), width)
        if _is_padded(tag):
            value = value.rstrip(b" \0")
        if top and tag == _PHOTOMETRIC:
            value = _AS_DECODED.get(value, value)
        self._waiting += struct.pack("<Q", len(value))
        self._waiting += value

    def _padding(self, element: Element) -> int:
        """Return how many bytes of padding end a string that is too long to be held."""
        if not _is_padded(element.tag):
            return 0
        tail = self._scan.source.read(element.end - VALUE_MAX_BYTES, VALUE_MAX_BYTES)
        return len(tail) - len(tail.rstrip(b" \0"))

    def _hidden_items(self, element: Element) -> tuple[Item, ...] | None:
        """Return the items of a sequence that a change of VR form has left as UN, else None."""
        known = public_vr(element.tag)
        if known not in {"SQ", None} or (known is None and element.length < len(_ITEM_TAG) + 4):
            return None
        if self._scan.source.read(element.value_offset, 4) != _ITEM_TAG and element.length:
            return None
        return sequence_in(self._scan.source, element)

    def _bulk(self, start: int, length: int, width: int) -> None:
        self._waiting += struct.pack("<Q", length)
        self._hash.update(self._waiting)
        self._waiting.clear()
        for piece in chunks(self._scan.source, start, start + length):
            self._hash.update(swapped(piece, width))


@lru_cache(maxsize=8192)
def _is_padded(tag: int) -> bool:
    return public_vr(tag) in _PADDED_VRS


def pixel_digest(scan: Scan, *, decoder: FrameDecoder) -> str:
    """Return the digest of the frames; of the code streams where they are lossy or undecodable."""
    if scan.pixel is None:
        return ""
    layout = layout_of(scan)
    if layout is None or layout.decoded_bytes > FRAME_MAX_BYTES:
        return undecoded_digest(scan, scan.pixel)
    if scan.pixel.fragments is None:
        return _native_digest(scan, scan.pixel, layout)
    return _decoded_digest(scan, layout, decoder) or undecoded_digest(scan, scan.pixel)


def _decoded_digest(scan: Scan, layout: FrameLayout, decoder: FrameDecoder) -> str:
    """Return the digest of compressed frames, empty where they cannot be known exactly."""
    digest = FramesDigest(layout)
    try:
        for fragments in encapsulated_frames(scan, layout.frames):
            stream = codestream(scan.source, fragments)
            if not is_lossless(scan.transfer_syntax_uid, stream):
                return ""
            digest.add(decoder.decode(stream, scan.transfer_syntax_uid, layout))
    except (DecodeFailed, Unsupported, TooLarge):
        return ""
    return digest.hex()


class FramesDigest:
    """The digest of decoded frames, one after the other, whatever they were decoded from."""

    def __init__(self, layout: FrameLayout) -> None:
        self._layout = layout
        self._hash = hashlib.sha256(_VERSION + b"frames\0")

    def add(self, cells: Frame) -> None:
        """Take in the next frame, cells of ``layout.shape``, colour by pixel."""
        self._hash.update(_settled(cells, self._layout))

    def add_raw(self, raw: bytes) -> None:
        """Take in what lies beside or between frames, as it is."""
        self._hash.update(raw)

    def hex(self) -> str:
        """Return the digest so far, in lower-case hex."""
        return self._hash.hexdigest()


def _settled(cells: Frame, layout: FrameLayout) -> memoryview:
    """Return the bytes of *cells* with the bits above a signed value set as its sign says.

    Some devices leave them zero, decoders set them: both mean the same number. Where they hold
    anything else (an overlay), the cells stay as they are.
    """
    stored = layout.bits_stored
    if not layout.signed or stored == layout.bits_allocated or layout.high_bit != stored - 1:
        return _bytes_of(cells)
    low = cells & ((1 << stored) - 1)
    top = 1 << (stored - 1)
    extended = (low ^ top) - top
    if np.all((cells == low) | (cells == extended)):
        return _bytes_of(extended.astype(layout.dtype))
    return _bytes_of(cells)


def _bytes_of(cells: Frame) -> memoryview:
    return np.ascontiguousarray(cells).reshape(-1).data


def _native_digest(scan: Scan, pixel: Element, layout: FrameLayout) -> str:
    digest = FramesDigest(layout)
    for index in range(layout.frames):
        raw = native_frame(scan, layout, index)
        if layout.subsampled:
            digest.add_raw(raw)
        else:
            digest.add(frame_array(raw, layout, index))
    # The byte that makes the length even is no pixel, whatever it holds.
    after = pixel.value_offset + layout.native_bytes + (layout.native_bytes & 1)
    if any(piece.strip(b"\0") for piece in chunks(scan.source, after, pixel.end)):
        digest.add_raw(b"after\0")
        for piece in chunks(scan.source, after, pixel.end):
            digest.add_raw(piece)
    return digest.hex()


def undecoded_digest(scan: Scan, pixel: Element) -> str:
    """Return the digest of the pixel data as it stands, the offset table aside."""
    found = hashlib.sha256(_VERSION)
    if pixel.fragments is None:
        found.update(b"native\0")
        cell = (scan.unsigned(0x00280100) or 8) // 8 if scan.big_endian else 1
        for piece in chunks(scan.source, pixel.value_offset, pixel.end):
            found.update(swapped(piece, cell if cell in _CELLS else 1))
        return found.hexdigest()
    found.update(b"streams\0")
    for fragment in pixel.fragments[1:]:
        for piece in chunks(scan.source, fragment.offset, fragment.offset + fragment.length):
            found.update(piece)
    return found.hexdigest()
