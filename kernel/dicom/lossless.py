"""A whole object into HTJ2K Lossless RPCL, proven equal before it is handed out.

What goes in native comes back native (``kernel.dicom.restore``): the same transfer syntax, equal
elements (group lengths left out), equal pixel bytes. What cannot be given back equal is not
compressed.
"""

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np

from kernel.arrival import ContentDigest, NativeForm
from kernel.dicom.codecs import HTJ2K_LOSSLESS_RPCL, DecodeFailed, decode_frame, encode_htj2k
from kernel.dicom.content import FramesDigest, dataset_digest
from kernel.dicom.dataset import scan as walk
from kernel.dicom.elements import PIXEL_DATA, UNDEFINED, Element, Scan
from kernel.dicom.encapsulate import Spool, encapsulated, offset_tables
from kernel.dicom.frames import (
    FRAME_MAX_BYTES,
    Frame,
    FrameLayout,
    frame_array,
    layout_of,
    native_frame,
)
from kernel.dicom.part10 import (
    DEFLATED,
    EXPLICIT_LE,
    BytesSource,
    FileMeta,
    FileSource,
    Source,
    chunks,
    file_meta_with,
    read_file_meta,
)
from kernel.dicom.restore import native_header
from kernel.dicom.rewrite import FORMS, Value, own_form, rewrite

_PHOTOMETRIC: Final = 0x00280004
_PLANAR: Final = 0x00280006
_RGB: Final = b"RGB "
_YBR_RCT: Final = b"YBR_RCT "
_THREADS: Final = min(4, os.cpu_count() or 1)


class CompressedObject(AbstractContextManager["CompressedObject"]):
    """One Part 10 object in HTJ2K Lossless RPCL. Close it, or use it in ``with``.

    Attributes:
        source: its bytes, in memory or in a temporary file without a name.
        transfer_syntax_uid: always HTJ2K Lossless RPCL.
        native: what it was, for ``restore_native``.
        digest: of its content, the same before and after.
        dataset_offset: where its data set begins.
    """

    __slots__ = ("dataset_offset", "digest", "native", "source")

    transfer_syntax_uid = HTJ2K_LOSSLESS_RPCL

    def __init__(
        self,
        source: BytesSource | FileSource,
        native: NativeForm,
        digest: ContentDigest,
        dataset_offset: int,
    ) -> None:
        self.source = source
        self.native = native
        self.digest = digest
        self.dataset_offset = dataset_offset

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.source.size

    def chunks(self, step: int = 1 << 20) -> Iterator[bytes]:
        """Yield its bytes in pieces of at most *step*."""
        return chunks(self.source, 0, self.source.size, step)

    def close(self) -> None:
        """Give the memory or the temporary file back."""
        if isinstance(self.source, FileSource):
            self.source.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def compress_object(
    source: Source,
    meta: FileMeta,
    scan: Scan,
    *,
    directory: Path | None = None,
    threads: int = _THREADS,
) -> CompressedObject | None:
    """Return the object in HTJ2K Lossless RPCL, or None where it must stay as it is.

    Every frame is decoded again and compared, and the rewritten data set must have the digest of
    the original. Runs for as long as that takes and reads every pixel: call it off the event
    loop. Memory: a few frames for each thread; what is over 16 MiB lies in a temporary file.

    Stays as it is: no pixel data, already compressed, float, 1 and 32 bit, signed 8 bit, three
    samples other than RGB, bits above Bits Stored in use, padding that is not one zero byte, and
    whatever does not come back bit-equal.

    Args:
        source: the Part 10 object.
        meta: its file meta.
        scan: its walk.
        directory: where temporary files go; the system's place by default.
        threads: how many frames are worked on at once.

    Raises:
        BrokenDataset: the source ends before what the scan saw (``truncated``).
    """
    layout = layout_of(scan)
    if layout is None or scan.pixel is None or not _eligible(scan, scan.pixel, layout):
        return None
    frames = Spool(directory)
    try:
        coded = _encode_all(scan, layout, frames, threads)
        if coded is None:
            return None
        lengths, pixels = coded
        with _Closing(frames.source()) as streams:
            output = _assembled(source, meta, scan, (streams, lengths), directory)
    finally:
        frames.close()
    return _proven(output, scan, layout, pixels)


class _Closing(AbstractContextManager[BytesSource | FileSource]):
    def __init__(self, source: BytesSource | FileSource) -> None:
        self._source = source

    def __enter__(self) -> BytesSource | FileSource:
        return self._source

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(self._source, FileSource):
            self._source.close()


def _eligible(scan: Scan, pixel: Element, layout: FrameLayout) -> bool:
    """Return whether the object is of a kind that HTJ2K and every viewer carry faithfully."""
    native = (
        scan.transfer_syntax_uid in {*FORMS, DEFLATED}
        and pixel.fragments is None
        and pixel.tag == PIXEL_DATA
        and "vr-not-as-declared" not in scan.oddities
        and len({element.tag for element in scan.elements}) == len(scan.elements)
    )
    cells = (
        layout.bits_allocated in {8, 16}
        and layout.high_bit == layout.bits_stored - 1
        and layout.decoded_bytes <= FRAME_MAX_BYTES
    )
    colour = (
        layout.samples == 3  # noqa: PLR2004
        and scan.value(_PHOTOMETRIC) == _RGB
        and layout.planar in {0, 1}
    )
    if not native or not cells or not (layout.samples == 1 or colour):
        return False
    return _is_padded_plainly(scan, pixel, layout)


