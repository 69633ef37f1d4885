"""Which objects are damaged, as an administrator sees them; no patient is named there."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa

from imaging.archive.integrity_tables import object_checks, object_damages
from imaging.archive.object_truth import Damage

PAGE_MOST: Final = 500


class DamagedObject(msgspec.Struct, frozen=True, kw_only=True):
    """One damage."""

    id: int
    object_key: str
    kind: Damage
    sop_instance_uid: str
    study_instance_uid: str
    institution: str
    found_at: dt.datetime
    seen_at: dt.datetime
    """When it was last found so."""
    mended_at: dt.datetime | None
    mended_by: str
    """``repair``, ``found-whole``, ``not-named``, or empty."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the store is, in numbers."""

    objects: int
    """How many are written down."""
    damaged: dict[Damage, int]
    longest_unchecked: dt.datetime | None
    """When the one that waits longest was last known whole."""


def damaged(
    conn: sa.Connection, *, after: int = 0, limit: int = PAGE_MOST, mended: bool = False
) -> Sequence[DamagedObject]:
    """Return damages behind the row *after*, the first found first.

    Args:
        conn: a read.
        after: row of the last one seen.
        limit: how many at most.
        mended: also those that are none any more.
    """
    columns = object_damages.c
    names = [field.name for field in msgspec.structs.fields(DamagedObject)]
    query = sa.select(*(columns[name] for name in names)).where(columns.id > after)
    if not mended:
        query = query.where(columns.mended_at.is_(None))
    rows = conn.execute(query.order_by(columns.id).limit(limit))
    return [msgspec.convert(dict(zip(names, row, strict=True)), DamagedObject) for row in rows]


def health(conn: sa.Connection) -> Health:
    """Return how the store is."""
    columns = object_damages.c
    counted = sa.select(columns.kind, sa.func.count().label("many")).group_by(columns.kind)
    open_ones = conn.execute(counted.where(columns.mended_at.is_(None)))
    found = {row.kind: row.many for row in open_ones}
    checks = sa.select(sa.func.count(), sa.func.min(object_checks.c.checked_at))
    objects, longest = conn.execute(checks).one()
    return Health(objects, {each: found.get(each.value, 0) for each in Damage}, longest)
