"""What an object says about showing its frames: windows, tables, palette, shape of its pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from imaging.pixels.voi import Palette, Rescale, Shading, Table, VoiFunction, Window
from kernel.dicom.elements import Element, Item, Scan, find_in
from kernel.dicom.frames import FrameLayout

_SOP_CLASS: Final = 0x00080016
_XA: Final = "1.2.840.10008.5.1.4.1.1.12.1"
_XRF: Final = "1.2.840.10008.5.1.4.1.1.12.2"
_NOT_FOR_DISPLAY: Final = frozenset({_XA, _XRF})
"""Their Modality LUT gives values linear to X-ray intensity, which windows are not for
(PS3.3 C.8.7.1.1.2)."""
_SHARED: Final = 0x52009229
_PER_FRAME: Final = 0x52009230
_PIXEL_VALUE_TRANSFORMATION: Final = 0x00289145
_FRAME_VOI: Final = 0x00289132
_MODALITY_LUT: Final = 0x00283000
_VOI_LUT: Final = 0x00283010
_LUT_DESCRIPTOR: Final = 0x00283002
_LUT_DATA: Final = 0x00283006
_CENTRE, _WIDTH, _FUNCTION = 0x00281050, 0x00281051, 0x00281056
_INTERCEPT, _SLOPE = 0x00281052, 0x00281053
_PADDING, _PADDING_LIMIT = 0x00280120, 0x00280121
_PRESENTATION_LUT_SHAPE: Final = 0x20500020
_PIXEL_SPACING: Final = 0x00280030
_PIXEL_ASPECT_RATIO: Final = 0x00280034
_REPRESENTATIVE_FRAME: Final = 0x00286010
_PALETTE: Final = ((0x00281101, 0x00281201), (0x00281102, 0x00281202), (0x00281103, 0x00281203))
_SEGMENTED: Final = (0x00281221, 0x00281222, 0x00281223)
_TABLE_MAX_BYTES: Final = 1 << 18
_TEXT_MAX_BYTES: Final = 1 << 10
_ENTRIES_MAX: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """How one frame is to be shown."""

    shading: Shading
    palette: Palette | None
    aspect: float
    """Height of a pixel by its width."""


def representative_frame(walked: Scan, count: int) -> int:
    """Return the index (from 0) of the frame that stands for all: the named, else the middle."""
    named = walked.unsigned(_REPRESENTATIVE_FRAME) or 0
    return named - 1 if 0 < named <= count else count // 2


def display_of(walked: Scan, layout: FrameLayout, index: int) -> Display:
    """Return how frame *index* (from 0) is to be shown.

    Functional groups of the frame come before those shared by all, and these before the top level.
    What does not hold together is left out, so that something is shown.
    """
    reader = _Reader(walked, layout, index)
    inverse = layout.photometric == "MONOCHROME1"
    if walked.text(_PRESENTATION_LUT_SHAPE) == "INVERSE":
        inverse = True
    return Display(
        shading=Shading(
            modality=reader.modality(),
            voi=reader.voi(),
            inverse=inverse,
            padding=reader.padding(),
        ),
        palette=reader.palette() if layout.photometric == "PALETTE COLOR" else None,
        aspect=reader.aspect(),
    )


class _Reader:
    def __init__(self, walked: Scan, layout: FrameLayout, index: int) -> None:
        self._walked = walked
        self._layout = layout
        self._order = ">" if walked.big_endian else "<"
        self._groups = [
            item.elements
            for item in (self._item(_PER_FRAME, index), self._item(_SHARED, 0))
            if item is not None
        ]

    def modality(self) -> Rescale | Table | None:
        """Return the modality transformation, None for none."""
        lut = self._item(_MODALITY_LUT, 0)
        if self._walked.text(_SOP_CLASS) in _NOT_FOR_DISPLAY:
            lut = None
        if lut is not None and (table := self._table(lut.elements)) is not None:
            return table
        for elements in self._places(_PIXEL_VALUE_TRANSFORMATION):
            slope = self._number(elements, _SLOPE)
            intercept = self._number(elements, _INTERCEPT)
            if slope is not None and intercept is not None:
                return Rescale(slope, intercept)
        return None

    def voi(self) -> Window | Table | None:
        """Return the first window, else the first table of values of interest, None for neither."""
        for elements in self._places(_FRAME_VOI):
            centre = self._number(elements, _CENTRE)
            width = self._number(elements, _WIDTH)
            if centre is not None and width is not None and width > 0:
                function = _function(self._text(elements, _FUNCTION))
                if self._layout.real and function is VoiFunction.LINEAR:
                    # Its half steps are those of whole numbers.
                    function = VoiFunction.LINEAR_EXACT
                return Window(centre, width, function)
        lut = self._item(_VOI_LUT, 0)
        return None if lut is None else self._table(lut.elements)

    def padding(self) -> tuple[int, int] | None:
        """Return the padding values of a grey image, both included."""
        first = self._cell(_PADDING)
        if first is None or not self._layout.photometric.startswith("MONOCHROME"):
            return None
        limit = self._cell(_PADDING_LIMIT)
        return first, first if limit is None else limit

    def palette(self) -> Palette | None:
        """Return the palette, None where it is incomplete."""
        tables = []
        for (descriptor, data), segmented in zip(_PALETTE, _SEGMENTED, strict=True):
            elements = self._walked.elements
            if find_in(elements, data) is None:
                data = segmented  # noqa: PLW2901
            table = self._table(elements, descriptor, data)
            if table is None:
                return None
            tables.append(table)
        return Palette(*tables)

    def aspect(self) -> float:
        """Return the height of a pixel by its width, 1 where nothing is said."""
        for tag in (_PIXEL_ASPECT_RATIO, _PIXEL_SPACING):
            pieces = self._text(self._walked.elements, tag).split("\\")
            numbers = [_float(piece) for piece in pieces[:2]]
            if len(numbers) == 2 and numbers[0] and numbers[1]:  # noqa: PLR2004
                ratio = numbers[0] / numbers[1]
                if 0.1 < ratio < 10:  # noqa: PLR2004
                    return ratio
        return 1.0

    def _places(self, sequence: int) -> list[Sequence[Element]]:
        """Return where attributes of a functional group may stand, the nearest first."""
        places: list[Sequence[Element]] = []
        for group in self._groups:
            found = find_in(group, sequence)
            if found is not None and found.items:
                places.append(found.items[0].elements)
        return [*places, self._walked.elements]

    def _item(self, sequence: int, index: int) -> Item | None:
        found = self._walked.find(sequence)
        if found is None or not found.items or index >= len(found.items):
            return None
        return found.items[index]

    def _raw(self, elements: Sequence[Element], tag: int, most: int = _TEXT_MAX_BYTES) -> bytes:
        found = find_in(elements, tag)
        if found is None or found.items is not None or found.fragments is not None:
            return b""
        return self._walked.source.read(found.value_offset, min(found.length, most))

    def _text(self, elements: Sequence[Element], tag: int) -> str:
        return self._raw(elements, tag).decode("latin-1").strip(" \0")

    def _number(self, elements: Sequence[Element], tag: int) -> float | None:
        return _float(self._text(elements, tag).partition("\\")[0])

    def _cell(self, tag: int) -> int | None:
        raw = self._raw(self._walked.elements, tag)[:2]
        if len(raw) < 2:  # noqa: PLR2004
            return None
        kind = "i2" if self._layout.signed else "u2"
        return int(np.frombuffer(raw, self._order + kind)[0])

    def _table(
        self,
        elements: Sequence[Element],
        descriptor: int = _LUT_DESCRIPTOR,
        data: int = _LUT_DATA,
    ) -> Table | None:
        told = np.frombuffer(self._raw(elements, descriptor)[:6], self._order + "u2")
        if len(told) < 3:  # noqa: PLR2004
            return None
        count, first, bits = int(told[0]) or _ENTRIES_MAX, int(told[1]), int(told[2])
        if self._layout.signed and first >= 1 << 15:
            first -= 1 << 16
        raw = self._raw(elements, data, _TABLE_MAX_BYTES)
        if data in _SEGMENTED:
            found = _unfolded(np.frombuffer(raw[: len(raw) & ~1], self._order + "u2"), count)
        elif len(raw) < 2 * count:
            # Entries of 8 bits, one to a byte, in their order (PS3.3 C.7.6.3.1.6).
            found = np.frombuffer(raw[:count], np.uint8).astype(np.uint16)
        else:
            found = np.frombuffer(raw[: 2 * count], self._order + "u2").astype(np.uint16)
        if not found.size or not 0 < bits <= 16:  # noqa: PLR2004
            return None
        return Table(first, bits, found)


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _function(text: str) -> VoiFunction:
    try:
        return VoiFunction(text or "LINEAR")
    except ValueError:
        return VoiFunction.LINEAR


def _unfolded(words: npt.NDArray[np.uint16], count: int) -> npt.NDArray[np.uint16]:
    """Return the entries of a segmented palette: discrete, linear, indirect (PS3.3 C.7.9.2)."""
    made: list[int] = []
    position, back = 0, -1
    left = 0
    while len(made) < count and position + 2 <= len(words):
        kind, length = int(words[position]), int(words[position + 1])
        start, position = position, position + 2
        if kind == 0:
            made += words[position : position + length].tolist()
            position += length
        elif kind == 1 and made and position < len(words):
            end = int(words[position])
            steps = np.linspace(made[-1], end, length + 1)[1:]
            made += np.rint(steps).astype(int).tolist()
            position += 1
        elif kind == 2 and back < 0 and position + 2 <= len(words):  # noqa: PLR2004
            target = int(words[position]) | int(words[position + 1]) << 16
            back, left, position = position + 2, length, target // 2
            if position >= start:
                break
            continue
        else:
            break
        if back >= 0:
            left -= 1
            if left == 0:
                position, back = back, -1
    return np.array(made[:count], np.uint16)
