"""STOW-RS of metadata and bulk values apart (PS3.18 10.5.1): made one object each, then stored.

A bulk value is named by the Content-Location or the Content-ID of the part it came in. No address
in a body is ever opened.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from imaging.dicomweb.dataset_of_json import Bulk, is_compressed, pieces
from imaging.dicomweb.negotiate import JSON, OCTETS, content_type
from imaging.dicomweb.stow_answer import refused
from imaging.dicomweb.stow_batch import StowBatch
from kernel.dicom.part10 import EXPLICIT_LE, BrokenDataset, file_meta_bytes
from kernel.errors import Invalid, PlatformError, TooLarge, Unsupported
from kernel.journal.writer import Draft, JournalWriter

METADATA_BYTES: Final = 32 << 20
"""Largest metadata part."""
INSTANCES_MAX: Final = 10_000
_COMPRESSED: Final = frozenset({"image/jpeg", "image/jls", "image/jp2", "image/jphc"})


class InvalidMetadata(Invalid):
    """The metadata part is no array of DICOM JSON objects."""

    code = "invalid-metadata"


class MetadataBody:
    """Takes the parts of one request; ``finish`` or ``discard`` it."""

    def __init__(self, journal: JournalWriter, batch: StowBatch, *, part_bytes: int) -> None:
        """Give the objects made to *batch*; parts wait in drafts of *journal*.

        Args:
            journal: whose drafts hold bulk values.
            batch: where the objects go.
            part_bytes: largest bulk value.
        """
        self._journal = journal
        self._batch = batch
        self._part_bytes = part_bytes
        self._metadata = bytearray()
        self._in_metadata = False
        self._has_metadata = False
        self._names: list[str] = []
        self._syntax = ""
        self._draft: Draft | None = None
        self._bulk: dict[str, Bulk] = {}
        self._drafts: list[Draft] = []

    def begin(self, headers: Mapping[str, str]) -> None:
        """Begin a part with the *headers* (names in lower case) it came with.

        Raises:
            Unsupported: it is neither metadata nor a bulk value.
            Invalid: the metadata do not come first, or come twice.
        """
        told = content_type(headers.get("content-type", OCTETS))
        essence = told.essence if told is not None else ""
        self._in_metadata = essence in (JSON, "application/json")
        if self._in_metadata == self._has_metadata:
            raise Invalid("metadata come first, and once", code="metadata-not-first")
        self._has_metadata = True
        if self._in_metadata:
            return
        if essence != OCTETS and essence not in _COMPRESSED:
            raise Unsupported(f"bulk values are {OCTETS}, or one frame of an image type")
        self._syntax = told.transfer_syntax if told is not None else ""
        location, content_id = headers.get("content-location", ""), headers.get("content-id", "")
        self._names = [location, f"cid:{content_id.strip('<>')}" if content_id else ""]
        self._draft = self._journal.begin()
        self._drafts.append(self._draft)

    async def write(self, data: bytes | memoryview) -> None:
        """Add *data* to the part; raises ``TooLarge``."""
        if self._in_metadata:
            self._metadata += data
            if len(self._metadata) > METADATA_BYTES:
                raise TooLarge(f"at most {METADATA_BYTES} bytes of metadata")
            return
        if self._draft is None:
            return
        if self._draft.size + len(data) > self._part_bytes:
            raise TooLarge(f"at most {self._part_bytes} bytes a value")
        await self._draft.write(data)

    async def end(self) -> None:
        """Remember the bulk value, which is whole, by its names."""
        draft, self._draft = self._draft, None
        if draft is None:
            return
        for name in filter(None, self._names):
            self._bulk[name] = Bulk(draft, draft.size, self._syntax)

    async def finish(self) -> None:
        """Give every object to the batch; what is wrong with one is that one's answer.

        Raises:
            InvalidMetadata: nothing can be told apart.
        """
        for number, dataset in enumerate(self._datasets(), 1):
            made = _Made(dataset, self._bulk)
            self._batch.begin({})
            try:
                while piece := await asyncio.to_thread(made.next):
                    await self._batch.write(piece)
            except PlatformError as exc:
                self._batch.drop(refused(exc, part=number, **made.names))
            else:
                await self._batch.end()

    def discard(self) -> None:
        """Forget the bulk values; harmless after ``finish``."""
        for draft in self._drafts:
            draft.discard()
        self._drafts = []

    def _datasets(self) -> list[dict[str, Any]]:
        raw = bytes(self._metadata)
        self._metadata.clear()
        try:
            found = msgspec.json.decode(raw, type=list[dict[str, Any]])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise InvalidMetadata("an array of DICOM JSON objects") from exc
        if len(found) > INSTANCES_MAX:
            raise InvalidMetadata(f"at most {INSTANCES_MAX} objects")
        return found


class _Made:
    """One object on its way: its head, and its data set piece by piece."""

    def __init__(self, dataset: Mapping[str, Any], bulk: Mapping[str, Bulk]) -> None:
        self._dataset = dataset
        self._bulk = bulk
        self._pieces = self._all()
        self.names = {
            "sop_class_uid": _text(dataset, "00080016"),
            "sop_instance_uid": _text(dataset, "00080018"),
        }

    def next(self) -> bytes:
        """Return the next bytes, empty at the end; reads and computes."""
        joined = bytearray()
        with suppress(StopIteration):
            while len(joined) < 1 << 20:
                joined += next(self._pieces)
        return bytes(joined)

    def _all(self) -> Iterator[bytes]:
        yield file_meta_bytes(**self.names, transfer_syntax_uid=self._syntax())
        yield from pieces(self._dataset, self._value)

    def _syntax(self) -> str:
        element = self._dataset.get("7FE00010")
        address = element.get("BulkDataURI") if isinstance(element, Mapping) else None
        if address is None:
            return EXPLICIT_LE
        value = self._value(str(address))
        if not is_compressed(value):
            return EXPLICIT_LE
        if _text(self._dataset, "00280008") not in {"", "1"}:
            raise BrokenDataset("compressed-frames", "several compressed frames come as an object")
        return value.transfer_syntax_uid

    def _value(self, address: str) -> Bulk:
        found = self._bulk.get(address)
        if found is None:
            raise BrokenDataset("no-such-bulk-value", "a BulkDataURI names no part of the request")
        return found


def _text(dataset: Mapping[str, Any], tag: str) -> str:
    element = dataset.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return str(values[0]) if isinstance(values, list) and values else ""
