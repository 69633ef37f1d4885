"""What a room says of one resource type, and what it answers for it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kernel.audit.trail import AuditEvent
from kernel.errors import Invalid, PlatformError
from kernel.identity import Principal, Role


class Interaction(StrEnum):
    """What can be done with a resource (FHIR R4 TypeRestfulInteraction)."""

    READ = "read"
    VREAD = "vread"
    UPDATE = "update"
    CREATE = "create"
    SEARCH_TYPE = "search-type"


class ParameterType(StrEnum):
    """What a search parameter's values are (FHIR R4 SearchParamType)."""

    TOKEN = "token"  # noqa: S105  # a kind of value
    STRING = "string"
    DATE = "date"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchParameter:
    """A parameter a room can search by."""

    name: str
    type: ParameterType
    documentation: str
    modifiers: frozenset[str] = frozenset()
    targets: tuple[str, ...] = ()
    """Types a reference may name."""
    chains: frozenset[str] = frozenset()
    """What of the target may be searched by: ``patient.identifier``; tokens all of them."""


ID = SearchParameter(name="_id", type=ParameterType.TOKEN, documentation="Its id.")
LAST_UPDATED = SearchParameter(
    name="_lastUpdated", type=ParameterType.DATE, documentation="When it was changed."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDefinition:
    """One resource type at this door."""

    type: str
    roles: Mapping[Interaction, frozenset[Role] | None]
    """What can be done, and by which roles; None for everybody who is signed in."""
    parameters: tuple[SearchParameter, ...]
    sorts: frozenset[str] = frozenset()
    """Parameters a search may be sorted by."""
    includes: Mapping[str, str] = field(default_factory=dict)
    """By name of ``_include`` after the colon, the element that holds the reference."""
    mandatory: frozenset[str] = frozenset()
    """Elements no answer may leave out (FHIR R4: minimum 1)."""
    summary: frozenset[str] = frozenset()
    """Elements marked for the summary, besides the mandatory ones."""
    documentation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, when, and under which address this door stands."""

    principal: Principal
    at: dt.datetime
    address: str = ""
    origin: str = ""
    """Such as ``https://yilian.example``, without a slash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the audit trail says of somebody who is shown a resource."""

    subject: str
    patient: str
    reason: str
    event: AuditEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A resource as its asker may see it."""

    id: str
    version: str
    resource: Any
    """A ``msgspec.Struct`` with ``resourceType``, ``id`` and ``meta``."""
    last_updated: dt.datetime | None = None
    look: Look | None = None
    """None where no patient is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Part of what a search finds."""

    found: tuple[Found, ...]
    total: int | None
    """How many there are of all; None where it was not asked for or not counted to the end."""
    after: tuple[str, ...] | None
    """Where the next page goes on; None where there is none."""


class InvalidResource(Invalid):
    """What came is not the resource this door takes; the expression names the place."""

    code = "invalid-resource"

    def __init__(self, detail: str, *expression: str, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.members = {"expression": list(expression)}


def placed(error: PlatformError, place: str) -> PlatformError:
    """Return *error* with *place* before where it happened, for an entry of a Bundle.

    A path that begins with the resource's own type goes on from the place.
    """
    inner = [str(each) for each in error.members.get("expression", ())]
    paths = [f"{place}.resource{_after_type(path)}" for path in inner] or [place]
    error.members = {**error.members, "expression": paths}
    return error


def _after_type(path: str) -> str:
    _, dot, rest = path.partition(".")
    return f"{dot}{rest}"
