"""The county's side of a parcel: check every instance, commit the good ones as one, sign."""

import asyncio
import itertools
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.uploads.parcel import (
    OLDEST,
    VERSIONS,
    VERSIONS_HEADER,
    Body,
    BrokenParcel,
    Encoding,
    Parcel,
    UnknownParcelVersion,
    body_chunks,
    is_parcel_id,
    read_parcel,
)
from gateway.uploads.receipts import (
    InstanceOutcome,
    Outcome,
    Receipt,
    ReceiptBook,
    sign_receipt,
)
from gateway.uploads.threads import finish_in_thread
from gateway.uploads.upload_files import UploadInfo, UploadResult
from kernel.arrival import Arrival, Door, encode_arrival
from kernel.clock import Clock
from kernel.dicom.codecs import FrameDecoder
from kernel.dicom.content import has_content
from kernel.dicom.dataset import FileSource, Source, chunks as source_chunks, read_file_meta, scan
from kernel.dicom.dense import NotDense, restored
from kernel.dicom.encapsulate import Spool
from kernel.dicom.header import read_header
from kernel.errors import Category, Forbidden, Invalid, PlatformError, StorageFull
from kernel.journal.writer import Draft, JournalWriter

_LOG: Final = logging.getLogger(__name__)
_SLAB: Final = 8
"""Chunks read from the parcel in one step off the loop."""
_LATER: Final = frozenset({Category.BUSY, Category.FULL, Category.UNAVAILABLE, Category.BROKEN})
PARCEL_MAX_BYTES: Final = 8 * 1024 * 1024 * 1024


class ForeignParcel(Forbidden):
    """A node may only speak for its own institution."""

    code = "parcel-institution"


class InstanceRefused(Invalid):
    """One instance of a parcel is not what the parcel says."""

    code = "instance-refused"


@dataclass(frozen=True, slots=True)
class CountyIdentity:
    """Who signs."""

    institution: str
    key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Taken:
    """Which parcels are taken."""

    max_bytes: int = PARCEL_MAX_BYTES
    versions: frozenset[int] = VERSIONS


class ParcelSink:
    """Takes parcels into the ingest journal and answers each with one receipt, for ever."""

    def __init__(
        self,
        journal: JournalWriter,
        receipts: ReceiptBook,
        county: CountyIdentity,
        *,
        decoder: FrameDecoder,
        clock: Clock,
        taken: Taken | None = None,
    ) -> None:
        self._journal = journal
        self._receipts = receipts
        self._county = county
        self._decoder = decoder
        self._clock = clock
        self._taken = taken or Taken()

    @property
    def options(self) -> dict[str, str]:
        """What the upload door tells senders of parcels before they make any."""
        return {VERSIONS_HEADER: ",".join(map(str, sorted(self._taken.versions)))}

    @property
    def max_bytes(self) -> int:
        """Longest parcel."""
        return self._taken.max_bytes

    async def admit(self, info: UploadInfo) -> None:
        """Refuse before its first byte what would be refused after its last.

        Raises:
            Invalid: it names no parcel.
            UnknownParcelVersion: it will be of a version not known here.
            ForeignParcel: it will speak for another institution.
        """
        if not is_parcel_id(info.metadata.get("parcel", "")):
            raise Invalid("Upload-Metadata names no parcel", code="parcel-id")
        if info.metadata.get("version", str(OLDEST)) not in map(str, self._taken.versions):
            raise UnknownParcelVersion(f"this side knows {sorted(self._taken.versions)}")
        if info.metadata.get("node", info.owner.institution) != info.owner.institution:
            raise ForeignParcel("the parcel speaks for another institution")

    async def take(self, info: UploadInfo, path: Path) -> None:
        """Check, commit and sign for the parcel at *path*; once signed for, change nothing.

        Raises:
            BrokenParcel: damaged, or not the parcel it was announced as.
            UnknownParcelVersion: made by a later version.
            ForeignParcel: it speaks for another institution.
            PlatformError: busy, full or unavailable: nothing was signed, try again later.
        """
        institution, parcel_id = info.owner.institution, info.metadata["parcel"]
        if await finish_in_thread(lambda: self._receipts.find(institution, parcel_id)) is not None:
            return
        with await _opened(path) as source:
            parcel = await finish_in_thread(
                lambda: read_parcel(source, info.length, versions=self._taken.versions)
            )
            if parcel.header.parcel_id != parcel_id:
                raise BrokenParcel("another parcel than announced", code="parcel-id")
            if parcel.header.node != institution:
                raise ForeignParcel("the parcel speaks for another institution")
            outcomes = await self._take_instances(source, parcel, institution)
        receipt = Receipt(
            parcel_id=parcel_id,
            parcel_sha256=parcel.sha256,
            institution=institution,
            county=self._county.institution,
            issued_at=self._clock.now(),
            instances=outcomes,
        )
        signed = sign_receipt(receipt, self._county.key)
        await finish_in_thread(lambda: self._receipts.keep(institution, parcel_id, signed))

    async def refused(self, info: UploadInfo, result: UploadResult) -> None:
        """Note in the log that a parcel was refused as a whole; its sender asks by its id."""
        _LOG.warning(
            "parcel.refused",
            extra={
                "parcel_id": info.metadata["parcel"],
                "institution": info.owner.institution,
                "code": result.code,
            },
        )

    async def _take_instances(
        self, source: BinaryIO, parcel: Parcel, institution: str
    ) -> tuple[InstanceOutcome, ...]:
        entries: list[tuple[Draft, bytes]] = []
        outcomes: list[InstanceOutcome] = []
        try:
            for body in parcel.bodies:
                draft = self._journal.begin()
                try:
                    arrival = await self._take_one(source, body, draft, parcel, institution)
                except PlatformError as exc:
                    draft.discard()
                    if exc.category in _LATER:
                        raise
                    outcomes.append(_outcome(body, Outcome.REFUSED, exc.code, exc.detail))
                except BaseException:
                    draft.discard()
                    raise
                else:
                    entries.append((draft, encode_arrival(arrival)))
                    outcomes.append(_outcome(body, Outcome.ACCEPTED))
            if entries:
                await self._journal.commit(entries)
        except BaseException:
            for draft, _ in entries:
                draft.discard()
            raise
        return tuple(outcomes)

    async def _take_one(
        self, source: BinaryIO, body: Body, draft: Draft, parcel: Parcel, institution: str
    ) -> Arrival:
        told = body.instance.arrival
        if told.sender.institution != institution:
            raise InstanceRefused("it belongs to another institution", code="parcel-institution")
        if body.instance.encoding is Encoding.DENSE:
            told, offset = await self._take_dense(source, body, draft)
        else:
            await _pour(body_chunks(source, body), draft)
            offset = await finish_in_thread(lambda: check_instance(draft, told, self._decoder))
        return msgspec.structs.replace(
            told,
            door=Door.PARCEL,
            received_at=self._clock.now(),
            dataset_offset=offset,
            parcel_id=parcel.header.parcel_id,
        )

    async def _take_dense(self, source: BinaryIO, body: Body, draft: Draft) -> tuple[Arrival, int]:
        """Write the object of a dense body; return its arrival and where its data set begins.

        Raises:
            NotDense: it cannot be had back as it was; its node sends it as it is.
            PlatformError: busy, full or unavailable.
        """
        try:
            with ExitStack() as held:
                chunks = body_chunks(source, body)
                restoring = partial(self._restored, chunks, held, Path(source.name).parent)
                await _pour(await finish_in_thread(restoring), draft)
            # Another release of the encoder may need some bytes more or less; the content decides.
            told = msgspec.structs.replace(body.instance.arrival, size_bytes=draft.size)
            return told, await finish_in_thread(lambda: check_instance(draft, told, self._decoder))
        except PlatformError as exc:
            if exc.category in _LATER:
                raise
            raise NotDense(exc.detail) from exc
        except OSError as exc:
            raise StorageFull("no room to unpack an instance", code="unpack-full") from exc

    def _restored(self, body: Iterator[bytes], held: ExitStack, directory: Path) -> Iterator[bytes]:
        """Return the bytes of the object of which *body* is the dense form. Blocking."""
        spool = Spool(directory)
        try:
            for chunk in body:
                spool.write(chunk)
            source = spool.source()
        finally:
            spool.close()
        if isinstance(source, FileSource):
            held.enter_context(source)
        found = restored(source, decoder=self._decoder, directory=directory)
        if isinstance(found, FileSource):
            held.enter_context(found)
        return source_chunks(found, 0, found.size)


