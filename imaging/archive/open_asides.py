"""What is set aside and open, as its house knows it: by UID and content."""

from collections.abc import Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from imaging.archive import backlog
from imaging.archive.filing import known_contents
from imaging.archive.tables import set_aside
from kernel.arrival import Arrival

_AT_ONCE: Final = 100_000
_IN_MAX: Final = 500


def open_asides(conn: sa.Connection) -> list[tuple[str, str, str, str]]:
    """Return institution, SOP Instance UID, content and reason of what nobody can read here.

    What came without a readable arrival is nobody's, and what is filed is not among them.
    """
    ids = [one.id for one in backlog.aside(conn, limit=_AT_ONCE) if one.sop_instance_uid]
    found: list[tuple[str, str, str, str]] = []
    for begin in range(0, len(ids), _IN_MAX):
        found += _told(conn, ids[begin : begin + _IN_MAX])
    return found


def _told(conn: sa.Connection, ids: Sequence[int]) -> list[tuple[str, str, str, str]]:
    columns = set_aside.c
    query = sa.select(
        columns.institution, columns.sop_instance_uid, columns.arrival, columns.reason
    ).where(columns.id.in_(ids), columns.institution != "")
    rows = conn.execute(query.order_by(columns.id)).all()
    known = known_contents(conn, [row.sop_instance_uid for row in rows])
    found = []
    for row in rows:
        digest = msgspec.convert(row.arrival, Arrival).digest
        content = digest.whole if digest else ""
        if (row.sop_instance_uid, content) not in known:
            found.append((row.institution, row.sop_instance_uid, content, row.reason))
    return found
