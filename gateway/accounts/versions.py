"""From which version somebody changes a row, so that nobody overwrites what they have not seen."""

import hashlib
from dataclasses import dataclass

import msgspec

from kernel.errors import Conflict, Stale, Unversioned


@dataclass(frozen=True, slots=True)
class Seen:
    """What whoever asks for a change knew of the row.

    Attributes:
        version: of the row as they saw it (``version_of``); empty where they name none.
        absent: they want it added, and never changed.
    """

    version: str = ""
    absent: bool = False


def version_of(row: object) -> str:
    """Return the version of *row*: the same for the same values, in every process."""
    return hashlib.sha256(msgspec.json.encode(row, order="sorted")).hexdigest()[:16]


def check_seen(seen: Seen | None, found: object | None) -> None:
    """Say whether *found* may be changed by somebody who knew *seen*; None where nobody asks.

    Raises:
        Conflict: they want to add what is there already (``exists-already``).
        Stale: it has changed since they looked, or is gone.
        Unversioned: it is there and they do not say what they saw.
    """
    if seen is None:
        return
    if seen.version:
        if found is None or version_of(found) != seen.version:
            raise Stale
    elif found is not None:
        if seen.absent:
            raise Conflict(code="exists-already")
        raise Unversioned("send the version of what was seen as If-Match")
