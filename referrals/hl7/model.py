"""What this room needs of a message, whoever parsed it, and what it says when it is done. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from kernel.errors import Invalid, PlatformError

LOCATION: Final = "hl7_location"
"""Key of ``PlatformError.members``: segment, which of them, field, component."""
NULL: Final = '""'
"""What is to be emptied; an empty field is left as it is."""


class SegmentText(Protocol):
    """One line of a message; fields, components and repetitions count from 1."""

    @property
    def name(self) -> str:
        """Such as ``PID``."""
        ...

    def text(self, number: int, component: int = 1, part: int = 1, *, repetition: int = 1) -> str:
        """Return a sub-component without its escapes, empty where there is none."""
        ...

    def count(self, number: int) -> int:
        """Return how many repetitions a field has."""
        ...


class MessageText(Protocol):
    """A message, parsed."""

    @property
    def segments(self) -> "tuple[SegmentText, ...]":
        """All lines in their order, MSH first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Which system sent a message."""

    application: str
    facility: str
    institution: str
    """Code of the institution whose patients and orders it tells of."""
    address: str


@dataclass(frozen=True, slots=True)
class OrderAnswer:
    """What became of one order of a message."""

    control: str
    """ORC-1 of the answer, HL7 table 0119."""
    placer_number: str
    filler_number: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What was done with a message."""

    patient: str
    """Number of the patient."""
    subject: str
    orders: tuple[OrderAnswer, ...] = ()


class MissingField(Invalid):
    """A field that must be there is empty."""

    code = "required-field-missing"


class MissingSegment(Invalid):
    """A segment that must be there is not."""

    code = "required-segment-missing"


class UnknownValue(Invalid):
    """A code that stands in no table here."""

    code = "unknown-table-value"


@contextmanager
def at(segment: str, field: int, *, which: int = 1, component: int = 0) -> Iterator[None]:
    """Say of whatever is refused inside that it is because of this field."""
    try:
        yield
    except PlatformError as error:
        if LOCATION not in error.members:
            error.members = {**error.members, LOCATION: (segment, which, field, component)}
        raise


def first(message: MessageText, name: str) -> SegmentText | None:
    """Return the first segment called *name*, or None."""
    return next((one for one in message.segments if one.name == name), None)


def the(message: MessageText, name: str) -> SegmentText:
    """Return the first segment called *name*; raises ``MissingSegment``."""
    found = first(message, name)
    if found is None:
        with at(name, 0):
            raise MissingSegment(f"no {name}")
    return found
