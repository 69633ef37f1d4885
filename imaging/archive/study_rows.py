"""Rows of the study list, read from the index."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.model import (
    PRIORITY_ORDER,
    InstitutionRow,
    PatientRow,
    Route,
    StudyRow,
)
from imaging.archive.pinning import pinned_until
from imaging.archive.tables import instance, series, study, study_reach
from kernel.dicom.shown import Age, age_at, date_time, display_name, name_groups
from kernel.events import for_a_time
from kernel.identity import institutions
from kernel.policy import masked_number

_IN_MAX: Final = 500
_REPORT_MODALITIES: Final = frozenset({"SR", "DOC"})
_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_REPORTS: Final = tuple(
    _STORAGE + end for end in ("88.11", "88.22", "88.33", "88.34", "88.35", "104.1", "104.2")
)
"""Written for a person to read (PS3.4 B.5): notes of machines, as of the dose, are none."""
_COLUMNS: Final = (
    study.c.id,
    study.c.study_instance_uid,
    study.c.institution,
    study.c.patient_name,
    study.c.patient_sex,
    study.c.patient_birth_date,
    study.c.patient_age,
    study.c.estimated_age_years,
    study.c.patient_id,
    study.c.accession_number,
    study.c.study_description,
    study.c.modalities,
    study.c.body_part_examined,
    study.c.study_date,
    study.c.study_time,
    study.c.timezone_offset_from_utc,
    study.c.received_at,
    study.c.updated_at,
    study.c.instance_count,
    study.c.series_count,
    study.c.unidentified,
    study.c.conflict_count,
    study.c.mixed_patients,
    study.c.priority,
)


def rows_of(conn: sa.Connection, ids: Sequence[int]) -> list[StudyRow]:
    """Return the list rows of the studies *ids*, in that order; missing ones are left out."""
    found: dict[int, Any] = {}
    routes: dict[int, Route] = {}
    for at in range(0, len(ids), _IN_MAX):
        part = ids[at : at + _IN_MAX]
        for row in conn.execute(sa.select(*_COLUMNS).where(study.c.id.in_(part))):
            found[row.id] = row
        reach = study_reach.c
        routed = (
            sa.select(reach.study, reach.rule, reach.institution)
            .where(reach.study.in_(part), reach.rule != "")
            .order_by(reach.since.desc())
        )
        for given in conn.execute(routed):
            routes[given.study] = Route(given.rule, given.institution)
    names = institution_names(conn, {row.institution for row in found.values()})
    reported = _reported(conn, list(found.values()))
    return [
        _row(found[each], names, routes.get(each), reported=each in reported)
        for each in ids
        if each in found
    ]


def _reported(conn: sa.Connection, rows: Sequence[Any]) -> set[int]:
    """Return the emergencies among *rows* on which another house than their own has reported."""
    may = [
        row.id
        for row in rows
        if not row.priority and _REPORT_MODALITIES & set(row.modalities.split("\\"))
    ]
    found: set[int] = set()
    for at in range(0, len(may), _IN_MAX):
        query = (
            sa.select(study.c.id)
            .join(series, series.c.study == study.c.id)
            .join(instance, instance.c.series == series.c.id)
            .where(
                study.c.id.in_(may[at : at + _IN_MAX]),
                series.c.modality.in_(sorted(_REPORT_MODALITIES)),
                instance.c.sop_class_uid.in_(_REPORTS),
                instance.c.institution != study.c.institution,
            )
        )
        found |= set(conn.scalars(query))
    return found


def reach_of(conn: sa.Connection, ids: Sequence[int]) -> dict[int, list[str]]:
    """Return whom each of the studies *ids* was given to besides its own, for ``routed_to``.

    The institutions it was routed to stand there as they are, the holders of grants marked by
    ``kernel.events.for_a_time``.
    """
    given: dict[int, list[str]] = {}
    columns = study_reach.c
    for at in range(0, len(ids), _IN_MAX):
        query = (
            sa.select(columns.study, columns.institution, columns.reason)
            .join(study, study.c.id == columns.study)
            .where(
                columns.study.in_(ids[at : at + _IN_MAX]),
                columns.institution != study.c.institution,
            )
            .order_by(columns.institution)
        )
        for row in conn.execute(query):
            holder = for_a_time(row.institution) if row.reason else row.institution
            given.setdefault(row.study, []).append(holder)
    return given


def instance_counts(conn: sa.Connection, study_instance_uids: Sequence[str]) -> dict[str, int]:
    """Return how many instances each of the studies has; those that are not there are left out."""
    counts: dict[str, int] = {}
    columns = study.c
    query = sa.select(columns.study_instance_uid, columns.instance_count)
    for at in range(0, len(study_instance_uids), _IN_MAX):
        part = study_instance_uids[at : at + _IN_MAX]
        for row in conn.execute(query.where(columns.study_instance_uid.in_(part))):
            counts[row.study_instance_uid] = row.instance_count
    return counts


def institution_names(conn: sa.Connection, codes: set[str]) -> dict[str, str]:
    """Return the names of the institutions *codes*; those the node does not know are left out."""
    columns = institutions.c
    query = sa.select(columns.code, columns.name).where(columns.code.in_(sorted(codes)))
    return {row.code: row.name for row in conn.execute(query)}


def _row(row: Any, names: dict[str, str], route: Route | None, *, reported: bool) -> StudyRow:
    birth = row.patient_birth_date
    guess = None if birth else row.estimated_age_years
    return StudyRow(
        study_instance_uid=row.study_instance_uid,
        patient=PatientRow(
            name=display_name(row.patient_name),
            alphabetic_name=display_name(name_groups(row.patient_name)[0]),
            sex=row.patient_sex if row.patient_sex in {"M", "F", "O"} else "",
            birth_date=f"{birth[:4]}-{birth[4:6]}-{birth[6:]}" if birth else None,
            age=age_at(row.patient_age, birth, row.study_date)
            if guess is None
            else Age(guess, "years"),
            age_estimated=guess is not None,
            patient_id=row.patient_id,
            masked_id=masked_number(row.patient_id),
        ),
        accession_number=row.accession_number,
        description=row.study_description,
        modalities=row.modalities.split("\\") if row.modalities else [],
        body_part=row.body_part_examined,
        institution=InstitutionRow(row.institution, names.get(row.institution, row.institution)),
        study_date_time=date_time(row.study_date, row.study_time, row.timezone_offset_from_utc),
        received_at=row.received_at,
        updated_at=row.updated_at,
        instance_count=row.instance_count,
        series_count=row.series_count,
        unidentified=row.unidentified,
        conflicts=row.conflict_count + int(row.mixed_patients),
        priority=PRIORITY_ORDER[row.priority],
        route=route,
        pinned_until=pinned_until(
            emergency=not row.priority,
            study_date=row.study_date,
            received_at=row.received_at,
            reported=reported,
        ),
    )
