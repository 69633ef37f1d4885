"""What this disk has not kept, and what the county cannot read. Store functions of SQL."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.township.county_asides import unread_counts
from gateway.township.model import DAMAGED_HERE, InstanceState
from gateway.township.tables import instances


@dataclass(frozen=True, slots=True)
class Harm:
    """Of one study's instances, those that are not what they seem."""

    damaged_here: int = 0
    unread_at_county: int = 0


def is_damaged() -> sa.ColumnElement[bool]:
    """Return whether the disk has not kept a row of ``instances``, as far as that is known."""
    columns = instances.c
    return sa.and_(
        columns.state.in_((InstanceState.SET_ASIDE, InstanceState.RELEASED)),
        columns.reason_code.in_(sorted(DAMAGED_HERE)),
    )


def harm_of(conn: sa.Connection, keys: Sequence[str]) -> dict[str, Harm]:
    """Return what came to harm of those of the studies *keys* of which anything did."""
    here, there = _damaged(conn, keys), unread_counts(conn, keys)
    return {key: Harm(here.get(key, 0), there.get(key, 0)) for key in here.keys() | there.keys()}


def _damaged(conn: sa.Connection, keys: Sequence[str]) -> dict[str, int]:
    columns = instances.c
    query = (
        sa.select(columns.study_instance_uid, sa.func.count(columns.sop_instance_uid.distinct()))
        .where(columns.study_instance_uid.in_(keys), is_damaged())
        .group_by(columns.study_instance_uid)
    )
    return {row[0]: row[1] for row in conn.execute(query)}
