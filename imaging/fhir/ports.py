"""What studies need of whoever registers people."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, TypeAlias

import sqlalchemy as sa

from kernel.fhir.query import Token
from kernel.fhir.resource import Asker

Number: TypeAlias = tuple[str, str]
"""The code of a house, and the Patient ID it knows somebody by."""


class Register(Protocol):
    """Knows who is registered."""

    def numbers_of(
        self, conn: sa.Connection, asker: Asker, patients: Collection[str], /
    ) -> Sequence[Number]:
        """Return by what the Patient resources *patients*, those *asker* may read, are known."""
        ...

    def numbers_like(self, conn: sa.Connection, tokens: Sequence[Token], /) -> Sequence[Number]:
        """Return by what whoever has one of the resident numbers in *tokens* is known."""
        ...

    def resources_of(
        self, conn: sa.Connection, asker: Asker, numbers: Collection[Number], /
    ) -> Mapping[Number, str]:
        """Return the ids of the Patient resources of *numbers*; of those *asker* may read."""
        ...
