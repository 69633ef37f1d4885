"""What reads any part of the rules file: every fault is named with its line."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from kernel.errors import Category, PlatformError

_Choice = TypeVar("_Choice", bound=StrEnum)


class RulesFileError(PlatformError):
    """The rules file cannot be used; each line of the detail begins with ``line N:``."""

    code = "routing-rules-invalid"
    category = Category.INVALID

    def __init__(self, *faults: tuple[int, str]) -> None:
        self.faults = sorted(set(faults))
        super().__init__("\n".join(f"line {line}: {message}" for line, message in self.faults))

    @property
    def line(self) -> int:
        """The first line that is wrong."""
        return self.faults[0][0]


class Faults:
    """What is wrong with a file so far, so that one reading names all of it."""

    def __init__(self) -> None:
        self._found: list[tuple[int, str]] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Go on behind the block where it raises ``RulesFileError``, and keep that."""
        try:
            yield
        except RulesFileError as exc:
            self._found += exc.faults

    def check(self) -> None:
        """Raise ``RulesFileError`` where anything was kept."""
        if self._found:
            raise RulesFileError(*self._found)


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the file that finds the line of a fault, for the TOML reader keeps no lines."""

    lines: tuple[str, ...]
    first: int
    end: int

    def line(self, key: str = "") -> int:
        """Return the line that names *key*, or the first."""
        pattern = re.compile(rf'(?:^|[\s.{{,"\']){re.escape(key)}["\']?\s*[=.\]]')
        for number in range(self.first, self.end + 1):
            if key and pattern.search(self.lines[number - 1].split("#")[0]):
                return number
        return self.first

    def fail(self, key: str, message: str) -> RulesFileError:
        """Return the error for *key*."""
        return RulesFileError((self.line(key), message))


def choice(kind: type[_Choice], value: object, place: Place, key: str) -> _Choice:
    """Return *value* as one of *kind*.

    Raises:
        RulesFileError: it is none of them.
    """
    if not isinstance(value, str) or value not in set(kind):
        raise place.fail(key, f"{key} is one of {', '.join(kind)}")
    return kind(value)


def refuse_unknown(
    table: Mapping[str, Any], allowed: Collection[str], place: Place, what: str
) -> None:
    """Return if *table* has no key but the *allowed* ones.

    Raises:
        RulesFileError: names every other one, and the nearest known.
    """
    faults = Faults()
    for key in table:
        if key not in allowed:
            near = get_close_matches(key, allowed, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(allowed)}"
            with faults.noted():
                raise place.fail(key, f"unknown {what} {key!r}{hint}")
    faults.check()
