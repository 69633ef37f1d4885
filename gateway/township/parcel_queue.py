"""What could go on the line now, read from the rows; who of it goes is decided elsewhere."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from gateway.township.fair_turns import OPEN_STUDIES
from gateway.township.model import ARRIVING_FOR, PRIORITY_OF_RANK, RANK, InstanceState
from gateway.township.sending_order import Slice, cut_at_opening, sending_order
from gateway.township.tables import instances, line_holds, parcels, studies
from kernel.arrival import Arrival, Priority

INSTANCES_MAX: Final = 500
"""Of one parcel."""
HOLD_MOST_MINUTES: Final = 24 * 60
"""A hold ends by itself: nobody looks after the box, and a forgotten one would stop the clinic."""
_KNOWN_MAX: Final = 20_000
_COUNTY_LINE: Final = "county"

Precedence = tuple[int, float]
"""Rank of the priority, then the latest put first; the lower goes before the higher."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One instance that may go into the next parcel."""

    id: int
    study_key: str
    object_key: str
    size_bytes: int
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class ParcelRow:
    """One parcel on its way."""

    parcel_id: str
    study_key: str
    size_bytes: int
    upload_url: str | None
    damaged: int
    rank: int
    put_first_at: dt.datetime | None = None

    @property
    def precedence(self) -> Precedence:
        """Return before what it goes."""
        return precedence(self.rank, self.put_first_at)


@dataclass(frozen=True, slots=True)
class WaitingStudy:
    """A study of which at least one instance is in no parcel yet."""

    study_key: str
    precedence: Precedence


@dataclass(frozen=True, slots=True)
class Board:
    """All the forwarder decides on."""

    parcels: tuple[ParcelRow, ...]
    """Made and not wholly over, of studies that are not held; also those on the line."""
    studies: tuple[WaitingStudy, ...]
    """Of the best precedence the oldest few."""
    held_until: dt.datetime | None
    """The whole line is held until then."""
    held_by: str = ""


def precedence(rank: int, put_first_at: dt.datetime | None) -> Precedence:
    """Return before what a study of *rank* goes, that was put first at that time or never."""
    return rank, -put_first_at.timestamp() if put_first_at else 0.0


def read_board(conn: sa.Connection, *, now: dt.datetime, without: Collection[str] = ()) -> Board:
    """Return what could go on the line.

    Args:
        conn: any connection.
        now: decides whether a hold of the line is over.
        without: studies that are left out, because something is wrong with them for the moment.
    """
    held = line_hold(conn, now=now)
    return Board(
        parcels=tuple(unsent_parcels(conn)),
        studies=tuple(_waiting_studies(conn, without)),
        held_until=held[0] if held else None,
        held_by=held[1] if held else "",
    )


def unsent_parcels(conn: sa.Connection) -> list[ParcelRow]:
    """Return the parcels that are not wholly over, in the order they would go."""
    query = parcel_rows().where(parcels.c.sent_at.is_(None), studies.c.paused.is_(sa.false()))
    found = [ParcelRow(*row) for row in conn.execute(query.order_by(parcels.c.made_at))]
    return sorted(found, key=lambda parcel: parcel.precedence)


def awaiting_receipt(conn: sa.Connection) -> list[ParcelRow]:
    """Return the parcels that are wholly over the line, oldest first."""
    query = parcel_rows().where(parcels.c.sent_at.is_not(None)).order_by(parcels.c.sent_at)
    return [ParcelRow(*row) for row in conn.execute(query)]


def parcel_rows() -> sa.Select[Any]:
    """Return the select of ``ParcelRow``'s fields."""
    columns = parcels.c
    return sa.select(
        columns.parcel_id,
        columns.study_instance_uid,
        columns.size_bytes,
        columns.upload_url,
        columns.damaged,
        studies.c.rank,
        studies.c.put_first_at,
    ).join(studies, studies.c.study_instance_uid == columns.study_instance_uid)


def in_line() -> tuple[sa.ColumnElement[Any], ...]:
    """Return the order in which open studies are served: rank, put first, age."""
    columns = studies.c
    return (
        columns.rank,
        columns.put_first_at.is_(None),
        columns.put_first_at.desc(),
        columns.first_received_at,
        columns.study_instance_uid,
    )


