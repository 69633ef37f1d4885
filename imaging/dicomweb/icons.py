"""Plain pictures for what has no picture: a report, a document, a curve, anything else."""

from enum import StrEnum
from functools import cache
from typing import Final

import numpy as np

from imaging.pixels.render import encoded_within
from imaging.pixels.syntaxes import media_type
from imaging.pixels.voi import Bytes

SIDE: Final = 128
MOST_BYTES: Final = 8192
_GROUND, _PAPER, _INK, _FOLD = 24, 216, 96, 160
_LEFT, _RIGHT, _TOP, _BOTTOM = 32, 96, 20, 108
_CORNER: Final = 18


class Kind(StrEnum):
    """What an object is that is no image."""

    REPORT = "report"
    DOCUMENT = "document"
    CURVE = "curve"
    VIDEO = "video"
    OTHER = "other"


_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_PREFIXES: Final = (
    (_STORAGE + "88.59", Kind.OTHER),
    (_STORAGE + "88.", Kind.REPORT),
    (_STORAGE + "104.", Kind.DOCUMENT),
    (_STORAGE + "9.", Kind.CURVE),
)


def kind_of(sop_class_uid: str, transfer_syntax_uid: str = "") -> Kind:
    """Return what an object of that SOP class and transfer syntax is, when it cannot be drawn."""
    if media_type(transfer_syntax_uid).startswith("video/"):
        return Kind.VIDEO
    for prefix, kind in _PREFIXES:
        if sop_class_uid.startswith(prefix):
            return kind
    return Kind.OTHER


@cache
def icon(kind: Kind) -> bytes:
    """Return the picture of *kind*: a small JPEG."""
    return encoded_within(_drawn(kind), MOST_BYTES)


def _drawn(kind: Kind) -> Bytes:
    canvas = np.full((SIDE, SIDE), _GROUND, np.uint8)
    match kind:
        case Kind.REPORT:
            _sheet(canvas)
            for row in range(48, 100, 10):
                canvas[row : row + 3, _LEFT + 10 : _RIGHT - 10] = _INK
        case Kind.DOCUMENT:
            _sheet(canvas)
            canvas[48:78, _LEFT + 10 : _RIGHT - 10] = _INK
            canvas[86:89, _LEFT + 10 : _RIGHT - 10] = _INK
            canvas[96:99, _LEFT + 10 : _RIGHT - 26] = _INK
        case Kind.CURVE:
            _curve(canvas)
        case Kind.VIDEO:
            _video(canvas)
        case Kind.OTHER:
            canvas[36:92, 36:92] = _FOLD
            canvas[42:86, 42:86] = _GROUND
    return canvas


def _sheet(canvas: Bytes) -> None:
    canvas[_TOP:_BOTTOM, _LEFT:_RIGHT] = _PAPER
    for row in range(_CORNER):
        start = _RIGHT - _CORNER + row
        canvas[_TOP + row, start:_RIGHT] = _GROUND
        canvas[_TOP + row, _RIGHT - _CORNER : start] = _FOLD


def _video(canvas: Bytes) -> None:
    """Draw a frame with a triangle to start it by."""
    canvas[36:92, 20:108] = _FOLD
    canvas[42:86, 26:102] = _GROUND
    for row in range(-16, 17):
        canvas[64 + row, 54 : 54 + 32 - 2 * abs(row)] = _PAPER


def _curve(canvas: Bytes) -> None:
    """Draw two heart beats."""
    beat = np.interp(
        np.arange(48),
        [0, 10, 14, 18, 21, 24, 28, 34, 40, 48],
        [0, 0, 6, 0, -6, 44, -12, 0, 10, 0],
    )
    heights = 74 - np.rint(np.tile(beat, 2)).astype(int)
    for column in range(1, len(heights)):
        low, high = sorted((heights[column - 1], heights[column]))
        canvas[low - 1 : high + 2, 16 + column] = _PAPER
