"""Rendering parameters as they stand in an address (PS3.18 8.3.5)."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from imaging.pixels.render import SIDE_MAX, BadRendering, Viewport, Wish
from imaging.pixels.voi import VoiFunction, Window

_FUNCTIONS: Final = {
    "linear": VoiFunction.LINEAR,
    "linear-exact": VoiFunction.LINEAR_EXACT,
    "sigmoid": VoiFunction.SIGMOID,
}
_PROFILES: Final = ("no", "yes", "srgb", "adobergb", "rommrgb")
_QUALITY_MAX: Final = 100
_WINDOW_NUMBERS: Final = (2, 3)
_BOX, _BOX_AND_REGION = 2, 6


def parse_wish(query: Mapping[str, str], media: str) -> Wish:
    """Return what *query* asks of a picture of type *media*; what it does not name is ours to say.

    Raises:
        BadRendering: ``window``, ``viewport`` or ``quality`` is not what the standard says.
    """
    window, viewport = query.get("window", ""), query.get("viewport", "")
    wish = Wish(
        media=media,
        window=parse_window(window) if window else None,
        viewport=parse_viewport(viewport) if viewport else None,
    )
    quality = parse_quality(query.get("quality", ""))
    return wish if quality is None else replace(wish, quality=quality)


def not_made(query: Mapping[str, str]) -> dict[str, str]:
    """Return the Warning header about what *query* asks of a picture and is not made here.

    Raises:
        BadRendering: ``iccprofile`` is none of the standard's words (PS3.18 8.3.5.1.6).
    """
    profile = query.get("iccprofile", "no")
    if profile not in _PROFILES:
        raise BadRendering(f"iccprofile is one of {', '.join(_PROFILES)}")
    if profile == "no":
        return {}
    told = "The iccprofile parameter is not supported; the picture has no profile."
    return {"Warning": f'299 yilian "{told}"'}


def parse_quality(text: str) -> int | None:
    """Return the quality of a JPEG in *text*, None where it is empty.

    Raises:
        BadRendering: it is no number from 1 to 100.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text[:4]) <= _QUALITY_MAX):
        raise BadRendering("quality is a number from 1 to 100")
    return int(text)


def parse_window(text: str) -> Window:
    """Return the window in ``centre,width[,function]`` (PS3.18 8.3.5.1.4).

    Raises:
        BadRendering: anything else, or a width that is not positive.
    """
    parts = text.split(",")
    function = _FUNCTIONS.get(parts[2].strip().lower() if len(parts) > _BOX else "linear")
    if len(parts) not in _WINDOW_NUMBERS or function is None:
        raise BadRendering("a window is centre,width,function")
    centre, width = _number(parts[0]), _number(parts[1])
    if width <= 0:
        raise BadRendering("a window's width is positive")
    return Window(centre, width, function)


def parse_viewport(text: str) -> Viewport:
    """Return the viewport in ``vw,vh[,sx,sy,sw,sh]`` (PS3.18 8.3.5.1.3).

    Raises:
        BadRendering: anything else, or a box wider or higher than ``SIDE_MAX``.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in {_BOX, _BOX_AND_REGION}:
        raise BadRendering("a viewport is vw,vh or vw,vh,sx,sy,sw,sh")
    numbers = [round(_number(part)) for part in parts]
    width, height = numbers[:2]
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX):
        raise BadRendering(f"a viewport is 1 to {SIDE_MAX} pixels wide and high")
    if len(numbers) == _BOX:
        return Viewport(width, height)
    left, top, across, down = numbers[2:]
    if left < 0 or top < 0 or across == 0 or down == 0:
        raise BadRendering("a viewport's region has a place and a size")
    return Viewport(width, height, (left, top, across, down))


def _number(text: str) -> float:
    try:
        value = float(text) if len(text) <= 32 and "_" not in text else math.nan  # noqa: PLR2004
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e12:  # noqa: PLR2004
        raise BadRendering("not a number where one belongs")
    return value
