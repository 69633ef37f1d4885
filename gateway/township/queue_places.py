"""Where each study stands in the queue, and when it will be over the line."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import sqlalchemy as sa

from gateway.exchange.completeness import QUIET
from gateway.township.eta import Load, arrivals_s
from gateway.township.model import InstanceState
from gateway.township.parcel_queue import in_line, precedence
from gateway.township.ports import OrderedPeople, nobody_told
from gateway.township.tables import instances, studies

LEFT: Final = (InstanceState.WAITING, InstanceState.PACKED, InstanceState.SENT)
"""States of what is not at the county and shall be."""
TO_SEND: Final = (InstanceState.WAITING, InstanceState.PACKED)
"""Of these what is not over the line."""
_PLACED_MAX: Final = 200
"""After days without a line thousands wait; for those far behind nobody needs a minute."""
_FORESEEN_S: Final = 31 * 86_400.0


class ExpectedCounts(Protocol):
    """Knows how many images studies will have, where a modality or an uploader said so."""

    def __call__(self, conn: sa.Connection, studies: Sequence[str]) -> Mapping[str, int]:
        """Return the number for those of *studies* where it is known."""
        ...


def nobody_knows(conn: sa.Connection, studies: Sequence[str]) -> Mapping[str, int]:
    """Return that no number is known."""
    return {}


@dataclass(frozen=True, slots=True)
class Now:
    """What the rows do not know: the time, and how fast the line is."""

    at: dt.datetime
    bytes_per_s: float | None
    """Now, or found within half an hour; None where nothing is known or the line is down."""
    zone: dt.tzinfo
    """Of the examinations' local times."""
    over: Mapping[str, int] = field(default_factory=dict)
    """Bytes of parcels on the line that went out already, by study."""
    expected: ExpectedCounts = nobody_knows
    people: OrderedPeople = nobody_told
    quiet: dt.timedelta = QUIET
    """A study that has not grown for so long is whole, where nobody says how large it is."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study stands in the queue."""

    number: int
    """1 goes first."""
    eta: dt.datetime | None
    """None while nobody can say: it waits for the line."""


def places_of(conn: sa.Connection, now: Now) -> dict[str, Place]:
    """Return the place of the first studies to be sent, and when each will be over the line."""
    columns = instances.c
    first = (
        sa.select(studies.c.study_instance_uid)
        .where(studies.c.county_received_at.is_(None), studies.c.paused.is_(sa.false()))
        .order_by(*in_line())
        .limit(_PLACED_MAX)
    )
    to_send = sa.case((columns.state.in_(TO_SEND), columns.size_bytes), else_=0)
    query = (
        sa.select(
            studies.c.study_instance_uid,
            studies.c.rank,
            studies.c.put_first_at,
            sa.func.sum(to_send).label("left"),
        )
        .join(instances, columns.study_instance_uid == studies.c.study_instance_uid)
        .where(studies.c.study_instance_uid.in_(first), columns.state.in_(LEFT))
        .group_by(
            studies.c.study_instance_uid,
            studies.c.rank,
            studies.c.put_first_at,
            studies.c.first_received_at,
        )
        .order_by(*in_line())
    )
    loads = [
        Load(
            row.study_instance_uid,
            precedence(row.rank, row.put_first_at),
            max(int(row.left) - now.over.get(row.study_instance_uid, 0), 0),
        )
        for row in conn.execute(query)
    ]
    arrivals = arrivals_s(loads, now.bytes_per_s)
    return {
        load.study: Place(number, after(arrivals[load.study], now))
        for number, load in enumerate(loads, start=1)
    }


def after(seconds: float | None, now: Now) -> dt.datetime | None:
    """Return the instant in *seconds*; None where that is unknown, or beyond a month."""
    if seconds is None or seconds > _FORESEEN_S:
        return None
    return now.at + dt.timedelta(seconds=round(seconds))


def eta_of(left_bytes: int, now: Now) -> dt.datetime | None:
    """Return when *left_bytes* will be over the line; None where nobody can say."""
    if left_bytes <= 0 or not now.bytes_per_s:
        return None
    return after(left_bytes / now.bytes_per_s, now)
