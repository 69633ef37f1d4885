"""Rows of the index on their way out of it and back: what was rejected leaves no trace in it.

A row that is rejected goes from ``instance`` into ``rejected_contents``, so that no query can
forget to leave it out; a study or series without any is gone as well, and comes back as it was.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from imaging.access.settling import settle
from imaging.archive.amendment_tables import rejected_contents
from imaging.archive.study_index import index_patient
from imaging.archive.tables import instance, instance_conflict, series, study, study_reach
from kernel.sql.columns import UtcDateTime

_IN_MAX: Final = 500
_OWN: Final = frozenset({"id", "study", "series", "instance", "metadata_json"})
"""Columns that are given anew, or stand in columns of their own."""
DIGESTS: Final = ("object_key", "size_bytes", "dataset_digest", "pixels_digest")


class Kind(StrEnum):
    """What a content was to its UID."""

    ANSWERS = "answers"
    BESIDE = "beside"
    """Another content, kept beside the one that answers."""
    NOTE = "note"
    """The rejection note itself, which never was in the index."""
    AWAITED = "awaited"
    """Named by a note and not come yet; it will be rejected when it does."""


def as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return *row* as JSON can say it."""
    return {
        name: value.isoformat() if isinstance(value, dt.datetime) else value
        for name, value in row.items()
    }


