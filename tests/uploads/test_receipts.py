"""Receipts: only the county's word counts, and it never changes."""

import base64
import datetime as dt
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.uploads.receipts import (
    InstanceOutcome,
    Outcome,
    Receipt,
    ReceiptBook,
    UntrustedReceipt,
    open_receipt,
    sign_receipt,
)
from kernel.errors import StorageFull

RECEIPT = Receipt(
    parcel_id="0" * 26,
    parcel_sha256="ab" * 32,
    institution="qingshan",
    county="county",
    issued_at=dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
    instances=(
        InstanceOutcome(sop_instance_uid="1.2.3", content="aa-bb", outcome=Outcome.ACCEPTED),
        InstanceOutcome(
            sop_instance_uid="1.2.4", content="aa-cc", outcome=Outcome.REFUSED, code="truncated"
        ),
    ),
)


def test_a_signed_receipt_opens_with_the_countys_key() -> None:
    key = Ed25519PrivateKey.generate()
    assert open_receipt(sign_receipt(RECEIPT, key), key.public_key()) == RECEIPT


def test_a_receipt_of_anybody_else_is_not_trusted() -> None:
    raw = sign_receipt(RECEIPT, Ed25519PrivateKey.generate())
    with pytest.raises(UntrustedReceipt):
        open_receipt(raw, Ed25519PrivateKey.generate().public_key())


@pytest.mark.parametrize("word", [b"refused", b"1.2.4", b"qingshan", b"0000000000"])
def test_no_word_of_a_receipt_can_be_changed(word: bytes) -> None:
    key = Ed25519PrivateKey.generate()
    raw = sign_receipt(RECEIPT, key)
    assert word in raw
    changed = raw.replace(word, word[:-1] + b"x", 1)
    with pytest.raises(UntrustedReceipt):
        open_receipt(changed, key.public_key())


def test_a_signature_made_for_another_purpose_is_no_receipt() -> None:
    key = Ed25519PrivateKey.generate()
    envelope = msgspec.json.decode(sign_receipt(RECEIPT, key), type=dict[str, str])
    payload = envelope["payload"].encode()
    envelope["signature"] = base64.b64encode(key.sign(payload)).decode()
    with pytest.raises(UntrustedReceipt):
        open_receipt(msgspec.json.encode(envelope), key.public_key())


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b'{"payload":"","signature":"!","key":""}'])
def test_what_is_no_receipt_is_not_trusted(raw: bytes) -> None:
    with pytest.raises(UntrustedReceipt):
        open_receipt(raw, Ed25519PrivateKey.generate().public_key())


def test_the_first_receipt_of_a_parcel_stays(tmp_path: Path) -> None:
    book = ReceiptBook(tmp_path)
    assert book.find("qingshan", RECEIPT.parcel_id) is None
    with ThreadPoolExecutor(8) as pool:
        told = list(
            pool.map(
                lambda n: book.keep("qingshan", RECEIPT.parcel_id, b"receipt %d" % n), range(40)
            )
        )
    assert set(told) == {book.find("qingshan", RECEIPT.parcel_id)}
    assert book.find("baiyun", RECEIPT.parcel_id) is None
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_receipt_the_disk_has_room_for_only_in_part_is_none(tmp_path: Path) -> None:
    book = ReceiptBook(tmp_path)
    whole = bytes(8192)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As a full disk does, the limit takes what still fits and refuses the next write.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StorageFull):
            book.keep("qingshan", RECEIPT.parcel_id, whole)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert book.find("qingshan", RECEIPT.parcel_id) is None
    assert book.keep("qingshan", RECEIPT.parcel_id, whole) == whole
