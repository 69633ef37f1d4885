"""An object of ours in its densest form, for a slow line, and back again.

What this house stores is HTJ2K, which viewers can read; JPEG XL is a fifth smaller and nobody
reads it. On the way its frames are JPEG XL, everything else of the object stays as it is, and at
the end they are HTJ2K again. Which HTJ2K library made them does not matter: whoever takes the
object in holds it against the digests of its content.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from kernel.dicom.codecs import (
    HTJ2K_LOSSLESS_RPCL,
    JPEG_XL_LOSSLESS,
    FrameDecoder,
    InThread,
    encode_htj2k,
    encode_jpeg_xl,
)
from kernel.dicom.dataset import scan as walk
from kernel.dicom.elements import PIXEL_DATA, UNDEFINED, Scan
from kernel.dicom.encapsulate import Spool, encapsulated, offset_tables
from kernel.dicom.frames import (
    FRAME_MAX_BYTES,
    Frame,
    FrameLayout,
    codestream,
    encapsulated_frames,
    layout_of,
)
from kernel.dicom.part10 import (
    EXPLICIT_LE,
    BytesSource,
    FileSource,
    Source,
    file_meta_with,
    read_file_meta,
)
from kernel.dicom.rewrite import FORMS, Value, rewrite
from kernel.errors import Invalid, PlatformError

_BITS: Final = (8, 16)
_OFFSET_TABLES: Final = (0x7FE00001, 0x7FE00002)


class NotDense(Invalid):
    """Not an object in its dense form, or one whose frames cannot be had back."""

    code = "dense-broken"


def dense(source: Source, *, directory: Path | None = None) -> BytesSource | FileSource | None:
    """Return an HTJ2K object of ours with its frames as JPEG XL.

    None where it is no such object, or where a frame would not come back equal. Reads every pixel;
    call it off the event loop. Negative cells are shifted up by half their range.

    Args:
        source: a Part 10 object, compressed by this house.
        directory: where temporary files go; the system's place by default.
    """
    try:
        return _recoded(source, HTJ2K_LOSSLESS_RPCL, JPEG_XL_LOSSLESS, _to_dense, directory)
    except (PlatformError, RuntimeError):
        return None


def restored(
    source: Source, *, decoder: FrameDecoder, directory: Path | None = None
) -> BytesSource | FileSource:
    """Return what ``dense`` made *source* from, as HTJ2K again; of equal content.

    Args:
        source: as it came over the line; not trusted.
        decoder: of its frames; a pool.
        directory: as above.

    Raises:
        NotDense: it is no such object.
        PlatformError: it cannot be walked, a frame not decoded, or the decoder is not able now.
    """

    def back(stream: bytes, layout: FrameLayout) -> bytes | None:
        cells = decoder.decode(stream, JPEG_XL_LOSSLESS, _unsigned(layout))
        cells = _lowered(cells, layout)
        return encode_htj2k(cells, bits_stored=layout.bits_stored, signed=layout.signed)

    return _recoded(source, JPEG_XL_LOSSLESS, HTJ2K_LOSSLESS_RPCL, back, directory)


def _to_dense(stream: bytes, layout: FrameLayout) -> bytes | None:
    own = InThread()
    cells = own.decode(stream, HTJ2K_LOSSLESS_RPCL, layout)
    found = encode_jpeg_xl(_raised(cells, layout))
    back = _lowered(own.decode(found, JPEG_XL_LOSSLESS, _unsigned(layout)), layout)
    return found if back.dtype == cells.dtype and np.array_equal(back, cells) else None


def _recoded(
    source: Source,
    before: str,
    after: str,
    recode: Callable[[bytes, FrameLayout], bytes | None],
    directory: Path | None,
) -> BytesSource | FileSource:
    meta = read_file_meta(source)
    if meta.transfer_syntax_uid != before:
        raise NotDense("the object is of another transfer syntax")
    scan = walk(source, offset=meta.dataset_offset, transfer_syntax_uid=before)
    layout = _layout(scan)
    frames = Spool(directory)
    try:
        lengths: list[int] = []
        for fragments in encapsulated_frames(scan, layout.frames):
            stream = recode(codestream(source, fragments), layout)
            if stream is None:
                raise NotDense("a frame does not come back equal")
            frames.write(stream + b"\0" * (len(stream) & 1))
            lengths.append(len(stream))
        streams = frames.source()
    finally:
        frames.close()
    try:
        return _assembled(source, scan, (streams, lengths), after, directory)
    finally:
        if isinstance(streams, FileSource):
            streams.close()


def _layout(scan: Scan) -> FrameLayout:
    layout = layout_of(scan)
    if layout is None or not scan.encapsulated or not 0 < layout.decoded_bytes <= FRAME_MAX_BYTES:
        raise NotDense("the object has no frames")
    if layout.bits_allocated not in _BITS or layout.samples not in (1, 3):
        raise NotDense("frames of another kind")
    return layout


def _assembled(
    source: Source,
    scan: Scan,
    coded: tuple[Source, list[int]],
    after: str,
    directory: Path | None,
) -> BytesSource | FileSource:
    streams, lengths = coded
    changed: dict[int, Value | None] = {
        tag: None for tag in _OFFSET_TABLES if scan.find(tag) is not None
    }
    changed |= offset_tables(lengths)
    table = changed.pop(PIXEL_DATA)
    first = table.pieces if table else ()
    changed[PIXEL_DATA] = Value("OB", UNDEFINED, encapsulated(first, streams, lengths))
    output = Spool(directory)
    try:
        for piece in _pieces(source, scan, changed, after):
            output.write(piece)
        return output.source()
    finally:
        output.close()


def _pieces(
    source: Source, scan: Scan, changed: dict[int, Value | None], after: str
) -> Iterator[bytes]:
    yield file_meta_with(source, read_file_meta(source), transfer_syntax_uid=after)
    yield from rewrite(scan, form=FORMS[EXPLICIT_LE], replace=changed)


def _unsigned(layout: FrameLayout) -> FrameLayout:
    return replace(layout, pixel_representation=0)


def _raised(cells: Frame, layout: FrameLayout) -> Frame:
    """Return *cells* without negative ones: JPEG XL has none."""
    if not layout.signed:
        return cells
    half = 1 << layout.bits_stored - 1
    return (cells.astype(np.int32) + half).astype(_unsigned(layout).dtype)


def _lowered(cells: Frame, layout: FrameLayout) -> Frame:
    if not layout.signed:
        return cells
    half = 1 << layout.bits_stored - 1
    return (cells.astype(np.int32) - half).astype(layout.dtype)
