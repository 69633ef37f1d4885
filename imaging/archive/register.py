"""The register: what an object cannot tell of itself, in files beside the objects.

An object says nothing of who sent it, when it came, what it was before it was compressed, or which
of two contents answers for its UID; nor what people decided since. These files do, so that the
index can be made anew from the objects' disk alone. Lines are only added; of one object the last
counts, and a line that a power cut left half is passed over.
"""

import os
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from kernel.arrival import Arrival

FOLDER: Final = ".register"
_CONTENTS: Final = "contents.jsonl"
_DECISIONS: Final = "decisions.json"
_PRIVATE: Final = 0o600


class Role(StrEnum):
    """What a content is to the index."""

    ANSWERS = "answers"
    BESIDE = "beside"
    """Another content under the UID of one that answers."""
    BYTES = "bytes"
    """Kept with the reason why nobody can read it."""


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: a stored object, and what it cannot tell."""

    key: str
    role: Role
    number: int
    """Its row; contents of one role came in this order."""
    arrival: Arrival | None = None
    oddities: str = ""
    reason: str = ""
    detail: str = ""


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """What people decided, as rows that JSON can say."""

    version: list[int]
    """Another one as soon as anything in it is."""
    hints: dict[str, str] = {}
    """By AE title, what its text really is."""
    corrections: list[dict[str, Any]] = []
    corrected: dict[str, dict[str, Any]] = {}
    """By Study Instance UID, what the index says of it and its series since."""
    rejections: list[dict[str, Any]] = []
    hidden: list[dict[str, Any]] = []


_LINE: Final = msgspec.json.Encoder()
_READ: Final = msgspec.json.Decoder(Told)


class Register:
    """The files of one store; one process writes them."""

    def __init__(self, store: Path) -> None:
        """Read or write the register of the object store in *store*."""
        self._folder = store / FOLDER
        self._contents = self._folder / _CONTENTS
        self._decisions = self._folder / _DECISIONS

    def has_begun(self) -> bool:
        """Return whether there is any."""
        return self._contents.is_file()

    def add(self, lines: Sequence[Told]) -> None:
        """Add *lines*; on disk when it returns."""
        new = not self.has_begun()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._contents, os.O_RDWR | os.O_CREAT | os.O_APPEND, _PRIVATE)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            end = os.fstat(descriptor).st_size
            # What a cut left half ends here, and spoils no line behind it.
            broken = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
            text = b"".join(_LINE.encode(line) + b"\n" for line in lines)
            rest = memoryview(b"\n" + text if broken else text)
            while rest:
                rest = rest[file.write(rest) :]
            os.fdatasync(descriptor)
        if new:
            self._flush()

    def lines(self) -> Iterator[tuple[int, Told]]:
        """Yield each whole line and where it begins; nothing where there is no register."""
        if not self.has_begun():
            return
        with self._contents.open("rb") as file:
            at = 0
            for raw in file:
                try:
                    yield at, _READ.decode(raw)
                except msgspec.MsgspecError:
                    pass
                finally:
                    at += len(raw)

    def lines_at(self, places: Sequence[int]) -> list[Told]:
        """Return the lines that begin at *places*."""
        with self._contents.open("rb") as file:
            found = []
            for at in places:
                file.seek(at)
                found.append(_READ.decode(file.readline()))
            return found

    def keep_decisions(self, decisions: Decisions) -> None:
        """Write *decisions* in the place of those before; on disk when it returns."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        making = self._decisions.with_suffix(".new")
        descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(decisions))
            file.flush()
            os.fsync(descriptor)
        making.replace(self._decisions)
        self._flush()

    def decisions(self) -> Decisions | None:
        """Return what people decided; None where nobody wrote it down."""
        try:
            return msgspec.json.decode(self._decisions.read_bytes(), type=Decisions)
        except FileNotFoundError:
            return None

    def _flush(self) -> None:
        for folder in (self._folder, self._folder.parent):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
