r"""Messages in ER7, the form with bars: split lazily, unescaped, written without injection. Pure.

Positions count from 1 as in the standard; MSH-1 is the field separator itself. A component of a
field that is not there is the empty text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from kernel.errors import Invalid

MAX_SEGMENTS: Final = 5000
_HEADER: Final = "MSH"
_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_ENCODING_LENGTHS: Final = (4, 5)
_SEPARATOR: Final = re.compile(r"[!-/:-@\[-`{-~]", re.ASCII)
"""Visible, ASCII, neither letter nor digit."""
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)
_FORMATTING: Final = re.compile(r"\.(br|sp[+-]?\d*)", re.ASCII)
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f\x85\u2028\u2029]")


class MalformedMessage(Invalid):
    """No HL7 message; the code says why, ``members`` where."""

    code = "malformed-message"


@dataclass(frozen=True, slots=True)
class Separators:
    """The separators a message chose in MSH-1 and MSH-2."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @classmethod
    def of_header(cls, line: str) -> "Separators":
        """Return those of a message's first line.

        Raises:
            MalformedMessage: they are not 4 or 5 different visible signs (``no-header``,
                ``wrong-encoding-characters``).
        """
        if not line.startswith(_HEADER) or len(line) <= len(_HEADER):
            raise MalformedMessage("a message begins with MSH", code="no-header")
        bar = line[len(_HEADER)]
        encoding = line[len(_HEADER) + 1 :].partition(bar)[0]
        signs = bar + encoding
        good = all(_SEPARATOR.fullmatch(sign) for sign in signs)
        if not good or len(encoding) not in _ENCODING_LENGTHS or len(set(signs)) != len(signs):
            raise MalformedMessage(
                "MSH-2 is four or five different signs", code="wrong-encoding-characters"
            )
        return cls(bar, *encoding)

    @property
    def encoding(self) -> str:
        """MSH-2."""
        signs = self.component + self.repetition + self.escape + self.subcomponent
        return signs + self.truncation


STANDARD: Final = Separators()


def unescape(text: str, signs: Separators = STANDARD, *, codec: str = "utf-8") -> str:
    r"""Return *text* with its escape sequences replaced.

    Args:
        text: one component or sub-component.
        signs: of the message.
        codec: what the bytes of ``\X..\`` are in.

    Highlighting, other character sets and local sequences are dropped; an escape sign without its
    partner stays as it is. What comes of it may hold line breaks, and any control character that
    was written in hexadecimal: check what must be one line.
    """
    if signs.escape not in text:
        return text
    parts = text.split(signs.escape)
    made = [parts[0]]
    at = 1
    while at < len(parts):
        if at + 1 == len(parts):
            made.append(signs.escape + parts[at])
            break
        made += [_meaning(parts[at], signs, codec), parts[at + 1]]
        at += 2
    return "".join(made)


def _meaning(sequence: str, signs: Separators, codec: str) -> str:
    known = {
        "F": signs.field,
        "S": signs.component,
        "R": signs.repetition,
        "E": signs.escape,
        "T": signs.subcomponent,
        "P": signs.truncation,
    }
    if sequence in known:
        return known[sequence]
    if sequence[:1] == "X" and _HEX.fullmatch(sequence[1:]):
        return bytes.fromhex(sequence[1:]).decode(codec, "replace")
    if formatting := _FORMATTING.fullmatch(sequence):
        return "\n" if formatting[1] == "br" else " "
    return ""


def escape(text: str, signs: Separators = STANDARD) -> str:
    r"""Return *text* so that it stays within its component: nothing in it ends a segment.

    Line feeds become ``\.br\``; carriage returns and every other control character are left out.
    """
    safe = _CONTROL.sub("", text)
    named = {
        signs.escape: "E",
        signs.field: "F",
        signs.component: "S",
        signs.repetition: "R",
        signs.subcomponent: "T",
        "\n": ".br",
    }
    return "".join(f"{signs.escape}{named[c]}{signs.escape}" if c in named else c for c in safe)


def composed(*components: str) -> str:
    """Return a field of these components, each escaped, empty ones at the end left out."""
    return STANDARD.component.join(map(escape, components)).rstrip(STANDARD.component)


def segment_line(name: str, fields: Sequence[str]) -> str:
    """Return a segment of *fields*, which are composed already, empty ones at the end left out."""
    return STANDARD.field.join([name, *fields]).rstrip(STANDARD.field)


@dataclass(frozen=True)
class Segment:
    """One line of a message."""

    line: str
    signs: Separators
    codec: str = "utf-8"

    @property
    def name(self) -> str:
        """Such as ``PID``."""
        return self.line[: len(_HEADER)]

    @cached_property
    def _fields(self) -> list[str]:
        fields = self.line.split(self.signs.field)
        if self.name == _HEADER:
            fields.insert(1, self.signs.field)
        return fields

    def field(self, number: int) -> str:
        """Return a field as it was written, with all its repetitions."""
        return self._fields[number] if number < len(self._fields) else ""

    def count(self, number: int) -> int:
        """Return how many repetitions a field has; 0 where it is empty."""
        raw = self.field(number)
        return raw.count(self.signs.repetition) + 1 if raw else 0

    def text(self, number: int, component: int = 1, part: int = 1, *, repetition: int = 1) -> str:
        """Return one sub-component as text, without blanks around it."""
        text = self.field(number)
        for sign, place in (
            (self.signs.repetition, repetition),
            (self.signs.component, component),
            (self.signs.subcomponent, part),
        ):
            parts = text.split(sign, place)
            text = parts[place - 1] if place <= len(parts) else ""
        return unescape(text, self.signs, codec=self.codec).strip()


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """Its MSH."""
        return self.segments[0]

    def all(self, name: str) -> Iterator[Segment]:
        """Yield the segments called *name*, in their order."""
        return (segment for segment in self.segments if segment.name == name)

    def first(self, name: str) -> Segment | None:
        """Return the first segment called *name*, or None."""
        return next(self.all(name), None)


def parse_header(text: str, *, codec: str = "utf-8") -> Segment:
    """Return the MSH of a message, or of the beginning of one; raises as ``parse``."""
    line = _LINE_END.split(text.lstrip(), maxsplit=1)[0]
    return Segment(line, Separators.of_header(line), codec)


def parse(text: str, *, codec: str = "utf-8") -> Message:
    """Return *text* as a message; lines may end with CR, LF or both.

    Raises:
        MalformedMessage: no MSH, wrong encoding characters, a line that is no segment
            (``not-a-segment``), or over 5,000 of them (``too-many-segments``).
    """
    header = parse_header(text, codec=codec)
    signs = header.signs
    lines = [line for line in _LINE_END.split(text.lstrip()) if line.strip()]
    if len(lines) > MAX_SEGMENTS:
        raise MalformedMessage(f"at most {MAX_SEGMENTS} segments", code="too-many-segments")
    segments = [header]
    for number, line in enumerate(lines[1:], 2):
        bare = line.lstrip()
        name, after = bare[: len(_HEADER)], bare[len(_HEADER) : len(_HEADER) + 1]
        if not _NAME.fullmatch(name) or after not in ("", signs.field) or name == _HEADER:
            raise MalformedMessage(f"line {number} is no segment", code="not-a-segment")
        segments.append(Segment(bare, signs, codec))
    return Message(tuple(segments))