def _is_padded_plainly(scan: Scan, pixel: Element, layout: FrameLayout) -> bool:
    """Return whether behind the frames stands nothing, or one zero byte that makes them even."""
    over = pixel.length - layout.native_bytes
    if over == 0:
        return layout.native_bytes % 2 == 0
    if over != 1 or layout.native_bytes % 2 == 0:
        return False
    # In big-endian words the padding is the first byte of the last word.
    at = pixel.end - 2 if scan.big_endian and pixel.vr == "OW" else pixel.end - 1
    return scan.source.read(at, 1) == b"\0"


def _encode_all(
    scan: Scan, layout: FrameLayout, spool: Spool, threads: int
) -> tuple[list[int], str] | None:
    """Write every frame's stream to *spool*; return their lengths and the digest of the frames."""
    digest = FramesDigest(layout)
    lengths: list[int] = []
    for cells, stream in _coded(scan, layout, threads):
        if stream is None:
            return None
        digest.add(cells)
        lengths.append(len(stream))
        spool.write(stream + b"\0" * (len(stream) & 1))
    return lengths, digest.hex()


def _coded(scan: Scan, layout: FrameLayout, threads: int) -> Iterator[tuple[Frame, bytes | None]]:
    def one(index: int) -> tuple[Frame, bytes | None]:
        cells = frame_array(native_frame(scan, layout, index), layout, index)
        return cells, _proven_stream(cells, layout)

    if layout.frames == 1 or threads < 2:  # noqa: PLR2004
        yield from map(one, range(layout.frames))
        return
    waiting: deque[Future[tuple[Frame, bytes | None]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for index in range(layout.frames):
                waiting.append(pool.submit(one, index))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _proven_stream(cells: Frame, layout: FrameLayout) -> bytes | None:
    """Return the stream of *cells* if it decodes to exactly them, else None."""
    stream = encode_htj2k(cells, bits_stored=layout.bits_stored, signed=layout.signed)
    if stream is None:
        return None
    try:
        back = decode_frame(stream, HTJ2K_LOSSLESS_RPCL, layout)
    except DecodeFailed:
        return None
    return stream if back.dtype == cells.dtype and np.array_equal(back, cells) else None


def _assembled(
    source: Source,
    meta: FileMeta,
    scan: Scan,
    coded: tuple[Source, list[int]],
    directory: Path | None,
) -> BytesSource | FileSource:
    streams, lengths = coded
    replace: dict[int, Value | None] = offset_tables(lengths)
    table = replace.pop(PIXEL_DATA)
    if scan.value(_PHOTOMETRIC) == _RGB:
        replace[_PHOTOMETRIC] = Value("CS", len(_YBR_RCT), [_YBR_RCT])
        replace[_PLANAR] = Value("US", 2, [b"\0\0"])
    first = table.pieces if table else ()
    replace[PIXEL_DATA] = Value("OB", UNDEFINED, encapsulated(first, streams, lengths))
    output = Spool(directory)
    try:
        named = _with_uids(meta, scan)
        output.write(file_meta_with(source, named, transfer_syntax_uid=HTJ2K_LOSSLESS_RPCL))
        for piece in rewrite(scan, form=FORMS[EXPLICIT_LE], replace=replace):
            output.write(piece)
        return output.source()
    finally:
        output.close()


def _with_uids(meta: FileMeta, scan: Scan) -> FileMeta:
    """Return *meta* with the UIDs of the data set, for an object that had no file meta group."""
    if meta.group_start >= 0:
        return meta
    return FileMeta(
        transfer_syntax_uid=meta.transfer_syntax_uid,
        media_storage_sop_class_uid=scan.text(0x00080016),
        media_storage_sop_instance_uid=scan.text(0x00080018),
        dataset_offset=meta.dataset_offset,
        has_preamble=False,
    )


def _proven(
    output: BytesSource | FileSource, scan: Scan, layout: FrameLayout, pixels: str
) -> CompressedObject | None:
    """Return the object in *output* if nothing but its encoding changed, else None.

    Its data set must have the digest of the original's, and must turn back into the original's
    bytes, group lengths left out.
    """
    meta = read_file_meta(output)
    found = walk(output, offset=meta.dataset_offset, transfer_syntax_uid=HTJ2K_LOSSLESS_RPCL)
    colour = layout.samples > 1
    native = NativeForm(
        transfer_syntax_uid=scan.transfer_syntax_uid,
        photometric_interpretation=layout.photometric if colour else "",
        planar_configuration=layout.planar if colour else None,
        pixel_vr=scan.pixel.vr if scan.pixel else "",
    )
    before = dataset_digest(scan)
    if (
        found.pixel is not None
        and len(found.pixel.fragments or ()) == layout.frames + 1
        and dataset_digest(found) == before
        and _hash(native_header(found, native))
        == _hash(rewrite(scan, form=own_form(scan), replace={PIXEL_DATA: None}))
    ):
        digest = ContentDigest(dataset=before, pixels=pixels)
        return CompressedObject(output, native, digest, meta.dataset_offset)
    if isinstance(output, FileSource):
        output.close()
    return None


def _hash(pieces: Iterable[bytes]) -> bytes:
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.digest()
