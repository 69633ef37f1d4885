"""Whose turn it is among studies of one lane: deficit round robin, charged afterwards. Pure.

A study with 300 images does not keep one with two waiting, and a study whose images are large
gets as many bytes as the others, not as many turns.
"""

from collections.abc import Sequence
from typing import Final

OPEN_STUDIES: Final = 8
"""So many studies of a lane, the oldest, take turns. Among thousands after an outage each would
otherwise be finished only at the very end."""


class FairTurns:
    """Gives each study in turn a quantum of bytes; what it takes beyond that it waits for later.

    What a study will send is known only once its parcel is made, so it is charged then
    (Shreedhar and Varghese's deficit, allowed to go below zero).
    """

    def __init__(self) -> None:
        self._credit: dict[str, int] = {}
        self._ring: list[str] = []
        self._given = False
        """Whether the study at the head of the ring has had its quantum on this visit."""

    def next_of(self, studies: Sequence[str], quantum: int) -> str:
        """Return whose turn it is.

        Args:
            studies: those that take turns, in their order of arrival; at least one.
            quantum: bytes given at each visit, above 0.
        """
        self._meet(studies)
        visits = [-(self._credit[one] // quantum) for one in self._ring]
        # Whole rounds in which nobody would have any credit, in one step.
        rounds = max(min(visits) - 1, 0)
        for study in self._ring:
            self._credit[study] += quantum * rounds
        while True:
            study = self._ring[0]
            if not self._given:
                self._credit[study] += quantum
                self._given = True
            if self._credit[study] > 0:
                return study
            self._ring.append(self._ring.pop(0))
            self._given = False

    def charge(self, study: str, sent_bytes: int) -> None:
        """Take from *study* what it puts on the line at its turn."""
        if study in self._credit:
            self._credit[study] -= sent_bytes

    def _meet(self, studies: Sequence[str]) -> None:
        """Let go of studies that ask for nothing, with their credit; line new ones up behind."""
        head = self._ring[0] if self._ring else None
        asking = dict.fromkeys(studies)
        self._ring = [study for study in self._ring if study in asking]
        self._ring += [study for study in asking if study not in self._ring]
        self._credit = {study: self._credit.get(study, 0) for study in self._ring}
        self._given = self._given and self._ring[0] == head