async def _opened(path: Path) -> BinaryIO:
    """Open what was uploaded.

    Raises:
        BrokenParcel: the disk has lost it; its node has it still, and sends it again.
    """
    try:
        return await asyncio.to_thread(path.open, "rb")
    except FileNotFoundError as exc:
        raise BrokenParcel("the bytes are gone from this disk") from exc


def check_instance(source: Source, told: Arrival, decoder: FrameDecoder) -> int:
    """Hold one Part 10 object against what its parcel says; return where its data set begins.

    Blocking: reads and decodes every pixel.

    Raises:
        BrokenDataset: it cannot be walked.
        InstanceRefused: other UIDs (``uid-mismatch``), size (``size-mismatch``), transfer syntax
            (``transfer-syntax-mismatch``) or content (``digest-mismatch``) than announced.
    """
    if source.size != told.size_bytes:
        raise InstanceRefused("another size than announced", code="size-mismatch")
    meta = read_file_meta(source)
    if meta.transfer_syntax_uid != told.transfer_syntax_uid:
        raise InstanceRefused("another transfer syntax", code="transfer-syntax-mismatch")
    walked = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    header = read_header(source, walked)
    found = (
        header.sop_class_uid,
        header.sop_instance_uid,
        header.study_instance_uid,
        header.series_instance_uid,
    )
    if found != (
        told.sop_class_uid,
        told.sop_instance_uid,
        told.study_instance_uid,
        told.series_instance_uid,
    ):
        raise InstanceRefused("other UIDs than announced", code="uid-mismatch")
    if told.digest is None or not has_content(walked, told.digest, decoder=decoder):
        raise InstanceRefused("other content than announced", code="digest-mismatch")
    return meta.dataset_offset


async def _pour(chunks: Iterator[bytes], draft: Draft) -> None:
    while slab := await finish_in_thread(lambda: _slab(chunks)):
        for chunk in slab:
            await draft.write(chunk)


def _slab(chunks: Iterator[bytes]) -> list[bytes]:
    return list(itertools.islice(chunks, _SLAB))


def _outcome(body: Body, outcome: Outcome, code: str = "", detail: str = "") -> InstanceOutcome:
    arrival = body.instance.arrival
    return InstanceOutcome(
        sop_instance_uid=arrival.sop_instance_uid,
        content=arrival.digest.whole if arrival.digest else "",
        outcome=outcome,
        code=code,
        detail=detail,
    )
