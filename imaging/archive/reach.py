"""Who may find a study besides its own institution, and what rules may ask about it."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from imaging.archive.correction import Correction, corrected_json
from imaging.archive.model import PRIORITY_ORDER, STUDY_UPDATED
from imaging.archive.series_metadata import instance_json
from imaging.archive.study_rows import reach_of, rows_of
from imaging.archive.tables import instance, study, study_reach
from kernel.arrival import Priority
from kernel.events import publish


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstInstance:
    """The first instance of a study that was filed, for whoever decides by its header."""

    dicom_json: Mapping[str, Any]
    institution: str
    ae_title: str
    address: str
    door: str


def first_instance(conn: sa.Connection, study_instance_uid: str) -> FirstInstance | None:
    """Return the first instance filed of the study, or ``None`` when there is none."""
    columns = instance.c
    row = conn.execute(
        sa.select(
            columns.metadata_json,
            columns.institution,
            columns.ae_title,
            columns.address,
            columns.door,
            study.c.correction,
        )
        .join(study, study.c.id == columns.study)
        .where(study.c.study_instance_uid == study_instance_uid)
        .order_by(columns.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    dicom_json = msgspec.json.decode(instance_json(row.metadata_json), type=dict[str, Any])
    if row.correction:
        dicom_json = corrected_json(msgspec.convert(row.correction, Correction), dicom_json)
    return FirstInstance(
        dicom_json=dicom_json,
        institution=row.institution,
        ae_title=row.ae_title,
        address=row.address,
        door=row.door,
    )


def give_to(
    conn: sa.Connection,
    study_instance_uid: str,
    institutions: Collection[str],
    *,
    rule: str,
    priority: Priority | None,
    at: dt.datetime,
) -> None:
    """Let *institutions* find the study, and tell those who watch the list.

    Giving it again changes nothing; where one of them has a grant that ends, it stays from now on.
    A *priority* only ever makes the study more urgent.
    """
    found = conn.execute(
        sa.select(study.c.id, study.c.institution).where(
            study.c.study_instance_uid == study_instance_uid
        )
    ).one_or_none()
    if found is None:
        return
    columns = study_reach.c
    there = {
        row.institution: row.reason
        for row in conn.execute(
            sa.select(columns.institution, columns.reason).where(columns.study == found.id)
        )
    }
    for code in sorted(set(institutions)):
        if code not in there:
            conn.execute(
                sa.insert(study_reach).values(institution=code, study=found.id, rule=rule, since=at)
            )
        elif there[code]:
            conn.execute(
                sa.update(study_reach)
                .where(columns.study == found.id, columns.institution == code)
                .values(rule=rule, since=at, reason="", until=None)
            )
    if priority is not None:
        number = PRIORITY_ORDER.index(priority)
        conn.execute(
            sa.update(study)
            .where(study.c.id == found.id, study.c.priority > number)
            .values(priority=number, updated_at=at)
        )
    (row,) = rows_of(conn, [found.id])
    publish(
        conn,
        STUDY_UPDATED,
        msgspec.to_builtins(row),
        institution=found.institution,
        routed_to=reach_of(conn, [found.id]).get(found.id, ()),
        at=at,
    )
