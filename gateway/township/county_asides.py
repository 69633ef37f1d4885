"""What the county has signed for and cannot read, as it told. Store functions of SQL.

A row may come before the receipt of what it is about and outlast a resend: the county says how
things stand there, whatever happens here.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from gateway.township.model import InstanceState
from gateway.township.tables import county_asides, instances


def put(
    conn: sa.Connection, sop_instance_uid: str, reasons: Mapping[str, str], at: dt.datetime
) -> list[str]:
    """Have these contents of an instance be what the county cannot read, and no others of it.

    Args:
        conn: a transaction.
        sop_instance_uid: of the instance.
        reasons: by content, why; empty where the county reads all it has.
        at: now.

    Returns:
        The studies of this node it is about.
    """
    columns = county_asides.c
    conn.execute(sa.delete(county_asides).where(columns.sop_instance_uid == sop_instance_uid))
    for content, reason in reasons.items():
        conn.execute(
            sa.insert(county_asides).values(
                sop_instance_uid=sop_instance_uid, content=content, reason_code=reason, told_at=at
            )
        )
    query = sa.select(instances.c.study_instance_uid).distinct()
    mine = query.where(instances.c.sop_instance_uid == sop_instance_uid)
    return sorted(conn.scalars(mine))


def is_unread() -> sa.ColumnElement[bool]:
    """Return whether the county has a row of ``instances`` and cannot read it."""
    return sa.and_(
        instances.c.state == InstanceState.AT_COUNTY,
        sa.exists().where(
            county_asides.c.sop_instance_uid == instances.c.sop_instance_uid,
            county_asides.c.content == instances.c.content,
        ),
    )


def unread_studies() -> sa.Select[tuple[str]]:
    """Return the studies of which the county has something and cannot read it."""
    return (
        sa.select(instances.c.study_instance_uid)
        .join(
            county_asides,
            sa.and_(
                county_asides.c.sop_instance_uid == instances.c.sop_instance_uid,
                county_asides.c.content == instances.c.content,
            ),
        )
        .where(instances.c.state == InstanceState.AT_COUNTY)
    )


def unread_counts(conn: sa.Connection, keys: Sequence[str]) -> dict[str, int]:
    """Return by study how many instances the county has and cannot read."""
    columns = instances.c
    query = (
        sa.select(columns.study_instance_uid, sa.func.count(columns.sop_instance_uid.distinct()))
        .where(columns.study_instance_uid.in_(keys), is_unread())
        .group_by(columns.study_instance_uid)
    )
    return {row[0]: row[1] for row in conn.execute(query)}
