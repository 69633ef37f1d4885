"""Transfer syntaxes as DICOMweb names them, and which of them can be made of which.

The media types are those of PS3.18 Table 8.7.3-2 with the older names clients still send.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kernel.dicom.codecs import DEFLATED_FRAMES, HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, RLE_LOSSLESS
from kernel.dicom.part10 import DEFLATED, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE

OCTETS: Final = "application/octet-stream"

_JPEG: Final = "1.2.840.10008.1.2.4."
JPEG_BASELINE: Final = _JPEG + "50"
JPEG_LOSSLESS_SV1: Final = _JPEG + "70"
JPEG_LS_LOSSLESS: Final = _JPEG + "80"
JPEG_2000_LOSSLESS: Final = _JPEG + "90"
HTJ2K: Final = _JPEG + "203"

NATIVE: Final = frozenset({IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED})
"""Transfer syntaxes whose pixel data is not encapsulated."""

_CODES: Final = {
    "image/jpeg": "50 51 53 55 57 70",
    "image/jls": "80 81",
    "image/jp2": "90 91",
    "image/jpx": "92 93",
    "image/jphc": "201 202 203",
    "image/jxl": "110 111 112",
    "video/mpeg": "100 100.1 101 101.1",
    "video/mp4": "102 102.1 103 103.1 104 104.1 105 105.1 106 106.1",
    "video/H265": "107 108",
}
_MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {RLE_LOSSLESS: "image/dicom-rle"}
    | {_JPEG + code: media for media, codes in _CODES.items() for code in codes.split()}
)
_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "image/x-jls": "image/jls",
        "image/x-dicom-rle": "image/dicom-rle",
        "image/jph": "image/jphc",
        "image/j2c": "image/jp2",
    }
)
_MAKES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "image/jpeg": JPEG_LOSSLESS_SV1,
        "image/jls": JPEG_LS_LOSSLESS,
        "image/jp2": JPEG_2000_LOSSLESS,
        "image/jphc": HTJ2K_LOSSLESS,
        "image/dicom-rle": RLE_LOSSLESS,
    }
)
"""The transfer syntax of each media type where none is named (PS3.18 Table 8.7.3-5)."""

ENCODABLE: Final = frozenset(
    {
        JPEG_LS_LOSSLESS,
        JPEG_2000_LOSSLESS,
        HTJ2K_LOSSLESS,
        HTJ2K_LOSSLESS_RPCL,
        HTJ2K,
        RLE_LOSSLESS,
        JPEG_LOSSLESS_SV1,
    }
)
"""What frames can be encoded in here, always without loss."""

DECODABLE: Final = frozenset(
    {
        RLE_LOSSLESS,
        DEFLATED_FRAMES,
        *(_JPEG + code for code in ("50", "51", "53", "55", "57", "70", "80", "81", "90", "91")),
        *(_JPEG + code for code in ("201", "202", "203")),
    }
)
"""Encapsulated transfer syntaxes whose frames can be decoded here."""


def media_type(transfer_syntax_uid: str) -> str:
    """Return the media type of one stored frame; octets for native and unknown encodings."""
    return _MEDIA_TYPES.get(transfer_syntax_uid, OCTETS)


def canonical(media: str) -> str:
    """Return the registered name of *media*, in lower case."""
    return _ALIASES.get(media, media)


def default_syntax(media: str) -> str:
    """Return the transfer syntax *media* stands for where none is named; empty for no image."""
    return _MAKES.get(canonical(media), "")


def satisfies(stored: str, wanted: str) -> bool:
    """Return whether a frame stored as *stored* is a frame of *wanted* without any change.

    HTJ2K lossless RPCL is a restriction of HTJ2K lossless, and that one of HTJ2K.
    """
    if stored == wanted:
        return True
    order = (HTJ2K_LOSSLESS_RPCL, HTJ2K_LOSSLESS, HTJ2K)
    return stored in order and wanted in order and order.index(stored) < order.index(wanted)


def decodable(transfer_syntax_uid: str) -> bool:
    """Return whether the cells of such an object can be had."""
    return transfer_syntax_uid in NATIVE or transfer_syntax_uid in DECODABLE
