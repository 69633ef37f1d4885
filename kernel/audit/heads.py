"""The daily signature over the ends of the audit chains, kept in a file outside the database.

Whoever can write the database can write a whole chain anew; they cannot sign for it. Copy the file
elsewhere: what it says about yesterday cannot be taken back.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kernel.audit.trail import ChainHead, Fault, heads
from kernel.clock import Clock
from kernel.sql.db import Database

_FILE: Final = "audit-heads.jsonl"
_OWNER_ONLY: Final = 0o600
_LOOK_EVERY_S: Final = 900.0


class SignedHead(msgspec.Struct, frozen=True, kw_only=True):
    """One line: where one chain ended when it was signed."""

    day: str
    chain: str
    number: int
    hash: str
    signature: str

    def signed_text(self) -> bytes:
        """Return what the signature is over."""
        return f"yilian-audit-head\n{self.day}\n{self.chain}\n{self.number}\n{self.hash}".encode()


def load_or_make_key(path: Path) -> Ed25519PrivateKey:
    """Return the Ed25519 key in *path* (PEM), making it, readable by its owner only, where absent.

    Raises:
        PermissionError: others may read it.
        OSError: there is no room to make it; nothing is left behind.
    """
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            # What a crash left here is half a key at most.
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            os.link(made, path)  # two processes may start at once; the first one's key stays
        except FileExistsError:
            pass
        finally:
            made.unlink(missing_ok=True)
    if path.stat().st_mode & 0o077:
        msg = f"{path.name} may be read by its owner only"
        raise PermissionError(msg)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"{path.name} is no Ed25519 key"
        raise TypeError(msg)
    return key


def read_signed_heads(folder: Path) -> list[SignedHead]:
    """Return every line of the file in *folder*; [] where there is none.

    Raises:
        msgspec.DecodeError: a line is no signed head; a torn last line is left out.
    """
    path = folder / _FILE
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [msgspec.json.decode(line, type=SignedHead) for line in lines[:-1] if line]


def sign_heads(
    folder: Path, ends: Sequence[ChainHead], key: Ed25519PrivateKey, *, now: dt.datetime
) -> int:
    """Append a signature for each chain that has none for this UTC day; returns how many.

    On disk when it returns. Safe to call as often as one likes.
    """
    day = now.astimezone(dt.UTC).date().isoformat()
    done = {head.chain for head in read_signed_heads(folder) if head.day == day}
    lines = []
    for end in ends:
        if end.chain in done:
            continue
        bare = SignedHead(day=day, chain=end.chain, number=end.number, hash=end.hash, signature="")
        signature = key.sign(bare.signed_text()).hex()
        lines.append(msgspec.json.encode(msgspec.structs.replace(bare, signature=signature)))
    if lines:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(folder / _FILE, flags, _OWNER_ONLY), "ab") as file:
            os.fchmod(file.fileno(), _OWNER_ONLY)  # an older release left it open to read
            os.ftruncate(file.fileno(), _whole_lines(folder / _FILE))
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
    return len(lines)


def _whole_lines(path: Path) -> int:
    """Return where the last whole line ends; a full disk or a crash may have torn one behind it."""
    return path.read_bytes().rfind(b"\n") + 1


async def keep_signed(database: Database, folder: Path, key_file: Path, clock: Clock) -> None:
    """Sign the ends of all chains once a day until cancelled, with the key in *key_file*.

    The key is made where absent; a disk without room for it stops this alone, and whoever owns
    this begins again later.
    """
    key = await asyncio.to_thread(load_or_make_key, key_file)
    while True:
        ends = await database.read(heads)
        await asyncio.to_thread(sign_heads, folder, ends, key, now=clock.now())
        await asyncio.sleep(_LOOK_EVERY_S)


def check_signed_heads(
    signed: Sequence[SignedHead], key: Ed25519PublicKey
) -> tuple[dict[str, dict[int, str]], list[Fault]]:
    """Return what well-signed lines bind, for ``audit.verify``, and the badly signed ones."""
    marks: dict[str, dict[int, str]] = {}
    faults = []
    for head in signed:
        try:
            key.verify(bytes.fromhex(head.signature), head.signed_text())
        except (InvalidSignature, ValueError):
            faults.append(Fault(head.chain, head.number, "signature"))
        else:
            marks.setdefault(head.chain, {})[head.number] = head.hash
    return marks, faults
