"""The frames of stored objects: where each lies, remembered, and its bytes.

What is remembered belongs to an object key, behind which nothing ever changes.
"""

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from imaging.pixels.syntaxes import media_type
from kernel.dicom.dataset import scan
from kernel.dicom.elements import Fragment, Scan
from kernel.dicom.frames import (
    FRAME_MAX_BYTES,
    FrameLayout,
    codestream,
    encapsulated_frames,
    layout_of,
    native_frame,
)
from kernel.dicom.part10 import DEFLATED, EXPLICIT_LE, Source, chunks, read_file_meta
from kernel.errors import Category, PlatformError, TooLarge

REMEMBERED_BYTES: Final = 32 << 20
_PLAN_BYTES: Final = 1024
_FRAGMENT_BYTES: Final = 2 * (sys.getsizeof(1 << 40) + 8) + 40


class NoFrames(PlatformError):
    """The object has no pixels that can be told apart into the frames it speaks of."""

    code = "no-frames"
    category = Category.UNSUPPORTED


class FrameMissing(PlatformError):
    """The object has fewer frames than that."""

    code = "no-such-frame"
    category = Category.MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePlan:
    """Where the frames of one object lie."""

    transfer_syntax_uid: str
    """Of the frames as they leave: native ones always as Explicit VR Little Endian."""
    layout: FrameLayout | None
    """None where the numbers that describe the pixels do not hold together."""
    count: int
    fragments: tuple[tuple[Fragment, ...], ...] | None
    """Of each frame; None where the frames are native."""
    ranges: bool
    """Native frames lie in the file as they leave, from ``offset`` on, ``frame_bytes`` each."""
    offset: int = 0
    frame_bytes: int = 0

    @property
    def encapsulated(self) -> bool:
        """Whether frames are code streams."""
        return self.fragments is not None


def plan_of(walked: Scan) -> FramePlan:
    """Return where the frames of the walked object lie.

    Raises:
        NoFrames: it has no pixel data, or its frames cannot be told apart.
    """
    if walked.pixel is None:
        raise NoFrames("the object has no pixel data")
    layout = layout_of(walked)
    if walked.encapsulated:
        count = layout.frames if layout is not None else _declared_frames(walked)
        # A video is one stream, however many frames it says it has.
        count = 1 if media_type(walked.transfer_syntax_uid).startswith("video/") else count
        fragments = encapsulated_frames(walked, count)
        return FramePlan(
            transfer_syntax_uid=walked.transfer_syntax_uid,
            layout=layout,
            count=len(fragments),
            fragments=fragments,
            ranges=False,
        )
    if layout is None:
        raise NoFrames("the numbers that describe the pixels do not hold together")
    whole_bytes = layout.native_bits % 8 == 0
    as_they_lie = not walked.big_endian and whole_bytes and walked.transfer_syntax_uid != DEFLATED
    return FramePlan(
        transfer_syntax_uid=EXPLICIT_LE,
        layout=layout,
        count=layout.frames,
        fragments=None,
        ranges=as_they_lie,
        offset=walked.pixel.value_offset,
        frame_bytes=layout.native_bits // 8,
    )


def _declared_frames(walked: Scan) -> int:
    declared = walked.text(0x00280008)
    return int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 9 else 1  # noqa: PLR2004


def walk(source: Source) -> Scan:
    """Return the walked data set of the Part 10 object in *source*."""
    meta = read_file_meta(source)
    return scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)


def stream_length(plan: FramePlan, index: int) -> int:
    """Return how many bytes frame *index* (from 0) of an encapsulated plan has."""
    return sum(fragment.length for fragment in (plan.fragments or ())[index])


def stream_pieces(
    source: Source, plan: FramePlan, index: int, start: int = 0, stop: int | None = None
) -> Iterator[bytes]:
    """Yield frame *index* (from 0) of *plan*, a code stream or a whole video, in pieces.

    Args:
        source: the object's file.
        plan: where its code streams lie.
        index: which of them.
        start: its first byte.
        stop: the byte after its last; None for its end.
    """
    at = 0
    for fragment in (plan.fragments or ())[index]:
        first = max(start - at, 0)
        last = fragment.length if stop is None else min(stop - at, fragment.length)
        if first < last:
            yield from chunks(source, fragment.offset + first, fragment.offset + last)
        at += fragment.length


class FramePlans:
    """Remembers plans by object key, the least used forgotten first; safe in several threads."""

    def __init__(self, *, limit_bytes: int = REMEMBERED_BYTES) -> None:
        """Remember plans of about *limit_bytes* in all."""
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._plans: OrderedDict[str, FramePlan] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, object_key: str) -> FramePlan | None:
        """Return the plan of *object_key* if it is remembered."""
        with self._lock:
            found = self._plans.get(object_key)
            if found is not None:
                self._plans.move_to_end(object_key)
            return found

    def plan(self, object_key: str, source: Source) -> FramePlan:
        """Return the plan of *object_key*, whose bytes are *source*; raises ``NoFrames``."""
        found = self.known(object_key)
        if found is None:
            found = plan_of(walk(source))
            self._keep(object_key, found)
        return found

    def _keep(self, object_key: str, plan: FramePlan) -> None:
        with self._lock:
            if object_key in self._plans:
                return
            self._plans[object_key] = plan
            self._held_bytes += _size(plan)
            while self._held_bytes > self._limit_bytes and self._plans:
                _, dropped = self._plans.popitem(last=False)
                self._held_bytes -= _size(dropped)


def _size(plan: FramePlan) -> int:
    return _PLAN_BYTES + sum(_FRAGMENT_BYTES * (1 + len(frame)) for frame in plan.fragments or ())


def check_frames(plan: FramePlan, numbers: Sequence[int]) -> None:
    """Raise ``FrameMissing`` unless all of *numbers* (from 1) are frames of *plan*."""
    if any(not 0 < number <= plan.count for number in numbers):
        raise FrameMissing(f"frames are numbered 1 to {plan.count}")


def stored_frame(
    source: Source, plan: FramePlan, index: int, *, walked: Scan | None = None
) -> bytes:
    """Return frame *index* (from 0) as it is stored; native cells in little endian.

    Frames of single bits begin with a whole byte, wherever they lie.

    Args:
        source: the object's file.
        plan: where its frames lie.
        index: which of them.
        walked: its walk, where there is one; frames that cannot be read by position need it.

    Raises:
        TooLarge: the frame is over ``FRAME_MAX_BYTES``.
    """
    if plan.fragments is not None:
        return codestream(source, plan.fragments[index])
    if plan.ranges:
        if plan.frame_bytes > FRAME_MAX_BYTES:
            raise TooLarge("the frame does not fit into memory", code="frame-too-large")
        return source.read(plan.offset + index * plan.frame_bytes, plan.frame_bytes)
    layout = plan.layout
    if layout is None:
        raise NoFrames("the numbers that describe the pixels do not hold together")
    raw = native_frame(walked or walk(source), layout, index)
    skip = layout.native_bits * index % 8
    if layout.native_bits % 8 == 0:
        return raw
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
    return np.packbits(bits[skip : skip + layout.native_bits], bitorder="little").tobytes()
