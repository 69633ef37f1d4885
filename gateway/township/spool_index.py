"""The spool's rows: what is here, and how far each journal is filed. Store functions of SQL."""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from gateway.exchange.tables import return_objects
from gateway.township.county_asides import is_unread
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
    """A duplicate of one whose object file was deleted after its receipt; nothing needs it here."""
    ANEW = "anew"
    """A duplicate of one that was set aside for its file, or that the county has and cannot read;
    this one took the file's place."""
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
_ASIDE: Final = (InstanceState.SET_ASIDE, InstanceState.RELEASED)
_NOT_THE_FILES: Final = ("too-large", "parcel-institution")
"""Reasons to be set aside that the same image, sent again, is met by again."""
_IN_MAX: Final = 500


def position_of(conn: sa.Connection, journal: str) -> Position:
    """Return how far *journal* is filed."""
    row = conn.execute(
        sa.select(cursors.c.segment, cursors.c.at_offset).where(cursors.c.journal == journal)
    ).one_or_none()
    return Position(0, 0) if row is None else Position(row.segment, row.at_offset)


def wanted_again(conn: sa.Connection, sop_instance_uids: Collection[str]) -> set[str]:
    """Return those of *sop_instance_uids* that sending again may mend.

    They are set aside, or the county has them and cannot read them.
    """
    return {
        uid
        for uid, _, state in _mendable(conn, sop_instance_uids)
        if state != InstanceState.RELEASED
    }


def written_anew(conn: sa.Connection, batch: Sequence[Filed]) -> set[str]:
    """Return the object keys of *batch* whose file may be bad, and is written anew from it."""
    keys = {filed.object_key for filed in batch if filed.object_key}
    uids = {filed.arrival.sop_instance_uid for filed in batch}
    return {key for _, key, _ in _mendable(conn, uids) if key in keys}


def gone_before(conn: sa.Connection, batch: Sequence[Filed]) -> set[str]:
    """Return the object keys of *batch* the county has had for longer than they are kept here.

    They are not written again, so that there is nothing to delete: what lies under such a key is
    what somebody asked back, or is being put there now. Once one is gone, it stays so, unless the
    county says that it cannot read it.
    """
    keys = {(one.arrival.sop_instance_uid, _content(one)): one.object_key for one in batch}
    columns, uids = instances.c, sorted({uid for uid, _ in keys})
    gone: set[str] = set()
    for begin in range(0, len(uids), _IN_MAX):
        query = sa.select(columns.sop_instance_uid, columns.content).where(
            columns.sop_instance_uid.in_(uids[begin : begin + _IN_MAX]),
            columns.deleted_at.is_not(None),
            sa.not_(is_unread()),
        )
        gone |= {keys[row[0], row[1]] for row in conn.execute(query) if (row[0], row[1]) in keys}
    return gone


def stands(conn: sa.Connection, key: str) -> bool:
    """Tell whether something here stands for the object *key*, or there is none."""
    queue = sa.select(instances.c.id).where(
        instances.c.object_key == key, instances.c.deleted_at.is_(None)
    )
    back = sa.select(return_objects.c.place).where(return_objects.c.object_key == key)
    return not key or any(conn.execute(query.limit(1)).first() for query in (queue, back))