def from_json(table: sa.Table, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of *table* that *told* says; what the table no longer has is left out."""
    return {
        name: dt.datetime.fromisoformat(value)
        if value is not None and isinstance(table.c[name].type, UtcDateTime)
        else value
        for name, value in told.items()
        if name in table.c
    }


def shelf_of(conn: sa.Connection, study_row: int) -> dict[str, Any]:
    """Return the study, its series and who may find it, as JSON."""
    (row,) = _rows(conn, study, study.c.id == study_row)
    return {
        "study": as_json(row),
        "series": [as_json(each) for each in _rows(conn, series, series.c.study == study_row)],
        # Of grants the grants themselves tell, also when it comes back.
        "reach": [
            as_json(each)
            for each in _rows(
                conn, study_reach, (study_reach.c.study == study_row) & (study_reach.c.reason == "")
            )
        ],
    }


def _rows(
    conn: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool]
) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in conn.execute(sa.select(*table.c).where(which))]


def take_out(
    conn: sa.Connection, rejection: int, study_row: int, uids: Collection[str]
) -> set[int]:
    """Move the contents of *uids* in the study out of the index; returns the rows of their series.

    Counts are for the caller to put right (``unfile.recount``).
    """
    touched: set[int] = set()
    wanted = sorted(uids)
    names = _series_names(conn, study_row)
    for at in range(0, len(wanted), _IN_MAX):
        part = wanted[at : at + _IN_MAX]
        firsts = _rows(
            conn,
            instance,
            (instance.c.study == study_row) & instance.c.sop_instance_uid.in_(part),
        )
        ids = [row["id"] for row in firsts]
        of_instance = {row["id"]: names[row["series"]] for row in firsts}
        beside = _rows(conn, instance_conflict, instance_conflict.c.instance.in_(ids))
        kept = [
            hidden_content(rejection, Kind.ANSWERS, row, of_instance[row["id"]]) for row in firsts
        ]
        kept += [
            hidden_content(rejection, Kind.BESIDE, row, of_instance[row["instance"]])
            for row in beside
        ]
        if kept:
            conn.execute(sa.insert(rejected_contents), kept)
        conn.execute(sa.delete(instance_conflict).where(instance_conflict.c.instance.in_(ids)))
        conn.execute(sa.delete(instance).where(instance.c.id.in_(ids)))
        touched |= {row["series"] for row in firsts}
    return touched


def _series_names(conn: sa.Connection, study_row: int) -> dict[int, str]:
    columns = series.c
    query = sa.select(columns.id, columns.series_instance_uid).where(columns.study == study_row)
    return {row.id: row.series_instance_uid for row in conn.execute(query)}


def hidden_content(
    rejection: int, kind: Kind, row: Mapping[str, Any], series_uid: str
) -> dict[str, Any]:
    """Return the row of ``rejected_contents`` that keeps *row* of the index."""
    rest = {name: value for name, value in row.items() if name not in _OWN}
    return {
        "rejection": rejection,
        "kind": kind.value,
        "series_instance_uid": series_uid,
        "sop_instance_uid": row["sop_instance_uid"],
        **{name: row[name] for name in DIGESTS},
        "seen_count": 0,
        "row": as_json(rest),
        "metadata_json": row["metadata_json"],
    }


def put_back(
    conn: sa.Connection, rejection: int, shelf: Mapping[str, Any], *, at: dt.datetime
) -> tuple[int, set[int]]:
    """Move what *rejection* took out into the index again.

    Returns:
        The row of the study, and those of the series.
    """
    study_row = _study_again(conn, shelf, at)
    columns = rejected_contents.c
    found = conn.execute(
        sa.select(
            columns.kind,
            columns.series_instance_uid,
            columns.sop_instance_uid,
            columns.row,
            columns.metadata_json,
        )
        .where(columns.rejection == rejection, columns.kind.in_((Kind.ANSWERS, Kind.BESIDE)))
        .order_by(columns.id)
    ).all()
    rows = {
        uid: _series_again(conn, study_row, uid, shelf, at)
        for uid in sorted({each.series_instance_uid for each in found})
    }
    firsts: dict[str, int] = {}
    for each in found:
        if each.kind != Kind.ANSWERS:
            continue
        values = from_json(instance, each.row) | {
            "study": study_row,
            "series": rows[each.series_instance_uid],
            "metadata_json": each.metadata_json,
        }
        made = conn.execute(sa.insert(instance).values(values))
        assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
        firsts[each.sop_instance_uid] = int(made.inserted_primary_key[0])
    for each in found:
        if each.kind == Kind.BESIDE:
            conn.execute(
                sa.insert(instance_conflict).values(
                    from_json(instance_conflict, each.row)
                    | {
                        "study": study_row,
                        "instance": firsts[each.sop_instance_uid],
                        "metadata_json": each.metadata_json,
                    }
                )
            )
    conn.execute(
        sa.delete(rejected_contents).where(
            columns.rejection == rejection, columns.kind != Kind.NOTE
        )
    )
    return study_row, set(rows.values())


def _study_again(conn: sa.Connection, shelf: Mapping[str, Any], at: dt.datetime) -> int:
    told = from_json(study, shelf["study"])
    there = conn.scalar(
        sa.select(study.c.id).where(study.c.study_instance_uid == told["study_instance_uid"])
    )
    if there is not None:
        return int(there)
    values = {name: value for name, value in told.items() if name != "id"} | {"updated_at": at}
    made = conn.execute(sa.insert(study).values(values))
    assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
    row = int(made.inserted_primary_key[0])
    reach = [from_json(study_reach, each) | {"study": row} for each in shelf["reach"]]
    if reach:
        conn.execute(sa.insert(study_reach), reach)
    index_patient(conn, row, values)
    settle(conn, [row], at=at)
    return row


def _series_again(
    conn: sa.Connection, study_row: int, uid: str, shelf: Mapping[str, Any], at: dt.datetime
) -> int:
    there = conn.scalar(
        sa.select(series.c.id).where(
            series.c.study == study_row, series.c.series_instance_uid == uid
        )
    )
    if there is not None:
        return int(there)
    told = next(each for each in shelf["series"] if each["series_instance_uid"] == uid)
    values = from_json(series, told)
    del values["id"]
    made = conn.execute(sa.insert(series).values(values | {"study": study_row, "updated_at": at}))
    assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
    return int(made.inserted_primary_key[0])
