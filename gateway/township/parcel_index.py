"""The rows of parcels: what goes next, what is on the line, what the receipts said."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa

from gateway.township.model import InstanceState
from gateway.township.tables import instances, parcels, studies
from gateway.uploads.receipts import InstanceOutcome, Outcome
from kernel.arrival import Arrival
from kernel.errors import Conflict

_UNDELIVERED: Final = (InstanceState.WAITING, InstanceState.PACKED, InstanceState.SENT)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One instance that may go into the next parcel."""

    id: int
    study_key: str
    object_key: str
    size_bytes: int
    arrival: Arrival
    alone: bool
    rank: int


@dataclass(frozen=True, slots=True)
class ParcelRow:
    """One parcel on its way."""

    parcel_id: str
    study_key: str
    size_bytes: int
    upload_url: str | None
    damaged: int
    rank: int


class NoLongerWaiting(Conflict):
    """An instance was taken out of the queue while its parcel was made."""

    code = "no-longer-waiting"


def next_waiting(conn: sa.Connection, limit: int, *, below: int | None = None) -> list[Waiting]:
    """Return the instances to be sent next, all of one study, the most urgent and oldest first.

    Args:
        conn: any connection.
        limit: most to return.
        below: only where the study's rank is below this, that is more urgent.
    """
    columns = instances.c
    query = _studies_waiting().order_by(
        studies.c.rank, studies.c.first_received_at, studies.c.study_instance_uid
    )
    if below is not None:
        query = query.where(studies.c.rank < below)
    first = conn.execute(query.limit(1)).one_or_none()
    if first is None:
        return []
    rows = (
        sa.select(
            columns.id, columns.object_key, columns.size_bytes, columns.arrival, columns.alone
        )
        .where(
            columns.study_instance_uid == first.study_instance_uid,
            columns.state == InstanceState.WAITING,
        )
        .order_by(columns.alone, columns.id)
        .limit(limit)
    )
    return [
        Waiting(
            row.id,
            first.study_instance_uid,
            row.object_key,
            row.size_bytes,
            msgspec.convert(row.arrival, Arrival),
            row.alone,
            first.rank,
        )
        for row in conn.execute(rows)
    ]


def best_rank(conn: sa.Connection) -> int | None:
    """Return the rank of the most urgent thing that could go on the line, None without any."""
    unsent = (
        sa.select(sa.func.min(studies.c.rank))
        .join(parcels, parcels.c.study_instance_uid == studies.c.study_instance_uid)
        .where(parcels.c.sent_at.is_(None), studies.c.paused.is_(sa.false()))
    )
    waiting = conn.scalar(_studies_waiting().with_only_columns(sa.func.min(studies.c.rank)))
    found = [rank for rank in (waiting, conn.scalar(unsent)) if rank is not None]
    return min(found, default=None)


def _studies_waiting() -> sa.Select[str, int]:
    """Return the studies that have an instance no parcel holds yet, in no order."""
    has_one = sa.exists().where(
        instances.c.study_instance_uid == studies.c.study_instance_uid,
        instances.c.state == InstanceState.WAITING,
    )
    return sa.select(studies.c.study_instance_uid, studies.c.rank).where(
        studies.c.county_received_at.is_(None), studies.c.paused.is_(sa.false()), has_one
    )


def next_parcel(conn: sa.Connection) -> ParcelRow | None:
    """Return the parcel to put on the line now, ``None`` when there is none."""
    query = _parcel_rows().where(parcels.c.sent_at.is_(None), studies.c.paused.is_(sa.false()))
    row = conn.execute(
        query.order_by(studies.c.rank, parcels.c.made_at, parcels.c.parcel_id).limit(1)
    ).one_or_none()
    return None if row is None else ParcelRow(*row)


