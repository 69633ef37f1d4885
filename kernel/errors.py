"""The one error tree of Yilian: a stable code, a category, and a line a person understands.

Each door maps ``Category`` to its own language exactly once (HTTP status, DIMSE status, tus,
FHIR, HL7 ACK, close code); nothing else decides what an error looks like outside.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Category(StrEnum):
    """What kind of trouble it is, whichever door it happens at."""

    INVALID = "invalid"
    """The request or object is broken; sending the same again cannot help."""
    UNAUTHENTICATED = "unauthenticated"
    """Nobody is signed in, or the token is not known."""
    FORBIDDEN = "forbidden"
    """Signed in, but this act is not theirs. To another institution use ``MISSING``."""
    MISSING = "missing"
    """Not there, or not there for this asker; both look alike outside."""
    CONFLICT = "conflict"
    """Somebody or something else was first; the caller must look again."""
    STALE = "stale"
    """It has changed since the caller looked at it; nothing was done."""
    UNVERSIONED = "unversioned"
    """A change that does not say which version it was made from; nothing was done."""
    TOO_LARGE = "too-large"
    """Over a stated limit of size, depth or count."""
    UNSUPPORTED = "unsupported"
    """Well formed, but not something this door can do (media type, transfer syntax, service)."""
    BUSY = "busy"
    """Too much at once; the same request may work later."""
    FULL = "full"
    """No room to keep it durably; nothing was accepted."""
    UNAVAILABLE = "unavailable"
    """A part this needs is down; the same request may work later."""
    BROKEN = "broken"
    """Our own fault; logged with its code."""


class PlatformError(Exception):
    """Base of every error Yilian raises on purpose.

    Attributes:
        code: stable kebab-case name, the key of the text shown to people.
        category: decides the answer at each door.
        detail: one English line without patient data, for logs and ``detail`` members.
        members: what the answer says besides, such as who was first and when (RFC 9457 3.2).
    """

    code: str = "platform-error"
    category: Category = Category.BROKEN
    members: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, detail: str = "", *, code: str | None = None) -> None:
        super().__init__(detail or code or self.code)
        self.detail = detail
        if code is not None:
            self.code = code


class Invalid(PlatformError):
    """The input is broken; the code says how."""

    code = "invalid"
    category = Category.INVALID


class Unauthenticated(PlatformError):
    """Nobody is signed in."""

    code = "not-signed-in"
    category = Category.UNAUTHENTICATED


class Forbidden(PlatformError):
    """The signed-in person or machine may not do this."""

    code = "not-allowed"
    category = Category.FORBIDDEN


class Missing(PlatformError):
    """Not there, or not there for this asker."""

    code = "not-found"
    category = Category.MISSING


class Conflict(PlatformError):
    """Somebody else was first."""

    code = "conflict"
    category = Category.CONFLICT


class Stale(PlatformError):
    """It has changed since the caller looked."""

    code = "changed-meanwhile"
    category = Category.STALE


class Unversioned(PlatformError):
    """The caller does not say which version the change was made from."""

    code = "version-missing"
    category = Category.UNVERSIONED


class TooLarge(PlatformError):
    """Over a stated limit."""

    code = "too-large"
    category = Category.TOO_LARGE


class Unsupported(PlatformError):
    """Well formed but not something this door can do."""

    code = "unsupported"
    category = Category.UNSUPPORTED


class Busy(PlatformError):
    """Too much at once."""

    code = "busy"
    category = Category.BUSY


class StorageFull(PlatformError):
    """There is no room to keep it durably; nothing was accepted."""

    code = "storage-full"
    category = Category.FULL


class Unavailable(PlatformError):
    """A part this needs is down."""

    code = "unavailable"
    category = Category.UNAVAILABLE
