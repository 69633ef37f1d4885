"""One batch of examined objects becomes rows: one transaction, exactly once.

The journal's cursor moves in the same transaction, so a batch that was filed before a crash is
seen to be filed and a batch that was not leaves nothing. Object files are durable before; what
they hold is only ever named here.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from imaging.archive.blame import Blame, Suspects, UnknownTrouble, blame, cause
from imaging.archive.cursor import cursor
from imaging.archive.examined import Examined, Opaque
from imaging.archive.filing import Entry, FilingResult, file_entries
from imaging.archive.filing_rows import refused_object
from imaging.archive.model import Filed, Outcome
from imaging.archive.tables import journal_cursor
from kernel.journal.frames import Position


@dataclass(frozen=True, slots=True)
class FilingBatch:
    """Consecutive batches of one journal, examined."""

    journal: str
    position: Position
    """Where the last of them ends."""
    entries: Sequence[Entry]
    """Each with the position of its own batch and its number in it."""
    unexamined: Mapping[tuple[Position, int], str] = field(default_factory=dict)
    """Those that nobody knows why they could not be examined, and what is known of it."""
    witness: Examined | None = None
    """What waits behind them, to be filed for a trial where none of them can be."""


def file_batch(
    conn: sa.Connection,
    batch: FilingBatch,
    *,
    at: dt.datetime,
    suspects: Suspects | None = None,
) -> FilingResult:
    """Write *batch* and move the journal's cursor to its end; nothing where it is filed already.

    Args:
        conn: the transaction.
        batch: what to file.
        at: the present instant.
        suspects: for a batch that failed as a whole: file each object by itself, and one the
            database refuses as what nobody can read; one that fails for an unknown reason only
            once it failed often enough while another could be filed.

    Raises:
        UnknownTrouble: one failed for an unknown reason; nothing was written.
    """
    if cursor(conn, batch.journal) >= batch.position:
        return FilingResult([], frozenset())
    if suspects is not None:
        result = _file_each(conn, batch, at, suspects)
    else:
        result = file_entries(conn, batch.journal, batch.entries, at)
    _move_cursor(conn, batch, at)
    return result


def _file_each(
    conn: sa.Connection, batch: FilingBatch, at: dt.datetime, suspects: Suspects
) -> FilingResult:
    """File each by itself, what the database refuses as what nobody can read.

    Raises:
        UnknownTrouble: nobody can tell yet whether the object or the house is to blame.
    """
    filed: list[Filed] = []
    grown: set[int] = set()
    unclear: list[tuple[Entry, str]] = []
    for entry in batch.entries:
        if (why := batch.unexamined.get(entry[:2])) is not None:
            unclear.append((entry, why))
            continue
        try:
            with conn.begin_nested():
                result = file_entries(conn, batch.journal, [entry], at)
        except Exception as exc:
            whose = blame(exc)
            if whose is Blame.HOUSE:
                raise
            if whose is Blame.UNKNOWN:
                unclear.append((entry, cause(exc)))
                continue
            refused = refused_object(entry[2], cause(exc))
            result = _set_aside(conn, batch.journal, entry, refused, at)
        filed += result.filed
        grown |= result.series
    if not unclear:
        return FilingResult(filed, frozenset(grown))
    witnessed = _is_new(filed) or _could_file(conn, batch, at)
    failed = [entry[:2] for entry, _ in unclear]
    if not suspects.are_guilty(failed, witnessed=witnessed):
        raise UnknownTrouble(failed, unclear[0][1], witnessed=witnessed)
    for entry, why in unclear:
        each, refused = entry[2], refused_object(entry[2], why)
        if isinstance(each, Opaque) and entry[:2] in batch.unexamined:
            refused = each
        filed += _set_aside(conn, batch.journal, entry, refused, at).filed
    return FilingResult(filed, frozenset(grown))


def _is_new(filed: Sequence[Filed]) -> bool:
    # What was there already, or nobody can read, asks little of the database.
    return any(each.outcome is Outcome.STORED for each in filed)


def _could_file(conn: sa.Connection, batch: FilingBatch, at: dt.datetime) -> bool:
    """Return whether the witness can be filed; nothing of it is kept, its turn comes later."""
    if batch.witness is None:
        return False
    trial = [(batch.position, 0, batch.witness)]
    try:
        with conn.begin_nested() as apart:
            filed = file_entries(conn, batch.journal, trial, at).filed
            apart.rollback()
    except Exception as exc:
        if blame(exc) is Blame.HOUSE:
            raise
        return False
    return _is_new(filed)


def _set_aside(
    conn: sa.Connection, journal: str, entry: Entry, refused: Opaque, at: dt.datetime
) -> FilingResult:
    try:
        with conn.begin_nested():
            return file_entries(conn, journal, [(entry[0], entry[1], refused)], at)
    except (sa.exc.SQLAlchemyError, ValueError) as exc:
        if blame(exc) is Blame.HOUSE:
            raise
        # It is the door's own words the database cannot take.
        bare = dataclasses.replace(refused, arrival=None)
        return file_entries(conn, journal, [(entry[0], entry[1], bare)], at)


def _move_cursor(conn: sa.Connection, batch: FilingBatch, at: dt.datetime) -> None:
    values = {
        "segment": batch.position.segment,
        "position": batch.position.offset,
        "filed_at": at,
    }
    moved = conn.execute(
        sa.update(journal_cursor).where(journal_cursor.c.journal == batch.journal).values(values)
    )
    if not moved.rowcount:
        conn.execute(sa.insert(journal_cursor).values(journal=batch.journal, **values))
