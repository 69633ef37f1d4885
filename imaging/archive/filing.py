"""Examined objects become rows, in a transaction that somebody else began.

Object files are durable before; what they hold is only ever named here.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from imaging.archive import filing_rejections, study_rows
from imaging.archive.amendment_tables import rejected_contents
from imaging.archive.examined import Examined, Opaque
from imaging.archive.filing_rows import aside_row, conflict_row, instance_row
from imaging.archive.filing_studies import Shelves
from imaging.archive.model import OTHER_CONTENT, STUDY_UPDATED, Filed, Outcome
from imaging.archive.rejected_rows import Kind
from imaging.archive.rejecting import rejected_now
from imaging.archive.rejection_note import RejectionNote
from imaging.archive.tables import instance, instance_conflict, set_aside
from kernel.arrival import ContentDigest
from kernel.events import EventDraft, publish_all
from kernel.journal.frames import Position

_IN_MAX: Final = 500
_CHAIN: Final = "filing"
"""Of the audit trail; one process of a node files."""

Entry = tuple[Position, int, Examined | Opaque]


@dataclass(frozen=True, slots=True)
class _Known:
    """An instance that answers for its UID."""

    id: int | None
    """None while it is only about to be inserted."""
    study: int
    series: int
    digest: ContentDigest


@dataclass(slots=True)
class _Work:
    """What the transaction has decided so far."""

    known: dict[str, _Known]
    shelves: Shelves
    at: dt.datetime
    rows: list[dict[str, Any]] = field(default_factory=list)
    duplicates: dict[str, int] = field(default_factory=dict)
    conflicts: list[Examined] = field(default_factory=list)
    rejected: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    """What does not count of the UIDs in hand."""
    notes: list[tuple[Examined, RejectionNote]] = field(default_factory=list)
    awaited: dict[str, int] = field(default_factory=dict)
    """By UID, the rejection that named it before it came."""
    filed: list[Filed] = field(default_factory=list)


def known_contents(conn: sa.Connection, sop_instance_uids: Sequence[str]) -> set[tuple[str, str]]:
    """Return UID and content of what is already kept under *sop_instance_uids*."""
    kept: set[tuple[str, str]] = set()
    for table in (instance, instance_conflict, rejected_contents):
        columns = table.c
        query = sa.select(columns.sop_instance_uid, columns.dataset_digest, columns.pixels_digest)
        for part in _parts(sop_instance_uids):
            for row in conn.execute(query.where(columns.sop_instance_uid.in_(part))):
                digest = ContentDigest(dataset=row.dataset_digest, pixels=row.pixels_digest)
                kept.add((row.sop_instance_uid, digest.whole))
    return kept


@dataclass(frozen=True, slots=True)
class FilingResult:
    """What some objects became."""

    filed: list[Filed]
    """One for each object; empty where they were filed before."""
    series: frozenset[int]
    """Rows of the series that have grown."""


def file_kept(
    conn: sa.Connection, examined: Sequence[Examined], *, at: dt.datetime
) -> FilingResult:
    """Write what another room keeps in the store; no journal stands behind it."""
    nowhere = Position(0, 0)
    return file_entries(
        conn, "", [(nowhere, place, each) for place, each in enumerate(examined)], at
    )


def file_entries(
    conn: sa.Connection,
    journal: str,
    entries: Sequence[Entry],
    at: dt.datetime,
) -> FilingResult:
    """Write *entries* of *journal*, in that order, and tell who follows the studies."""
    examined = [each for _, _, each in entries if isinstance(each, Examined)]
    work = _Work(_known(conn, examined), Shelves(conn, at), at)
    work.rejected = rejected_now(conn, [each.header.sop_instance_uid for each in examined])
    work.shelves.load(examined)
    taken: list[str] = []
    for position, number, each in entries:
        if isinstance(each, Opaque):
            # What came before it does not stand for it.
            _close_aside(conn, taken, at)
            taken.clear()
            row = aside_row(journal, (position, number), each, at)
            conn.execute(sa.insert(set_aside).values(row))
            uid = each.arrival.sop_instance_uid if each.arrival else ""
            work.filed.append(Filed(uid, Outcome.OPAQUE, each.reason))
        else:
            taken.append(each.header.sop_instance_uid)
            work.filed.append(_decide(conn, work, each))
    _close_aside(conn, taken, at)
    if work.rows:
        conn.execute(sa.insert(instance), work.rows)
    _count_duplicates(conn, work)
    _keep_conflicts(conn, work)
    changed = work.shelves.save()
    given = study_rows.reach_of(conn, changed)
    drafts = [
        EventDraft(
            STUDY_UPDATED, msgspec.to_builtins(row), row.institution.code, given.get(each, ())
        )
        for each, row in zip(changed, study_rows.rows_of(conn, changed), strict=True)
    ]
    publish_all(conn, drafts, at=at)
    filing_rejections.settle(conn, work.notes, work.awaited, at=at, chain=_CHAIN)
    return FilingResult(work.filed, work.shelves.grown_series())


def _close_aside(conn: sa.Connection, taken: Sequence[str], at: dt.datetime) -> None:
    """Take down that objects of these UIDs came: nobody misses what was set aside of them."""
    columns = set_aside.c
    for part in _parts(taken):
        of_them = columns.sop_instance_uid.in_(part) & columns.taken_at.is_(None)
        conn.execute(sa.update(set_aside).where(of_them).values(taken_at=at))


def _parts(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[at : at + _IN_MAX] for at in range(0, len(values), _IN_MAX)]


def _known(conn: sa.Connection, examined: Sequence[Examined]) -> dict[str, _Known]:
    columns = instance.c
    query = sa.select(
        columns.id,
        columns.sop_instance_uid,
        columns.study,
        columns.series,
        columns.dataset_digest,
        columns.pixels_digest,
    )
    found: dict[str, _Known] = {}
    for part in _parts([each.header.sop_instance_uid for each in examined]):
        for row in conn.execute(query.where(columns.sop_instance_uid.in_(part))):
            digest = ContentDigest(dataset=row.dataset_digest, pixels=row.pixels_digest)
            found[row.sop_instance_uid] = _Known(row.id, row.study, row.series, digest)
    return found


def _decide(conn: sa.Connection, work: _Work, each: Examined) -> Filed:
    uid = each.header.sop_instance_uid
    known = work.known.get(uid)
    hidden = work.rejected.get(uid, [])
    if known is None and any(content["kind"] != Kind.AWAITED for content in hidden):
        filing_rejections.arrived(conn, each, hidden, at=work.at)
        return Filed(uid, Outcome.REJECTED)
    if known is None:
        if hidden:
            work.awaited[uid] = hidden[0]["rejection"]
        elif (note := filing_rejections.note_in(conn, each)) is not None:
            work.notes.append((each, note))
            return Filed(uid, Outcome.STORED)
        place = work.shelves.place(each)
        work.rows.append(instance_row(each, place))
        work.known[uid] = _Known(None, place.study, place.series, each.digest)
        return Filed(uid, Outcome.STORED)
    if known.digest == each.digest:
        work.duplicates[uid] = work.duplicates.get(uid, 0) + 1
        work.shelves.count_duplicate(known.study)
        return Filed(uid, Outcome.DUPLICATE)
    work.conflicts.append(each)
    return Filed(uid, Outcome.CONFLICT, OTHER_CONTENT)


def _count_duplicates(conn: sa.Connection, work: _Work) -> None:
    if not work.duplicates:
        return
    conn.execute(
        sa.update(instance)
        .where(instance.c.sop_instance_uid == sa.bindparam("uid"))
        .values(duplicate_count=instance.c.duplicate_count + sa.bindparam("more")),
        [{"uid": uid, "more": more} for uid, more in work.duplicates.items()],
    )


def _keep_conflicts(conn: sa.Connection, work: _Work) -> None:
    if not work.conflicts:
        return
    # Those inserted above have their numbers now.
    known = _known(conn, work.conflicts)
    columns = instance_conflict.c
    for each in work.conflicts:
        first = known[each.header.sop_instance_uid]
        same = (
            (columns.sop_instance_uid == each.header.sop_instance_uid)
            & (columns.dataset_digest == each.digest.dataset)
            & (columns.pixels_digest == each.digest.pixels)
        )
        again = conn.execute(
            sa.update(instance_conflict).where(same).values(seen_count=columns.seen_count + 1)
        )
        if again.rowcount:
            work.shelves.count_duplicate(first.study)
            continue
        conn.execute(
            sa.insert(instance_conflict).values(
                instance=first.id, study=first.study, **conflict_row(each, work.at)
            )
        )
        work.shelves.count_conflict(first.study)