def _mendable(
    conn: sa.Connection, sop_instance_uids: Collection[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield UID, object key and state of what a new file mends.

    It is set aside, or was, for what its file may be to blame for; or the county cannot read it.
    """
    columns, uids = instances.c, sorted(sop_instance_uids)
    for begin in range(0, len(uids), _IN_MAX):
        query = sa.select(columns.sop_instance_uid, columns.object_key, columns.state).where(
            columns.sop_instance_uid.in_(uids[begin : begin + _IN_MAX]),
            sa.or_(
                sa.and_(columns.state.in_(_ASIDE), columns.reason_code.not_in(_NOT_THE_FILES)),
                is_unread(),
            ),
        )
        for row in conn.execute(query):
            yield row.sop_instance_uid, row.object_key, row.state


def file_batch(
    conn: sa.Connection,
    journal: str,
    position: Position | None,
    batch: Sequence[Filed],
    anew: Collection[str] = (),
) -> list[FiledAs]:
    """Enter *batch* and move the journal's cursor to *position*, all in one transaction.

    Doing it again after a crash changes nothing: an instance is one row for each content.

    Args:
        conn: a transaction.
        journal: the door's.
        position: None leaves the cursor: *batch* stands behind what is not filed yet.
        batch: instances whose object files are durable.
        anew: keys of those whose files took the place of what lay there (``written_anew``).
    """
    told = [_file(conn, filed, anew) for filed in batch]
    if position is not None:
        _move_cursor(conn, journal, position)
    return told


def _file(conn: sa.Connection, filed: Filed, anew: Collection[str]) -> FiledAs:
    columns, content = instances.c, _content(filed)
    before = conn.execute(
        sa.select(
            columns.id,
            columns.study_instance_uid,
            columns.content,
            columns.object_key,
            columns.deleted_at,
            columns.state,
        )
        .where(columns.sop_instance_uid == filed.arrival.sop_instance_uid)
        .order_by(columns.id)
    ).all()
    for row in before:
        if row.content == content:
            return _file_again(conn, row, filed, anew)
    lost = next((row for row in before if _was_lost(row, filed)), None)
    if lost is not None:
        _take_place(conn, lost, filed)
        return FiledAs(filed, Outcome.ANEW)
    _put_study(conn, filed, conflict=bool(before))
    conn.execute(
        sa.insert(instances).values(
            study_instance_uid=filed.study_key,
            sop_instance_uid=filed.arrival.sop_instance_uid,
            received_at=filed.arrival.received_at,
            state=InstanceState.SET_ASIDE if filed.reason_code else InstanceState.WAITING,
            reason_code=filed.reason_code,
            reason=filed.reason,
            **_of_the_file(filed),
        )
    )
    return FiledAs(filed, Outcome.CONFLICT if before else Outcome.STORED)


def _file_again(conn: sa.Connection, row: Any, filed: Filed, anew: Collection[str]) -> FiledAs:
    if filed.object_key in anew:
        _take_place(conn, row, filed)
        return FiledAs(filed, Outcome.ANEW)
    gone = row.deleted_at is not None and not stands(conn, filed.object_key)
    return FiledAs(filed, Outcome.GONE_BEFORE if gone else Outcome.DUPLICATE)


def _was_lost(row: Any, filed: Filed) -> bool:
    """Return whether *filed* is what a row stands for whose bytes the disk lost.

    What they were nobody knows any more; what the sender gives under the UID now is the best.
    """
    lost = row.object_key == "" and row.state == InstanceState.SET_ASIDE
    return lost and not filed.reason_code and row.study_instance_uid == filed.study_key


def _take_place(conn: sa.Connection, row: Any, filed: Filed) -> None:
    """Have *row* tell of the file that is there now, and wait again unless a person released it."""
    mine = instances.c.id == row.id
    # Of what the county cannot read the file may have gone in its time; it is here again.
    here = {"shown_at": None, "deleted_at": None, **_of_the_file(filed)}
    conn.execute(sa.update(instances).where(mine).values(here))
    if filed.reason_code:
        return
    freed = conn.execute(
        sa.update(instances)
        .where(mine, instances.c.state.in_((InstanceState.SET_ASIDE, InstanceState.AT_COUNTY)))
        .values(state=InstanceState.WAITING, reason_code="", reason="", county_at=None, alone=True)
    )
    if freed.rowcount:
        _put_study(conn, filed, conflict=False)


def _content(filed: Filed) -> str:
    return filed.arrival.digest.whole if filed.arrival.digest else ""


def _of_the_file(filed: Filed) -> dict[str, Any]:
    arrival = filed.arrival
    return {
        "series_instance_uid": arrival.series_instance_uid,
        "content": _content(filed),
        "object_key": filed.object_key,
        "size_bytes": arrival.size_bytes,
        "arrival": msgspec.to_builtins(arrival),
        "instance_number": filed.header.instance_number if filed.header else None,
        "position_mm": filed.position_mm,
    }


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

    What somebody asked back of the county is not among them: it goes in its own time. Nor is what
    the county cannot read: this may be the only copy anybody can.
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
            ~is_unread(),
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
