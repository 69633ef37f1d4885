"""In which order a journal is filed: emergencies before what came in before them.

Objects stand in a journal as they came, and are filed as they came, so that one place in it says
what is done. Only an emergency does not wait for a large study that a modality sent before it. What
overtook is filed once more, as what it is already, where the node ends before its place is reached.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import msgspec

from kernel.arrival import Arrival, decode_arrival
from kernel.journal.writer import Committed, Position, Stored

AHEAD: Final = 4096
"""Batches of a journal that are looked at before their turn, at most."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is filed next, together."""

    stored: tuple[Stored, ...]
    upto: Position | None
    """All before it is filed then; None for what overtakes."""


@dataclass(slots=True)
class _Waiting:
    stored: Stored
    arrival: Arrival | None
    """None where nobody can read it."""
    filed: bool = False

    @property
    def study(self) -> str:
        return "" if self.arrival is None else self.arrival.study_instance_uid


@dataclass(slots=True)
class _Batch:
    position: Position
    objects: list[_Waiting]


@dataclass(slots=True)
class FilingOrder:
    """What of one journal is read and not filed yet."""

    size: int
    """Batches in a turn that keeps the order; objects in one that overtakes."""
    _batches: deque[_Batch] = field(default_factory=deque)

    @property
    def room(self) -> int:
        """How many batches more may wait here."""
        return max(0, AHEAD - len(self._batches))

    @property
    def empty(self) -> bool:
        """Whether all that was read is filed."""
        return not self._batches

    def add(self, batches: Sequence[Committed]) -> None:
        """Let *batches* wait, which came after all that wait already."""
        for batch in batches:
            objects = [_Waiting(stored, _arrival(stored)) for stored in batch.entries]
            self._batches.append(_Batch(batch.position, objects))

    def behind(self) -> dict[str, tuple[Arrival, Stored]]:
        """Return one object of each study that would have to wait for another turn."""
        found: dict[str, tuple[Arrival, Stored]] = {}
        for one in self._objects(self.size, None):
            if one.arrival is not None and one.study:
                found.setdefault(one.study, (one.arrival, one.stored))
        return found

    def turn(self, emergencies: Collection[str]) -> Turn:
        """Return what is filed next; something must wait.

        Args:
            emergencies: Study Instance UIDs, of those ``behind`` named.
        """
        urgent = (one.stored for one in self._objects(0, None) if one.study in emergencies)
        first = tuple(islice(urgent, self.size)) if emergencies else ()
        if first:
            return Turn(first, None)
        front = tuple(one.stored for one in self._objects(0, self.size))
        return Turn(front, self._batches[min(self.size, len(self._batches)) - 1].position)

    def done(self, turn: Turn) -> None:
        """Note that *turn* is filed."""
        if turn.upto is None:
            filed = set(map(id, turn.stored))
            for one in self._objects(0, None):
                one.filed = id(one.stored) in filed
            return
        while self._batches and self._batches[0].position <= turn.upto:
            self._batches.popleft()

    def _objects(self, first: int, end: int | None) -> Iterator[_Waiting]:
        """Yield what is not filed in the batches [first, end)."""
        for batch in islice(self._batches, first, end):
            yield from (one for one in batch.objects if not one.filed)


def _arrival(stored: Stored) -> Arrival | None:
    try:
        return decode_arrival(stored.meta)
    except msgspec.DecodeError:
        return None
