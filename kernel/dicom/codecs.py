"""Image codecs: our own HTJ2K lossless streams, and decoding of every stream we understand.

The libraries behind this release the interpreter lock. What we encoded ourselves may be decoded
in a thread; whatever came from outside goes through ``kernel.dicom.decode_pool``.
"""

import math
import struct
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import imagecodecs
import numpy as np
import numpy.typing as npt

from kernel.dicom.frames import FRAME_MAX_BYTES, Frame, FrameLayout, frame_array
from kernel.dicom.openjph import htj2k_decode, htj2k_encode
from kernel.errors import Invalid

HTJ2K_LOSSLESS: Final = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL: Final = "1.2.840.10008.1.2.4.202"
RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES: Final = "1.2.840.10008.1.2.8.1"
JPEG_XL_LOSSLESS: Final = "1.2.840.10008.1.2.4.110"

_JPEG: Final = "1.2.840.10008.1.2.4."
_LOSSLESS: Final = frozenset(
    {
        RLE_LOSSLESS,
        DEFLATED_FRAMES,
        *(_JPEG + code for code in ("57", "70", "80", "90", "201", "202")),
    }
)
_J2K: Final = frozenset(_JPEG + code for code in ("90", "91", "201", "202", "203"))
_SIZ: Final = b"\xff\x4f\xff\x51"
_COD: Final = 0xFF52
_SOT: Final = 0xFF90
_SMALLEST_SIDE: Final = 64
_LEVELS: Final = 5
_JPEG_XL_EFFORT: Final = 3
"""Effort 7 takes twelve times the time for four in a hundred bytes less."""
_SSIZ: Final = 42
"""Where the first component's precision stands in a code stream."""


class DecodeFailed(Invalid):
    """A compressed frame cannot be turned into the pixels its object describes."""

    code = "frame-undecodable"


class FrameDecoder(Protocol):
    """Whatever turns one frame's code stream into its cells."""

    def decode(self, stream: bytes, transfer_syntax_uid: str, layout: FrameLayout) -> Frame:
        """Return the frame as ``layout.shape`` cells; raises ``DecodeFailed``."""
        ...


class InThread:
    """Decodes where it is called. Only for streams that we encoded ourselves."""

    def decode(self, stream: bytes, transfer_syntax_uid: str, layout: FrameLayout) -> Frame:
        """Return the frame; raises ``DecodeFailed``."""
        return decode_frame(stream, transfer_syntax_uid, layout)


class StreamShape(NamedTuple):
    """What a JPEG 2000 code stream says of itself (SIZ and COD, ISO/IEC 15444-1 Annex A)."""

    columns: int
    rows: int
    components: int
    precision: int
    signed: bool
    levels: int
    progression: int
    colour_transform: bool
    reversible: bool
    has_tlm: bool


def read_j2k(stream: bytes) -> StreamShape | None:
    """Return the main header of the JPEG 2000 or HTJ2K *stream* (bare or in JP2), else None."""
    at = stream.find(_SIZ, 0, 1 << 12)
    if at < 0 or len(stream) < at + _SSIZ + 1:
        return None
    right, bottom, left, top = struct.unpack_from(">4L", stream, at + 8)
    (components,) = struct.unpack_from(">H", stream, at + 40)
    ssiz = stream[at + _SSIZ]
    marker, pos, cod, tlm = 0, at + 2, b"", False
    while marker != _SOT and pos + 4 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, pos)
        if marker == _COD:
            cod = stream[pos + 4 : pos + 2 + length]
        tlm = tlm or marker == 0xFF55  # noqa: PLR2004
        pos += 2 + max(2, length)
    if len(cod) < 10:  # noqa: PLR2004
        return None
    return StreamShape(
        columns=right - left,
        rows=bottom - top,
        components=components,
        precision=(ssiz & 0x7F) + 1,
        signed=bool(ssiz & 0x80),
        levels=cod[5],
        progression=cod[1],
        colour_transform=bool(cod[4]),
        reversible=cod[9] == 1,
        has_tlm=tlm,
    )


def is_lossless(transfer_syntax_uid: str, stream: bytes) -> bool:
    """Return whether *stream* decodes to the same cells in every decoder.

    True for the lossless transfer syntaxes, and for streams of the general ones that say in
    their header that they are coded without loss (reversible JPEG 2000, JPEG-LS with NEAR 0).
    """
    if transfer_syntax_uid in _LOSSLESS:
        return True
    if transfer_syntax_uid in _J2K:
        shape = read_j2k(stream)
        return shape is not None and shape.reversible
    if transfer_syntax_uid == _JPEG + "81":
        return _jpegls_near(stream) == 0
    return False


