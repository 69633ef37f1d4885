"""What is true of a record that several nodes write, from the versions alone. Pure.

Every node keeps every version it hears of. What is shown is a function of that set, so nodes that
know the same versions show the same, whatever the order in which those came and however often. The
higher version wins. Two nodes that wrote the same version without knowing of each other are in
conflict when a person would call the contents different; both are kept and shown until somebody
settles it, which is a version of its own. Until then the patient is as urgent as the most urgent
of them says.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a record, without its content."""

    version: int
    node: str
    """Code of the node that wrote it."""
    content: str
    """Digest of what a person would call its content."""
    weight: int = 0
    """Of equal versions the heavier is shown: what was done outweighs what was wished."""
    urgency: int = 0
    """Of equally heavy ones the more urgent is shown; 0 is routine, and what has no urgency."""
    settles: bool = False
    """Whether a person chose it to end every conflict below it."""

    @property
    def rank(self) -> tuple[int, int, int, str]:
        """What the greatest of decides which version is shown."""
        return (self.version, self.weight, self.urgency, self.node)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is shown, and what lies open."""

    shown: Version
    open: tuple[Version, ...]
    """Versions in conflict that nobody has settled, the shown one among them where it is one."""

    @property
    def conflicts(self) -> int:
        """How many contents stand beside the ones that are shown or were followed."""
        return len(self.open) - len({each.version for each in self.open})

    @property
    def urgency(self) -> int:
        """The greatest of what is shown and what lies open: it stands until somebody settles."""
        return max(each.urgency for each in (self.shown, *self.open))


def standing(known: Iterable[Version]) -> Standing:
    """Return what follows from the versions *known*; at least one.

    Raises:
        ValueError: none is known.
    """
    versions = sorted(set(known), key=lambda each: each.rank)
    if not versions:
        msg = "a record has a version"
        raise ValueError(msg)
    settled = max((each.version for each in versions if each.settles), default=0)
    return Standing(versions[-1], tuple(_open(versions, settled)))


def _open(versions: list[Version], settled: int) -> Iterable[Version]:
    for number in sorted({each.version for each in versions if each.version >= settled}):
        alike = [each for each in versions if each.version == number]
        contents: dict[str, Version] = {}
        for each in reversed(alike):
            contents.setdefault(each.content, each)
        if len(contents) > 1:
            yield from contents.values()
