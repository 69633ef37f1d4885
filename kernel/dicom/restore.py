"""What was compressed without loss, given back in the form it came in."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from kernel.arrival import NativeForm
from kernel.dicom.codecs import FrameDecoder
from kernel.dicom.elements import PIXEL_DATA, Scan
from kernel.dicom.frames import FrameLayout, codestream, encapsulated_frames, layout_of
from kernel.dicom.part10 import DEFLATED, EXPLICIT_LE, FileMeta, Source, file_meta_with
from kernel.dicom.rewrite import FORMS, Form, Value, rewrite, swapped
from kernel.errors import Unsupported

_PHOTOMETRIC: Final = 0x00280004
_PLANAR: Final = 0x00280006
_OFFSETS: Final = 0x7FE00001
_LENGTHS: Final = 0x7FE00002


def restore_native(
    source: Source, meta: FileMeta, scan: Scan, native: NativeForm, *, decoder: FrameDecoder
) -> Iterator[bytes]:
    """Yield the whole Part 10 object that ``compress_object`` made *source* from.

    Frame by frame; *source* must stay readable while this runs.

    Args:
        source: the compressed object.
        meta: its file meta.
        scan: its walk.
        native: as ``compress_object`` returned it.
        decoder: ``InThread()`` for what this house compressed, else a pool.

    Raises:
        Unsupported: it is no object of that kind (``not-restorable``).
        DecodeFailed: a frame is damaged.
    """
    layout = layout_of(scan)
    form = FORMS.get(native.transfer_syntax_uid, FORMS[EXPLICIT_LE])
    known = native.transfer_syntax_uid in {*FORMS, DEFLATED}
    if layout is None or not scan.encapsulated or not known:
        raise Unsupported("not an object that was compressed here", code="not-restorable")
    replace = _native_values(native, form)
    planar = native.planar_configuration
    vr = native.pixel_vr or ("OW" if layout.bits_allocated > 8 or not form.explicit else "OB")  # noqa: PLR2004
    length = layout.native_bytes + (layout.native_bytes & 1)
    frames = _native_frames(scan, layout, decoder, planar)
    replace[PIXEL_DATA] = Value(vr, length, _in_order(frames, layout, vr, big=form.big))
    yield file_meta_with(source, meta, transfer_syntax_uid=native.transfer_syntax_uid)
    pieces = rewrite(scan, form=form, replace=replace)
    yield from _deflated(pieces) if native.transfer_syntax_uid == DEFLATED else pieces


def native_header(scan: Scan, native: NativeForm) -> Iterator[bytes]:
    """Yield what ``restore_native`` makes of the data set of *scan*, without its pixel data."""
    form = FORMS.get(native.transfer_syntax_uid, FORMS[EXPLICIT_LE])
    replace = {**_native_values(native, form), PIXEL_DATA: None}
    return rewrite(scan, form=form, replace=replace)


def _native_values(native: NativeForm, form: Form) -> dict[int, Value | None]:
    """Return the elements that compression changed, as they were."""
    replace: dict[int, Value | None] = {_OFFSETS: None, _LENGTHS: None}
    if native.photometric_interpretation:
        raw = native.photometric_interpretation.encode("latin-1")
        raw += b" " * (len(raw) & 1)
        replace[_PHOTOMETRIC] = Value("CS", len(raw), [raw])
    if native.planar_configuration is not None:
        order = ">" if form.big else "<"
        replace[_PLANAR] = Value("US", 2, [struct.pack(order + "H", native.planar_configuration)])
    return replace


def _native_frames(
    scan: Scan, layout: FrameLayout, decoder: FrameDecoder, planar: int | None
) -> Iterator[bytes]:
    """Yield each frame's native bytes in little endian."""
    for fragments in encapsulated_frames(scan, layout.frames):
        stream = codestream(scan.source, fragments)
        cells = decoder.decode(stream, scan.transfer_syntax_uid, layout)
        yield (np.moveaxis(cells, -1, 0) if planar == 1 and cells.ndim > 2 else cells).tobytes()  # noqa: PLR2004


def _in_order(
    frames: Iterable[bytes], layout: FrameLayout, vr: str, *, big: bool
) -> Iterator[bytes]:
    """Yield *frames* padded to an even length, in the byte order of their cells or words."""
    width = layout.bits_allocated // 8
    words = big and width == 1 and vr == "OW"
    left = b""
    for raw in frames:
        if words:
            ready = left + raw
            left = ready[len(ready) & ~1 :]
            yield swapped(ready[: len(ready) & ~1], 2)
        else:
            yield swapped(raw, width) if big else raw
    if words and left:
        yield b"\0" + left
    elif layout.native_bytes & 1:
        yield b"\0"


def _deflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    total = 0
    for piece in pieces:
        out = machine.compress(piece)
        total += len(out)
        yield out
    out = machine.flush()
    yield out + b"\0" * ((total + len(out)) & 1)
