"""What a node tells the county of itself twice a minute, as values. Pure; no patient is in it."""

import datetime as dt
from typing import Final

import msgspec

from gateway.exchange.completeness import Completeness
from gateway.exchange.model import Sent, Versions
from kernel.arrival import Priority

EVERY_S: Final = 30.0
STUDIES_MAX: Final = 300
"""Most studies told of; the most urgent unfinished ones come first."""


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """What waits of one priority."""

    priority: Priority
    studies: int
    instances: int
    size_bytes: int


class StudyState(msgspec.Struct, frozen=True, kw_only=True):
    """One study on its way."""

    study_instance_uid: str
    modality: str
    priority: Priority
    paused: bool
    first_received_at: dt.datetime
    """By the node's clock, as the next one."""
    last_received_at: dt.datetime
    set_aside: int
    completeness: Completeness


class LineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The line as the node sees it."""

    state: str
    since: dt.datetime | None
    """By the node's clock."""
    rate_bits_per_s: int | None
    code: str = ""
    held_until: dt.datetime | None = None
    """Until when a person at the node lets it send no images, by the node's clock; None where
    nobody does, and from a program that does not tell."""
    held_by: str = ""
    """Who that is, as people call them."""


class DiskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Room on the node's disk."""

    total_bytes: int
    free_bytes: int


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is."""

    node_time: dt.datetime
    """The node's own clock; only to show how far off it is."""
    program: str
    """Version of the program."""
    started_at: dt.datetime
    """By the node's clock."""
    lanes: list[LaneState]
    line: LineFacts
    disk: DiskFacts
    letters_waiting: int
    letters_refused: int
    set_aside: int
    """What could not be sent, and of what comes back what could not be had."""
    returns_set_aside: int = 0
    """Of these, what comes back; 0 from a program that does not tell."""
    studies: list[StudyState] | None
    """None where nothing has changed since the last heartbeat the county has answered."""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """What a node sends up at once."""

    epoch: str
    """Of the node's sequence; another one begins anew at the county."""
    versions: Versions
    letters: list[Sent] = []
    heartbeat: Heartbeat | None = None
