"""Organization and Location: the institutions this node knows, for everybody signed in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from gateway.accounts.versions import version_of
from kernel.errors import Missing
from kernel.fhir.datatypes import CodeableConcept, Identifier, Meta, Reference, concept
from kernel.fhir.query import Criterion, Query
from kernel.fhir.resource import (
    ID,
    Asker,
    Found,
    Interaction,
    Page,
    ParameterType,
    ResourceDefinition,
    SearchParameter,
)
from kernel.fhir.select import Condition, SortKey, any_of, coded, run
from kernel.identity import Institution, InstitutionKind, find_institution, institutions

HOUSES: Final = "urn:yilian:institution"
"""System of the codes of institutions."""
_KINDS: Final = "urn:yilian:institution-kind"
_COLUMNS: Final = (
    *(institutions.c.code, institutions.c.name, institutions.c.kind),
    *(institutions.c.parent_code, institutions.c.phone),
)
_ROLES: Final = {Interaction.READ: None, Interaction.SEARCH_TYPE: None}
_IDENTIFIER: Final = SearchParameter(
    name="identifier", type=ParameterType.TOKEN, documentation="The institution's code."
)
_NAME: Final = SearchParameter(
    name="name",
    type=ParameterType.STRING,
    documentation="Beginning of the name.",
    modifiers=frozenset({"exact", "contains"}),
)

ORGANIZATION: Final = ResourceDefinition(
    type="Organization",
    documentation="Houses of the medical community and those it deals with.",
    roles=_ROLES,
    parameters=(
        ID,
        _IDENTIFIER,
        _NAME,
        SearchParameter(
            name="partof",
            type=ParameterType.REFERENCE,
            documentation="The house it belongs to.",
            targets=("Organization",),
        ),
        SearchParameter(
            name="type", type=ParameterType.TOKEN, documentation="village, township, county, …"
        ),
    ),
    sorts=frozenset({"name"}),
    includes={"partof": "partOf"},
    summary=frozenset({"identifier", "active", "type", "name", "partOf"}),
)
LOCATION: Final = ResourceDefinition(
    type="Location",
    documentation="Where the houses are: one place for each.",
    roles=_ROLES,
    parameters=(
        ID,
        _IDENTIFIER,
        _NAME,
        SearchParameter(
            name="organization",
            type=ParameterType.REFERENCE,
            documentation="Whose place it is.",
            targets=("Organization",),
        ),
        SearchParameter(
            name="partof",
            type=ParameterType.REFERENCE,
            documentation="The place of the house it belongs to.",
            targets=("Location",),
        ),
    ),
    sorts=frozenset({"name"}),
    includes={"organization": "managingOrganization", "partof": "partOf"},
    summary=frozenset({"identifier", "status", "mode", "name", "managingOrganization", "partOf"}),
)


class OrganizationResource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename="camel",
    tag_field="resourceType",
    tag="Organization",
):
    """FHIR R4 Organization."""

    id: str
    meta: Meta
    identifier: tuple[Identifier, ...]
    name: str
    active: bool | None = None
    type: tuple[CodeableConcept, ...] = ()
    part_of: Reference | None = None


class LocationResource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename="camel",
    tag_field="resourceType",
    tag="Location",
):
    """FHIR R4 Location."""

    id: str
    meta: Meta
    identifier: tuple[Identifier, ...]
    status: str
    name: str
    mode: str | None = None
    managing_organization: Reference | None = None
    part_of: Reference | None = None


@dataclass(frozen=True, slots=True)
class HouseRoom:
    """Institutions at the FHIR door (``gateway.fhir.ports.ResourceProvider``)."""

    definition: ResourceDefinition
    make: Callable[[Institution, Meta], Any]

    def read(self, conn: sa.Connection, asker: Asker, key: str) -> Found:
        """Return the institution; raises ``Missing``."""
        del asker
        house = find_institution(conn, key)
        if house is None:
            raise Missing
        return self._found(house)

    def search(self, conn: sa.Connection, asker: Asker, query: Query) -> Page:
        """Return a page of the institutions."""
        del asker
        statement = sa.select(*_COLUMNS).where(*map(_condition, query.criteria))
        sorts = {"name": SortKey(institutions.c.name)}
        found = run(conn, query, statement, SortKey(institutions.c.code), sorts)
        return found.page(self._found(_house(row)) for row in found.rows)

    def _found(self, house: Institution) -> Found:
        version = version_of(house)
        made = self.make(house, Meta(version_id=version))
        return Found(id=house.code, version=version, resource=made)


def organizations() -> HouseRoom:
    """Return the institutions as Organization."""
    return HouseRoom(ORGANIZATION, _organization)


def locations() -> HouseRoom:
    """Return the institutions as Location."""
    return HouseRoom(LOCATION, _location)


def _house(row: Mapping[str, Any]) -> Institution:
    kind = InstitutionKind(row["kind"])
    return Institution(row["code"], row["name"], kind, row["parent_code"], row["phone"])


def _condition(criterion: Criterion) -> Condition:
    columns = institutions.c
    match criterion.name:
        case "identifier":
            return coded(columns.code, criterion, HOUSES)
        case "_id":
            return columns.code.in_([token.code for token in criterion.tokens])
        case "type":
            return coded(columns.kind, criterion, _KINDS)
        case "organization":
            return columns.code.in_([target.id for target in criterion.targets])
        case "partof":
            return columns.parent_code.in_([target.id for target in criterion.targets])
        case _:
            return named(columns.name, criterion)


def named(column: sa.ColumnElement[str], criterion: Criterion) -> Condition:
    """Return that a name begins with what is asked for, or is it, or holds it."""
    lower = sa.func.lower(column)
    ways: Mapping[str, Callable[[str], Condition]] = {
        "exact": lambda text: column == text,
        "contains": lambda text: lower.contains(text.lower(), autoescape=True),
        "": lambda text: lower.startswith(text.lower(), autoescape=True),
    }
    return any_of([ways[criterion.modifier](text) for text in criterion.texts])


def _identifier(house: Institution) -> tuple[Identifier, ...]:
    return (Identifier(use="official", system=HOUSES, value=house.code),)


def _organization(house: Institution, meta: Meta) -> OrganizationResource:
    return OrganizationResource(
        id=house.code,
        meta=meta,
        identifier=_identifier(house),
        active=True,
        type=(concept(_KINDS, house.kind.value),),
        name=house.name,
        part_of=Reference(reference=f"Organization/{house.parent}") if house.parent else None,
    )


def _location(house: Institution, meta: Meta) -> LocationResource:
    return LocationResource(
        id=house.code,
        meta=meta,
        identifier=_identifier(house),
        status="active",
        mode="instance",
        name=house.name,
        managing_organization=Reference(reference=f"Organization/{house.code}"),
        part_of=Reference(reference=f"Location/{house.parent}") if house.parent else None,
    )
