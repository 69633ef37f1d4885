"""Accession numbers in blocks, so that no two nodes ever give out the same one. Pure.

Only the county allots. A block belongs to one institution and one node; the node gives its numbers
out one after another, with the line up or down, and asks for the next block while it still has
some.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from kernel.errors import Category, Conflict, Invalid, PlatformError

NUMBER_MAX: Final = 16
"""Characters of an accession number (VR SH); ours stay one below, so that a letter fits before."""
DIGITS: Final = 8
LAST: Final = 10**DIGITS - 1
PREFIX_MAX: Final = NUMBER_MAX - 1 - DIGITS
BLOCK_SIZE: Final = 2000
"""Weeks of a busy township; a number never used costs nothing."""
IN_HAND: Final = 2
"""Blocks a node has: one in use, one in reserve."""
ASK_BELOW: Final = 0.3
"""The share of the block in use left below which one more is asked for."""
_PREFIX: Final = re.compile(rf"[A-Z][A-Z0-9]{{0,{PREFIX_MAX - 1}}}", re.ASCII)


class NoAccessionNumbers(PlatformError):
    """This node has no numbers left and none in reserve."""

    code = "no-accession-numbers"
    category = Category.UNAVAILABLE

    def __init__(self, institution: str) -> None:
        super().__init__(
            f"{institution} has no accession numbers left at this node: restore the line to the "
            "county, which sends new ones by itself, or call the county"
        )


class InvalidAccessionNumber(Invalid):
    """No modality could carry the number, or a node will give it out itself some day."""

    code = "invalid-accession-number"


class AccessionNumberTaken(Conflict):
    """Another order of the institution has the number."""

    code = "accession-number-taken"


class BlockRefused(Invalid):
    """The block is none: its prefix, its bounds or its next number cannot be."""

    code = "invalid-accession-block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Numbers from ``first`` to ``last``, both ends in, for one node of one institution."""

    institution: str
    node: str
    prefix: str
    first: int
    last: int
    next: int
    """The next to give out; ``last + 1`` when all are."""

    @classmethod
    def parse(  # the parts of a block
        cls,
        *,
        institution: str,
        node: str,
        prefix: str,
        first: int,
        last: int,
        next: int | None = None,  # noqa: A002  # the field's name
    ) -> "Block":
        """Return the block of these parts; unused where *next* is not given.

        Raises:
            BlockRefused: they make none.
        """
        at = first if next is None else next
        if not _PREFIX.fullmatch(prefix):
            raise BlockRefused(f"prefix: a letter, then letters and digits, at most {PREFIX_MAX}")
        if not (1 <= first <= last <= LAST and first <= at <= last + 1):
            raise BlockRefused(f"numbers from 1 to {LAST}, the first before the last")
        return cls(
            institution=institution, node=node, prefix=prefix, first=first, last=last, next=at
        )

    @property
    def size(self) -> int:
        """How many numbers it has, used or not."""
        return self.last - self.first + 1

    @property
    def left(self) -> int:
        """How many numbers it still has."""
        return self.last - self.next + 1

    def holds(self, number: str) -> bool:
        """Whether *number* is one of the block's, given out or not."""
        digits = number.removeprefix(self.prefix)
        return (
            number.startswith(self.prefix)
            and len(digits) == DIGITS
            and digits.isascii()
            and digits.isdigit()
            and self.first <= int(digits) <= self.last
        )

    def give(self) -> tuple[str, "Block"]:
        """Return the next number and the block without it.

        Raises:
            NoAccessionNumbers: it has none left.
        """
        if not self.left:
            raise NoAccessionNumbers(self.institution)
        return number_of(self.prefix, self.next), replace(self, next=self.next + 1)


def fits(number: str) -> bool:
    r"""Tell whether *number* can be an Accession Number (PS3.5 6.2, VR SH): 1 to 16, no ``\``."""
    return (
        0 < len(number) <= NUMBER_MAX
        and number == number.strip()
        and number.isprintable()
        and "\\" not in number
    )


def parse_foreign(raw: str) -> str:
    """Return a number another system gave, or somebody typed; empty for an empty one.

    Raises:
        InvalidAccessionNumber: it does not fit (``invalid-accession-number``).
    """
    number = raw.strip().upper()
    if number and not fits(number):
        raise InvalidAccessionNumber(f"an accession number has 1 to {NUMBER_MAX} characters")
    return number


def folded(number: str) -> str:
    """Return *number* as two are compared: whoever types one minds no case and no blanks."""
    return number.strip().upper()


def number_of(prefix: str, number: int) -> str:
    """Return the accession number, such as ``QIN00000042``."""
    return f"{prefix}{number:0{DIGITS}}"


def blocks_wanted(blocks: Sequence[Block]) -> int:
    """Return how many more blocks a node asks for: one in use, one in reserve.

    Args:
        blocks: all the node has for one institution.
    """
    unused = sorted((block for block in blocks if block.left), key=lambda block: block.first)
    if len(unused) < IN_HAND:
        return IN_HAND - len(unused)
    current = unused[0]
    return int(len(unused) == IN_HAND and current.left < ASK_BELOW * current.size)


def prefix_for(institution: str, taken: frozenset[str]) -> str:
    """Return a prefix nobody has: the first letters of the code, a number behind where needed."""
    letters = "".join(char for char in institution.upper() if char.isalnum())
    start = letters[:3] if letters[:1].isalpha() else f"X{letters[:2]}"
    if start not in taken:
        return start
    return next(
        made
        for count in range(2, 10_000)
        if (made := f"{start[: PREFIX_MAX - len(str(count))]}{count}") not in taken
    )
