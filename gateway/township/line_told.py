"""What the node's sender told last of its line, for whoever is not in its process."""

import datetime as dt
from typing import Final

import msgspec
import sqlalchemy as sa

from gateway.township.line import Line
from kernel.events import outbox

LINE_CHANGED: Final = "line.changed"


def line_told(conn: sa.Connection) -> tuple[Line, dt.datetime] | None:
    """Return how the line was when it last changed, and when that was told.

    None where nothing is remembered of it: it never changed, or not for as long as events are kept.
    """
    columns = outbox.c
    row = conn.execute(
        sa.select(columns.payload, columns.at)
        .where(columns.topic == LINE_CHANGED)
        .order_by(columns.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (msgspec.convert(row.payload, Line), row.at)
