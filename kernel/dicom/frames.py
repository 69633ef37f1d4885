"""Where the frames of an object lie, and what their cells look like."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from kernel.dicom.elements import Element, Fragment, Scan
from kernel.dicom.part10 import Source
from kernel.errors import TooLarge, Unsupported

FRAME_MAX_BYTES: Final = 1 << 30
"""More than this in one frame is never taken into memory."""

_SUBSAMPLED: Final = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})
_CELLS: Final = {1: "u1", 8: "1", 16: "2", 32: "4", 64: "8"}
_DIGITS_MAX: Final = 10
_FLOAT_TAGS: Final = {0x7FE00008: 32, 0x7FE00009: 64}
_STREAM_STARTS: Final = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")

Frame: TypeAlias = npt.NDArray[Any]
"""One frame's cells: rows, columns, and samples where there are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLayout:
    """The Image Pixel module of one object, as numbers that hold together (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    """0 unsigned, 1 two's complement."""
    photometric: str
    planar: int | None
    """0 colour by pixel, 1 colour by plane, None where it is not said."""
    frames: int
    real: bool = False
    """Cells are IEEE floats (Float or Double Float Pixel Data)."""

    @property
    def signed(self) -> bool:
        """Whether cells are two's complement."""
        return self.pixel_representation == 1

    @property
    def subsampled(self) -> bool:
        """Whether native chrominance has half the columns (PS3.3 C.7.6.3.1.2)."""
        return self.photometric in _SUBSAMPLED and self.samples == 3  # noqa: PLR2004

    @property
    def cells(self) -> int:
        """Number of cells in one decoded frame."""
        return self.rows * self.columns * self.samples

    @property
    def dtype(self) -> np.dtype[Any]:
        """Little-endian type of one cell; bits (Bits Allocated 1) have one byte each."""
        code = _CELLS[self.bits_allocated]
        if self.bits_allocated == 1:
            return np.dtype(code)
        return np.dtype(("<f" if self.real else "<i" if self.signed else "<u") + code)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one decoded frame: rows, columns, and samples where there are several."""
        return (self.rows, self.columns) + ((self.samples,) if self.samples > 1 else ())

    @property
    def decoded_bytes(self) -> int:
        """Size of one decoded frame in cells of ``dtype``."""
        return self.cells * max(1, self.bits_allocated // 8)

    @property
    def native_bits(self) -> int:
        """Size of one native frame in bits; frames of single bits need not fill their last byte."""
        cells = self.rows * self.columns * 2 if self.subsampled else self.cells
        return cells * self.bits_allocated

    @property
    def native_bytes(self) -> int:
        """Size of all native frames without padding."""
        return (self.native_bits * self.frames + 7) // 8


def layout_of(scan: Scan) -> FrameLayout | None:
    """Return the frame layout of the object in *scan*.

    None where it has no pixel data, or where the numbers that describe it are missing or do not
    hold together; such pixel data is carried as it is and never decoded.
    """
    if scan.pixel is None:
        return None
    real = _FLOAT_TAGS.get(scan.pixel.tag)
    allocated = scan.unsigned(0x00280100) or real or 0
    stored = scan.unsigned(0x00280101) or allocated
    high = scan.unsigned(0x00280102)
    declared = scan.text(0x00280008).partition("\\")[0].strip(" \0")
    countable = declared.isascii() and declared.isdigit() and len(declared) <= _DIGITS_MAX
    layout = FrameLayout(
        rows=scan.unsigned(0x00280010) or 0,
        columns=scan.unsigned(0x00280011) or 0,
        samples=scan.unsigned(0x00280002) or 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if high is None else high,
        pixel_representation=scan.unsigned(0x00280103) or 0,
        photometric=scan.text(0x00280004),
        planar=scan.unsigned(0x00280006),
        frames=int(declared) if countable else 0 if declared else 1,
        real=real is not None,
    )
    return layout if _holds_together(layout, scan.pixel) else None


def _holds_together(layout: FrameLayout, pixel: Element) -> bool:
    sane = (
        layout.cells > 0
        and layout.frames > 0
        and layout.bits_allocated in _CELLS
        and 0 < layout.bits_stored <= layout.bits_allocated
        and layout.bits_stored - 1 <= layout.high_bit < layout.bits_allocated
        and layout.pixel_representation in {0, 1}
    )
    if not sane:
        return False
    if pixel.fragments is not None:
        return len(pixel.fragments) > 1
    return layout.native_bytes <= pixel.length


def native_frame(scan: Scan, layout: FrameLayout, index: int) -> bytes:
    """Return native frame *index* (from 0) as it is stored, but with little-endian cells.

    Frames of single bits come as the bytes that hold them, not shifted.

    Raises:
        TooLarge: the frame is over ``FRAME_MAX_BYTES``.
    """
    pixel = scan.pixel
    if pixel is None or not 0 <= index < layout.frames:
        raise Unsupported(f"there is no native frame {index}", code="no-such-frame")
    start, stop = layout.native_bits * index // 8, (layout.native_bits * (index + 1) + 7) // 8
    if stop - start > FRAME_MAX_BYTES:
        raise TooLarge("the frame does not fit into memory", code="frame-too-large")
    if not scan.big_endian:
        return scan.source.read(pixel.value_offset + start, stop - start)
    return _from_big_endian(scan, pixel, layout, start, stop)


def _from_big_endian(
    scan: Scan, pixel: Element, layout: FrameLayout, start: int, stop: int
) -> bytes:
    width = layout.bits_allocated // 8
    if width > 1:
        raw = scan.source.read(pixel.value_offset + start, stop - start)
        return np.frombuffer(raw, f">u{width}").astype(f"<u{width}").tobytes()
    if pixel.vr != "OW":
        return scan.source.read(pixel.value_offset + start, stop - start)
    # Cells of 8 bits or fewer lie two to a word, the first in its low byte (PS3.5 8.1.1).
    even, end = start & ~1, min((stop + 1) & ~1, pixel.length & ~1)
    raw = scan.source.read(pixel.value_offset + even, end - even)
    return np.frombuffer(raw, ">u2").astype("<u2").tobytes()[start - even : stop - even]


def frame_array(raw: bytes, layout: FrameLayout, index: int = 0) -> Frame:
    """Return the native frame *raw* as an array of ``layout.shape``, colour by pixel.

    Args:
        raw: from ``native_frame``.
        layout: its layout; not a subsampled one.
        index: which frame it is; only frames of single bits need it.

    Raises:
        Unsupported: the chrominance is subsampled (``subsampled-native``).
    """
    if layout.subsampled:
        raise Unsupported("native 4:2:2 frames have no array form", code="subsampled-native")
    if layout.bits_allocated == 1:
        skip = layout.native_bits * index % 8
        bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
        cells: Frame = bits[skip : skip + layout.native_bits]
    else:
        cells = np.frombuffer(raw, layout.dtype)
    if layout.samples > 1 and layout.planar == 1:
        planes = cells.reshape(layout.samples, layout.rows, layout.columns)
        return np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    return cells.reshape(layout.shape)


def encapsulated_frames(scan: Scan, frames: int) -> tuple[tuple[Fragment, ...], ...]:
    """Return the fragments of each frame of encapsulated pixel data.

    By the extended offset table, the basic offset table, one fragment per frame, or by where
    fragments begin like a new stream, in the order in which each can be trusted.

    Raises:
        Unsupported: the fragments cannot be told apart into *frames* (``frames-unclear``).
    """
    pixel = scan.pixel
    if pixel is None or pixel.fragments is None:
        raise Unsupported("the pixel data is not encapsulated", code="frames-unclear")
    data = pixel.fragments[1:]
    if frames == 1 and data:
        return (data,)
    if len(data) == frames:
        return tuple((fragment,) for fragment in data)
    offsets = _offsets(scan, pixel.fragments[0])
    starts = _by_offsets(data, offsets) if len(offsets) == frames else _by_stream(scan.source, data)
    if len(starts) != frames or starts[0] != 0:
        raise Unsupported("the frames cannot be told apart", code="frames-unclear")
    return tuple(data[a:b] for a, b in pairwise([*starts, len(data)]))


def _offsets(scan: Scan, table: Fragment) -> list[int]:
    extended = scan.find(0x7FE00001)
    if extended is not None and extended.length >= 8:  # noqa: PLR2004
        raw = scan.source.read(extended.value_offset, extended.length & ~7)
        return [int(offset) for offset in np.frombuffer(raw, "<u8")]
    raw = scan.source.read(table.offset, table.length & ~3)
    return [int(offset) for offset in np.frombuffer(raw, "<u4")]


def _by_offsets(data: Sequence[Fragment], offsets: Sequence[int]) -> list[int]:
    """Return the index of the first fragment of each frame; empty where the table is wrong."""
    first = data[0].offset - 8
    index = {fragment.offset - 8 - first: number for number, fragment in enumerate(data)}
    starts = [index.get(offset, -1) for offset in offsets]
    return starts if all(a < b for a, b in pairwise([-1, *starts])) else []


def _by_stream(source: Source, data: Sequence[Fragment]) -> list[int]:
    return [
        number
        for number, fragment in enumerate(data)
        if source.read(fragment.offset, 12).startswith(_STREAM_STARTS)
    ]


def codestream(source: Source, fragments: Sequence[Fragment]) -> bytes:
    """Return the joined bytes of one frame's *fragments*.

    Raises:
        TooLarge: they are over ``FRAME_MAX_BYTES``.
    """
    if sum(fragment.length for fragment in fragments) > FRAME_MAX_BYTES:
        raise TooLarge("the frame does not fit into memory", code="frame-too-large")
    return b"".join(source.read(fragment.offset, fragment.length) for fragment in fragments)