def _waiting_studies(conn: sa.Connection, without: Collection[str]) -> list[WaitingStudy]:
    columns = studies.c
    has_one = sa.exists().where(
        instances.c.study_instance_uid == columns.study_instance_uid,
        instances.c.state == InstanceState.WAITING,
    )
    query = (
        sa.select(columns.study_instance_uid, columns.rank, columns.put_first_at)
        .where(
            columns.county_received_at.is_(None),
            columns.paused.is_(sa.false()),
            columns.study_instance_uid.not_in(list(without)),
            has_one,
        )
        .order_by(*in_line())
        .limit(OPEN_STUDIES)
    )
    found = [
        WaitingStudy(row.study_instance_uid, precedence(row.rank, row.put_first_at))
        for row in conn.execute(query)
    ]
    return [study for study in found if study.precedence == found[0].precedence]


def next_waiting(
    conn: sa.Connection, study_key: str, *, parcel_bytes: int, now: dt.datetime
) -> list[Waiting]:
    """Return the instances of a study that travel together next; none where none waits.

    Args:
        conn: any connection.
        study_key: the study.
        parcel_bytes: about how large the parcel may be; a larger instance travels alone.
        now: decides whether the study still grows, and may get another end; an emergency is opened
            with the end that it has, as often as it gets one.
    """
    columns = instances.c
    rows = conn.execute(
        sa.select(
            columns.id,
            columns.series_instance_uid,
            columns.instance_number,
            columns.position_mm,
            columns.state,
            columns.size_bytes,
            columns.alone,
            columns.half,
            studies.c.last_received_at,
            studies.c.rank,
        )
        .join(studies, studies.c.study_instance_uid == columns.study_instance_uid)
        .where(columns.study_instance_uid == study_key)
        .order_by(columns.state != InstanceState.WAITING, columns.id)
        .limit(_KNOWN_MAX)
    ).all()
    return _loaded(conn, study_key, _chosen(rows, parcel_bytes, now))


def _chosen(rows: Sequence[Any], parcel_bytes: int, now: dt.datetime) -> list[int]:
    sizes = {row.id: row.size_bytes for row in rows}
    waiting = [row for row in rows if row.state == InstanceState.WAITING]
    apart = {row.id for row in waiting if row.alone or row.half}
    if len(apart) < len(waiting):
        slices = [
            Slice(
                row.id,
                row.series_instance_uid,
                row.instance_number,
                row.position_mm,
                gone=row.state != InstanceState.WAITING or row.id in apart,
            )
            for row in rows
        ]
        whole = now - rows[0].last_received_at >= ARRIVING_FOR
        # Of an emergency somebody waits to see the end that there is, were it not the last.
        urgent = rows[0].rank == RANK[Priority.EMERGENCY]
        order = sending_order(slices, whole=whole or urgent)
        return cut_at_opening(order, sizes, parcel_bytes)[:INSTANCES_MAX]
    half = next((row.half for row in waiting if row.half), "")
    if half:
        # As large as what was refused, that is a parcel once, or half of it.
        return [row.id for row in waiting if row.half == half]
    return [row.id for row in waiting[:1]]


def _loaded(conn: sa.Connection, study_key: str, ids: Sequence[int]) -> list[Waiting]:
    columns = instances.c
    query = sa.select(
        columns.id, columns.object_key, columns.size_bytes, columns.arrival, studies.c.rank
    ).join(studies, studies.c.study_instance_uid == columns.study_instance_uid)
    found = {
        row.id: Waiting(
            row.id,
            study_key,
            row.object_key,
            row.size_bytes,
            _as_urgent(msgspec.convert(row.arrival, Arrival), row.rank),
        )
        for row in conn.execute(query.where(columns.id.in_(ids)))
    }
    return [found[one] for one in ids]


def _as_urgent(arrival: Arrival, rank: int) -> Arrival:
    """Return *arrival* as urgent as its study is, for the county to read it in that order."""
    if RANK[arrival.priority] <= rank:
        return arrival
    return msgspec.structs.replace(arrival, priority=PRIORITY_OF_RANK[rank])


def hold_line(conn: sa.Connection, until: dt.datetime | None, *, by: str) -> None:
    """Let nothing go to the county before *until*; None lets everything go at once."""
    values = {"held_until": until, "held_by": by if until else ""}
    mine = line_holds.c.line == _COUNTY_LINE
    if conn.execute(sa.update(line_holds).where(mine).values(values)).rowcount == 0:
        conn.execute(sa.insert(line_holds).values(line=_COUNTY_LINE, **values))


def line_hold(conn: sa.Connection, *, now: dt.datetime) -> tuple[dt.datetime, str] | None:
    """Return until when the line is held, and by whom; None where it is not held at *now*."""
    row = conn.execute(
        sa.select(line_holds.c.held_until, line_holds.c.held_by).where(
            line_holds.c.line == _COUNTY_LINE
        )
    ).one_or_none()
    if row is None or row.held_until is None or row.held_until <= now:
        return None
    return row.held_until, row.held_by
