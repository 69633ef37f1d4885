"""What this room needs of others."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

import sqlalchemy as sa

from kernel.letter import Letter

Post: TypeAlias = Callable[[sa.Connection, Letter, str], None]
"""Puts a letter about an institution's record (its code last) on its way, in the transaction."""


def keep_to_oneself(conn: sa.Connection, letter: Letter, institution: str) -> None:
    """Post nothing: a node that is enrolled nowhere has nobody to write to.

    Every version stays in ``order_versions``, from where it is told when there is somebody.
    """
    del conn, letter, institution


class Spellings(Protocol):
    """How names are read and typed."""

    def romanised(self, name: str) -> str:
        """Return *name* in Latin letters, the family name first; as it is without Chinese."""
        ...

    def terms(self, *names: str) -> frozenset[str]:
        """Return the folded texts by whose beginnings somebody called *names* is found."""
        ...

    def folded(self, typed: str) -> str:
        """Return what somebody typed as it is compared with those."""
        ...
