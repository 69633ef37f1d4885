"""Frames as code streams, without loss, in the encodings clients may ask for."""

import struct
from collections.abc import Callable
from typing import Final

import imagecodecs
import numpy as np

from imaging.pixels.syntaxes import (
    HTJ2K,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
)
from kernel.dicom.codecs import HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, RLE_LOSSLESS, encode_htj2k
from kernel.dicom.frames import Frame, FrameLayout
from kernel.errors import Category, PlatformError


class CannotMake(PlatformError):
    """The object's pixels do not fit into that encoding, or cannot be had."""

    code = "cannot-transcode"
    category = Category.UNSUPPORTED


def encode_frame(cells: Frame, wanted: str, layout: FrameLayout) -> bytes:
    """Return *cells* as one code stream of the transfer syntax *wanted*, without loss.

    Raises:
        CannotMake: it has no such form.
    """
    encode = _ENCODERS.get(wanted)
    if encode is None or layout.real or layout.bits_allocated == 1:
        raise CannotMake("frames like these are not encoded that way")
    try:
        stream = encode(cells, layout)
    except (RuntimeError, ValueError, TypeError, MemoryError) as exc:
        raise CannotMake("frames like these are not encoded that way") from exc
    if stream is None:
        raise CannotMake("frames like these are not encoded that way")
    return stream


def _unsigned(cells: Frame) -> Frame:
    """Return *cells* with two's complement taken as what it is in bits; 8 or 16 of them."""
    if cells.dtype.itemsize > 2:  # noqa: PLR2004
        raise TypeError("more than 16 bits")
    return np.ascontiguousarray(cells).view(cells.dtype.str.replace("i", "u"))


def _htj2k(cells: Frame, layout: FrameLayout) -> bytes | None:
    return encode_htj2k(cells, bits_stored=layout.bits_stored, signed=layout.signed)


def _jpeg_ls(cells: Frame, layout: FrameLayout) -> bytes:
    return bytes(imagecodecs.jpegls_encode(_unsigned(cells), level=0))


def _jpeg_2000(cells: Frame, layout: FrameLayout) -> bytes:
    if cells.dtype.itemsize > 2:  # noqa: PLR2004
        raise TypeError("more than 16 bits")
    return bytes(
        imagecodecs.jpeg2k_encode(cells, level=0, codecformat="J2K", reversible=True, mct=True)
    )


def _jpeg_lossless(cells: Frame, layout: FrameLayout) -> bytes:
    if cells.ndim > 2:  # noqa: PLR2004
        raise TypeError("colour would be transformed")
    plain = _unsigned(cells)
    return bytes(
        imagecodecs.jpeg8_encode(
            plain, lossless=True, predictor=1, bitspersample=plain.dtype.itemsize * 8
        )
    )


def _rle(cells: Frame, layout: FrameLayout) -> bytes:
    """Encode as PS3.5 Annex G says: a segment for each byte of each sample, high byte first."""
    little = np.ascontiguousarray(cells).reshape(layout.rows, layout.columns, layout.samples)
    width = little.dtype.itemsize
    planes = little.view(np.uint8).reshape(layout.rows, layout.columns, layout.samples, width)
    segments = []
    for sample in range(layout.samples):
        for byte in reversed(range(width)):
            plane = np.ascontiguousarray(planes[:, :, sample, byte])
            packed = b"".join(bytes(imagecodecs.packbits_encode(row.tobytes())) for row in plane)
            segments.append(packed + b"\0" * (len(packed) & 1))
    if len(segments) > 15:  # noqa: PLR2004  # PS3.5 G.5
        raise ValueError("more than 15 segments")
    offsets, at = [], 64
    for segment in segments:
        offsets.append(at)
        at += len(segment)
    head = struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(segments)))
    return head + b"".join(segments)


_ENCODERS: Final[dict[str, Callable[[Frame, FrameLayout], bytes | None]]] = {
    HTJ2K_LOSSLESS: _htj2k,
    HTJ2K_LOSSLESS_RPCL: _htj2k,
    HTJ2K: _htj2k,
    JPEG_LS_LOSSLESS: _jpeg_ls,
    JPEG_2000_LOSSLESS: _jpeg_2000,
    JPEG_LOSSLESS_SV1: _jpeg_lossless,
    RLE_LOSSLESS: _rle,
}
COLOUR_TRANSFORMED: Final = frozenset(
    {HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K, JPEG_2000_LOSSLESS}
)
"""Encodings that turn RGB into YBR_RCT."""
