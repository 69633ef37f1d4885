"""Whose turn it is among studies of one lane: deficit round robin. Pure.

A study with 300 images does not keep one with two waiting, and a study whose images are large
gets as many bytes as the others, not as many turns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

OPEN_STUDIES: Final = 8
"""So many studies of a lane, the oldest, take turns. Among thousands after an outage each would
otherwise be finished only at the very end."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One study that has something to send."""

    study: str
    next_bytes: int
    """How much it would put on the line at its turn, above 0."""


class FairTurns:
    """Gives each study in turn a quantum of bytes; what it leaves it keeps for its next turn."""

    def __init__(self) -> None:
        self._credit: dict[str, int] = {}
        self._ring: list[str] = []
        self._given = False
        """Whether the study at the head of the ring has had its quantum on this visit."""

    def next_of(self, asks: Sequence[Ask], quantum: int) -> str:
        """Return whose turn it is, and charge that study for it.

        Args:
            asks: the studies that take turns, in their order of arrival; at least one.
            quantum: bytes given at each visit, above 0.
        """
        wanted = {ask.study: ask.next_bytes for ask in asks}
        self._meet(wanted)
        visits = [-(-(wanted[one] - self._credit[one]) // quantum) for one in self._ring]
        # Whole rounds in which nobody would have enough, in one step.
        rounds = max(min(visits) - 1, 0)
        for study in self._ring:
            self._credit[study] += quantum * rounds
        while True:
            study = self._ring[0]
            if not self._given:
                self._credit[study] += quantum
                self._given = True
            if self._credit[study] >= wanted[study]:
                self._credit[study] -= wanted[study]
                return study
            self._ring.append(self._ring.pop(0))
            self._given = False

    def _meet(self, wanted: Mapping[str, int]) -> None:
        """Let go of studies that ask for nothing, with their credit; line new ones up behind."""
        head = self._ring[0] if self._ring else None
        self._ring = [study for study in self._ring if study in wanted]
        self._ring += [study for study in wanted if study not in self._ring]
        self._credit = {study: self._credit.get(study, 0) for study in self._ring}
        self._given = self._given and self._ring[0] == head
