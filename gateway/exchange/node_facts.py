"""What the node's own tables say of how it is: the heartbeat's content."""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from gateway.exchange import outbox
from gateway.exchange.completeness import QUIET, completeness
from gateway.exchange.heartbeat import (
    STUDIES_MAX,
    DiskFacts,
    Heartbeat,
    LaneState,
    LineFacts,
    StudyState,
)
from gateway.exchange.ports import Expected
from gateway.exchange.returns import returned_aside
from gateway.exchange.tables import expected
from gateway.township.model import PRIORITY_OF_RANK, InstanceState
from gateway.township.tables import instances, studies

_IN_MAX: Final = 500
_TOLD_AFTER: Final = dt.timedelta(hours=24)
"""How long a study is told of after the county has all of it."""


def note_expected(
    conn: sa.Connection, study: str, instances_: int | None, *, at: dt.datetime
) -> None:
    """Keep how many instances *study* is said to have, None for nobody knows; the last word holds.

    Called where a performed procedure step is completed (PS3.4 F.7.2), at either node.
    """
    mine = expected.c.study_instance_uid == study
    if instances_ is None:
        conn.execute(sa.delete(expected).where(mine))
        return
    values = {"instances": instances_, "at": at}
    if conn.execute(sa.update(expected).where(mine).values(values)).rowcount == 0:
        conn.execute(sa.insert(expected).values(study_instance_uid=study, **values))


def note_chosen(
    conn: sa.Connection, chosen: Mapping[str, Collection[str]], *, at: dt.datetime
) -> None:
    """Keep that somebody is about to send these images of each study; a larger word holds.

    What is here of a study and not among them counts with them. A modality's own word, when it
    comes, holds instead.
    """
    uids = {study: set(images) for study, images in chosen.items()}
    known: dict[str, int] = {}
    columns = instances.c
    wanted = sorted(uids)
    for at_study in range(0, len(wanted), _IN_MAX):
        some = wanted[at_study : at_study + _IN_MAX]
        known.update(read_expected(conn, some))
        here = sa.select(columns.study_instance_uid, columns.sop_instance_uid)
        for row in conn.execute(here.where(columns.study_instance_uid.in_(some))):
            uids[row.study_instance_uid].add(row.sop_instance_uid)
    for study, images in uids.items():
        if len(images) > known.get(study, 0):
            note_expected(conn, study, len(images), at=at)


def read_expected(conn: sa.Connection, studies: Sequence[str]) -> Mapping[str, int]:
    """Return how many instances *studies* are said to have (``ports.Expected``)."""
    columns = expected.c
    query = sa.select(columns.study_instance_uid, columns.instances).where(
        columns.study_instance_uid.in_(list(studies))
    )
    return {row.study_instance_uid: row.instances for row in conn.execute(query)}


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Looks at the node's tables."""

    program: str
    started_at: dt.datetime
    line: Callable[[], LineFacts]
    disk: Callable[[], DiskFacts]
    """Asks the operating system; quick."""
    told: Expected = read_expected
    quiet: dt.timedelta = QUIET

    def heartbeat(self, conn: sa.Connection, *, at: dt.datetime) -> Heartbeat:
        """Return how the node is *at* that instant of its own clock, studies and all."""
        letters, not_back = outbox.waiting(conn), returned_aside(conn)
        return Heartbeat(
            node_time=at,
            program=self.program,
            started_at=self.started_at,
            lanes=lanes(conn),
            line=_held_still(self.line(), at),
            disk=self.disk(),
            letters_waiting=letters.waiting,
            letters_refused=letters.refused,
            # An older county knows only the sum.
            set_aside=_set_aside(conn) + not_back,
            returns_set_aside=not_back,
            studies=self.studies(conn, at=at),
        )

    def studies(self, conn: sa.Connection, *, at: dt.datetime) -> list[StudyState]:
        """Return the studies worth telling of: what is under way first, most urgent first."""
        columns = studies.c
        done = columns.county_received_at
        query = (
            sa.select(
                columns.study_instance_uid,
                columns.modality,
                columns.rank,
                columns.paused,
                columns.first_received_at,
                columns.last_received_at,
            )
            .where(sa.or_(done.is_(None), done > at - _TOLD_AFTER))
            .order_by(done.is_not(None), columns.rank, columns.first_received_at.desc())
            .limit(STUDIES_MAX)
        )
        rows = conn.execute(query).all()
        return self._states(conn, rows, at)

    def of_studies(
        self, conn: sa.Connection, wanted: Sequence[str], *, at: dt.datetime
    ) -> list[StudyState]:
        """Return the state of the studies *wanted*; those never here are left out."""
        columns = studies.c
        query = sa.select(
            columns.study_instance_uid,
            columns.modality,
            columns.rank,
            columns.paused,
            columns.first_received_at,
            columns.last_received_at,
        ).where(columns.study_instance_uid.in_(list(wanted)))
        return self._states(conn, conn.execute(query).all(), at)

    def _states(
        self, conn: sa.Connection, rows: Sequence[Any], at: dt.datetime
    ) -> list[StudyState]:
        uids = [row.study_instance_uid for row in rows]
        counts = _counts(conn, uids)
        told = self.told(conn, uids)
        return [
            StudyState(
                study_instance_uid=row.study_instance_uid,
                modality=row.modality,
                priority=PRIORITY_OF_RANK[row.rank],
                paused=row.paused,
                first_received_at=row.first_received_at,
                last_received_at=row.last_received_at,
                set_aside=counts[row.study_instance_uid].set_aside,
                completeness=completeness(
                    told=told.get(row.study_instance_uid),
                    here=counts[row.study_instance_uid].here,
                    arrived=counts[row.study_instance_uid].arrived,
                    quiet_for=at - row.last_received_at,
                    quiet=self.quiet,
                ),
            )
            for row in rows
        ]


