"""Receipts: the county's signed word on what became of every instance of a parcel.

A township deletes an image only on the strength of a receipt, so a receipt is signed (Ed25519)
over its exact bytes, durable before it is handed out, and the same for ever once it exists.
"""

import base64
import binascii
import contextlib
import datetime as dt
import hashlib
import os
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.errors import Invalid, StorageFull, Unavailable
from kernel.identifiers import new_id

_PURPOSE: Final = b"yilian-parcel-receipt-1\n"
"""Signed in front of the payload, so that no other signature of the key passes for a receipt."""


class UntrustedReceipt(Invalid):
    """Not signed by the county this node was paired with, or not a receipt."""

    code = "receipt-untrusted"


class Outcome(StrEnum):
    """What became of one instance."""

    ACCEPTED = "accepted"
    """It is durable at the county."""
    REFUSED = "refused"
    """It cannot be taken; sending the same bytes again cannot help."""


class InstanceOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One instance of the parcel, named by UID and content."""

    sop_instance_uid: str
    content: str
    """``ContentDigest.whole``."""
    outcome: Outcome
    code: str = ""
    """Why it was refused."""
    detail: str = ""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the county says about one parcel."""

    parcel_id: str
    parcel_sha256: str
    institution: str
    """Whose node sent it."""
    county: str
    """Institution code of the county that took it."""
    issued_at: dt.datetime
    instances: tuple[InstanceOutcome, ...]
    version: int = 1


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    payload: str
    signature: str
    key: str


def sign_receipt(receipt: Receipt, key: Ed25519PrivateKey) -> bytes:
    """Return *receipt* as signed JSON."""
    payload = msgspec.json.encode(receipt)
    signature = base64.b64encode(key.sign(_PURPOSE + payload)).decode()
    name = key_name(key.public_key())
    return msgspec.json.encode(_Envelope(payload=payload.decode(), signature=signature, key=name))


def open_receipt(raw: bytes, county_key: Ed25519PublicKey) -> Receipt:
    """Return the receipt in *raw*, once its signature is found right.

    Raises:
        UntrustedReceipt: signed by another key, altered, or not a receipt.
    """
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
        payload = envelope.payload.encode()
        county_key.verify(base64.b64decode(envelope.signature, validate=True), _PURPOSE + payload)
        return msgspec.json.decode(payload, type=Receipt)
    except (msgspec.MsgspecError, binascii.Error, InvalidSignature, UnicodeError) as exc:
        raise UntrustedReceipt("the receipt does not bear the county's signature") from exc


def key_name(key: Ed25519PublicKey) -> str:
    """Return the short name of a key, for people and logs."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


class ReceiptBook:
    """All receipts ever issued, one small file each. Blocking; run on a thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, institution: str, parcel_id: str) -> bytes | None:
        """Return the receipt of that institution's parcel, ``None`` when there is none."""
        try:
            return self._path(institution, parcel_id).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise Unavailable("the receipt cannot be read", code="receipts-unreadable") from exc

    def keep(self, institution: str, parcel_id: str, raw: bytes) -> bytes:
        """Keep *raw* durably, or return the one that is there already.

        Raises:
            StorageFull, Unavailable: it could not be made durable; hand nothing out.
        """
        path = self._path(institution, parcel_id)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            put_new(path, raw)
            return path.read_bytes()
        except OSError as exc:
            raise StorageFull("the receipt could not be kept", code="receipts-full") from exc

    def _path(self, institution: str, parcel_id: str) -> Path:
        name = hashlib.sha256(f"{institution}\0{parcel_id}".encode()).hexdigest()[:40]
        return self._directory / name[:2] / f"{name}.json"


def put_new(path: Path, content: bytes) -> None:
    """Make *path* with *content* durably; one that is there already stays as it is.

    Raises:
        OSError: the disk failed; nothing is there under that name.
    """
    scratch = path.with_name(f"{path.name}.{new_id()}.new")
    fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            # A disk that becomes full takes a part and says so only at the next.
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        with contextlib.suppress(FileExistsError):
            os.link(scratch, path)
    finally:
        scratch.unlink()
    for folder in (path.parent, path.parent.parent):
        folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder_fd)
        finally:
            os.close(folder_fd)
