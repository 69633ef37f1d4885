"""Frames and whole objects in another encoding, always without loss.

What was compressed here is given back as it came (``kernel.dicom.restore``). Everything else keeps
its elements; only those bound to the encoding of pixels change.
"""

import dataclasses
import struct
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import Final

import msgspec
import numpy as np

from imaging.pixels.encode import COLOUR_TRANSFORMED, CannotMake, encode_frame
from imaging.pixels.frames import FramePlan, plan_of, stored_frame
from imaging.pixels.syntaxes import (
    DECODABLE,
    ENCODABLE,
    NATIVE,
    decodable,
    satisfies,
)
from kernel.arrival import NativeForm
from kernel.dicom.codecs import (
    DecodeFailed,
    FrameDecoder,
)
from kernel.dicom.dataset import scan as walk_at
from kernel.dicom.elements import PIXEL_DATA, UNDEFINED, Scan
from kernel.dicom.frames import Frame, FrameLayout, frame_array
from kernel.dicom.part10 import (
    EXPLICIT_LE,
    IMPLICIT_LE,
    FileMeta,
    Source,
    file_meta_with,
    read_file_meta,
)
from kernel.dicom.restore import restore_native
from kernel.dicom.rewrite import FORMS, Value, rewrite

_PHOTOMETRIC: Final = 0x00280004
_PLANAR: Final = 0x00280006
_OFFSET_TABLES: Final = (0x7FE00001, 0x7FE00002, 0x7FE00003)
_ITEM: Final = b"\xfe\xff\x00\xe0"
_SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"
_ALWAYS_MADE: Final = frozenset({IMPLICIT_LE, EXPLICIT_LE})
_TRANSFORMED: Final = frozenset({"YBR_RCT", "YBR_ICT"})
_LOSSY_JPEG: Final = frozenset("1.2.840.10008.1.2.4." + code for code in ("50", "51", "53", "55"))
_LENGTH_MAX: Final = 0xFFFFFFFE

Pieces = Generator[bytes, None, None]


def can_make(stored: str, native: NativeForm | None, wanted: str) -> bool:
    """Return whether an object stored as *stored* may be had in the transfer syntax *wanted*.

    Args:
        stored: transfer syntax of the object as it lies.
        native: what it was before it was compressed here.
        wanted: the transfer syntax asked for.
    """
    if satisfies(stored, wanted) or (native is not None and native.transfer_syntax_uid == wanted):
        return True
    return decodable(stored) and (wanted in _ALWAYS_MADE or wanted in ENCODABLE)


def decoded_photometric(transfer_syntax_uid: str, photometric: str) -> str:
    """Return the Photometric Interpretation of what ``decode_frame`` makes of such a frame."""
    if photometric in _TRANSFORMED:
        return "RGB"
    if transfer_syntax_uid in _LOSSY_JPEG and photometric.startswith("YBR"):
        return "RGB"
    return photometric


def frame_cells(
    source: Source,
    plan: FramePlan,
    index: int,
    decoder: FrameDecoder,
    *,
    walked: Scan | None = None,
) -> Frame:
    """Return the cells of frame *index* (from 0), colour by pixel.

    Raises:
        DecodeFailed: the frame is damaged or its encoding is not known here.
        NoFrames: the numbers that describe the pixels do not hold together.
        Unsupported: native subsampled colour (``subsampled-native``).
    """
    raw = stored_frame(source, plan, index, walked=walked)
    layout = plan.layout
    if layout is None:
        raise DecodeFailed("the numbers that describe the pixels do not hold together")
    if plan.encapsulated:
        return decoder.decode(raw, plan.transfer_syntax_uid, layout)
    # A frame of single bits begins with a whole byte here, whichever it is.
    return frame_array(raw, layout)