@dataclass(frozen=True, slots=True)
class _Counts:
    here: int
    arrived: int
    set_aside: int


def _counts(conn: sa.Connection, uids: Sequence[str]) -> dict[str, _Counts]:
    """Return by study how many instances there are; an instance is one SOP Instance UID."""
    columns = instances.c
    distinct = sa.distinct(columns.sop_instance_uid)
    query = (
        sa.select(
            columns.study_instance_uid,
            sa.func.count(distinct),
            sa.func.count(distinct).filter(columns.state == InstanceState.AT_COUNTY),
            sa.func.count(distinct).filter(columns.state == InstanceState.SET_ASIDE),
        )
        .where(columns.study_instance_uid.in_(list(uids)))
        .group_by(columns.study_instance_uid)
    )
    found = {row[0]: _Counts(row[1], row[2], row[3]) for row in conn.execute(query)}
    return {uid: found.get(uid, _Counts(0, 0, 0)) for uid in uids}


def lanes(conn: sa.Connection) -> list[LaneState]:
    """Return what waits of each priority, the most urgent first; empty lanes are left out."""
    waiting = (InstanceState.WAITING, InstanceState.PACKED, InstanceState.SENT)
    query = (
        sa.select(
            studies.c.rank,
            sa.func.count(sa.distinct(studies.c.study_instance_uid)),
            sa.func.count(sa.distinct(instances.c.sop_instance_uid)),
            sa.func.sum(instances.c.size_bytes),
        )
        .join(instances, instances.c.study_instance_uid == studies.c.study_instance_uid)
        .where(studies.c.county_received_at.is_(None), instances.c.state.in_(waiting))
        .group_by(studies.c.rank)
        .order_by(studies.c.rank)
    )
    return [
        LaneState(
            priority=PRIORITY_OF_RANK[rank],
            studies=how_many,
            instances=objects,
            size_bytes=int(size),
        )
        for rank, how_many, objects, size in conn.execute(query)
    ]


def _held_still(line: LineFacts, at: dt.datetime) -> LineFacts:
    """Return *line* without a hold that is over; whoever holds it need not have looked since."""
    if line.held_until is None or line.held_until > at:
        return line
    return msgspec.structs.replace(line, held_until=None, held_by="")


def _set_aside(conn: sa.Connection) -> int:
    query = sa.select(sa.func.count()).where(instances.c.state == InstanceState.SET_ASIDE)
    return conn.scalar(query) or 0