def _jpegls_near(stream: bytes) -> int:
    """Return NEAR of the first scan, -1 where there is none (ITU-T T.87 C.2.3)."""
    pos = 2
    while pos + 5 <= len(stream) and stream[pos] == 0xFF:  # noqa: PLR2004
        marker, length = stream[pos + 1], stream[pos + 2] << 8 | stream[pos + 3]
        if marker == 0xDA:  # noqa: PLR2004
            near = pos + 5 + 2 * stream[pos + 4]
            return stream[near] if near < len(stream) else -1
        pos += 2 + max(2, length)
    return -1


def encode_htj2k(frame: Frame, *, bits_stored: int, signed: bool) -> bytes | None:
    """Return *frame* as an HTJ2K lossless RPCL code stream (PS3.5 10.18).

    RPCL progression, TLM present, and so many decompositions that the smaller side of the lowest
    resolution is at most 64. Three samples go through the reversible colour transform, so the
    Photometric Interpretation of the stream is YBR_RCT.

    Args:
        frame: rows x columns of uint8, uint16 or int16, or rows x columns x 3 (RGB) unsigned.
        bits_stored: significant bits of a cell.
        signed: cells are two's complement.

    Returns:
        None for what viewers are known to decode wrongly and must therefore stay native: signed
        8 bit, anything but 8 and 16 bits allocated, a sample count other than 1 and 3, signed
        colour, and cells that use bits above ``bits_stored``.
    """
    cell = frame.dtype
    colour = frame.ndim == 3  # noqa: PLR2004
    width = cell.itemsize * 8
    if (
        cell.kind not in "ui"
        or width not in {8, 16}
        or (cell.kind == "i") != signed
        or (signed and (width == 8 or colour))  # noqa: PLR2004
        or (colour and frame.shape[2] != 3)  # noqa: PLR2004
        or not _fits(frame, bits_stored, signed=signed)
    ):
        return None
    # Decoders give arrays of 8 bits back for a precision of 8 or less; a colour transform needs
    # unsigned samples.
    exact = width == 16 and 8 < bits_stored < 16 and not colour  # noqa: PLR2004
    cells = np.ascontiguousarray(frame, cell.newbyteorder("="))
    if exact and not signed:
        cells = (cells.astype(np.int32) - (1 << bits_stored - 1)).astype(np.int16)
    side = min(frame.shape[:2])
    levels = max(_LEVELS, math.ceil(math.log2(max(1.0, side / _SMALLEST_SIDE))))
    stream = htj2k_encode(cells, resolutions=levels)
    if not exact:
        return stream
    # The library writes the container's width; the standard wants Bits Stored (PS3.5 8.2.4). For
    # unsigned cells the shift to signed above is the level shift an unsigned stream implies.
    patched = bytearray(stream)
    patched[_SSIZ] = (bits_stored - 1) | (0x80 if signed else 0)
    return bytes(patched)


def encode_jpeg_xl(frame: Frame) -> bytes:
    """Return *frame*, unsigned cells by pixel, as a JPEG XL stream without loss.

    Of CT a fifth smaller than HTJ2K at some four times the work; no viewer reads it.
    """
    native = np.ascontiguousarray(frame, frame.dtype.newbyteorder("="))
    return bytes(imagecodecs.jpegxl_encode(native, lossless=True, effort=_JPEG_XL_EFFORT))


def _fits(frame: Frame, bits_stored: int, *, signed: bool) -> bool:
    if bits_stored >= frame.dtype.itemsize * 8:
        return True
    low, high = (-(1 << bits_stored - 1), 1 << bits_stored - 1) if signed else (0, 1 << bits_stored)
    return bool(frame.min() >= low and frame.max() < high)


