"""A study of the queue is as urgent as it was ordered, unless a person chose otherwise.

Whoever files images asks at once, in the transaction that enters them; an order that comes or
changes later is heard of by its event. An order only ever makes a study more urgent.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Final

import sqlalchemy as sa

from gateway.township.model import RANK
from gateway.township.ports import ChangedOrder, OrderNames, OrderUrgency, QueuedStudy
from gateway.township.queue_news import QueueNews
from gateway.township.tables import studies
from kernel.arrival import Priority
from kernel.events import events_after, last_event_id
from kernel.sql.db import Database

_BATCH: Final = 200


def raise_to_orders(
    conn: sa.Connection, study_keys: Iterable[str], urgency: OrderUrgency
) -> list[str]:
    """Make the studies *study_keys* as urgent as they were ordered.

    Args:
        conn: the transaction.
        study_keys: any number of them; those not here are left out.
        urgency: knows the orders.

    Returns:
        the studies that have become more urgent.
    """
    return [key for key, rank in _more_urgent(conn, study_keys, urgency) if _raise(conn, key, rank)]


def _more_urgent(
    conn: sa.Connection, study_keys: Iterable[str], urgency: OrderUrgency
) -> list[tuple[str, int]]:
    """Return which of the studies were ordered more urgently than they are, and with what rank."""
    columns = studies.c
    query = sa.select(
        columns.study_instance_uid,
        columns.institution,
        columns.accession_number,
        columns.patient_id,
        columns.rank,
    ).where(columns.rank_choices == 0, columns.rank > 0)
    wanted, found = list(dict.fromkeys(study_keys)), []
    for at in range(0, len(wanted), _BATCH):
        part = wanted[at : at + _BATCH]
        for row in conn.execute(query.where(columns.study_instance_uid.in_(part))).all():
            study = QueuedStudy(
                institution=row.institution,
                study_instance_uid=row.study_instance_uid,
                accession_number=row.accession_number,
                patient_id=row.patient_id,
            )
            ordered = urgency(conn, study)
            if ordered is not None and RANK[ordered] < row.rank:
                found.append((row.study_instance_uid, RANK[ordered]))
    return found


def emergencies_among(
    conn: sa.Connection,
    among: Sequence[QueuedStudy],
    told: Collection[str],
    urgency: OrderUrgency,
) -> set[str]:
    """Return which studies are emergencies: as somebody chose, else as told or as ordered.

    Args:
        conn: reads.
        among: studies of which images came in, entered or not.
        told: those whose images came as an emergency.
        urgency: knows the orders.
    """
    columns = studies.c
    query = sa.select(columns.study_instance_uid, columns.rank, columns.rank_choices)
    entered: dict[str, tuple[int, int]] = {}
    keys = [each.study_instance_uid for each in among]
    for at in range(0, len(keys), _BATCH):
        part = keys[at : at + _BATCH]
        found = conn.execute(query.where(columns.study_instance_uid.in_(part))).all()
        entered |= {row.study_instance_uid: (row.rank, row.rank_choices) for row in found}

    def is_one(study: QueuedStudy) -> bool:
        rank, choices = entered.get(study.study_instance_uid, (None, 0))
        if choices or rank == 0:
            return rank == 0
        return study.study_instance_uid in told or urgency(conn, study) is Priority.EMERGENCY

    return {each.study_instance_uid for each in among if is_one(each)}


def _raise(conn: sa.Connection, study_key: str, rank: int) -> bool:
    columns = studies.c
    raised = conn.execute(
        sa.update(studies)
        .where(
            columns.study_instance_uid == study_key,
            # Others write meanwhile where the database lets them.
            columns.rank_choices == 0,
            columns.rank > rank,
        )
        .values(rank=rank)
    )
    return raised.rowcount > 0


def _bearing(conn: sa.Connection, names: OrderNames) -> list[str]:
    """Return the studies on their way that may belong to an order."""
    columns = studies.c
    numbers = {
        spelt for number in names.accession_numbers for spelt in (number, number.lower()) if spelt
    }
    query = sa.select(columns.study_instance_uid).where(
        columns.county_received_at.is_(None),
        columns.institution == names.institution,
        sa.or_(
            columns.study_instance_uid == names.study_instance_uid,
            columns.accession_number.in_(sorted(numbers)),
        ),
    )
    return list(conn.scalars(query))


def _on_their_way(conn: sa.Connection) -> list[str]:
    columns = studies.c
    query = sa.select(columns.study_instance_uid).where(columns.county_received_at.is_(None))
    return list(conn.scalars(query))


class OrderUrgencyWatch:
    """Follows the events of orders; what it missed while it was off it finds at its start."""

    def __init__(
        self,
        database: Database,
        news: QueueNews,
        urgency: OrderUrgency,
        changed: ChangedOrder,
        *,
        topic: str,
        on_raised: Callable[[], None],
    ) -> None:
        """Watch nothing yet.

        Args:
            database: the node's.
            news: writes to the queue.
            urgency: knows the orders.
            changed: reads an event of *topic*.
            topic: of the events that tell of an order.
            on_raised: called when a study has become more urgent.
        """
        self._database = database
        self._news = news
        self._urgency = urgency
        self._changed = changed
        self._topic = topic
        self._on_raised = on_raised
        self._after: int | None = None

    async def look(self) -> int:
        """Deal with what was said of orders since the last time; returns how many words.

        The first time all studies on their way are looked at.
        """
        after, words, due = await self._database.read(self._read)
        if due:
            keys = [key for key, _ in due]
            raised = await self._news.write(
                partial(raise_to_orders, study_keys=keys, urgency=self._urgency), lambda done: done
            )
            if raised:
                self._on_raised()
        self._after = after
        return words

    def _read(self, conn: sa.Connection) -> tuple[int, int, Sequence[tuple[str, int]]]:
        """Return how far that is, how many events it were, and what is to be raised."""
        if self._after is None:
            newest = last_event_id(conn)
            return newest, 0, _more_urgent(conn, _on_their_way(conn), self._urgency)
        events = events_after(conn, self._after, limit=_BATCH, topics=[self._topic])
        if not events:
            return self._after, 0, ()
        keys: list[str] = []
        for event in events:
            names = self._changed(conn, event)
            if names is not None:
                keys += _bearing(conn, names)
        return events[-1].id, len(events), _more_urgent(conn, keys, self._urgency)
