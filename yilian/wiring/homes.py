"""The folder that holds all of a node's state, and the keys made at its first start."""

import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from kernel.errors import Category, Conflict, PlatformError
from kernel.settings import NodeKind, Settings

COUNTY_JOURNALS: Final = ("dicom", "gateway")
"""The journals of the county's doors; a name never changes."""
_FOLDERS: Final = ("db", "journal", "objects", "uploads", "receipts", "logs", "secrets")
_KIND: Final = "node.kind"
_NODE_ID: Final = "node.id"
_NODE_ID_BYTES: Final = 4
VERSION_PREFIX: Final = "YILIAN_"
"""Stands before the node's id in its Implementation Version Name (16 characters at most)."""
_PRIVATE: Final = 0o700
_OTHERS: Final = 0o077


class UnsafeSecret(PlatformError):
    """A key file can be read by others, so it is not used."""

    code = "unsafe-secret"
    category = Category.FORBIDDEN


@dataclass(frozen=True, slots=True)
class Home:
    """Where one node keeps everything; nothing it writes lies outside."""

    root: Path

    @classmethod
    def prepare(cls, root: Path, kind: NodeKind) -> "Home":
        """Return the home at *root*, making its folders (mode 0700) where they are missing.

        Raises:
            Conflict: another kind of node lives there (``other-node``).
        """
        home = cls(root.resolve())
        home.root.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        for name in _FOLDERS:
            (home.root / name).mkdir(mode=_PRIVATE, exist_ok=True)
        if home.kind() is None:
            write_secret(home.root / _KIND, kind.encode())
        elif home.kind() is not kind:
            raise Conflict(f"{home.root} is the home of a {home.kind()}", code="other-node")
        return home

    def kind(self) -> NodeKind | None:
        """Return which kind of node lives here, None where none ever did."""
        try:
            return NodeKind((self.root / _KIND).read_text("ascii"))
        except FileNotFoundError:
            return None

    @property
    def settings_file(self) -> Path:
        """Settings of this node; may be absent."""
        return self.root / "yilian.toml"

    @property
    def database_url(self) -> str:
        """The node's own SQLite database, used unless the settings name another."""
        return f"sqlite:///{self.root / 'db' / 'yilian.sqlite'}"

    @property
    def objects(self) -> Path:
        """Objects as files."""
        return self.root / "objects"

    @property
    def uploads(self) -> Path:
        """Uploads under way."""
        return self.root / "uploads"

    @property
    def receipts(self) -> Path:
        """Receipts this node has signed."""
        return self.root / "receipts"

    def journal(self, role: str) -> Path:
        """Return the folder of the ingest journal that *role* writes."""
        return self.root / "journal" / role

    def secret(self, name: str) -> Path:
        """Return the path of the secret *name*."""
        return self.root / "secrets" / name

    def signing_key(self) -> Ed25519PrivateKey:
        """Return this node's own key, made at the first call.

        Raises:
            UnsafeSecret: the file can be read by others.
        """
        path = self.secret("node.key")
        if not path.exists():
            self.new_signing_key()
        if path.stat().st_mode & _OTHERS:
            raise UnsafeSecret(f"{path.name} can be read by others: chmod 600 {path}")
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())

    def new_signing_key(self) -> None:
        """Make another key this node's own; the one before is gone."""
        raw = Ed25519PrivateKey.generate().private_bytes(
            Encoding.Raw, PrivateFormat.Raw, NoEncryption()
        )
        write_secret(self.secret("node.key"), raw)

    def node_id(self) -> str:
        """Return the 8 hex digits by which senders know this node again, made at the first call.

        What a node acknowledged is known by this id; a home that begins anew, or is brought back
        from a copy, gets another one, and senders then believe nothing of before. Where the disk
        has no room the id is made up for this process alone.
        """
        path = self.root / _NODE_ID
        with suppress(OSError, ValueError):
            found = path.read_text("ascii").strip()
            if len(bytes.fromhex(found)) == _NODE_ID_BYTES:
                return found
        made = secrets.token_hex(_NODE_ID_BYTES)
        with suppress(OSError):
            write_secret(path, made.encode())
        return made

    def public_key(self) -> str:
        """Return the public half of ``signing_key`` as hex."""
        public = self.signing_key().public_key()
        return public.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def database_url(home: Home, settings: Settings) -> str:
    """Return where the node keeps its rows."""
    return settings.database.url or home.database_url


def write_secret(path: Path, raw: bytes) -> None:
    """Write *raw* so that nobody else can read it and a crash leaves the old or the new file."""
    path.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).rename(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
