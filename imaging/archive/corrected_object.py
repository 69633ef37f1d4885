"""The bytes of a stored object as a correction has them read, without copying what is not changed.

``corrected`` gives random access to the corrected Part 10 file: a few new elements, and for all
else, pixels among it, places in the stored one. So it can be streamed, cut and transcoded like any
other object, in little memory.
"""

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Final

from imaging.archive.correction import (
    MODIFICATION_REASON,
    MODIFIED_AT,
    MODIFIED_ATTRIBUTES,
    MODIFYING_SYSTEM,
    ORIGINAL_ATTRIBUTES,
    PREVIOUS_SOURCE,
    REASON,
    REQUEST_ATTRIBUTES,
    SPECIFIC_CHARACTER_SET,
    VRS,
    Correction,
)
from imaging.archive.model import InstanceLocation
from imaging.archive.objects import ObjectStore
from kernel.dicom.content import dataset_digest
from kernel.dicom.dataset import scan as walk_at
from kernel.dicom.elements import Element, Scan
from kernel.dicom.part10 import DEFLATED, BytesSource, Source, read_file_meta
from kernel.dicom.rewrite import Form, element_head, own_form

_CODECS: Final = {
    "": "ascii",
    "ISO_IR 6": "ascii",
    "ISO_IR 192": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO_IR 100": "latin-1",
}
_UTF_8: Final = "ISO_IR 192"
_DEFAULT: Final = frozenset({"", "ISO_IR 6"})
_ENCODED: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT", "UN"})
_DELIMITER_BYTES: Final = 8
_PIECE: Final = 1 << 20
_Part = bytes | tuple[int, int]
"""New bytes, or where they lie in the stored object: from, to."""


@contextmanager
def opened(objects: ObjectStore, key: str, correction: Correction | None) -> Iterator[Source]:
    """Give the object *key* for reading: as it is stored, or corrected where it was."""
    with objects.open(key) as stored:
        yield stored if correction is None else corrected(correction, stored)


def handed_out_bytes(objects: ObjectStore, where: InstanceLocation) -> int:
    """Return how long the file is that ``opened`` gives; blocks, and reads no pixels.

    Raises:
        ObjectMissing: the store has lost it.
        BrokenDataset: it is damaged.
    """
    with opened(objects, where.object_key, where.correction) as source:
        return source.size


def handed_out_content(objects: ObjectStore, where: InstanceLocation) -> tuple[int, str]:
    """Return the length of the file that ``opened`` gives and the digest of its data set.

    The same for the same object and correction, whenever and wherever. Blocks, and reads no
    pixels: theirs are as they were. Raises as ``handed_out_bytes``.
    """
    if where.correction is None:
        return where.size_bytes, where.dataset_digest
    with opened(objects, where.object_key, where.correction) as source:
        meta = read_file_meta(source)
        walked = walk_at(
            source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
        )
        return source.size, dataset_digest(walked)


def corrected(correction: Correction, stored: Source) -> Source:
    """Return the Part 10 object *stored* as it is read since *correction*.

    *stored* must stay readable as long as the answer is read. The transfer syntax, the file meta
    group and every element the correction says nothing of stay byte for byte; group lengths are
    left out, for they would be wrong. A name that the object's character set cannot write goes
    with its Latin letters alone, unless all its text is ASCII: then it becomes UTF-8.

    Raises:
        BrokenDataset: the object is damaged.
    """
    meta = read_file_meta(stored)
    walked = walk_at(
        stored, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
    )
    if meta.transfer_syntax_uid != DEFLATED:
        return _Patched(stored, [(0, meta.dataset_offset), *_parts(correction, walked)])
    whole = _Patched(walked.source, _parts(correction, walked))
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = bytearray(stored.read(0, meta.dataset_offset))
    for at in range(0, whole.size, _PIECE):
        packed += packer.compress(whole.read(at, _PIECE))
    packed += packer.flush()
    return BytesSource(packed + b"\0" * (len(packed) & 1))


class _Patched:
    """Random access to bytes of which some are new and the rest lie elsewhere."""

    def __init__(self, source: Source, parts: Sequence[_Part]) -> None:
        self._source = source
        self._parts = [part for part in parts if _length(part)]
        self._ends = list(accumulate(_length(part) for part in self._parts))
        self.size = self._ends[-1] if self._ends else 0

    def read(self, pos: int, n: int, /) -> bytes:
        """Return the *n* bytes at *pos*, fewer where the object ends before."""
        found = bytearray()
        index, stop = bisect_right(self._ends, pos), min(pos + n, self.size)
        while pos < stop:
            part, end = self._parts[index], min(stop, self._ends[index])
            inside = pos - (self._ends[index] - _length(part))
            if isinstance(part, bytes):
                piece = part[inside : inside + end - pos]
            else:
                piece = self._source.read(part[0] + inside, end - pos)
                if len(piece) < end - pos:
                    # The store lost the end of it; what is left must not move.
                    return bytes(found + piece)
            found += piece
            pos, index = end, index + 1
        return bytes(found)


def _length(part: _Part) -> int:
    return len(part) if isinstance(part, bytes) else part[1] - part[0]


