"""Pictures of frames: 8-bit grey or RGB, cut and scaled, as JPEG or PNG."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final

import imagecodecs
import numpy as np
import numpy.typing as npt

from imaging.pixels.burnt_in import burnt_in
from imaging.pixels.display import Display, display_of
from imaging.pixels.frames import FramePlan, NoFrames, stored_frame
from imaging.pixels.syntaxes import NATIVE
from imaging.pixels.transcode import decoded_photometric, frame_cells
from imaging.pixels.voi import Bytes, Window, coloured, grey, rgb_of_ybr, ybr_of_422
from kernel.dicom.codecs import FrameDecoder
from kernel.dicom.elements import Scan
from kernel.dicom.frames import Frame, FrameLayout
from kernel.errors import Invalid, TooLarge

JPEG: Final = "image/jpeg"
PNG: Final = "image/png"
GIF: Final = "image/gif"
FRAME_BYTES_MAX: Final = 128 << 20
"""Larger frames are not drawn."""
SIDE_MAX: Final = 8192
"""Pictures asked for are at most so wide and high."""
_GREY: Final = frozenset({"MONOCHROME1", "MONOCHROME2", ""})
_PNG_LEVEL: Final = 3
_CUBE: Final = 6
_COLOURS: Final[Bytes] = np.zeros((256, 3), np.uint8)
"""A GIF's colours: a cube of six steps each of red, green and blue."""
_COLOURS[: _CUBE**3] = np.indices((_CUBE,) * 3).reshape(3, -1).T * (255 // (_CUBE - 1))


class BadRendering(Invalid):
    """A rendering parameter is not what PS3.18 8.3.5 says."""

    code = "invalid-rendering"


@dataclass(frozen=True, slots=True)
class Viewport:
    """Into which box the picture is scaled, and which part of the source is shown."""

    width: int
    height: int
    region: tuple[int, int, int, int] | None = None
    """Left, top, width and height in pixels of the source; negative sizes mirror."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a client wants of a picture."""

    media: str = JPEG
    quality: int = 90
    window: Window | None = None
    shares: tuple[float, float, float, float] | None = None
    """Left, top, right and bottom of what is shown, each from 0 to 1; before the viewport."""
    viewport: Viewport | None = None
    notes: tuple[str, ...] = ()
    """Lines burnt into the picture once all else is done."""


def draw(walked: Scan, plan: FramePlan, index: int, wish: Wish, *, decoder: FrameDecoder) -> bytes:
    """Return frame *index* (from 0) of the walked object as a JPEG or PNG file.

    Raises:
        NoFrames: the numbers that describe the pixels do not hold together.
        TooLarge: the frame is larger than is drawn (``frame-too-large``).
        DecodeFailed: the frame is damaged.
        BadRendering: the wish cannot be met.
    """
    layout = plan.layout
    if layout is None:
        raise NoFrames("the numbers that describe the pixels do not hold together")
    if layout.decoded_bytes > FRAME_BYTES_MAX:
        raise TooLarge("the frame is larger than is drawn", code="frame-too-large")
    display = display_of(walked, layout, index)
    if wish.window is not None:
        shading = dataclasses.replace(display.shading, voi=wish.window)
        display = dataclasses.replace(display, shading=shading)
    picture = _picture(walked, plan, layout, index, display, decoder)
    if wish.shares is not None:
        picture = _shared(picture, wish.shares)
    if wish.viewport is not None:
        picture = fitted(picture, wish.viewport, display.aspect)
    if wish.notes:
        picture = burnt_in(picture, wish.notes)
    return encoded(picture, wish.media, wish.quality)


def _picture(  # one frame and all that is known of it
    walked: Scan,
    plan: FramePlan,
    layout: FrameLayout,
    index: int,
    display: Display,
    decoder: FrameDecoder,
) -> Bytes:
    source = walked.source
    photometric = layout.photometric
    if plan.encapsulated:
        photometric = decoded_photometric(plan.transfer_syntax_uid, photometric)
    cells: Frame
    if layout.subsampled and plan.transfer_syntax_uid in NATIVE:
        raw = stored_frame(source, plan, index, walked=walked)
        cells, photometric = ybr_of_422(raw, layout.rows, layout.columns), "YBR_FULL"
    else:
        cells = frame_cells(source, plan, index, decoder, walked=walked)
    if layout.samples == 1:
        if display.palette is not None:
            return coloured(cells, display.palette)
        return grey(_significant(cells, layout), display.shading)
    return _colour(cells, layout, photometric)


def _significant(cells: Frame, layout: FrameLayout) -> Frame:
    """Return grey cells without what stands above Bits Stored (overlays of old devices)."""
    width = layout.bits_allocated
    if layout.real or layout.bits_stored >= width or layout.bits_allocated == 1:
        return cells
    up = width - 1 - layout.high_bit
    return (cells << up) >> (width - layout.bits_stored)


def _colour(cells: Frame, layout: FrameLayout, photometric: str) -> Bytes:
    samples = cells[..., :3]
    if layout.bits_allocated > 8:  # noqa: PLR2004
        samples = samples >> max(0, layout.bits_stored - 8)
    eight = samples.astype(np.uint8)
    return rgb_of_ybr(eight) if photometric.startswith("YBR_FULL") else eight


def fitted(picture: Bytes, viewport: Viewport, aspect: float) -> Bytes:
    """Return *picture* cut to the viewport's region and scaled into its box, nothing stretched.

    Args:
        picture: 8-bit grey or RGB.
        viewport: the box; the picture fills its width or its height.
        aspect: height of a pixel by its width.

    Raises:
        BadRendering: the region is outside the picture.
    """
    if viewport.region is not None:
        picture = _cut(picture, viewport.region)
    rows, columns = picture.shape[:2]
    scale = min(viewport.width / columns, viewport.height / (rows * aspect))
    return resized(
        picture,
        min(viewport.height, max(1, round(rows * aspect * scale))),
        min(viewport.width, max(1, round(columns * scale))),
    )


def _shared(picture: Bytes, shares: tuple[float, float, float, float]) -> Bytes:
    rows, columns = picture.shape[:2]
    left, top = int(shares[0] * columns), int(shares[1] * rows)
    right, bottom = math.ceil(shares[2] * columns), math.ceil(shares[3] * rows)
    return picture[top : max(bottom, top + 1), left : max(right, left + 1)]


def _cut(picture: Bytes, region: tuple[int, int, int, int]) -> Bytes:
    left, top, width, height = region
    rows, columns = picture.shape[:2]
    right, bottom = left + abs(width), top + abs(height)
    part = picture[max(0, top) : min(rows, bottom), max(0, left) : min(columns, right)]
    if not part.size:
        raise BadRendering("the viewport is outside the image")
    if width < 0:
        part = part[:, ::-1]
    return part[::-1] if height < 0 else part


def resized(picture: Bytes, rows: int, columns: int) -> Bytes:
    """Return *picture* with that many rows and columns: averaged down, interpolated up."""
    shape = picture.shape[:2]
    if shape == (rows, columns):
        return picture
    down, across = max(1, shape[0] // rows), max(1, shape[1] // columns)
    if down > 1 or across > 1:
        whole = picture[: shape[0] // down * down, : shape[1] // across * across]
        blocks = whole.reshape(
            shape[0] // down, down, shape[1] // across, across, *picture.shape[2:]
        )
        values = blocks.mean(axis=(1, 3), dtype=np.float32)
    else:
        values = picture.astype(np.float32)
    values = _interpolated(_interpolated(values, rows, 0), columns, 1)
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _interpolated(values: npt.NDArray[Any], size: int, axis: int) -> npt.NDArray[Any]:
    length = values.shape[axis]
    if length == size:
        return values
    at = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    low = at.astype(np.int64)
    high = np.minimum(low + 1, length - 1)
    weight = (
        (at - low).astype(np.float32).reshape([-1 if n == axis else 1 for n in range(values.ndim)])
    )
    near, far = values.take(low, axis), values.take(high, axis)
    return np.asarray(near * (1 - weight) + far * weight)


def encoded(picture: Bytes, media: str, quality: int) -> bytes:
    """Return 8-bit grey or RGB as a JPEG of *quality* (1 to 100), a PNG or a GIF file."""
    whole = np.ascontiguousarray(picture)
    if media == GIF:
        return _gif(whole)
    if media == PNG:
        return bytes(imagecodecs.png_encode(whole, level=_PNG_LEVEL))
    return bytes(imagecodecs.jpeg8_encode(whole, level=quality))


def _gif(picture: Bytes) -> bytes:
    """Return a GIF; colours in the steps its 256 have room for."""
    if picture.ndim == 2:  # noqa: PLR2004
        return bytes(imagecodecs.gif_encode(picture))
    steps = (picture.astype(np.uint16) * (_CUBE - 1) + 127) // 255
    weights = np.array([_CUBE * _CUBE, _CUBE, 1], np.uint16)
    return bytes(imagecodecs.gif_encode((steps @ weights).astype(np.uint8), colormap=_COLOURS))


def encoded_within(picture: Bytes, most_bytes: int) -> bytes:
    """Return *picture* as a JPEG of at most *most_bytes*, as good as that allows."""
    quality = 80
    made = encoded(picture, JPEG, quality)
    while len(made) > most_bytes and quality > 10:  # noqa: PLR2004
        quality -= 15
        made = encoded(picture, JPEG, quality)
    while len(made) > most_bytes:
        picture = resized(picture, max(1, picture.shape[0] // 2), max(1, picture.shape[1] // 2))
        made = encoded(picture, JPEG, quality)
    return made
