"""What this room needs of others."""

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import sqlalchemy as sa

from kernel.letter import Letter

Post: TypeAlias = Callable[[sa.Connection, Sequence[Letter], str, dt.datetime], None]
"""Puts letters about records of one institution (its code) on their way, in the transaction that
wrote them and near its end."""


def keep_to_oneself(
    conn: sa.Connection, letters: Sequence[Letter], institution: str, at: dt.datetime
) -> None:
    """Post nothing: a node that is enrolled nowhere has nobody to write to.

    Every version stays in ``order_versions``, from where it is told when there is somebody.
    """
    del conn, letters, institution, at


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

    def spoken(self, text: str) -> Sequence[tuple[str, str]]:
        """Return *text* as it is written and as it is read, folded.

        Chinese characters come one by one, each with its syllable; runs of other letters and digits
        whole, and as they are; nothing else is read.
        """
        ...


@dataclass(frozen=True, slots=True)
class NotRead:
    """What of an institution's orders its own machine has not read yet."""

    ids: Collection[str]
    machine: bool
    """False where the institution has no machine at all: nobody there sees any of them."""


class Unread(Protocol):
    """Knows what of an institution's orders its own machine has not read yet."""

    def __call__(self, conn: sa.Connection, institution: str, /) -> NotRead | None:
        """Return those orders; None where this node performs them, and nobody has to read them."""
        ...


def nobody_reads(conn: sa.Connection, institution: str, /) -> NotRead | None:
    """Return None: what is ordered at this node is where it is performed."""
    del conn, institution
    return None
