"""One-time codes that a person reads out and another types in. Pure but for the random numbers."""

import hashlib
import secrets
from typing import Final

from kernel.errors import Invalid

_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Nothing here looks or sounds like another; 31 of them, so 16 make 79 bits."""
_GROUPS: Final = 4
_EACH: Final = 4
_LENGTH: Final = _GROUPS * _EACH


class InvalidCode(Invalid):
    """Not a code at all: a character too many, too few or a wrong one."""

    code = "enrol-code-invalid"


def new_code() -> str:
    """Return a new code, such as ``7KQM-2FXR-9TWD-HB4C``."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(letters[at : at + _EACH] for at in range(0, _LENGTH, _EACH))


def normal_code(typed: str) -> str:
    """Return the code in *typed*, however it was written: small letters, blanks, no hyphens.

    Raises:
        InvalidCode: it is none.
    """
    letters = "".join(char for char in typed.upper() if char not in " -\t")
    if len(letters) != _LENGTH or not set(letters) <= set(_ALPHABET):
        raise InvalidCode(f"a code is {_LENGTH} of {_ALPHABET}, as it was printed")
    return letters


def code_digest(typed: str) -> str:
    """Return what is kept of a code; raises ``InvalidCode``."""
    return hashlib.sha256(b"yilian-enrol-code-1\0" + normal_code(typed).encode()).hexdigest()
