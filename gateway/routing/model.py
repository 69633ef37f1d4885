"""Values of study routing: what is known of a study, and where a rule sends it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kernel.arrival import Priority


class Field(StrEnum):
    """What a condition may ask besides DICOM keywords."""

    INSTITUTION = "sender.institution"
    """Code of the institution the study belongs to."""
    AE_TITLE = "sender.ae-title"
    ADDRESS = "sender.address"
    DOOR = "sender.door"
    """c-store, stow, upload or parcel."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules may look at.

    Attributes:
        values: DICOM keyword or ``Field`` value -> its values as text, in order; person names as
            their groups joined by ``=``. A keyword that is not there is absent; one without value
            is an empty tuple.
    """

    values: Mapping[str, tuple[str, ...]]

    def of(self, name: str) -> tuple[str, ...] | None:
        """Return the values of *name*, or ``None`` where the study does not have it."""
        return self.values.get(name)


class DestinationKind(StrEnum):
    """What kind of place a study is sent to."""

    READING_LIST = "reading-list"
    """The reading list of a centre of this county."""
    DICOM = "dicom"
    """A peer of the table, by its AE title: objects are sent to it by C-STORE."""
    DICOMWEB = "dicomweb"
    """A server named in the rules file: objects are sent to it by STOW-RS."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a study goes."""

    kind: DestinationKind
    name: str
    """Institution code of the centre that reads, AE title of the peer, or name of the server."""
    priority: Priority | None = None
    """Overrides the priority the study came with."""

    @property
    def address(self) -> str:
        """Kind and name in one word, such as ``dicom:PACS2``."""
        return f"{self.kind}:{self.name}"


class Matching(StrEnum):
    """How many rules may speak."""

    FIRST = "first"
    """The first rule that matches decides alone."""
    ALL = "all"
    """Every rule that matches adds its destinations."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One condition's answer with its reason, for people who ask why."""

    holds: bool
    condition: str
    """The condition as it stands in the file."""
    found: str
    """What the study has there, or ``absent``."""


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """How one rule was decided."""

    rule: str
    line: int
    matched: bool
    answers: tuple[Answer, ...]
    reached: bool = True
    """False where an earlier rule had already decided."""


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a study goes and why."""

    destinations: tuple[Destination, ...]
    rules: tuple[str, ...]
    """Names of the rules that matched, in file order; empty where the fallback decided."""
    trace: tuple[RuleTrace, ...] = field(default=(), compare=False)
