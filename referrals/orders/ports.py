"""What this room needs of others."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import sqlalchemy as sa
from aiohttp import web

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenStudy:
    """A study somebody looks at who may see it, the look being written down."""

    institution: str
    study_instance_uid: str
    accession_number: str
    patient_id: str
    reason: str
    """Why they may (``kernel.policy.Decision.reason``)."""


class StudyLooks(Protocol):
    """Knows the studies of this node, and who may look at each."""

    async def __call__(self, request: web.Request, study_instance_uid: str, /) -> SeenStudy:
        """Return the study once whoever asks may look at it.

        Raises:
            PlatformError: it is not there for them, or looking is not their role's.
        """
        ...


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
