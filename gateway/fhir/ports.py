"""What this door needs of the rooms: providers of resources, each for one type."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import sqlalchemy as sa

from kernel.fhir.query import Query
from kernel.fhir.resource import Asker, Found, Page, ResourceDefinition


class ResourceProvider(Protocol):
    """A room's resources of one type."""

    @property
    def definition(self) -> ResourceDefinition:
        """What can be done with them."""
        ...

    def read(self, conn: sa.Connection, asker: Asker, key: str) -> Found:
        """Return the resource called *key*; raises ``Missing`` where the asker has none."""
        ...

    def search(self, conn: sa.Connection, asker: Asker, query: Query) -> Page:
        """Return the page of what *asker* may find of *query*."""
        ...


@runtime_checkable
class VersionedProvider(ResourceProvider, Protocol):
    """Keeps the versions that were."""

    def vread(self, conn: sa.Connection, asker: Asker, key: str, version: str) -> Found:
        """Return the resource as that version was; raises ``Missing``."""
        ...


@runtime_checkable
class WritableProvider(ResourceProvider, Protocol):
    """Takes resources in; each call is part of its caller's transaction."""

    def create(self, conn: sa.Connection, asker: Asker, resource: Mapping[str, Any]) -> str:
        """Return the id of what was made of *resource*.

        Raises:
            PlatformError: it cannot be; ``members["expression"]`` says where.
        """
        ...

    def update(
        self,
        conn: sa.Connection,
        asker: Asker,
        key: str,
        version: str,
        resource: Mapping[str, Any],
    ) -> None:
        """Make the resource *key*, whose *version* the asker saw, say what *resource* says.

        Raises:
            Stale: it has another version.
            PlatformError: it cannot be, as for ``create``.
        """
        ...
