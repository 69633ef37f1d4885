"""How much more the node can take, as its pages say it. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

_LOW_PERCENT: Final = 85


class DiskState(StrEnum):
    """How urgent the disk is."""

    OK = "ok"
    LOW = "low"
    """Little is left; what the county has goes before its time."""
    FULL = "full"
    """Nothing is accepted any more (DIMSE 0xA700, HTTP 507) until the county has taken some."""


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """How much room there is."""

    state: DiskState
    used_percent: int
    room_for_studies: int | None
    """Of the usual size here; None before there was any."""
    free_bytes: int
    """Before the node accepts nothing more."""
    freeable_bytes: int
    """Of images the county has signed for; these go before the disk is full."""


@dataclass(frozen=True, slots=True)
class Room:
    """A disk."""

    total_bytes: int
    free_bytes: int
    reserve_bytes: int
    """Kept free for what was accepted and is still to be filed and sent."""


def room_of(room: Room, usual_bytes: int | None, freeable_bytes: int) -> Disk:
    """Return what a page says of the disk.

    Args:
        room: of the disk the images lie on.
        usual_bytes: what a study takes here; None before there was any.
        freeable_bytes: what could go at once, because the county has it.
    """
    left = max(room.free_bytes - room.reserve_bytes, 0)
    used_percent = round(100 * (room.total_bytes - room.free_bytes) / max(room.total_bytes, 1))
    room_for = (left + freeable_bytes) // usual_bytes if usual_bytes else None
    state = DiskState.LOW if used_percent >= _LOW_PERCENT else DiskState.OK
    return Disk(
        state=DiskState.FULL if left == 0 else state,
        used_percent=used_percent,
        room_for_studies=room_for,
        free_bytes=left,
        freeable_bytes=freeable_bytes,
    )
