"""An object for a peer that takes data sets by DIMSE: the forms it can be had in, and its bytes."""

from functools import lru_cache
from typing import Final

from imaging.archive.corrected_object import opened
from imaging.archive.correction import Correction
from imaging.archive.objects import ObjectStore, pieces
from imaging.pixels.pool import Pieces
from imaging.pixels.syntaxes import (
    HTJ2K,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    decodable,
    satisfies,
)
from imaging.pixels.transcode import remake
from kernel.arrival import NativeForm
from kernel.dicom.codecs import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    RLE_LOSSLESS,
    FrameDecoder,
)
from kernel.dicom.part10 import EXPLICIT_LE, IMPLICIT_LE

_CHUNK_BYTES: Final = 256 << 10
_COMPRESSED: Final = (
    HTJ2K_LOSSLESS_RPCL,
    JPEG_LS_LOSSLESS,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    RLE_LOSSLESS,
)
"""By what is known most, after those that cost nothing to make."""


@lru_cache(maxsize=1024)
def forms_of(stored: str, native: str, *, has_pixels: bool) -> tuple[str, ...]:
    """Return the transfer syntaxes an object can be had in without loss, best first.

    As it lies; as its device made it; native; in what a peer may take that takes nothing native.
    Whether its pixels fit into an encoding shows when it is made.

    Args:
        stored: transfer syntax of the object as it lies.
        native: what it was before it was compressed here; empty where it is as it came.
        has_pixels: whether there is anything to encode.
    """
    found = [stored, *(one for one in (HTJ2K_LOSSLESS, HTJ2K) if satisfies(stored, one))]
    if native:
        found.append(native)
    if decodable(stored):
        found += [EXPLICIT_LE, IMPLICIT_LE]
        if has_pixels:
            found += _COMPRESSED
    return tuple(dict.fromkeys(found))


def stored_pieces(
    store: ObjectStore, key: str, dataset_offset: int, correction: Correction | None
) -> Pieces:
    """Yield the data set of the object as it lies, corrected where it was, without file meta."""
    with opened(store, key, correction) as source:
        yield from pieces(source, start=dataset_offset, chunk_bytes=_CHUNK_BYTES)


def made_pieces(
    store: ObjectStore,
    key: str,
    wanted: str,
    native: NativeForm | None,
    *,
    correction: Correction | None,
    decoder: FrameDecoder,
) -> Pieces:
    """Yield the data set of the object in the transfer syntax *wanted*, without its file meta.

    Corrected, where the study was.

    The first frame is made before anything is yielded; memory is bounded by a few frames.

    Raises:
        CannotMake: its pixels do not fit into that encoding, or its frames cannot be told apart.
        DecodeFailed: a frame is damaged.
    """
    with opened(store, key, correction) as source:
        made = remake(source, wanted, native, decoder=decoder)
        next(made)  # the file head
        yield from made