def awaiting_receipt(conn: sa.Connection) -> list[ParcelRow]:
    """Return the parcels that are wholly over the line, oldest first."""
    query = _parcel_rows().where(parcels.c.sent_at.is_not(None)).order_by(parcels.c.sent_at)
    return [ParcelRow(*row) for row in conn.execute(query)]


def all_parcel_ids(conn: sa.Connection) -> set[str]:
    """Return the id of every parcel that is not done."""
    return set(conn.scalars(sa.select(parcels.c.parcel_id)))


def _parcel_rows() -> sa.Select[str, str, int, str | None, int, int]:
    columns = parcels.c
    return sa.select(
        columns.parcel_id,
        columns.study_instance_uid,
        columns.size_bytes,
        columns.upload_url,
        columns.damaged,
        studies.c.rank,
    ).join(studies, studies.c.study_instance_uid == columns.study_instance_uid)


def add_parcel(
    conn: sa.Connection, parcel: ParcelRow, ids: Sequence[int], *, at: dt.datetime
) -> None:
    """Enter a parcel whose file is durable.

    Raises:
        NoLongerWaiting: one of *ids* is not waiting any more; nothing was entered.
    """
    conn.execute(
        sa.insert(parcels).values(
            parcel_id=parcel.parcel_id,
            study_instance_uid=parcel.study_key,
            size_bytes=parcel.size_bytes,
            made_at=at,
        )
    )
    packed = conn.execute(
        sa.update(instances)
        .where(instances.c.id.in_(ids), instances.c.state == InstanceState.WAITING)
        .values(state=InstanceState.PACKED, parcel_id=parcel.parcel_id)
    )
    if packed.rowcount != len(ids):
        raise NoLongerWaiting("an instance is not waiting any more")


def note_upload(conn: sa.Connection, parcel_id: str, upload_url: str | None) -> None:
    """Remember where a parcel is uploaded to, before its first byte; None to begin anew."""
    conn.execute(
        sa.update(parcels)
        .where(parcels.c.parcel_id == parcel_id)
        .values(upload_url=upload_url, sent_at=None)
    )
    if upload_url is None:
        _move(conn, parcel_id, InstanceState.PACKED)


def note_damaged(conn: sa.Connection, parcel_id: str) -> None:
    """Count one more damaged transfer; the parcel is uploaded anew."""
    conn.execute(
        sa.update(parcels)
        .where(parcels.c.parcel_id == parcel_id)
        .values(damaged=parcels.c.damaged + 1)
    )
    note_upload(conn, parcel_id, None)


def note_sent(conn: sa.Connection, parcel_id: str, at: dt.datetime) -> None:
    """Note that the county has acknowledged the last byte of a parcel."""
    conn.execute(sa.update(parcels).where(parcels.c.parcel_id == parcel_id).values(sent_at=at))
    _move(conn, parcel_id, InstanceState.SENT)


def _move(conn: sa.Connection, parcel_id: str, state: InstanceState) -> None:
    conn.execute(
        sa.update(instances)
        .where(
            instances.c.parcel_id == parcel_id,
            instances.c.state.in_((InstanceState.PACKED, InstanceState.SENT)),
        )
        .values(state=state)
    )


def apply_outcomes(
    conn: sa.Connection, parcel_id: str, outcomes: Sequence[InstanceOutcome], at: dt.datetime
) -> None:
    """Do what a trusted receipt says, and be done with the parcel.

    An instance the receipt does not name waits again. Only here does an instance come to be
    at the county.
    """
    columns = instances.c
    for told in outcomes:
        accepted = told.outcome is Outcome.ACCEPTED
        conn.execute(
            sa.update(instances)
            .where(
                columns.parcel_id == parcel_id,
                columns.sop_instance_uid == told.sop_instance_uid,
                columns.content == told.content,
            )
            .values(
                state=InstanceState.AT_COUNTY if accepted else InstanceState.SET_ASIDE,
                county_at=at if accepted else None,
                reason_code="" if accepted else told.code,
                reason="" if accepted else told.detail,
                parcel_id=None,
            )
        )
    _close(conn, parcel_id, at, alone=False)


