"""Which earlier studies are asked for when a study comes: the ``[[prior]]`` parts of the file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.routing.conditions import Condition
from gateway.routing.model import Facts
from gateway.routing.toml_lines import Place
from gateway.township.clinic_hours import BadHours, ClinicHours

KEYS: Final = ("name", "when", "from", "modality", "same-body-part", "last", "days", "issuers")
HOURS: Final = "hours"
_RESIDENT_ID: Final = re.compile(r"\d{17}[\dXx]", re.ASCII)
_LAST_MAX: Final = 50
_DAYS_MAX: Final = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorRule:
    """What is asked for, and of whom.

    Attributes:
        name: of the rule.
        line: where it begins.
        conditions: all must hold for the study that came.
        archives: AE titles of the table.
        modalities: the earlier study has one of them; empty for any.
        same_body_part: a series of it has the body part of the study that came.
        last: so many at most of each archive, the newest.
        days: no older than so many days before the study that came.
        issuers: of patient ids, besides resident id numbers, by which the archive knows patients.
        hours: when may be fetched; empty for always.
    """

    name: str
    line: int
    conditions: tuple[Condition, ...]
    archives: tuple[str, ...]
    modalities: tuple[str, ...]
    same_body_part: bool
    last: int
    days: int
    issuers: tuple[str, ...]
    hours: str

    def wants(self, facts: Facts) -> bool:
        """Return whether earlier studies are asked for, and their patient known beyond doubt."""
        number = "".join(facts.of("PatientID") or ())
        issuer = "".join(facts.of("IssuerOfPatientID") or ())
        known = _RESIDENT_ID.fullmatch(number) is not None
        if issuer and number:
            known = known or issuer in self.issuers
        return known and all(condition.ask(facts).holds for condition in self.conditions)


def prior_rule(
    row: Mapping[str, Any], place: Place, conditions: tuple[Condition, ...]
) -> PriorRule:
    """Return the rule in *row*, whose keys are known.

    Raises:
        RulesFileError: a value is missing or impossible.
    """
    name, hours = row.get("name"), row.get(HOURS, "")
    if not isinstance(name, str) or not name.strip():
        raise place.fail("name", "a prior rule needs a name")
    archives = _texts(row, "from", place)
    if not archives:
        raise place.fail("from", f"prior rule {name!r} names no archive: from = [AE title, ...]")
    same = row.get("same-body-part", False)
    if not isinstance(same, bool):
        raise place.fail("same-body-part", "same-body-part is true or false")
    try:
        ClinicHours.parse(hours if isinstance(hours, str) else "?")
    except BadHours as error:
        raise place.fail(HOURS, error.detail) from error
    return PriorRule(
        name=name,
        line=place.first,
        conditions=conditions,
        archives=archives,
        modalities=_texts(row, "modality", place),
        same_body_part=same,
        last=_count(row, "last", 3, _LAST_MAX, place),
        days=_count(row, "days", 1826, _DAYS_MAX, place),
        issuers=_texts(row, "issuers", place),
        hours=hours,
    )


def _texts(row: Mapping[str, Any], key: str, place: Place) -> tuple[str, ...]:
    given = row.get(key, [])
    values = given if isinstance(given, list) else [given]
    if not all(isinstance(value, str) and value for value in values):
        raise place.fail(key, f"{key} is a text or a list of texts")
    return tuple(values)


def _count(row: Mapping[str, Any], key: str, default: int, most: int, place: Place) -> int:
    value = row.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise place.fail(key, f"{key} is a whole number from 1 to {most}")
    return value
