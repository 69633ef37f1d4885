"""Lines of text burnt into a picture, in Chinese where the machine has a font for it."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imaging.pixels.voi import Bytes

_FONT_FOLDERS: Final = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
_FONTS: Final = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "NotoSerifCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
)
"""Fonts with Chinese characters, the best first; Debian's fonts-noto-cjk has the first."""
_SMALLEST, _LARGEST = 9, 48
_LINES_A_HEIGHT: Final = 40
_INK: Final = 255
_EDGE: Final = 0


def burnt_in(picture: Bytes, lines: Sequence[str]) -> Bytes:
    """Return *picture* (8-bit grey or RGB) with *lines* in its upper left corner.

    White with a dark edge, so that it can be read on any ground. Without a font for them Chinese
    characters are left out.
    """
    size = min(_LARGEST, max(_SMALLEST, picture.shape[0] // _LINES_A_HEIGHT))
    font, chinese = _font(size)
    drawn = Image.fromarray(np.ascontiguousarray(picture))
    pen = ImageDraw.Draw(drawn)
    colour = picture.ndim == 3  # noqa: PLR2004
    ink: int | tuple[int, int, int] = (_INK,) * 3 if colour else _INK
    edge: int | tuple[int, int, int] = (_EDGE,) * 3 if colour else _EDGE
    top = size // 2
    for line in lines:
        text = line if chinese else line.encode("latin-1", "ignore").decode("latin-1")
        pen.text((size // 2, top), text, fill=ink, font=font, stroke_width=1, stroke_fill=edge)
        top += size + size // 3
    return np.asarray(drawn)


@cache
def _font(size: int) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, bool]:
    """Return the font, and whether it has Chinese characters."""
    found = _file()
    if found is None:
        return ImageFont.load_default(size), False
    return ImageFont.truetype(str(found), size), True


@cache
def _file() -> Path | None:
    for name in _FONTS:
        for folder in _FONT_FOLDERS:
            if found := next(iter(sorted(folder.rglob(name))), None):
                return found
    return None
