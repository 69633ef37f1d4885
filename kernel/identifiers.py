"""Identifiers as values: parsed at the door, never bare strings behind it."""

import hashlib
import os
import re
import time
from dataclasses import dataclass
from typing import Final, Self

from kernel.errors import Category, PlatformError

_UID: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)
_AE: Final = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}", re.ASCII)
_INSTITUTION: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)
_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
UID_MAX: Final = 64


class InvalidIdentifier(PlatformError):
    """Not an identifier of that kind; the detail gives its length, never its content."""

    code = "invalid-identifier"
    category = Category.INVALID

    def __init__(self, kind: str, raw: str, shape: str) -> None:
        super().__init__(
            f"{kind} is {shape}; this has {len(raw)} characters", code=f"invalid-{kind}"
        )
        self.kind = kind


@dataclass(frozen=True, slots=True, order=True)
class Uid:
    """DICOM unique identifier: digits and dots, at most 64 characters (PS3.5 9.1).

    Leading zeros in a component break the standard but are sent by real devices and are kept.
    """

    value: str

    @classmethod
    def parse(cls, raw: str) -> Self:
        """Return the UID in *raw* without its padding (one or more NUL or space at the end).

        Raises:
            InvalidIdentifier: empty, longer than 64, or any other character (``invalid-uid``).
        """
        value = raw.rstrip("\0 ").lstrip(" ")
        if len(value) > UID_MAX or not _UID.fullmatch(value):
            raise InvalidIdentifier("uid", raw, "digits and dots, 64 at most")
        return cls(value)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class AETitle:
    r"""Application Entity title: 1-16 characters, no backslash or control (PS3.5 6.2, VR AE)."""

    value: str

    @classmethod
    def parse(cls, raw: str) -> Self:
        """Return the title without leading and trailing spaces, which are not significant.

        Raises:
            InvalidIdentifier: empty, too long, or a forbidden character (``invalid-ae-title``).
        """
        value = raw.strip(" ")
        if not _AE.fullmatch(value):
            raise InvalidIdentifier("ae-title", raw, "1 to 16 letters, digits or signs")
        return cls(value)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class InstitutionCode:
    """Short stable name of an institution: lower-case letters, digits, inner hyphens, <= 64."""

    value: str

    @classmethod
    def parse(cls, raw: str) -> Self:
        """Return the code in *raw*.

        Raises:
            InvalidIdentifier: anything else (``invalid-institution``).
        """
        if not _INSTITUTION.fullmatch(raw):
            raise InvalidIdentifier(
                "institution", raw, "1 to 64 small letters, digits and hyphens between them"
            )
        return cls(raw)

    def __str__(self) -> str:
        return self.value


def new_id() -> str:
    """Return a new identifier of 26 characters that sorts by the millisecond it was made in.

    48 bits of Unix time, 80 bits of randomness, Crockford base 32 in lower case; safe in file
    names and addresses.
    """
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -5, -5))


def object_key(sop_instance_uid: Uid, content_digest: str) -> str:
    """Return the object store key of one instance content: two folders and 32 hex digits.

    The same instance with the same content always has the same key, and no part of a UID ever
    becomes part of a path.

    Args:
        sop_instance_uid: the instance.
        content_digest: lower-case hex digest of its content (``kernel.dicom.content``).
    """
    name = hashlib.sha256(f"{sop_instance_uid}\0{content_digest}".encode()).hexdigest()[:32]
    return f"{name[:2]}/{name[2:4]}/{name}"
