"""Studies that were still coming when the line to their house went down, at the county.

What a node said of its studies may be half a minute older than the cut: of one that began after
that nobody has said anything, and what has come of it looks whole. It grew shortly before its
house was last heard, and that is all there is to go by.
"""

import datetime as dt
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from gateway.exchange.completeness import QUIET, Basis, Completeness, Fullness
from gateway.exchange.heartbeat import StudyState
from gateway.exchange.node_status import line_down_since, words_of
from gateway.exchange.ports import Archived, FiledStudy
from gateway.exchange.tables import node_status, nodes


def heard_of_houses(conn: sa.Connection, houses: Collection[str]) -> dict[str, dt.datetime]:
    """Return by institution when one of its nodes last spoke; those that never did are left out."""
    heard = sa.func.max(node_status.c.heard_at, type_=node_status.c.heard_at.type)
    query = (
        sa.select(nodes.c.institution, heard.label("heard_at"))
        .join(node_status, node_status.c.node == nodes.c.id)
        .where(nodes.c.institution.in_(sorted(houses)), nodes.c.revoked_at.is_(None))
        .group_by(nodes.c.institution)
    )
    return {row.institution: row.heard_at for row in conn.execute(query)}


def cut_off(
    grew: Mapping[str, tuple[str, dt.datetime]], heard: Mapping[str, dt.datetime], now: dt.datetime
) -> dict[str, dt.datetime]:
    """Return by study since when the line it came over is down, where it may not be all here.

    Args:
        grew: by study, whose it is and when the last image was filed.
        heard: by institution, when it was last heard (``heard_of_houses``).
        now: by the county's clock, as the others.
    """
    found = {}
    for uid, (house, last) in grew.items():
        down = line_down_since(heard[house], now) if house in heard else None
        if down is not None and last > down - QUIET:
            found[uid] = down
    return found


def untold(
    conn: sa.Connection, institution: str, archive: Archived, now: dt.datetime
) -> list[StudyState]:
    """Return the studies of a house that were cut off before any node told of them."""
    heard = heard_of_houses(conn, [institution])
    if institution not in heard:
        return []
    grown = {
        each.study_instance_uid: each
        for each in archive.grown(conn, institution, heard[institution] - QUIET)
    }
    grew = {uid: (institution, each.grew_at) for uid, each in grown.items()}
    cut = cut_off(grew, heard, now)
    told = words_of(conn, list(cut))
    return [_state(grown[uid]) for uid in cut if uid not in told]


def _state(filed: FiledStudy) -> StudyState:
    return StudyState(
        study_instance_uid=filed.study_instance_uid,
        modality=filed.modality,
        priority=filed.priority,
        paused=False,
        first_received_at=filed.first_received_at,
        last_received_at=filed.grew_at,
        set_aside=0,
        completeness=Completeness(
            expected=None,
            basis=Basis.NONE,
            here=filed.instances,
            arrived=filed.instances,
            state=Fullness.GROWING,
        ),
    )
