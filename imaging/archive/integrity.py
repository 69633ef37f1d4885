"""What the scrub writes down: which objects there are, when each was last whole, which are not.

Taking rows down and looking where they stand are reads of their own: a transaction that writes
here touches no table of the index, so that none of an arrival ever waits for it or runs twice.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.amendment_tables import rejected_contents, rejections
from imaging.archive.integrity_tables import object_check_places, object_checks, object_damages
from imaging.archive.object_truth import Found
from imaging.archive.tables import instance, instance_conflict, set_aside, study
from kernel.audit.trail import AuditEntry, AuditEvent, record

_PAGE: Final = 2000
_IN_MAX: Final = 500
_AGAIN_AFTER: Final = dt.timedelta(days=1)
SERIOUS: Final = 8
"""Outcome of an audit entry (PS3.15 A.5.2)."""
_AT: Final = object_checks.c.checked_at.type
_SOURCES: Final[dict[str, tuple[sa.Table, sa.Column[dt.datetime] | None]]] = {
    "instance": (instance, instance.c.received_at),
    "instance_conflict": (instance_conflict, instance_conflict.c.kept_at),
    "rejected_contents": (rejected_contents, None),
    "filing_set_aside": (set_aside, set_aside.c.set_aside_at),
}
"""The tables whose rows name objects, and what of a row says when its object was whole."""


@dataclass(frozen=True, slots=True)
class Named:
    """An object that a row names."""

    key: str
    sop_instance_uid: str
    whole_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of one table."""

    source: str
    last_id: int
    began_at: dt.datetime
    named: Sequence[Named]


@dataclass(frozen=True, slots=True)
class Due:
    """An object to be looked at."""

    key: str
    sop_instance_uid: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Stands:
    """Where an object stands in the index."""

    sop_instance_uid: str
    study_instance_uid: str
    institution: str
    content: str = ""
    """``kernel.arrival.ContentDigest.whole``; empty for bytes nobody could read."""


def unnoted(conn: sa.Connection, *, at: dt.datetime, again: bool = False) -> list[Page]:
    """Return the next page of each table that has rows not taken down yet.

    Args:
        conn: a read.
        at: the present instant.
        again: begin every table anew that is at its end, however lately it was begun.
    """
    columns = object_check_places.c
    query = sa.select(columns.source, columns.last_id, columns.began_at)
    places = {row.source: (row.last_id, row.began_at) for row in conn.execute(query)}
    pages = []
    for source, (table, whole_at) in _SOURCES.items():
        last, began_at = places.get(source, (0, at))
        rows = _rows(conn, table, whole_at, last)
        if not rows and last and (again or at - began_at >= _AGAIN_AFTER):
            began_at, rows = at, _rows(conn, table, whole_at, 0)
        if rows:
            named = [
                Named(row.object_key, row.sop_instance_uid, min(row.whole_at or at, at))
                for row in rows
                if row.object_key
            ]
            pages.append(Page(source, rows[-1].id, began_at, named))
    return pages


def _rows(
    conn: sa.Connection, table: sa.Table, whole_at: sa.Column[dt.datetime] | None, last: int
) -> Sequence[sa.Row[Any]]:
    columns = table.c
    when = sa.null() if whole_at is None else whole_at
    query = sa.select(
        columns.id, columns.object_key, columns.sop_instance_uid, when.label("whole_at")
    )
    return conn.execute(query.where(columns.id > last).order_by(columns.id).limit(_PAGE)).all()


def take_down(conn: sa.Connection, pages: Sequence[Page]) -> int:
    """Write *pages* down; returns how many objects were not known."""
    new = 0
    for page in pages:
        fresh = {each.key: each for each in page.named}
        for part in _parts(list(fresh)):
            known = sa.select(object_checks.c.object_key).where(
                object_checks.c.object_key.in_(part)
            )
            for key in conn.scalars(known).all():
                del fresh[key]
        if fresh:
            conn.execute(
                sa.insert(object_checks),
                [
                    {
                        "object_key": each.key,
                        "sop_instance_uid": each.sop_instance_uid,
                        "checked_at": each.whole_at,
                    }
                    for each in fresh.values()
                ],
            )
            new += len(fresh)
        _keep_place(conn, page)
    return new


def _keep_place(conn: sa.Connection, page: Page) -> None:
    values = {"last_id": page.last_id, "began_at": page.began_at}
    mine = object_check_places.c.source == page.source
    if not conn.execute(sa.update(object_check_places).where(mine).values(values)).rowcount:
        conn.execute(sa.insert(object_check_places).values(source=page.source, **values))


def due(
    conn: sa.Connection, *, before: dt.datetime, unread_before: dt.datetime, limit: int
) -> list[Due]:
    """Return the objects not known whole since *before*, the longest ago first.

    Those that were never read come before them, and as soon as they were filed *unread_before*.
    """
    columns = object_checks.c
    unread = (columns.sha256 == "") & (columns.checked_at < unread_before)
    found: list[Due] = []
    for which in (unread, (columns.sha256 != "") & (columns.checked_at < before)):
        query = (
            sa.select(columns.object_key, columns.sop_instance_uid, columns.sha256)
            .where(which)
            .order_by(columns.checked_at, columns.object_key)
            .limit(limit - len(found))
        )
        found += [Due(*row) for row in conn.execute(query)]
        if len(found) == limit:
            break
    return found