def _parts(correction: Correction, walked: Scan) -> list[_Part]:
    made = _new_elements(correction, walked)
    missing = sorted((tag for tag in made if walked.find(tag) is None), reverse=True)
    parts: list[_Part] = []
    for element in walked.elements:
        while missing and missing[-1] < element.tag:
            parts.append(made[missing.pop()])
        if element.tag in made:
            parts.append(made[element.tag])
        elif element.tag & 0xFFFF:
            parts.append((element.offset, element.end))
    parts += [made[tag] for tag in reversed(missing)]
    return parts


def _new_elements(correction: Correction, walked: Scan) -> dict[int, bytes]:
    """Return, by tag, what stands instead of the stored element; empty where nothing does."""
    form, encoder = own_form(walked), _Encoder(correction, walked)
    made: dict[int, bytes] = {}
    for tag, value in correction.changes.items():
        new = b"" if value is None else _text(tag, VRS[tag], encoder.encode(VRS[tag], value), form)
        made[tag] = new
    if correction.request is not None:
        inner = b"".join(
            _text(int(tag, 16), VRS[int(tag, 16)], encoder.encode(VRS[int(tag, 16)], value), form)
            for tag, value in sorted(correction.request.items())
        )
        made[REQUEST_ATTRIBUTES] = _sequence(REQUEST_ATTRIBUTES, [inner], form)
    if encoder.charset is not None:
        made[SPECIFIC_CHARACTER_SET] = _text(
            SPECIFIC_CHARACTER_SET, "CS", encoder.charset.encode("ascii"), form
        )
    stood: dict[int, bytes] = {}
    for tag in sorted(made):
        element = walked.find(tag)
        raw = b"" if element is None else _raw(walked, element)
        if raw == made[tag]:
            continue
        if raw and tag != SPECIFIC_CHARACTER_SET:
            stood[tag] = raw
    made[ORIGINAL_ATTRIBUTES] = _originals(correction, walked, stood, form)
    return {tag: new for tag, new in made.items() if new or walked.find(tag) is not None}


def _originals(correction: Correction, walked: Scan, stood: dict[int, bytes], form: Form) -> bytes:
    earlier = walked.find(ORIGINAL_ATTRIBUTES)
    before = b""
    if earlier is not None and earlier.items is not None and earlier.vr == "SQ":
        end = earlier.end - (_DELIMITER_BYTES if earlier.undefined else 0)
        before = walked.source.read(earlier.value_offset, end - earlier.value_offset)
    elif earlier is not None:
        # Of a form of its own: it stays, among what stood there.
        stood = stood | {ORIGINAL_ATTRIBUTES: _raw(walked, earlier)}
    what = b"".join(stood[tag] for tag in sorted(stood))
    item = b"".join(
        (
            _sequence(MODIFIED_ATTRIBUTES, [what], form),
            _text(MODIFIED_AT, "DT", correction.modified_at.encode("ascii"), form),
            _text(MODIFYING_SYSTEM, "LO", correction.system.encode("ascii", "replace"), form),
            _text(PREVIOUS_SOURCE, "LO", b"", form),
            _text(MODIFICATION_REASON, "CS", REASON.encode("ascii"), form),
        )
    )
    return _sequence(ORIGINAL_ATTRIBUTES, [item], form, before=before)


def _raw(walked: Scan, element: Element) -> bytes:
    return walked.source.read(element.offset, element.end - element.offset)


def _text(tag: int, vr: str, value: bytes, form: Form) -> bytes:
    padded = value + b" " * (len(value) & 1)
    return element_head(tag, vr, len(padded), form) + padded


def _sequence(tag: int, items: Sequence[bytes], form: Form, *, before: bytes = b"") -> bytes:
    order = ">HHL" if form.big else "<HHL"
    value = before + b"".join(
        struct.pack(order, 0xFFFE, 0xE000, len(each)) + each for each in items
    )
    return element_head(tag, "SQ", len(value), form) + value


class _Encoder:
    """Writes text in the object's character set."""

    def __init__(self, correction: Correction, walked: Scan) -> None:
        declared = walked.text(SPECIFIC_CHARACTER_SET)
        self.charset: str | None = None
        """What Specific Character Set says from now on; None where it stays."""
        self._codec = _CODECS.get(declared, "ascii")
        beyond = not all(text.isascii() for text in correction.values.values())
        if beyond and declared in _DEFAULT and not _beyond_ascii(walked, walked.elements):
            self.charset, self._codec = _UTF_8, "utf-8"

    def encode(self, vr: str, value: str) -> bytes:
        """Return *value* in it; of a name it cannot write, the letters; else ``?`` for a sign."""
        try:
            return value.encode(self._codec)
        except UnicodeEncodeError:
            written = value.partition("=")[0] if vr == "PN" else value
            return written.encode(self._codec, "replace")


def _beyond_ascii(walked: Scan, elements: Sequence[Element]) -> bool:
    """Return whether any text among *elements* has other bytes than ASCII, whatever it means."""
    for element in elements:
        if element.items is not None:
            if any(_beyond_ascii(walked, item.elements) for item in element.items):
                return True
        elif element.vr in _ENCODED and not walked.raw(element).isascii():
            return True
    return False