def dissolve(conn: sa.Connection, parcel_id: str, at: dt.datetime, *, alone: bool) -> None:
    """Take a parcel apart: what it held waits again.

    Args:
        conn: the transaction.
        parcel_id: which one; one that is not there changes nothing.
        at: now.
        alone: each instance travels in a parcel of its own from now on.
    """
    _close(conn, parcel_id, at, alone=alone)


def refuse_parcel(
    conn: sa.Connection, parcel_id: str, code: str, detail: str, at: dt.datetime
) -> None:
    """Set aside everything in a parcel: for the one instance that failed alone."""
    conn.execute(
        sa.update(instances)
        .where(instances.c.parcel_id == parcel_id)
        .values(state=InstanceState.SET_ASIDE, reason_code=code, reason=detail, parcel_id=None)
    )
    _close(conn, parcel_id, at, alone=False)


def instances_in(conn: sa.Connection, parcel_id: str) -> int:
    """Return how many instances a parcel holds."""
    query = sa.select(sa.func.count()).where(instances.c.parcel_id == parcel_id)
    return conn.scalar(query) or 0


def _close(conn: sa.Connection, parcel_id: str, at: dt.datetime, *, alone: bool) -> None:
    study_key = conn.scalar(
        sa.select(parcels.c.study_instance_uid).where(parcels.c.parcel_id == parcel_id)
    )
    if study_key is None:
        return
    values: dict[str, object] = {"state": InstanceState.WAITING, "parcel_id": None}
    conn.execute(
        sa.update(instances)
        .where(instances.c.parcel_id == parcel_id)
        .values(values | ({"alone": True} if alone else {}))
    )
    conn.execute(sa.delete(parcels).where(parcels.c.parcel_id == parcel_id))
    settle_study(conn, study_key, at)


def settle_study(conn: sa.Connection, study_key: str, at: dt.datetime) -> None:
    """Note when all of a study is at the county."""
    undelivered = conn.scalar(
        sa.select(sa.func.count()).where(
            instances.c.study_instance_uid == study_key,
            instances.c.state != InstanceState.AT_COUNTY,
        )
    )
    conn.execute(
        sa.update(studies)
        .where(studies.c.study_instance_uid == study_key)
        .values(county_received_at=None if undelivered else at)
    )


def set_aside(conn: sa.Connection, instance_id: int, code: str, detail: str) -> None:
    """Take one undelivered instance out of the queue, with its reason."""
    conn.execute(
        sa.update(instances)
        .where(instances.c.id == instance_id, instances.c.state.in_(_UNDELIVERED))
        .values(state=InstanceState.SET_ASIDE, reason_code=code, reason=detail, parcel_id=None)
    )


def retry(conn: sa.Connection, study_key: str) -> int:
    """Let what was set aside of a study wait again, each on its own; returns how many."""
    freed = conn.execute(
        sa.update(instances)
        .where(
            instances.c.study_instance_uid == study_key,
            instances.c.state == InstanceState.SET_ASIDE,
            instances.c.object_key != "",
        )
        .values(state=InstanceState.WAITING, reason_code="", reason="", alone=True)
    )
    return freed.rowcount


def set_rank(conn: sa.Connection, study_key: str, rank: int) -> bool:
    """Give a study another priority; returns whether it is known."""
    changed = conn.execute(
        sa.update(studies).where(studies.c.study_instance_uid == study_key).values(rank=rank)
    )
    return changed.rowcount > 0


def set_paused(conn: sa.Connection, study_key: str, *, paused: bool) -> bool:
    """Hold a study back or let it go; returns whether it is known."""
    changed = conn.execute(
        sa.update(studies).where(studies.c.study_instance_uid == study_key).values(paused=paused)
    )
    return changed.rowcount > 0
