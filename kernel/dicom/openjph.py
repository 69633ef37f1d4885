"""OpenJPH as it has to be called: not first by two threads at once, and not trusting its silence.

Its encoder makes its tables when it is first used and says they are there before they are: streams
that a second thread writes meanwhile are wrong (one process in a hundred, four threads from the
start). And it tells of a damaged code stream while the lines are drawn; imagecodecs draws them in a
function that cannot raise, so the error ends in ``sys.unraisablehook`` and half a picture comes
back as if it were whole.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import imagecodecs
import numpy as np
import numpy.typing as npt

_FIRST: Final = threading.Lock()
_MADE: Final = threading.Event()
_HEARD: Final = threading.local()


class Swallowed(RuntimeError):
    """The library failed inside and said nothing to its caller."""


def htj2k_encode(cells: npt.NDArray[Any], *, resolutions: int) -> bytes:
    """Return *cells* as a lossless stream with TLM and a tile part for each resolution.

    Args:
        cells: rows x columns, or rows x columns x 3 unsigned; native byte order, contiguous.
        resolutions: decompositions.

    Raises:
        imagecodecs.Htj2kError: they cannot be encoded.
    """
    _make_tables()
    return _encode(cells, resolutions)


def htj2k_decode(stream: bytes) -> npt.NDArray[Any]:
    """Return the cells of *stream*.

    Raises:
        imagecodecs.Htj2kError: it is none, or damaged.
        Swallowed: it is damaged.
    """
    _make_tables()
    with _swallowed_raised():
        cells: npt.NDArray[Any] = imagecodecs.htj2k_decode(stream)
    return cells


def _encode(cells: npt.NDArray[Any], resolutions: int) -> bytes:
    stream = imagecodecs.htj2k_encode(
        cells,
        reversible=True,
        tlm=True,
        tilepart=imagecodecs.HTJ2K.TILEPART.RESOLUTIONS,
        resolutions=resolutions,
    )
    return bytes(stream)


def _make_tables() -> None:
    if _MADE.is_set():
        return
    with _FIRST:
        if _MADE.is_set():
            return
        steps = np.arange(64 * 64)
        for cells in (
            (steps * 37 % 4096 - 2048).astype(np.int16).reshape(64, 64),
            (steps * 11 % 251).astype(np.uint8).repeat(3).reshape(64, 64, 3),
        ):
            imagecodecs.htj2k_decode(_encode(cells, 1))
        _listen()
        _MADE.set()


def _listen() -> None:
    before = sys.unraisablehook

    def hear(told: "sys.UnraisableHookArgs") -> None:
        heard: list[BaseException | None] | None = getattr(_HEARD, "errors", None)
        if heard is None:
            before(told)
        else:
            heard.append(told.exc_value)

    sys.unraisablehook = hear


@contextmanager
def _swallowed_raised() -> Iterator[None]:
    """Raise ``Swallowed`` at the end where this thread's call threw an error away."""
    heard: list[BaseException | None] = []
    _HEARD.errors = heard
    try:
        yield
    finally:
        _HEARD.errors = None
    if heard:
        raise Swallowed from heard[0]
