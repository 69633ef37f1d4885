"""The rows of parcels: made, on the line, over it, and what the receipts said."""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa

from gateway.township.model import InstanceState
from gateway.township.parcel_queue import ParcelRow
from gateway.township.tables import instances, parcels, studies
from gateway.uploads.receipts import InstanceOutcome, Outcome
from kernel.errors import Conflict


class NoLongerWaiting(Conflict):
    """An instance was taken out of the queue while its parcel was made."""

    code = "no-longer-waiting"


def best_rank(conn: sa.Connection) -> int | None:
    """Return the rank of the most urgent thing that could go on the line, None without any."""
    open_studies = sa.select(sa.func.min(studies.c.rank)).where(studies.c.paused.is_(sa.false()))
    unsent = open_studies.join(
        parcels, parcels.c.study_instance_uid == studies.c.study_instance_uid
    ).where(parcels.c.sent_at.is_(None))
    waiting = open_studies.where(
        studies.c.county_received_at.is_(None),
        sa.exists().where(
            instances.c.study_instance_uid == studies.c.study_instance_uid,
            instances.c.state == InstanceState.WAITING,
        ),
    )
    ranks = (conn.scalar(unsent), conn.scalar(waiting))
    return min((rank for rank in ranks if rank is not None), default=None)


def all_parcel_ids(conn: sa.Connection) -> set[str]:
    """Return the id of every parcel that is not done."""
    return set(conn.scalars(sa.select(parcels.c.parcel_id)))


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
                half="",
            )
        )
    _close(conn, parcel_id, at)


def dissolve(conn: sa.Connection, parcel_id: str, at: dt.datetime) -> None:
    """Take a parcel apart: what it held waits again; one that is not there changes nothing."""
    _close(conn, parcel_id, at)


def halve(conn: sa.Connection, parcel_id: str, at: dt.datetime) -> None:
    """Take a refused parcel apart, so that its halves travel in parcels of their own.

    One of them is refused again; halved often enough, it is the culprit alone.
    """
    ids = list(
        conn.scalars(
            sa.select(instances.c.id)
            .where(instances.c.parcel_id == parcel_id)
            .order_by(instances.c.id)
        )
    )
    middle = (len(ids) + 1) // 2
    for name, half in (("a", ids[:middle]), ("b", ids[middle:])):
        conn.execute(
            sa.update(instances).where(instances.c.id.in_(half)).values(half=f"{parcel_id}.{name}")
        )
    _close(conn, parcel_id, at)


def refuse_parcel(
    conn: sa.Connection, parcel_id: str, code: str, detail: str, at: dt.datetime
) -> None:
    """Set aside everything in a parcel: for the one instance that failed alone."""
    conn.execute(
        sa.update(instances)
        .where(instances.c.parcel_id == parcel_id)
        .values(
            state=InstanceState.SET_ASIDE,
            reason_code=code,
            reason=detail,
            parcel_id=None,
            half="",
        )
    )
    _close(conn, parcel_id, at)


def instances_in(conn: sa.Connection, parcel_id: str) -> int:
    """Return how many instances a parcel holds."""
    query = sa.select(sa.func.count()).where(instances.c.parcel_id == parcel_id)
    return conn.scalar(query) or 0


def _close(conn: sa.Connection, parcel_id: str, at: dt.datetime) -> None:
    study_key = conn.scalar(
        sa.select(parcels.c.study_instance_uid).where(parcels.c.parcel_id == parcel_id)
    )
    if study_key is None:
        return
    conn.execute(
        sa.update(instances)
        .where(instances.c.parcel_id == parcel_id)
        .values(state=InstanceState.WAITING, parcel_id=None)
    )
    conn.execute(sa.delete(parcels).where(parcels.c.parcel_id == parcel_id))
    settle_study(conn, study_key, at)


def settle_study(conn: sa.Connection, study_key: str, at: dt.datetime) -> None:
    """Note when all of a study that shall be at the county is there.

    That is when the county took the last of it: receipts may be read in another order, after an
    outage days later. *at* stands where nothing of it is there, and all is released.
    """
    mine = instances.c.study_instance_uid == study_key
    undelivered = conn.scalar(
        sa.select(sa.func.count()).where(
            mine, instances.c.state.not_in((InstanceState.AT_COUNTY, InstanceState.RELEASED))
        )
    )
    last = conn.scalar(sa.select(sa.func.max(instances.c.county_at)).where(mine))
    conn.execute(
        sa.update(studies)
        .where(studies.c.study_instance_uid == study_key)
        .values(county_received_at=None if undelivered else last or at)
    )
