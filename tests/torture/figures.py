"""What a fault trial found, as the table of docs/reference/reliability.md has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

MIB = 1 << 20


class Size(StrEnum):
    """How much is tried."""

    SHORT = "short"
    """In ``make test``: under a minute."""
    LONG = "long"
    """In ``make torture``."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums of one trial."""

    runs: int
    """Faults that happened, or runs that were made."""
    acknowledged: int
    """Instances the sender was told are safe."""
    lost: int
    """Acknowledged, and not at the end of the hop with the same content."""
    duplicated: int
    """There more than once."""
    resent_bytes: int | None = None
    """Sent over the line more than once; None where no line is in the trial."""
    worst_resent_bytes: int | None = None
    """The most after one fault."""
    notes: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    """Other promises that did not hold, each in words."""

    @property
    def held(self) -> bool:
        """Whether nothing was lost, doubled or otherwise broken, and something was tried."""
        tried = self.runs > 0 and self.acknowledged > 0
        return tried and not (self.lost or self.duplicated or self.broken)

    def __str__(self) -> str:
        said = (
            f"{self.runs} runs, {self.acknowledged} acknowledged, {self.lost} lost, "
            f"{self.duplicated} twice"
        )
        if self.resent_bytes is not None:
            said += f", {self.resent_bytes / MIB:.2f} MiB sent again"
        return "; ".join((said, *self.notes, *self.broken))


@dataclass(frozen=True, slots=True)
class Control:
    """The same trial with a safeguard taken out: it has to find something."""

    taken_out: str
    found: Figures

    @property
    def failed(self) -> bool:
        """Whether the trial noticed."""
        return not self.found.held


def compared(
    acknowledged: Mapping[str, str], there: Sequence[tuple[str, str]], *, runs: int
) -> Figures:
    """Return the figures of what was acknowledged against what is there.

    Args:
        acknowledged: content by SOP Instance UID.
        there: UID and content of everything at the end of the hop.
        runs: as in ``Figures``.
    """
    uids = [uid for uid, _ in there]
    kept = set(there)
    lost = sum(pair not in kept for pair in acknowledged.items())
    return Figures(runs, len(acknowledged), lost, len(uids) - len(set(uids)))
