"""Practitioner and PractitionerRole: who works where the asker works."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from gateway.accounts.fhir_houses import named
from gateway.accounts.tables import account_roles, accounts
from gateway.accounts.versions import version_of
from kernel.errors import Missing
from kernel.fhir.datatypes import CodeableConcept, HumanName, Identifier, Meta, Reference, concept
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
from kernel.identity import PrincipalKind, Role

USERNAMES: Final = "urn:yilian:username"
"""System of the names of accounts."""
_DUTIES: Final = "urn:yilian:role"
_KEY: Final = (accounts.c.id + "-" + account_roles.c.role).label("key")
_ROLES: Final = {Interaction.READ: None, Interaction.SEARCH_TYPE: None}
_ACTIVE: Final = SearchParameter(
    name="active", type=ParameterType.TOKEN, documentation="false: the account is closed."
)

PRACTITIONER: Final = ResourceDefinition(
    type="Practitioner",
    documentation="People with an account at the asker's house, or the township it belongs to.",
    roles=_ROLES,
    parameters=(
        ID,
        _ACTIVE,
        SearchParameter(
            name="identifier", type=ParameterType.TOKEN, documentation="Name of the account."
        ),
        SearchParameter(
            name="name",
            type=ParameterType.STRING,
            documentation="Beginning of the name.",
            modifiers=frozenset({"exact", "contains"}),
        ),
    ),
    sorts=frozenset({"name"}),
    summary=frozenset({"identifier", "active", "name"}),
)
PRACTITIONER_ROLE: Final = ResourceDefinition(
    type="PractitionerRole",
    documentation="What those people do there.",
    roles=_ROLES,
    parameters=(
        ID,
        _ACTIVE,
        SearchParameter(
            name="organization",
            type=ParameterType.REFERENCE,
            documentation="Where they do it.",
            targets=("Organization",),
        ),
        SearchParameter(
            name="practitioner",
            type=ParameterType.REFERENCE,
            documentation="Who does it.",
            targets=("Practitioner",),
        ),
        SearchParameter(
            name="role", type=ParameterType.TOKEN, documentation="Role of the account."
        ),
    ),
    includes={
        "location": "location",
        "organization": "organization",
        "practitioner": "practitioner",
    },
    summary=frozenset({"active", "practitioner", "organization", "code", "location"}),
)


class PractitionerResource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="resourceType",
    tag="Practitioner",
):
    """FHIR R4 Practitioner."""

    id: str
    meta: Meta
    identifier: tuple[Identifier, ...]
    name: tuple[HumanName, ...]
    active: bool | None = None


class PractitionerRoleResource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="resourceType",
    tag="PractitionerRole",
):
    """FHIR R4 PractitionerRole."""

    id: str
    meta: Meta
    practitioner: Reference
    organization: Reference
    code: tuple[CodeableConcept, ...]
    location: tuple[Reference, ...] = ()
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class PeopleRoom:
    """Accounts of people at the FHIR door (``gateway.fhir.ports.ResourceProvider``)."""

    definition: ResourceDefinition
    rows: sa.Select[Any]
    key: sa.ColumnElement[str]
    make: Callable[[Mapping[str, Any], Meta], Any]

    def read(self, conn: sa.Connection, asker: Asker, key: str) -> Found:
        """Return the person or role; raises ``Missing``."""
        statement = self.rows.where(*_reach(asker), self.key == key)
        row = conn.execute(statement).mappings().one_or_none()
        if row is None:
            raise Missing
        return self._found(dict(row))

    def search(self, conn: sa.Connection, asker: Asker, query: Query) -> Page:
        """Return a page of the people or roles of the asker's house."""
        conditions = [self._condition(each) for each in query.criteria]
        statement = self.rows.where(*_reach(asker), *conditions)
        sorts = {"name": SortKey(accounts.c.display_name)}
        found = run(conn, query, statement, SortKey(self.key), sorts)
        return found.page(map(self._found, found.rows))

    def _condition(self, criterion: Criterion) -> Condition:
        if criterion.name == "_id":
            return self.key.in_([token.code for token in criterion.tokens])
        return _CONDITIONS[criterion.name](criterion)

    def _found(self, row: Mapping[str, Any]) -> Found:
        version = version_of(row)
        made = self.make(row, Meta(version_id=version))
        return Found(id=made.id, version=version, resource=made)


def practitioners() -> PeopleRoom:
    """Return the people as Practitioner."""
    columns = accounts.c
    rows = sa.select(columns.id, columns.username, columns.display_name, columns.disabled_at).where(
        columns.kind == PrincipalKind.PERSON.value
    )
    return PeopleRoom(PRACTITIONER, rows, columns.id, _practitioner)


def practitioner_roles() -> PeopleRoom:
    """Return what people do as PractitionerRole."""
    columns = accounts.c
    rows = (
        sa.select(
            _KEY,
            columns.id,
            columns.display_name,
            columns.institution,
            columns.disabled_at,
            account_roles.c.role,
        )
        .join(account_roles, account_roles.c.account_id == columns.id)
        .where(columns.kind == PrincipalKind.PERSON.value)
    )
    return PeopleRoom(PRACTITIONER_ROLE, rows, _KEY.element, _role)


def _reach(asker: Asker) -> list[Condition]:
    who = asker.principal
    if who.has(Role.SECURITY_ADMINISTRATOR):
        return []
    houses = sorted({who.institution, who.township} - {""})
    return [accounts.c.institution.in_(houses)]


def _active(criterion: Criterion) -> Condition:
    ways = {"true": accounts.c.disabled_at.is_(None), "false": accounts.c.disabled_at.is_not(None)}
    return any_of([ways[token.code] for token in criterion.tokens if token.code in ways])


def _ids(criterion: Criterion) -> list[str]:
    return [target.id for target in criterion.targets]


_CONDITIONS: Final[Mapping[str, Callable[[Criterion], Condition]]] = MappingProxyType(
    {
        "active": _active,
        "identifier": lambda each: coded(accounts.c.username, each, USERNAMES),
        "name": lambda each: named(accounts.c.display_name, each),
        "organization": lambda each: accounts.c.institution.in_(_ids(each)),
        "practitioner": lambda each: accounts.c.id.in_(_ids(each)),
        "role": lambda each: coded(account_roles.c.role, each, _DUTIES),
    }
)


def _practitioner(row: Mapping[str, Any], meta: Meta) -> PractitionerResource:
    return PractitionerResource(
        id=row["id"],
        meta=meta,
        identifier=(Identifier(use="usual", system=USERNAMES, value=row["username"]),),
        active=row["disabled_at"] is None,
        name=(HumanName(use="official", text=row["display_name"]),),
    )


def _role(row: Mapping[str, Any], meta: Meta) -> PractitionerRoleResource:
    return PractitionerRoleResource(
        id=row["key"],
        meta=meta,
        active=row["disabled_at"] is None,
        practitioner=Reference(reference=f"Practitioner/{row['id']}", display=row["display_name"]),
        organization=Reference(reference=f"Organization/{row['institution']}"),
        location=(Reference(reference=f"Location/{row['institution']}"),),
        code=(concept(_DUTIES, row["role"]),),
    )
