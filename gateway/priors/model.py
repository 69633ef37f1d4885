"""Values of fetching earlier studies, and which of an archive's studies are wanted. Pure."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose earlier studies are wanted, and which of them.

    Attributes:
        study_instance_uid: of the study that came.
        patient_id: the patient's number, by which the archive is asked.
        issuer: of that number; empty where nobody says.
        birth_date: YYYYMMDD, empty where unknown.
        sex: empty where unknown.
        study_date: YYYYMMDD of the study that came.
        body_part: of it; empty where unknown or where it does not matter.
        modalities: one of them; empty for any.
        last: so many at most.
        days: no older than so many days before ``study_date``.
        hours: when may be fetched, as ``ClinicHours`` reads it; empty for always.
    """

    study_instance_uid: str
    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    study_date: str
    body_part: str
    modalities: tuple[str, ...]
    last: int
    days: int
    hours: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One archive to be asked for one study that came."""

    id: int
    archive: str
    asked: Asked
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OldStudy:
    """A study as an archive answers it."""

    study_instance_uid: str
    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    study_date: str
    modalities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSeries:
    """A series as an archive answers it; ``instances`` is None where it does not count."""

    series_instance_uid: str
    modality: str
    body_part: str
    instances: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionLine:
    """A question that waits, as people see it."""

    archive: str
    study_instance_uid: str
    rule: str
    failures: int
    waits_for: str
    next_try_at: dt.datetime | None
    made_at: dt.datetime


def wanted(asked: Asked, found: Iterable[OldStudy]) -> list[OldStudy]:
    """Return those of *found* that are wanted, the newest first.

    What the archive answers is not believed: the number must be the same, and nothing that both
    sides know of the patient may differ. Only studies of days before count, so that none that is
    on its way to be read is taken for an earlier one.
    """
    try:
        came = dt.date.fromisoformat(asked.study_date)
    except ValueError:
        return []
    oldest = f"{came - dt.timedelta(days=min(asked.days, came.toordinal() - 1)):%Y%m%d}"
    chosen = {
        one.study_instance_uid: one
        for one in found
        if one.study_instance_uid
        and one.study_instance_uid != asked.study_instance_uid
        and one.patient_id == asked.patient_id
        and _agree(one.issuer, asked.issuer)
        and _agree(one.birth_date, asked.birth_date)
        and _agree(one.sex, asked.sex)
        and oldest <= one.study_date < asked.study_date
        and _has_one(one.modalities, asked.modalities)
    }
    return sorted(chosen.values(), key=lambda one: one.study_date, reverse=True)


def _agree(one: str, other: str) -> bool:
    return not one or not other or one == other


def lacking(series: Iterable[OldSeries], here: Mapping[str, int]) -> list[str]:
    """Return the series of which fewer instances are *here* than the archive has."""
    return [
        one.series_instance_uid
        for one in series
        if one.series_instance_uid
        and here.get(one.series_instance_uid, 0) < max(1, one.instances or 1)
    ]


def _has_one(found: Collection[str], asked: Collection[str]) -> bool:
    # Many archives do not say what modalities a study has; its series will.
    return not asked or not found or bool(set(asked) & set(found))


def is_shown(asked: Asked, series: Iterable[OldSeries]) -> bool:
    """Return whether one of *series* has the modality and the body part that are asked for."""
    part = asked.body_part.casefold()
    return any(
        (not asked.modalities or one.modality in asked.modalities)
        and (not part or one.body_part.casefold() == part)
        for one in series
    )


def plain(asked: Asked) -> dict[str, Any]:
    """Return *asked* as JSON keeps it."""
    row = {name: getattr(asked, name) for name in Asked.__slots__}
    return {**row, "modalities": list(asked.modalities)}


def read(row: Mapping[str, Any]) -> Asked:
    """Return what ``plain`` made."""
    return Asked(**{**row, "modalities": tuple(row["modalities"])})
