"""What the filing has left: objects set aside, and acknowledged ones it has not come to yet."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from imaging.archive.tables import journal_cursor, set_aside
from kernel.arrival import decode_arrival
from kernel.journal.reader import JournalReader
from kernel.journal.writer import Position
from kernel.sql.columns import UtcDateTime

BATCHES_MOST: Final = 2000
"""So many waiting batches are counted; more are told as so many."""
_OPEN: Final = set_aside.c.taken_at.is_(None)
"""Nothing of its UID was taken since; by the house's own order, whatever the doors' clocks say."""
_NEWEST: Final = 3
_SHOWN: Final = 500


@dataclass(frozen=True, slots=True)
class AsideObject:
    """One object the filing set aside."""

    id: int
    set_aside_at: dt.datetime
    reason: str
    detail: str
    institution: str
    ae_title: str
    size_bytes: int
    sop_instance_uid: str
    study_instance_uid: str
    object_key: str
    """Empty where its bytes were lost."""


@dataclass(frozen=True, slots=True)
class AsideCounts:
    """How many are open, by reason, since when, and why the newest of them are."""

    by_reason: dict[str, int]
    oldest: dt.datetime | None
    newest_reasons: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.by_reason.values())


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of one journal is acknowledged and not filed yet."""

    objects: int
    received_at: dt.datetime | None
    """Of the first of them, by its door."""


@dataclass(frozen=True, slots=True)
class Filed:
    """How far a journal is filed, and when it came there."""

    upto: Position
    at: dt.datetime | None


def aside(
    conn: sa.Connection, *, which: int | None = None, limit: int = _SHOWN
) -> list[AsideObject]:
    """Return what is set aside and open, the newest first; *which* is a row, open or not."""
    columns = set_aside.c
    wanted = _OPEN if which is None else columns.id == which
    query = sa.select(set_aside).where(wanted).order_by(columns.id.desc()).limit(limit)
    return [_object(row) for row in conn.execute(query).mappings()]


def _object(row: Any) -> AsideObject:
    sender = (row["arrival"] or {}).get("sender", {})
    names = (name for name in AsideObject.__dataclass_fields__ if name != "ae_title")
    return AsideObject(**{name: row[name] for name in names}, ae_title=sender.get("ae_title", ""))


def aside_counts(conn: sa.Connection) -> AsideCounts:
    """Return how much is set aside and open."""
    columns = set_aside.c
    counted = sa.select(
        columns.reason, sa.func.count(), sa.func.min(columns.set_aside_at, type_=UtcDateTime())
    )
    rows = conn.execute(counted.where(_OPEN).group_by(columns.reason)).all()
    newest = aside(conn, limit=_NEWEST)
    return AsideCounts(
        {reason: many for reason, many, _ in rows},
        min((since for _, _, since in rows), default=None),
        tuple(dict.fromkeys(one.reason for one in newest)),
    )


def filed(conn: sa.Connection, journal: str) -> Filed:
    """Return how far *journal* is filed."""
    columns = journal_cursor.c
    query = sa.select(columns.segment, columns.position, columns.filed_at)
    row = conn.execute(query.where(columns.journal == journal)).one_or_none()
    return Filed(Position(0, 0), None) if row is None else Filed(Position(row[0], row[1]), row[2])


def waiting(folder: Path, after: Position) -> Waiting:
    """Return what of the journal in *folder* waits behind *after*; changes nothing."""
    if not folder.is_dir():
        return Waiting(0, None)
    reader = JournalReader.open(folder, after=after)
    try:
        batches = reader.poll(BATCHES_MOST)
    finally:
        reader.close()
    stored = [one for batch in batches for one in batch.entries]
    received_at = None
    if stored:
        try:
            received_at = decode_arrival(stored[0].meta).received_at
        except msgspec.MsgspecError:
            received_at = None
    return Waiting(len(stored), received_at)
