"""What is burnt into a picture for who takes it elsewhere (PS3.18 8.3.5.1.1)."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from imaging.pixels.render import BadRendering
from kernel.dicom.shown import display_name


class Note(StrEnum):
    """A word of the ``annotation`` parameter."""

    PATIENT = "patient"
    """Who it is of, and of which examination."""
    TECHNIQUE = "technique"
    """How it was made."""


_EXAMINATION: Final = ("00080050", "00080020")
_TECHNIQUE: Final = (
    (("00080060", "{}"), ("00180015", "{}"), ("0008103E", "{}")),
    (("00180060", "{} kV"), ("00181151", "{} mA"), ("00181152", "{} mAs")),
    (("00180050", "{} mm"), ("00201041", "@ {} mm"), ("00180087", "{} T")),
    (("00180080", "TR {} ms"), ("00180081", "TE {} ms"), ("00185101", "{}")),
    (("00080080", "{}"), ("00081010", "{}")),
)


def parse_notes(text: str) -> frozenset[Note]:
    """Return the words in a comma list; none where it is empty.

    Raises:
        BadRendering: one is neither ``patient`` nor ``technique``.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        return frozenset(map(Note, words))
    except ValueError as exc:
        raise BadRendering(f"annotation is of {', '.join(Note)}") from exc


def lines_of(dataset: Mapping[str, Any], notes: frozenset[Note]) -> tuple[str, ...]:
    """Return the lines for *dataset*, DICOM JSON; empty ones are left out."""
    found: list[str] = []
    if Note.PATIENT in notes:
        found += _patient(dataset)
    if Note.TECHNIQUE in notes:
        found += (
            "  ".join(
                form.format(_value(dataset, tag)) for tag, form in row if _value(dataset, tag)
            )
            for row in _TECHNIQUE
        )
    return tuple(line for line in found if line.strip())


def _patient(dataset: Mapping[str, Any]) -> Iterator[str]:
    yield _name(dataset)
    yield "  ".join(filter(None, (_value(dataset, tag) for tag in ("00100020", "00100040"))))
    yield _value(dataset, "00100030")
    yield "  ".join(filter(None, (_value(dataset, tag) for tag in _EXAMINATION)))


def _name(dataset: Mapping[str, Any]) -> str:
    values = dataset.get("00100010", {}).get("Value") or [{}]
    groups = values[0] or {}
    alphabetic, ideographic = groups.get("Alphabetic", ""), groups.get("Ideographic", "")
    shown = [display_name(f"={ideographic}") if ideographic else "", display_name(alphabetic)]
    return "  ".join(filter(None, shown))


def _value(dataset: Mapping[str, Any], tag: str) -> str:
    values = dataset.get(tag, {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0])