def native_bytes(source: Source, plan: FramePlan, index: int, decoder: FrameDecoder) -> bytes:
    """Return frame *index* (from 0) as Explicit VR Little Endian has it; raises as above."""
    if not plan.encapsulated:
        return stored_frame(source, plan, index)
    cells = frame_cells(source, plan, index, decoder)
    if plan.layout is not None and plan.layout.bits_allocated == 1:
        return np.packbits(cells.ravel(), bitorder="little").tobytes()
    return cells.tobytes()


class _OneAhead:
    """A decoder that has decoded one frame before it was asked to."""

    def __init__(self, decoder: FrameDecoder) -> None:
        self._decoder = decoder
        self._ahead: tuple[bytes, Frame] | None = None

    def decode_ahead(self, stream: bytes, syntax: str, layout: FrameLayout) -> Frame:
        """Decode *stream* now and keep its cells until they are asked for."""
        cells = self._decoder.decode(stream, syntax, layout)
        self._ahead = (stream, cells)
        return cells

    def decode(self, stream: bytes, transfer_syntax_uid: str, layout: FrameLayout) -> Frame:
        """Return the frame; see ``FrameDecoder``."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == stream:
            return ahead[1]
        return self._decoder.decode(stream, transfer_syntax_uid, layout)


def remake(
    source: Source, wanted: str, native: NativeForm | None, *, decoder: FrameDecoder
) -> Pieces:
    """Return the whole Part 10 object in *source* in the transfer syntax *wanted*, in pieces.

    The first piece is its head: preamble and file meta, without a byte of the data set.
    The first frame is decoded, and encoded, before this returns, so that an object that cannot be
    made is known before anything of it has left. *source* must stay readable while pieces are
    taken; memory is bounded by a few frames.

    Args:
        source: the object as it lies, in another transfer syntax.
        wanted: one that ``can_make`` allows.
        native: what it was before it was compressed here.
        decoder: for its frames.

    Raises:
        CannotMake: its pixels do not fit into that encoding.
        DecodeFailed: the first frame is damaged.
        NoFrames: its frames cannot be told apart.
    """
    meta = read_file_meta(source)
    walked = walk_at(
        source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
    )
    if walked.pixel is None and wanted not in FORMS:
        # Nothing to encode: such an object has no encapsulated form.
        raise CannotMake("the object has no pixel data")
    if wanted in ENCODABLE:
        return _encoded(source, meta, walked, wanted, decoder)
    if not walked.encapsulated:
        return _rewritten(source, meta, walked, wanted)
    return _decoded(source, meta, walked, wanted, native, decoder)


def _decoded(  # one object and what to make of it
    source: Source,
    meta: FileMeta,
    walked: Scan,
    wanted: str,
    native: NativeForm | None,
    decoder: FrameDecoder,
) -> Pieces:
    plan = plan_of(walked)
    layout = plan.layout
    if layout is None or walked.transfer_syntax_uid not in DECODABLE:
        raise CannotMake("the object has no native form that can be made here")
    if native is not None:
        ahead = _OneAhead(decoder)
        ahead.decode_ahead(stored_frame(source, plan, 0), plan.transfer_syntax_uid, layout)
        form = msgspec.structs.replace(native, transfer_syntax_uid=wanted)
        return _closing(restore_native(source, meta, walked, form, decoder=ahead))
    photometric = decoded_photometric(walked.transfer_syntax_uid, layout.photometric)
    layout = dataclasses.replace(layout, photometric=photometric)
    size = layout.native_bytes
    if size > _LENGTH_MAX or layout.native_bits % 8 or layout.subsampled:
        raise CannotMake("the object has no native form that can be made here")
    frames = (native_bytes(source, plan, index, decoder) for index in range(plan.count))
    first = next(frames)
    replace = _of_encoding(layout, photometric)
    vr = "OW" if layout.bits_allocated > 8 else "OB"  # noqa: PLR2004
    pad = b"\0" * (size & 1)
    replace[PIXEL_DATA] = Value(vr, size + len(pad), chain((first,), frames, (pad,)))
    head = file_meta_with(source, meta, transfer_syntax_uid=wanted)
    return _closing(chain((head,), rewrite(walked, form=FORMS[wanted], replace=replace)))


def _of_encoding(layout: FrameLayout, photometric: str) -> dict[int, Value | None]:
    """Return what replaces the elements bound to the encoding of pixels, in little endian."""
    replace: dict[int, Value | None] = dict.fromkeys(_OFFSET_TABLES)
    raw = photometric.encode("latin-1")
    raw += b" " * (len(raw) & 1)
    replace[_PHOTOMETRIC] = Value("CS", len(raw), [raw])
    if layout.samples > 1:
        replace[_PLANAR] = Value("US", 2, [b"\0\0"])
    return replace


def _rewritten(source: Source, meta: FileMeta, walked: Scan, wanted: str) -> Pieces:
    form = FORMS[wanted]
    replace: dict[int, Value | None] = {}
    pixel = walked.pixel
    if walked.big_endian and pixel is not None:
        # Cells, not words, change their order; they may be wider or narrower than their VR.
        plan = plan_of(walked)
        frames = (stored_frame(source, plan, index, walked=walked) for index in range(plan.count))
        layout = plan.layout
        if layout is not None and layout.native_bits % 8 == 0:
            size = layout.native_bytes
            pad = b"\0" * (size & 1)
            replace[pixel.tag] = Value(pixel.vr, size + len(pad), chain(frames, (pad,)))
    head = file_meta_with(source, meta, transfer_syntax_uid=wanted)
    return _closing(chain((head,), rewrite(walked, form=form, replace=replace)))


def _encoded(
    source: Source, meta: FileMeta, walked: Scan, wanted: str, decoder: FrameDecoder
) -> Pieces:
    plan = plan_of(walked)
    layout = plan.layout
    if layout is None or (walked.implicit and walked.pixel is None):
        raise CannotMake("the numbers that describe the pixels do not hold together")

    def streams() -> Iterator[bytes]:
        for index in range(plan.count):
            cells = frame_cells(source, plan, index, decoder, walked=walked)
            yield encode_frame(cells, wanted, layout)

    made = streams()
    first = next(made)
    photometric = decoded_photometric(walked.transfer_syntax_uid, layout.photometric)
    if layout.samples > 1 and wanted in COLOUR_TRANSFORMED:
        if photometric != "RGB":
            raise CannotMake("only RGB is encoded that way")
        photometric = "YBR_RCT"
    replace = _of_encoding(layout, photometric)
    replace[PIXEL_DATA] = Value("OB", UNDEFINED, _encapsulated(chain((first,), made)))
    head = file_meta_with(source, meta, transfer_syntax_uid=wanted)
    form = FORMS[EXPLICIT_LE]
    return _closing(chain((head,), rewrite(walked, form=form, replace=replace)))


def _encapsulated(streams: Iterable[bytes]) -> Iterator[bytes]:
    """Yield an empty offset table, one fragment for each of *streams*, and the delimiter."""
    yield _ITEM + b"\0\0\0\0"
    for stream in streams:
        padded = stream + b"\0" * (len(stream) & 1)
        yield _ITEM + struct.pack("<L", len(padded))
        yield padded
    yield _SEQUENCE_END


def _closing(pieces: Iterable[bytes]) -> Pieces:
    yield from pieces


def frame_in(
    source: Source, plan: FramePlan, index: int, wanted: str, decoder: FrameDecoder
) -> bytes:
    """Return frame *index* (from 0) in the transfer syntax *wanted*; native or a code stream.

    Raises:
        CannotMake: it has no such form.
        DecodeFailed: the frame is damaged.
    """
    if satisfies(plan.transfer_syntax_uid, wanted):
        return stored_frame(source, plan, index)
    if wanted in NATIVE:
        return native_bytes(source, plan, index, decoder)
    if plan.layout is None:
        raise CannotMake("the numbers that describe the pixels do not hold together")
    return encode_frame(frame_cells(source, plan, index, decoder), wanted, plan.layout)
