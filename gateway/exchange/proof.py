"""How a node proves that it holds its key, though its clock be a day wrong. Pure.

The county gives a nonce that bears its own time and its own seal, so that nothing is kept of a
nonce until it comes back well signed; then it is used up. No instant of the node is ever looked at.
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from kernel.errors import Invalid, Unauthenticated

NONCE_VALID: Final = dt.timedelta(minutes=2)
"""How long a node has to send it back; a bad line may take a while."""
_PURPOSE: Final = b"yilian-node-session-1\n"
_SEAL_PURPOSE: Final = b"yilian-node-nonce-1\n"
_RANDOM_BYTES: Final = 16
_SEAL_BYTES: Final = 32
_TIME_BYTES: Final = 8
_SIZE: Final = _TIME_BYTES + _RANDOM_BYTES + _SEAL_BYTES
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class NonceRefused(Unauthenticated):
    """The nonce is too old, used already, or was never given out; ask for another."""

    code = "nonce-refused"


class ProofRefused(Unauthenticated):
    """The signature is not by the key this node was enrolled with."""

    code = "node-proof-refused"


class InvalidKey(Invalid):
    """Not an Ed25519 public key in 64 hex digits."""

    code = "node-key-invalid"


def seal_secret(key: Ed25519PrivateKey) -> bytes:
    """Return what nonces are sealed with: the same in every process of the county."""
    raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return hmac.digest(raw, _SEAL_PURPOSE, hashlib.sha256)


def make_nonce(secret: bytes, node: str, at: dt.datetime, random: bytes) -> str:
    """Return a nonce for *node*, good from *at* on for ``NONCE_VALID``.

    Args:
        secret: of ``seal_secret``.
        node: whom it is for.
        at: the county's time.
        random: 16 random bytes.
    """
    stamp = ((at - _EPOCH) // _MICROSECOND).to_bytes(_TIME_BYTES, "big", signed=True)
    open_part = stamp + random
    return base64.urlsafe_b64encode(open_part + _seal(secret, node, open_part)).decode()


def check_nonce(secret: bytes, node: str, nonce: str, at: dt.datetime) -> dt.datetime:
    """Return when *nonce* ends, once it is found to be ours, for *node*, and young enough.

    Raises:
        NonceRefused: it is not.
    """
    try:
        raw = base64.urlsafe_b64decode(nonce.encode("ascii"))
    except (binascii.Error, UnicodeError) as exc:
        raise NonceRefused("not a nonce of this county") from exc
    open_part, seal = raw[: -_SEAL_BYTES or None], raw[-_SEAL_BYTES:]
    if len(raw) != _SIZE or not hmac.compare_digest(seal, _seal(secret, node, open_part)):
        raise NonceRefused("not a nonce of this county for this node")
    stamp = int.from_bytes(open_part[:_TIME_BYTES], "big", signed=True)
    ends = _EPOCH + stamp * _MICROSECOND + NONCE_VALID
    if at >= ends:
        raise NonceRefused("the nonce is too old")
    return ends


def _seal(secret: bytes, node: str, open_part: bytes) -> bytes:
    return hmac.digest(secret, open_part + node.encode(), hashlib.sha256)


def sign_nonce(key: Ed25519PrivateKey, node: str, nonce: str) -> str:
    """Return the node's signature over *nonce*, in hex."""
    return key.sign(_signed_text(node, nonce)).hex()


def check_proof(public_key: str, node: str, nonce: str, signature: str) -> None:
    """Hold *signature* against the key *node* was enrolled with; raises ``ProofRefused``."""
    try:
        parse_key(public_key).verify(bytes.fromhex(signature), _signed_text(node, nonce))
    except (InvalidSignature, ValueError) as exc:
        raise ProofRefused("not signed with this node's key") from exc


def _signed_text(node: str, nonce: str) -> bytes:
    return _PURPOSE + f"{node}\n{nonce}".encode()


def parse_key(text: str) -> Ed25519PublicKey:
    """Return the public key in *text*; raises ``InvalidKey``."""
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    except ValueError as exc:
        raise InvalidKey("64 hex digits") from exc


def public_hex(key: Ed25519PrivateKey) -> str:
    """Return the public half of *key* as hex."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
