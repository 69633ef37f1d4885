"""Letters: what one node tells another besides images, such as an order or an account.

A letter says how one thing stands, not what happened to it: who reads the same letter twice, or an
older one after a newer, ends with the same rows. How letters travel is the exchange's business;
the rooms that write and read them see this value and nothing else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from kernel.errors import Invalid

_KIND: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
_KEY_MAX: Final = 200
_VERSION_MAX: Final = 2**53 - 1


class InvalidLetter(Invalid):
    """The letter is none: its kind, key or version is not of their shape, or its body is not."""

    code = "letter-invalid"


@dataclass(frozen=True, slots=True)
class Letter:
    """How one thing stands at the node that writes."""

    kind: str
    """What the body is, such as ``order``: lower-case letters, digits, inner hyphens, <= 32."""
    key: str
    """Names the thing among its kind; 1 to 200 characters, no patient data."""
    version: int
    """Rises with each change of the thing; 0 to 2^53 - 1."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """What JSON can say."""

    @classmethod
    def parse(cls, kind: str, key: str, version: int, body: Mapping[str, Any]) -> Self:
        """Return the letter of these parts.

        Raises:
            InvalidLetter: any of them is not of its shape.
        """
        if not _KIND.fullmatch(kind):
            raise InvalidLetter("kind: lower-case letters, digits, inner hyphens, at most 32")
        if not 1 <= len(key) <= _KEY_MAX or not key.isprintable():
            raise InvalidLetter(f"key: 1 to {_KEY_MAX} printable characters")
        if not 0 <= version <= _VERSION_MAX:
            raise InvalidLetter("version: 0 to 2^53 - 1")
        return cls(kind, key, version, body)