def decode_frame(stream: bytes, transfer_syntax_uid: str, layout: FrameLayout) -> Frame:
    """Return the cells of one compressed frame: ``layout.shape`` of ``layout.dtype``.

    Colour comes by pixel; what a JPEG 2000 or lossy JPEG stream transformed (YBR_RCT, YBR_ICT,
    YBR_FULL_422 and so on) comes back as RGB, everything else as it was given to the encoder.

    Raises:
        DecodeFailed: unknown transfer syntax, damaged stream, or a picture of another size.
    """
    decode = _DECODERS.get(transfer_syntax_uid)
    if decode is None:
        raise DecodeFailed("no decoder for this transfer syntax", code="no-decoder")
    if not 0 < layout.decoded_bytes <= FRAME_MAX_BYTES:
        raise DecodeFailed("the frame does not fit into memory", code="frame-too-large")
    try:
        cells = decode(stream, layout)
    except (RuntimeError, ValueError, TypeError, MemoryError, struct.error, zlib.error) as exc:
        raise DecodeFailed(f"the code stream of {len(stream)} bytes is damaged") from exc
    if cells.size != layout.cells or cells.shape[:2] != layout.shape[:2]:
        raise DecodeFailed("the picture has another size than its object says")
    return _as_cells(cells.reshape(layout.shape), stream, transfer_syntax_uid, layout)


def _as_cells(cells: Frame, stream: bytes, transfer_syntax_uid: str, layout: FrameLayout) -> Frame:
    """Return *cells* in the type the object describes, negative values restored."""
    if cells.dtype == layout.dtype:
        return np.ascontiguousarray(cells)
    if cells.dtype.itemsize > layout.dtype.itemsize and layout.bits_allocated > 1:
        raise DecodeFailed("the picture has more bits than its object says")
    if layout.signed and cells.dtype.kind == "u":
        # An encoder that knows no sign: the top bit of its precision is one.
        shape = read_j2k(stream) if transfer_syntax_uid in _J2K else None
        precision = shape.precision if shape else layout.bits_stored
        top = np.int64(1) << precision - 1
        wide = cells.astype(np.int64) & (top << 1) - 1
        return np.ascontiguousarray(((wide ^ top) - top).astype(layout.dtype))
    return np.ascontiguousarray(cells.astype(layout.dtype))


def _rle(stream: bytes, layout: FrameLayout) -> Frame:
    raw = imagecodecs.dicomrle_decode(stream, layout.dtype)
    planes: Frame = np.frombuffer(raw, layout.dtype)
    if layout.bits_allocated == 1:
        planes = np.unpackbits(planes, bitorder="little")
    if planes.size < layout.cells:
        raise ValueError("too few cells")
    planes = planes[: layout.cells].reshape(layout.samples, layout.rows, layout.columns)
    return np.moveaxis(planes, 0, -1)


def _deflated(stream: bytes, layout: FrameLayout) -> Frame:
    size = (layout.native_bits + 7) // 8
    raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream, size)
    return frame_array(raw, layout)


def _jpeg(stream: bytes, layout: FrameLayout) -> Frame:
    if layout.samples == 1:
        return _array(imagecodecs.jpeg8_decode(stream))
    source = "YCBCR" if layout.photometric.startswith("YBR") else "RGB"
    return _array(imagecodecs.jpeg8_decode(stream, colorspace=source, outcolorspace="RGB"))


def _jpeg_lossless(stream: bytes, layout: FrameLayout) -> Frame:
    return _array(imagecodecs.jpegsof3_decode(stream))


def _jpegls(stream: bytes, layout: FrameLayout) -> Frame:
    return _array(imagecodecs.jpegls_decode(stream))


def _jpeg2k(stream: bytes, layout: FrameLayout) -> Frame:
    return _array(imagecodecs.jpeg2k_decode(stream[stream.find(_SIZ) :], planar=False))


def _htj2k(stream: bytes, layout: FrameLayout) -> Frame:
    return _array(htj2k_decode(stream))


def _jpeg_xl(stream: bytes, layout: FrameLayout) -> Frame:
    return _array(imagecodecs.jpegxl_decode(stream))


def _array(found: npt.NDArray[Any]) -> Frame:
    return found


_DECODERS: Final[dict[str, Callable[[bytes, FrameLayout], Frame]]] = {
    RLE_LOSSLESS: _rle,
    DEFLATED_FRAMES: _deflated,
    _JPEG + "50": _jpeg,
    _JPEG + "51": _jpeg,
    _JPEG + "53": _jpeg,
    _JPEG + "55": _jpeg,
    _JPEG + "57": _jpeg_lossless,
    _JPEG + "70": _jpeg_lossless,
    _JPEG + "80": _jpegls,
    _JPEG + "81": _jpegls,
    _JPEG + "90": _jpeg2k,
    _JPEG + "91": _jpeg2k,
    _JPEG + "201": _htj2k,
    _JPEG + "202": _htj2k,
    _JPEG + "203": _htj2k,
    JPEG_XL_LOSSLESS: _jpeg_xl,
}
