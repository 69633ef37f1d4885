"""What can be done with a resource, within somebody's transaction; routes and Bundles do the same.

Everything here runs on a connection, perhaps more than once, and touches nothing but the database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from gateway.fhir.answers import Json, shortened, to_json
from gateway.fhir.body import check_type
from gateway.fhir.outcome import MultipleMatches, NotSupported
from gateway.fhir.ports import ResourceProvider, VersionedProvider, WritableProvider
from gateway.fhir.search import Asked, InvalidParameter, Pair, parse_search
from kernel.errors import Forbidden, Missing
from kernel.fhir.query import Query, Total
from kernel.fhir.resource import Asker, Found, Interaction, ResourceDefinition

ROOT: Final = "/fhir"
_CONDITION_MATCHES: Final = 2
"""So many say already that a condition fits more than one."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found."""

    matches: tuple[Found, ...]
    included: tuple[Found, ...]
    total: int | None
    after: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Made:
    """What a create led to."""

    found: Found
    created: bool
    """False where the condition of a create found it there."""


class Rooms:
    """The providers of this door, by type."""

    def __init__(self, providers: Iterable[ResourceProvider]) -> None:
        self._by_type = {each.definition.type: each for each in providers}

    @property
    def definitions(self) -> Sequence[ResourceDefinition]:
        """What can be done here, by type."""
        return [self._by_type[name].definition for name in sorted(self._by_type)]

    def definition(self, kind: str) -> ResourceDefinition:
        """Return what can be done with *kind*; raises ``Missing`` for no type of this door."""
        return self._room(kind).definition

    def _room(self, kind: str) -> ResourceProvider:
        found = self._by_type.get(kind)
        if found is None:
            raise Missing("no such resource type here", code="unknown-type")
        return found

    def _allowed(self, asker: Asker, kind: str, interaction: Interaction) -> ResourceProvider:
        room = self._room(kind)
        roles = room.definition.roles
        if interaction not in roles:
            raise NotSupported(f"no {interaction} of {kind}")
        wanted = roles[interaction]
        if wanted is not None and asker.principal.roles.isdisjoint(wanted):
            raise Forbidden("not this role")
        return room

    def read(self, conn: sa.Connection, asker: Asker, kind: str, key: str) -> Found:
        """Return a resource; raises ``Missing`` where the asker has none."""
        return self._allowed(asker, kind, Interaction.READ).read(conn, asker, key)

    def vread(self, conn: sa.Connection, asker: Asker, kind: str, key: str, version: str) -> Found:
        """Return a version of a resource; raises ``Missing`` where the asker has none."""
        room = self._allowed(asker, kind, Interaction.VREAD)
        if not isinstance(room, VersionedProvider):
            raise NotSupported(f"no versions of {kind}")
        return room.vread(conn, asker, key, version)

    def search(self, conn: sa.Connection, asker: Asker, kind: str, asked: Asked) -> Searched:
        """Return a page of what *asker* may find, with what it refers to."""
        room = self._allowed(asker, kind, Interaction.SEARCH_TYPE)
        page = room.search(conn, asker, asked.query)
        included = self._included(conn, asker, page.found, asked.includes)
        return Searched(page.found, included, page.total, page.after)

    def _included(
        self, conn: sa.Connection, asker: Asker, found: Sequence[Found], elements: Sequence[str]
    ) -> tuple[Found, ...]:
        if not elements:
            return ()
        seen = {f"{to_json(each)['resourceType']}/{each.id}" for each in found}
        included = []
        for each in found:
            resource = to_json(each)
            for element in elements:
                address = str(resource.get(element, {}).get("reference", ""))
                kind, _, key = address.partition("/")
                if not key or address in seen:
                    continue
                seen.add(address)
                try:
                    included.append(self.read(conn, asker, kind, key))
                except (Missing, Forbidden):
                    continue  # to whoever may not read it, the reference says all
        return tuple(included)

    def create(
        self,
        conn: sa.Connection,
        asker: Asker,
        kind: str,
        resource: Mapping[str, Any],
        condition: Sequence[Pair] | None = None,
    ) -> Made:
        """Make a resource, or return the one *condition* finds.

        Raises:
            MultipleMatches: *condition* finds several.
            PlatformError: it cannot be made.
        """
        room = self._allowed(asker, kind, Interaction.CREATE)
        check_type(dict(resource), kind)
        there = None if condition is None else self.match(conn, asker, kind, condition)
        if there is not None:
            return Made(there, created=False)
        if not isinstance(room, WritableProvider):
            raise NotSupported(f"no {kind} is made here")
        return Made(room.read(conn, asker, room.create(conn, asker, resource)), created=True)

    def match(
        self, conn: sa.Connection, asker: Asker, kind: str, condition: Sequence[Pair]
    ) -> Found | None:
        """Return the one resource *condition* finds, None where it finds none.

        Raises:
            MultipleMatches: it finds several.
            InvalidParameter: it asks for nothing.
        """
        room = self._allowed(asker, kind, Interaction.SEARCH_TYPE)
        asked = parse_search(room.definition, condition, asker.at, strict=True)
        if not asked.query.criteria:
            raise InvalidParameter("a condition has a parameter to match by")
        query = Query(criteria=asked.query.criteria, count=_CONDITION_MATCHES, total=Total.NONE)
        found = room.search(conn, asker, query).found
        if len(found) > 1:
            raise MultipleMatches("the condition fits more than one")
        return found[0] if found else None

    def update(
        self,
        conn: sa.Connection,
        asker: Asker,
        address: tuple[str, str],
        version: str,
        resource: Mapping[str, Any],
    ) -> Found:
        """Change the resource at *address* (type, id) from *version* to *resource*."""
        kind, key = address
        room = self._allowed(asker, kind, Interaction.UPDATE)
        check_type(dict(resource), kind, key)
        if not isinstance(room, WritableProvider):
            raise NotSupported(f"no {kind} is changed here")
        room.update(conn, asker, key, version, resource)
        return room.read(conn, asker, key)

    def shown(self, found: Found, asked: Asked) -> Json:
        """Return a resource with the elements *asked* for."""
        whole = to_json(found)
        definition = self.definition(whole["resourceType"])
        return shortened(whole, definition, summary=asked.summary, elements=asked.elements)

    def address(self, asker: Asker, found: Found) -> str:
        """Return under which address a resource can be read."""
        return f"{asker.origin}{ROOT}/{to_json(found)['resourceType']}/{found.id}"
