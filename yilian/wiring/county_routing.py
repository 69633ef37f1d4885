"""Routing bound to the archive: what rules may ask, and how a study gets onto a reading list."""

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from gateway.routing.engine import RuleSet
from gateway.routing.model import (
    Destination,
    DestinationKind,
    Facts,
    Field,
    Matching,
    Routed,
)
from gateway.routing.rules_file import read_rules
from imaging.archive.reach import FirstInstance, first_instance, give_to
from kernel.dicom.dictionary import keyword_of, keywords
from kernel.errors import PlatformError

_LOG: Final = logging.getLogger(__name__)
_FALLBACK: Final = "fallback"


def facts_of(first: FirstInstance) -> Facts:
    """Return what rules may ask about a study: its DICOM keywords and its sender."""
    values = dict(dicom_values(first.dicom_json))
    values[Field.INSTITUTION] = (first.institution,)
    values[Field.AE_TITLE] = (first.ae_title,)
    values[Field.ADDRESS] = (first.address,)
    values[Field.DOOR] = (first.door,)
    return Facts(values)


def dicom_values(dicom_json: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """Return keyword -> values as text of a DICOM JSON object; sequences and bulk left out."""
    values: dict[str, tuple[str, ...]] = {}
    for tag, element in dicom_json.items():
        keyword = keyword_of(int(tag, 16))
        if keyword and element.get("vr") != "SQ" and "InlineBinary" not in element:
            values[keyword] = tuple(_text(value) for value in element.get("Value", ()))
    return values


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        groups = (str(value.get(g, "")) for g in ("Alphabetic", "Ideographic", "Phonetic"))
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value)


def study_facts(conn: sa.Connection, study_instance_uid: str) -> Facts | None:
    """Return the facts of the study's first instance (``gateway.routing.service.StudyFacts``)."""
    first = first_instance(conn, study_instance_uid)
    return None if first is None else facts_of(first)


def put_on_reading_lists(
    conn: sa.Connection, study_instance_uid: str, routed: Routed, at: dt.datetime
) -> None:
    """Give the study to every centre that is to read it."""
    rule = ", ".join(routed.rules) or _FALLBACK
    for destination in routed.destinations:
        if destination.kind is not DestinationKind.READING_LIST:
            continue
        give_to(
            conn,
            study_instance_uid,
            [destination.name],
            rule=rule,
            priority=destination.priority,
            at=at,
        )


def rules_in_force(path: Path | None, centre: str) -> Callable[[], RuleSet]:
    """Return a function that gives the rules in force, read again when the file changes.

    Without a file everything goes to *centre*. A file that cannot be read when the node starts
    refuses the start; one that breaks later leaves the rules as they were.

    Raises:
        RulesFileError: from this call, where the file is broken.
    """
    if path is None:
        everything = RuleSet(
            Matching.FIRST, (), (Destination(DestinationKind.READING_LIST, centre),)
        )
        return lambda: everything
    return _Watched(path)


class _Watched:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()
        self._rules = self._read()

    def __call__(self) -> RuleSet:
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._rules = self._read()
            except (PlatformError, OSError) as exc:
                code = exc.code if isinstance(exc, PlatformError) else type(exc).__name__
                _LOG.error("routing.rules-kept", extra={"reason": code, "detail": str(exc)})
        return self._rules

    def _look(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_size)

    def _read(self) -> RuleSet:
        return read_rules(self._path.read_text("utf-8"), keywords=keywords())