def known(conn: sa.Connection, keys: Sequence[str]) -> list[Due]:
    """Return what is written down of *keys*."""
    columns = object_checks.c
    query = sa.select(columns.object_key, columns.sop_instance_uid, columns.sha256)
    return [
        Due(*row)
        for part in _parts(list(keys))
        for row in conn.execute(query.where(columns.object_key.in_(part)))
    ]


def stands(conn: sa.Connection, key: str, sop_instance_uid: str) -> Stands | None:
    """Return where an object stands; None where no row names it any more."""
    for query in _places(key, sop_instance_uid):
        row = conn.execute(query).first()
        if row is not None:
            whole = f"{row.dataset_digest}-{row.pixels_digest}" if row.dataset_digest else ""
            return Stands(sop_instance_uid, row.study_instance_uid, row.institution, whole)
    return None


def _places(key: str, uid: str) -> list[sa.Select[Any]]:
    hidden, beside, aside = rejected_contents.c, instance_conflict.c, set_aside.c
    return [
        sa.select(
            study.c.study_instance_uid,
            study.c.institution,
            instance.c.dataset_digest,
            instance.c.pixels_digest,
        )
        .join_from(instance, study)
        .where(instance.c.sop_instance_uid == uid, instance.c.object_key == key),
        sa.select(
            study.c.study_instance_uid,
            study.c.institution,
            beside.dataset_digest,
            beside.pixels_digest,
        )
        .join_from(instance_conflict, study)
        .where(beside.sop_instance_uid == uid, beside.object_key == key),
        sa.select(
            rejections.c.study_instance_uid,
            rejections.c.institution,
            hidden.dataset_digest,
            hidden.pixels_digest,
        )
        .join_from(rejected_contents, rejections)
        .where(hidden.sop_instance_uid == uid, hidden.object_key == key),
        sa.select(
            aside.study_instance_uid,
            aside.institution,
            sa.literal("").label("dataset_digest"),
            sa.literal("").label("pixels_digest"),
        ).where(aside.object_key == key),
    ]


def note_whole(
    conn: sa.Connection, found: Sequence[Found], *, at: dt.datetime, by: str = "found-whole"
) -> None:
    """Write down that objects are whole; those that were damaged are so no more."""
    if not found:
        return
    conn.execute(
        sa.update(object_checks)
        .where(object_checks.c.object_key == sa.bindparam("key"))
        .values(sha256=sa.bindparam("sum"), checked_at=sa.bindparam("now", type_=_AT)),
        [{"key": each.key, "sum": each.sha256, "now": at} for each in found],
    )
    _close(conn, [each.key for each in found], by=by, at=at)


def note_unnamed(conn: sa.Connection, keys: Sequence[str], *, at: dt.datetime) -> None:
    """Write down that no row names objects any more: nobody misses them."""
    for part in _parts(list(keys)):
        conn.execute(sa.delete(object_checks).where(object_checks.c.object_key.in_(part)))
    _close(conn, list(keys), by="not-named", at=at)


def _close(conn: sa.Connection, keys: list[str], *, by: str, at: dt.datetime) -> None:
    columns = object_damages.c
    for part in _parts(keys):
        conn.execute(
            sa.update(object_damages)
            .where(columns.object_key.in_(part), columns.mended_at.is_(None))
            .values(mended_at=at, mended_by=by)
        )


@dataclass(frozen=True, slots=True)
class Occasion:
    """When a damage was seen, and by whom."""

    at: dt.datetime
    as_of: dt.datetime
    """Stands in for when it was whole, and decides when it is looked at again."""
    chain: str
    """Of the audit trail."""


def note_damaged(conn: sa.Connection, found: Found, where: Stands, seen: Occasion) -> bool:
    """Write down that an object is damaged; returns whether that is news.

    News stands in the audit trail, too.
    """
    assert found.damage is not None  # noqa: S101  # for the type checker
    columns = object_damages.c
    conn.execute(
        sa.update(object_checks)
        .where(object_checks.c.object_key == found.key)
        .values(checked_at=seen.as_of)
    )
    again = conn.execute(
        sa.update(object_damages)
        .where(columns.object_key == found.key, columns.mended_at.is_(None))
        .values(seen_at=seen.at, kind=found.damage.value)
    )
    if again.rowcount:
        return False
    conn.execute(
        sa.insert(object_damages).values(
            object_key=found.key,
            kind=found.damage.value,
            sop_instance_uid=where.sop_instance_uid,
            study_instance_uid=where.study_instance_uid,
            institution=where.institution,
            found_at=seen.at,
            seen_at=seen.at,
        )
    )
    entry = AuditEntry(
        at=seen.at,
        event=AuditEvent.CHANGED,
        outcome=SERIOUS,
        institution=where.institution,
        subject=f"object:{found.key}",
        detail={"act": "object-damaged", "kind": found.damage.value},
    )
    record(conn, seen.chain, entry)
    return True


def _parts(values: list[str]) -> list[list[str]]:
    return [values[at : at + _IN_MAX] for at in range(0, len(values), _IN_MAX)]
