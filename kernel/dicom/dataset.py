"""A bounded walk over an untrusted DICOM data set: where each element lies, and nothing more.

No value is read but the few that steer the walk; pixel data is passed over by its length. Every
length is held against what encloses it, depth and count have a budget, and whatever is wrong ends
in ``BrokenDataset`` with a stable code. The cost of a usual header is that of its bytes.
"""

from itertools import pairwise
from typing import Final

from kernel.dicom.elements import (
    DEFAULT,
    PIXEL_DATA,
    PIXEL_TAGS,
    Element,
    Fragment,
    Item,
    Limits,
    Scan,
    find_in,
)
from kernel.dicom.inflate import inflate
from kernel.dicom.part10 import (
    DEFLATED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    LONG_VRS,
    SHORT_VRS,
    BrokenDataset,
    BytesSource,
    FileMeta,
    FileSource,
    Source,
    chunks,
    file_meta_bytes,
    file_meta_with,
    read_file_meta,
)
from kernel.dicom.walker import (
    AS_EXPLICIT_BE,
    AS_EXPLICIT_LE,
    AS_IMPLICIT_LE,
    SEQUENCE_END,
    Mode,
    Walker,
)

__all__ = [
    "DEFAULT",
    "DEFLATED",
    "EXPLICIT_BE",
    "EXPLICIT_LE",
    "IMPLICIT_LE",
    "PIXEL_DATA",
    "PIXEL_TAGS",
    "BrokenDataset",
    "BytesSource",
    "Element",
    "FileMeta",
    "FileSource",
    "Fragment",
    "Item",
    "Limits",
    "Scan",
    "Source",
    "chunks",
    "file_meta_bytes",
    "file_meta_with",
    "read_file_meta",
    "scan",
    "sequence_in",
]

_MODES: Final = {
    EXPLICIT_LE: AS_EXPLICIT_LE,
    EXPLICIT_BE: AS_EXPLICIT_BE,
    IMPLICIT_LE: AS_IMPLICIT_LE,
}


def scan(
    source: Source, *, offset: int, transfer_syntax_uid: str, limits: Limits = DEFAULT
) -> Scan:
    """Walk the data set at *offset* once, to the end of *source*.

    A deflated data set is inflated first, to at most ``max(inflated_min_bytes, inflated_ratio *
    its size)``. Where the first element shows another VR form or byte order than the transfer
    syntax says, what it shows is followed (``oddities`` says ``vr-not-as-declared``). Transfer
    syntaxes not known here are taken as explicit VR little endian (PS3.5 A.4).

    Raises:
        BrokenDataset: the object is broken or over a limit.
    """
    if transfer_syntax_uid == DEFLATED:
        most = max(limits.inflated_min_bytes, limits.inflated_ratio * (source.size - offset))
        source, offset = inflate(source, offset, most_bytes=most), 0
    declared = _MODES.get(transfer_syntax_uid, AS_EXPLICIT_LE)
    mode = _shown_mode(source.read(offset, 6), declared)
    walker = Walker(source, limits)
    end = walker.elements(walker.top, offset, source.size, mode, 0)
    walker.settle(sum(element.length for element in walker.top if element.tag in PIXEL_TAGS))
    oddities = []
    if mode is not declared:
        oddities.append("vr-not-as-declared")
    elements = walker.top
    while elements and elements[-1].tag in {0, SEQUENCE_END} and not elements[-1].length:
        end = elements.pop().offset
    if end != source.size or (elements and elements[-1].end != end):
        end = elements[-1].end if elements else offset
        oddities.append("trailing-bytes")
    if any(after.tag <= before.tag for before, after in pairwise(elements)):
        oddities.append("elements-out-of-order")
        _refuse_delimiters(elements)
    return Scan(
        source=source,
        transfer_syntax_uid=transfer_syntax_uid,
        implicit=not mode.explicit,
        big_endian=mode is AS_EXPLICIT_BE,
        start=offset,
        end=end,
        elements=tuple(elements),
        oddities=tuple(oddities),
    )


def _refuse_delimiters(elements: list[Element]) -> None:
    """Refuse a sequence delimiter between elements; at the very end it was put up with."""
    stray = find_in(elements, SEQUENCE_END)
    if stray is not None:
        raise BrokenDataset("wrong-length", f"a delimiter out of place at byte {stray.offset}")


def _shown_mode(head: bytes, declared: Mode) -> Mode:
    """Return how the first element *head* is written, *declared* where it does not tell."""
    if len(head) < len(b"ggeeVR"):
        return declared
    if head[4:6] not in SHORT_VRS and head[4:6] not in LONG_VRS:
        return AS_IMPLICIT_LE
    little, big = int.from_bytes(head[:2], "little"), int.from_bytes(head[:2], "big")
    if little == big:
        return declared if declared.explicit else AS_EXPLICIT_LE
    return AS_EXPLICIT_LE if little < big else AS_EXPLICIT_BE


def sequence_in(source: Source, element: Element) -> tuple[Item, ...] | None:
    """Return the items in a UN value of stated length, None where it is no sequence.

    Such values are in implicit VR little endian, whatever surrounds them (PS3.5 6.2.2).
    """
    if element.items is not None:
        return element.items
    walker = Walker(source, DEFAULT)
    try:
        items, _ = walker.items(element.value_offset, element.end, AS_IMPLICIT_LE, 0)
    except BrokenDataset:
        return None
    return items
