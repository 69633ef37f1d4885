"""The parcel: several instances in one file, as it crosses the line from a township to the county.

Layout, all numbers big endian (docs/reference/parcel.md)::

    8 bytes   b"YILIANPC"
    2 bytes   version
    2 bytes   zero
    4 bytes   length of the header
    n bytes   header, JSON; from version 2 on as one Zstandard frame of it
    ...       one body per instance, in the header's order
    32 bytes  SHA-256 of everything before

Pure: bytes and open files in, values out.
"""

import datetime as dt
import hashlib
import re
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Final

import msgspec
import zstandard

from kernel.arrival import Arrival
from kernel.errors import Invalid, TooLarge, Unsupported

OLDEST: Final = 1
VERSIONS: Final = frozenset({1, 2, 3})
"""What this side reads and writes; one release drops no more than the oldest."""
VERSIONS_HEADER: Final = "Yilian-Parcel-Versions"
"""In a county's answer to OPTIONS on its upload door: the versions it takes, with commas."""
_PACKED_FROM: Final = 2
"""From this version on the header is compressed: of small images it was a tenth of the parcel."""
_HEADER_LEVEL: Final = 9
DENSE_FROM: Final = 3
"""From this version on a body may be ``Encoding.DENSE``."""
HEADER_MAX_BYTES: Final = 16 * 1024 * 1024
INSTANCES_MAX: Final = 10_000
_MAGIC: Final = b"YILIANPC"
_PREFIX: Final = struct.Struct(">8sHHI")
_DIGEST_BYTES: Final = 32
_CHUNK_BYTES: Final = 256 * 1024
_PARCEL_ID: Final = re.compile(r"[0-9a-z]{26}", re.ASCII)
_VERSION: Final = re.compile(r"[0-9]{1,4}", re.ASCII)
_ZSTD_WINDOW_MAX_BYTES: Final = 32 * 1024 * 1024


class BrokenParcel(Invalid):
    """The bytes are not a whole parcel; the code says how."""

    code = "parcel-damaged"


class UnknownParcelVersion(Unsupported):
    """A parcel of another protocol; the sender asks which versions are taken, and makes it anew."""

    code = "parcel-version"


class Encoding(StrEnum):
    """How a body stands in the parcel."""

    IDENTITY = "identity"
    """The Part 10 file as it is."""
    ZSTD = "zstd"
    """The Part 10 file as one Zstandard frame."""
    DENSE = "dense"
    """As ``zstd``, with the frames as JPEG XL (``kernel.dicom.dense``)."""


class ParcelInstance(msgspec.Struct, frozen=True, kw_only=True):
    """One instance of a parcel."""

    arrival: Arrival
    """As it came to the township; ``size_bytes`` is the Part 10 file's, ``digest`` is set."""
    encoding: Encoding
    body_bytes: int
    """Length of the body in the parcel."""
    dense_bytes: int = 0
    """Length of the dense Part 10 file; 0 for the other encodings."""

    @property
    def inflated_bytes(self) -> int:
        """Length of what the body decompresses to."""
        return self.dense_bytes if self.encoding is Encoding.DENSE else self.arrival.size_bytes


class ParcelHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a parcel holds and who made it."""

    parcel_id: str
    node: str
    """Institution code of the node that made it."""
    made_at: dt.datetime
    instances: tuple[ParcelInstance, ...]


@dataclass(frozen=True, slots=True)
class Body:
    """Where one instance's bytes lie in the parcel."""

    instance: ParcelInstance
    offset: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel that was found whole."""

    header: ParcelHeader
    bodies: tuple[Body, ...]
    sha256: str
    """Of everything before the last 32 bytes, lower-case hex."""


def is_parcel_id(text: str) -> bool:
    """Return whether *text* may name a parcel: 26 lower-case letters and digits."""
    return _PARCEL_ID.fullmatch(text) is not None


def parse_versions(text: str | None) -> frozenset[int]:
    """Return the versions in a ``VERSIONS_HEADER``; what is no number is left out."""
    parts = [part.strip() for part in (text or "")[:200].split(",")]
    return frozenset(int(part) for part in parts if _VERSION.fullmatch(part))


def version_to_write(theirs: Collection[int], ours: Collection[int] = VERSIONS) -> int | None:
    """Return the newest version both sides know, None where there is none."""
    return max(set(theirs) & set(ours), default=None)


def encode_head(header: ParcelHeader, *, version: int) -> bytes:
    """Return what stands before the bodies, in one of ``VERSIONS``.

    Raises:
        TooLarge: more instances or a longer header than a parcel may have.
    """
    encoded = msgspec.json.encode(header)
    if len(encoded) > HEADER_MAX_BYTES or len(header.instances) > INSTANCES_MAX:
        raise TooLarge("too many instances for one parcel", code="parcel-too-large")
    if version >= _PACKED_FROM:
        encoded = zstandard.compress(encoded, _HEADER_LEVEL)
    return _PREFIX.pack(_MAGIC, version, 0, len(encoded)) + encoded


def write_parcel(
    out: BinaryIO,
    header: ParcelHeader,
    bodies: Sequence[Iterable[bytes]],
    *,
    version: int = OLDEST,
) -> str:
    """Write a whole parcel to *out* and return its SHA-256 in hex.

    Args:
        out: open for writing, at its beginning; not flushed here.
        header: with the true ``body_bytes`` of every body.
        bodies: the encoded bytes of every instance, in order.
        version: one of ``VERSIONS`` that whoever reads it knows.

    Raises:
        TooLarge: see ``encode_head``.
        ValueError: a body has another length than the header says.
    """
    digest = hashlib.sha256()
    head = encode_head(header, version=version)
    digest.update(head)
    out.write(head)
    for instance, body in zip(header.instances, bodies, strict=True):
        written = 0
        for chunk in body:
            digest.update(chunk)
            out.write(chunk)
            written += len(chunk)
        if written != instance.body_bytes:
            msg = f"a body of {written} bytes was announced with {instance.body_bytes}"
            raise ValueError(msg)
    out.write(digest.digest())
    return digest.hexdigest()


def parcel_bytes(header: ParcelHeader, *, version: int = OLDEST) -> int:
    """Return how long the parcel with *header* is in all."""
    bodies = sum(instance.body_bytes for instance in header.instances)
    return len(encode_head(header, version=version)) + bodies + _DIGEST_BYTES


def read_version(source: BinaryIO) -> int:
    """Return which version the parcel in *source* is of; raises ``BrokenParcel``."""
    prefix = source.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size or not prefix.startswith(_MAGIC):
        raise BrokenParcel("not a parcel")
    return int(_PREFIX.unpack(prefix)[1])


def read_parcel(source: BinaryIO, size: int, *, versions: Collection[int] = VERSIONS) -> Parcel:
    """Return what the parcel in *source* holds, every byte of it checked against its SHA-256.

    Args:
        source: seekable, read from its beginning.
        size: its length in bytes.
        versions: those that are taken.

    Raises:
        BrokenParcel: cut, damaged, or not a parcel.
        UnknownParcelVersion: its version is not one this side knows.
    """
    prefix = source.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        raise BrokenParcel("shorter than its prefix")
    magic, version, _, header_bytes = _PREFIX.unpack(prefix)
    if magic != _MAGIC:
        raise BrokenParcel("not a parcel")
    if version not in versions:
        raise UnknownParcelVersion(f"version {version}; this side knows {sorted(versions)}")
    if header_bytes > min(HEADER_MAX_BYTES, size):
        raise BrokenParcel("the header is longer than it may be")
    encoded = source.read(header_bytes)
    sha256 = _check_digest(source, prefix + encoded, size)
    header = _decode_header(_inflated(encoded) if version >= _PACKED_FROM else encoded)
    offset = _PREFIX.size + header_bytes
    bodies = []
    for instance in header.instances:
        bodies.append(Body(instance, offset))
        offset += instance.body_bytes
    if offset + _DIGEST_BYTES != size:
        raise BrokenParcel("the bodies are not as long as the header says")
    return Parcel(header, tuple(bodies), sha256)


def body_chunks(source: BinaryIO, body: Body) -> Iterator[bytes]:
    """Yield the Part 10 bytes of one instance, decompressed where they were compressed.

    Of a dense body they are those of the dense file.

    Raises:
        BrokenParcel: the body does not decompress to exactly ``inflated_bytes`` (``body-broken``);
            it is never inflated past that.
    """
    source.seek(body.offset)
    instance = body.instance
    raw = _limited(source, instance.body_bytes)
    if instance.encoding is Encoding.IDENTITY:
        yield from raw
        return
    out = 0
    engine = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX_BYTES)
    inflate = engine.decompressobj()
    try:
        for chunk in raw:
            # In small steps, because one step of zstd can grow a thousandfold.
            for begin in range(0, len(chunk), 4096):
                data = inflate.decompress(chunk[begin : begin + 4096])
                out += len(data)
                if out > instance.inflated_bytes:
                    raise BrokenParcel("longer than announced", code="body-broken")
                yield data
    except zstandard.ZstdError as exc:
        raise BrokenParcel("does not decompress", code="body-broken") from exc
    if out != instance.inflated_bytes:
        raise BrokenParcel("shorter than announced", code="body-broken")


def _limited(source: BinaryIO, length: int) -> Iterator[bytes]:
    left = length
    while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
        left -= len(chunk)
        yield chunk


def _check_digest(source: BinaryIO, head: bytes, size: int) -> str:
    digest = hashlib.sha256(head)
    left = size - len(head) - _DIGEST_BYTES
    if left < 0:
        raise BrokenParcel("shorter than its header says")
    for chunk in _limited(source, left):
        digest.update(chunk)
    if source.read(_DIGEST_BYTES) != digest.digest():
        raise BrokenParcel("the SHA-256 is another one")
    return digest.hexdigest()


def _inflated(encoded: bytes) -> bytes:
    """Return the JSON of a compressed header, never more than a header may have."""
    try:
        told = zstandard.frame_content_size(encoded)
        if not 0 <= told <= HEADER_MAX_BYTES:
            raise BrokenParcel("the header does not say how long it is", code="parcel-header")
        engine = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX_BYTES)
        return engine.decompress(encoded, max_output_size=HEADER_MAX_BYTES)
    except zstandard.ZstdError as exc:
        raise BrokenParcel("the header does not decompress", code="parcel-header") from exc


def _decode_header(encoded: bytes) -> ParcelHeader:
    try:
        header = msgspec.json.decode(encoded, type=ParcelHeader)
    except msgspec.MsgspecError as exc:
        raise BrokenParcel("the header is not as it must be", code="parcel-header") from exc
    if not is_parcel_id(header.parcel_id) or len(header.instances) > INSTANCES_MAX:
        raise BrokenParcel("no parcel id, or too many instances", code="parcel-header")
    seen = set()
    for instance in header.instances:
        if instance.arrival.digest is None or min(instance.body_bytes, instance.dense_bytes) < 0:
            raise BrokenParcel("an instance without digest or length", code="parcel-header")
        seen.add((instance.arrival.sop_instance_uid, instance.arrival.digest.whole))
        if instance.encoding is Encoding.IDENTITY and (
            instance.body_bytes != instance.arrival.size_bytes
        ):
            raise BrokenParcel("a body as it is has the object's length", code="parcel-header")
    if len(seen) != len(header.instances):
        raise BrokenParcel("the same instance twice", code="parcel-header")
    return header
