"""What the township's rooms need from elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import sqlalchemy as sa

from gateway.township.model import Patient
from kernel.arrival import Priority
from kernel.dicom.shown import Age
from kernel.events import Event


class OpenObject(Protocol):
    """One open object file; also a ``kernel.dicom.dataset.Source``."""

    size: int

    def read(self, pos: int, n: int) -> bytes:
        """Return the bytes at [pos, pos + n); fewer only where the object ends before."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class ObjectFiles(Protocol):
    """Where instances lie until the county has them. Every call blocks; run it on a thread."""

    def put_new(self, objects: Sequence[tuple[str, Iterable[bytes | memoryview]]]) -> None:
        """Make objects durable under their keys; a key that is taken keeps what it has.

        Raises:
            StorageFull, Unavailable: any of them may be there, whole, or not at all.
        """
        ...

    def put_anew(self, key: str, chunks: Iterable[bytes | memoryview]) -> None:
        """Make an object durable in the place of what lies under its key, if anything does.

        The key means the one or the other at any moment, whole, also after a power cut.

        Raises:
            StorageFull, Unavailable: what lay there still does, or the object took its place.
        """
        ...

    def open(self, key: str) -> OpenObject:
        """Return the object for reading; raises ``Missing`` or ``Unavailable``."""
        ...

    def delete(self, key: str) -> bool:
        """Remove the object; returns whether it was there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedStudy:
    """A study of the queue, as far as it names an order."""

    institution: str
    study_instance_uid: str
    accession_number: str
    patient_id: str


class OrderUrgency(Protocol):
    """Knows how urgent examinations were ordered."""

    def __call__(self, conn: sa.Connection, study: QueuedStudy, /) -> Priority | None:
        """Return how urgent *study* was ordered; None where it belongs to no order that stands."""
        ...


def nobody_ordered(conn: sa.Connection, study: QueuedStudy, /) -> Priority | None:
    """Know of no order (``OrderUrgency``)."""
    del conn, study
    return None


@dataclass(frozen=True, slots=True)
class OrderedPerson:
    """Who was examined, as the order knows."""

    age: Age | None
    """When the examination was ordered."""
    estimated: bool = False
    """Guessed by whoever registered somebody nobody knows."""
    is_now: Patient | None = None
    """Who they turned out to be, where that is another than the images name."""


class OrderedPeople(Protocol):
    """Knows of the people for whom examinations were ordered."""

    def __call__(self, conn: sa.Connection, study: QueuedStudy, /) -> OrderedPerson | None:
        """Return who *study* was ordered for; None where no order tells."""
        ...


def nobody_told(conn: sa.Connection, study: QueuedStudy, /) -> OrderedPerson | None:
    """Know of no order (``OrderedPeople``)."""
    del conn, study
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNames:
    """By what the images of one order name it."""

    institution: str
    study_instance_uid: str
    accession_numbers: tuple[str, ...]


class ChangedOrder(Protocol):
    """Reads the events of orders."""

    def __call__(self, conn: sa.Connection, event: Event, /) -> OrderNames | None:
        """Return which images belong to the order of *event*; None where it is not here."""
        ...
