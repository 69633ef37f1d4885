"""The spool's rows: what is here, and how far each journal is filed. Store functions of SQL."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from gateway.exchange.tables import return_objects
from gateway.township.model import RANK, Filed, InstanceState, KeptObject
from gateway.township.tables import cursors, instances, studies
from kernel.dicom.header import Header
from kernel.journal.writer import Position


class Outcome(StrEnum):
    """What filing one instance came to."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """The same instance with the same content was here before."""
    GONE_BEFORE = "gone-before"
    """A duplicate of one whose object file was deleted after its receipt."""
    CONFLICT = "conflict"
    """Stored; the same UID is here with other content, too. Both are kept."""


@dataclass(frozen=True, slots=True)
class FiledAs:
    """One instance and what filing it came to."""

    filed: Filed
    outcome: Outcome


_FROM_HEADER: Final = (
    "patient_id",
    "patient_name",
    "patient_sex",
    "patient_birth_date",
    "patient_age",
    "accession_number",
    "study_date",
    "study_time",
    "modality",
)


def position_of(conn: sa.Connection, journal: str) -> Position:
    """Return how far *journal* is filed."""
    row = conn.execute(
        sa.select(cursors.c.segment, cursors.c.at_offset).where(cursors.c.journal == journal)
    ).one_or_none()
    return Position(0, 0) if row is None else Position(row.segment, row.at_offset)


def file_batch(
    conn: sa.Connection, journal: str, position: Position | None, batch: Sequence[Filed]
) -> list[FiledAs]:
    """Enter *batch* and move the journal's cursor to *position*, all in one transaction.

    None leaves the cursor: *batch* stands behind what is not filed yet. Doing it again after a
    crash changes nothing: an instance is one row for each content.
    """
    told = [_file(conn, filed) for filed in batch]
    if position is not None:
        _move_cursor(conn, journal, position)
    return told


def _file(conn: sa.Connection, filed: Filed) -> FiledAs:
    arrival = filed.arrival
    content = arrival.digest.whole if arrival.digest else ""
    before = conn.execute(
        sa.select(instances.c.content, instances.c.deleted_at).where(
            instances.c.sop_instance_uid == arrival.sop_instance_uid
        )
    ).all()
    for row in before:
        if row.content == content:
            gone = row.deleted_at is not None
            return FiledAs(filed, Outcome.GONE_BEFORE if gone else Outcome.DUPLICATE)
    _put_study(conn, filed, conflict=bool(before))
    refused = bool(filed.reason_code)
    conn.execute(
        sa.insert(instances).values(
            study_instance_uid=filed.study_key,
            series_instance_uid=arrival.series_instance_uid,
            sop_instance_uid=arrival.sop_instance_uid,
            content=content,
            object_key=filed.object_key,
            size_bytes=arrival.size_bytes,
            arrival=msgspec.to_builtins(arrival),
            received_at=arrival.received_at,
            instance_number=filed.header.instance_number if filed.header else None,
            position_mm=filed.position_mm,
            state=InstanceState.SET_ASIDE if refused else InstanceState.WAITING,
            reason_code=filed.reason_code,
            reason=filed.reason,
        )
    )
    return FiledAs(filed, Outcome.CONFLICT if before else Outcome.STORED)


def _put_study(conn: sa.Connection, filed: Filed, *, conflict: bool) -> None:
    arrival = filed.arrival
    columns = studies.c
    facts = _facts(filed.header, filed) if filed.header else {}
    known = (
        conn.execute(
            sa.select(
                columns.rank,
                columns.rank_choices,
                columns.last_received_at,
                *(columns[name] for name in facts),
            )
            .where(columns.study_instance_uid == filed.study_key)
            .with_for_update()
        )
        .mappings()
        .one_or_none()
    )
    rank = RANK[arrival.priority]
    if known is None:
        conn.execute(
            sa.insert(studies).values(
                study_instance_uid=filed.study_key,
                institution=arrival.sender.institution,
                rank=rank,
                conflicts=int(conflict),
                first_received_at=arrival.received_at,
                last_received_at=arrival.received_at,
                **facts,
            )
        )
        return
    # What a first instance left open, a later one may tell; what was told stays.
    told: dict[str, Any] = {name: value for name, value in facts.items() if not known[name]}
    conn.execute(
        sa.update(studies)
        .where(columns.study_instance_uid == filed.study_key)
        .values(
            # What a person chose stands.
            rank=known["rank"] if known["rank_choices"] else min(rank, known["rank"]),
            conflicts=columns.conflicts + int(conflict),
            last_received_at=max(arrival.received_at, known["last_received_at"]),
            county_received_at=None,
            **told,
        )
    )


def _facts(header: Header, filed: Filed) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(header, name) for name in _FROM_HEADER}
    facts["timezone_offset_from_utc"] = filed.timezone_offset_from_utc
    facts["description"] = header.study_description
    facts["body_part"] = header.body_part_examined
    facts["unidentified"] = header.unidentified
    return facts


def _move_cursor(conn: sa.Connection, journal: str, position: Position) -> None:
    values = {"segment": position.segment, "at_offset": position.offset}
    moved = conn.execute(sa.update(cursors).where(cursors.c.journal == journal).values(values))
    if moved.rowcount == 0:
        conn.execute(sa.insert(cursors).values(journal=journal, **values))


@dataclass(frozen=True, slots=True)
class Deletable:
    """An instance whose object file may go."""

    id: int
    kept: KeptObject


def deletable(conn: sa.Connection, before: dt.datetime, limit: int) -> list[Deletable]:
    """Return instances receipted before *before* whose file is still here.

    What somebody asked back of the county is not among them: it goes in its own time.
    """
    columns, back = instances.c, return_objects.c
    asked_back = sa.exists().where(
        back.object_key == columns.object_key, back.sop_instance_uid == columns.sop_instance_uid
    )
    query = (
        sa.select(columns.id, columns.sop_instance_uid, columns.object_key)
        .where(
            columns.state == InstanceState.AT_COUNTY,
            columns.deleted_at.is_(None),
            columns.county_at < before,
            ~asked_back,
        )
        .order_by(columns.county_at, columns.id)
        .limit(limit)
    )
    return [Deletable(row[0], KeptObject(row[1], row[2])) for row in conn.execute(query)]


def mark_deleted(conn: sa.Connection, ids: Sequence[int], at: dt.datetime) -> None:
    """Note that the object files of *ids* are gone; only ever for receipted instances."""
    conn.execute(
        sa.update(instances)
        .where(instances.c.id.in_(ids), instances.c.state == InstanceState.AT_COUNTY)
        .values(deleted_at=at)
    )
