"""From stored values to what is shown: the grayscale and colour pipelines of PS3.3 C.11, pure.

Stored values become output values by the modality transformation, those become grey by the values
of interest transformation. Nothing here reads an object or knows of files.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

_WHITE: Final = 255.0
_TABLE_MAX: Final = 1 << 16
_ROWS: Final = 256


class VoiFunction(StrEnum):
    """VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """A window: centre and width in output values of the modality transformation."""

    centre: float
    width: float
    function: VoiFunction = VoiFunction.LINEAR


@dataclass(frozen=True, slots=True)
class Rescale:
    """Rescale slope and intercept (PS3.3 C.11.1.1.2)."""

    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A look-up table: what stands for ``first``, ``first + 1``, ...; ends hold beyond it."""

    first: int
    bits: int
    """Significant bits of an entry."""
    entries: npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """Red, green and blue for each index (PS3.3 C.7.9)."""

    red: Table
    green: Table
    blue: Table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shading:
    """How the cells of a grey image become grey."""

    modality: Rescale | Table | None = None
    voi: Window | Table | None = None
    """None shows the whole range of the values there are."""
    inverse: bool = False
    """The least value is white (MONOCHROME1, or Presentation LUT Shape INVERSE)."""
    padding: tuple[int, int] | None = None
    """Stored values, both included, that are no part of the picture."""


def looked_up(values: npt.NDArray[Any], table: Table) -> npt.NDArray[np.uint16]:
    """Return *values* through *table*; those beyond its ends take the value at that end."""
    last = len(table.entries) - 1
    index = np.clip(np.asarray(values, np.int64) - table.first, 0, last)
    return table.entries[index]


def modality(cells: npt.NDArray[Any], how: Rescale | Table | None) -> Values:
    """Return stored values as output values (Hounsfield units and the like)."""
    match how:
        case None:
            return cells.astype(np.float64)
        case Rescale():
            return cells.astype(np.float64) * how.slope + how.intercept
        case Table():
            return looked_up(cells, how).astype(np.float64)


def windowed(values: Values, window: Window, *, high: float = _WHITE) -> Values:
    """Return *values* through *window* as 0 to *high* (PS3.3 C.11.2.1.2, C.11.2.1.3).

    A width below 1 (LINEAR) or of 0 and less is a step at the centre.
    """
    centre, width = window.centre, window.width
    if window.function is VoiFunction.SIGMOID:
        exponent = np.clip(-4.0 * (values - centre) / (width or 1.0), -700.0, 700.0)
        return np.asarray(high / (1.0 + np.exp(exponent)), np.float64)
    exact = window.function is VoiFunction.LINEAR_EXACT
    shifted, spread = (centre, width) if exact else (centre - 0.5, width - 1.0)
    if spread <= 0:
        return np.where(values > shifted, high, 0.0)
    return np.clip(((values - shifted) / spread + 0.5) * high, 0.0, high)


def whole_range(values: Values) -> Window:
    """Return the window from the least to the greatest of the finite *values*."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Window(0.5, 1.0, VoiFunction.LINEAR_EXACT)
    low, high = float(finite.min()), float(finite.max())
    return Window((low + high) / 2, (high - low) or 1.0, VoiFunction.LINEAR_EXACT)


def grey(cells: npt.NDArray[Any], shading: Shading) -> Bytes:
    """Return the cells of a grey image as 8-bit grey, 0 black; padding is black."""
    kept = None if shading.padding is None else _not_padding(cells, shading.padding)
    if shading.voi is None:
        shown = modality(cells if kept is None else cells[kept], shading.modality)
        shading = Shading(
            modality=shading.modality,
            voi=whole_range(shown),
            inverse=shading.inverse,
            padding=shading.padding,
        )
    picture = _by_table(cells, shading)
    if kept is not None:
        picture = np.where(kept, picture, np.uint8(0))
    return picture


def _not_padding(cells: npt.NDArray[Any], padding: tuple[int, int]) -> npt.NDArray[np.bool_]:
    low, high = sorted(padding)
    return (cells < low) | (cells > high)


def _by_table(cells: npt.NDArray[Any], shading: Shading) -> Bytes:
    """Shade each value there may be once, where there are fewer of them than cells.

    Some rows at a time, for the numbers in between are wider than the cells.
    """
    table: Bytes | None = None
    low = 0
    if cells.dtype.kind in "ui" and cells.size:
        low, high = int(cells.min()), int(cells.max())
        if high - low < min(_TABLE_MAX, cells.size):
            table = _shaded(np.arange(low, high + 1), shading)
    picture = np.empty(cells.shape, np.uint8)
    for start in range(0, len(cells), _ROWS):
        rows = cells[start : start + _ROWS]
        if table is None:
            picture[start : start + _ROWS] = _shaded(rows, shading)
        else:
            picture[start : start + _ROWS] = table[rows.astype(np.int64) - low]
    return picture


def _shaded(cells: npt.NDArray[Any], shading: Shading) -> Bytes:
    values = modality(cells, shading.modality)
    voi = shading.voi
    if isinstance(voi, Table):
        shown = looked_up(values, voi).astype(np.float64) * (_WHITE / ((1 << voi.bits) - 1))
    else:
        shown = windowed(values, voi or whole_range(values))
    shown = np.nan_to_num(shown, nan=0.0, posinf=_WHITE, neginf=0.0)
    shown = np.clip(np.rint(shown), 0.0, _WHITE)
    return (_WHITE - shown if shading.inverse else shown).astype(np.uint8)


def coloured(cells: npt.NDArray[Any], palette: Palette) -> Bytes:
    """Return the indices of a PALETTE COLOR image as 8-bit RGB."""
    planes = [_eight_bits(looked_up(cells, table), table.bits) for table in _tables(palette)]
    return np.stack(planes, axis=-1)


def _tables(palette: Palette) -> tuple[Table, Table, Table]:
    return palette.red, palette.green, palette.blue


def _eight_bits(values: npt.NDArray[np.uint16], bits: int) -> Bytes:
    if bits > 8:  # noqa: PLR2004
        return (values >> (bits - 8)).astype(np.uint8)
    return values.astype(np.uint8)


def rgb_of_ybr(cells: Bytes) -> Bytes:
    """Return YBR_FULL samples as RGB (PS3.3 C.7.6.3.1.2)."""
    y, cb, cr = (cells[..., sample].astype(np.float32) for sample in range(3))
    cb, cr = cb - 128.0, cr - 128.0
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return np.asarray(np.clip(np.rint(rgb), 0, 255), np.uint8)


def ybr_of_422(raw: bytes, rows: int, columns: int) -> Bytes:
    """Return native 4:2:2 samples (two luminances, then both chrominances) as YBR_FULL.

    Raises:
        ValueError: the columns are odd, or bytes are missing.
    """
    pairs = np.frombuffer(raw, np.uint8, rows * columns * 2).reshape(rows, columns // 2, 4)
    luminance = pairs[..., :2].reshape(rows, columns)
    blue = np.repeat(pairs[..., 2], 2, axis=1)
    red = np.repeat(pairs[..., 3], 2, axis=1)
    return np.stack([luminance, blue, red], axis=-1)
