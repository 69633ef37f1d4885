"""SQL of what is here: the queue's images and what came from the county, looked at alike."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from gateway.exchange.model import Kind
from gateway.exchange.report_classes import REPORT_CLASSES
from gateway.exchange.returns import ObjectState, views
from gateway.exchange.tables import return_objects, returns
from gateway.here.model import PriorHere, ReportHere, ReportState, StudyHere
from gateway.here.ports import Held, LocalIndex
from gateway.township.model import KeptObject
from gateway.township.tables import instances
from kernel.arrival import Arrival, ContentDigest, Door, NativeForm, Priority, Sender

_IN_MAX: Final = 500
_STATES: Final = {
    ObjectState.WAITING: ReportState.COMING,
    ObjectState.HERE: ReportState.COMING,  # until it can be opened
    ObjectState.SET_ASIDE: ReportState.SET_ASIDE,
}


def next_held(conn: sa.Connection, *, institution: str, limit: int) -> list[Held]:
    """Return objects of this house that are here and cannot be looked at yet, in their order.

    Of two contents under one UID the first is to answer.
    """
    back = _returned(conn, institution=institution, limit=limit)
    columns = instances.c
    query = (
        sa.select(columns.arrival, columns.object_key)
        .where(columns.shown_at.is_(None), columns.deleted_at.is_(None), columns.object_key != "")
        .order_by(columns.id)
        .limit(limit - len(back))
    )
    own = [
        Held(came_back=False, arrival=msgspec.convert(row.arrival, Arrival), key=row.object_key)
        for row in conn.execute(query)
    ]
    return back + own


def _returned(conn: sa.Connection, *, institution: str, limit: int) -> list[Held]:
    columns, asked = return_objects.c, returns.c
    query = (
        sa.select(return_objects, asked.changed_at)
        .join(returns, asked.study_instance_uid == columns.study_instance_uid)
        .where(columns.shown_at.is_(None), columns.state == ObjectState.HERE.value)
        .order_by(asked.changed_at.desc(), columns.place)
        .limit(limit)
    )
    return [
        Held(came_back=True, arrival=_arrival(row, institution), key=row.object_key)
        for row in conn.execute(query)
    ]


def _arrival(row: Any, institution: str) -> Arrival:
    return Arrival(
        door=Door.PARCEL,
        received_at=row.changed_at,
        sender=Sender(institution=institution),
        transfer_syntax_uid=row.transfer_syntax_uid,
        sop_class_uid=row.sop_class_uid,
        sop_instance_uid=row.sop_instance_uid,
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        dataset_offset=0,
        size_bytes=row.size_bytes,
        # What was asked for never makes a study of the house more urgent.
        priority=Priority.BACKFILL,
        native=None if row.native is None else msgspec.convert(row.native, NativeForm),
        digest=ContentDigest(dataset=row.dataset_digest, pixels=row.pixels_digest),
    )


def claim(conn: sa.Connection, held: Held, *, at: dt.datetime) -> bool:
    """Note that *held* was looked at; returns False where it has gone meanwhile."""
    if held.came_back:
        columns = return_objects.c
        query = sa.update(return_objects).where(
            columns.study_instance_uid == held.arrival.study_instance_uid,
            columns.sop_instance_uid == held.arrival.sop_instance_uid,
            columns.object_key == held.key,
            columns.state == ObjectState.HERE.value,
        )
    else:
        query = sa.update(instances).where(
            instances.c.sop_instance_uid == held.arrival.sop_instance_uid,
            instances.c.object_key == held.key,
            instances.c.deleted_at.is_(None),
        )
    return conn.execute(query.values(shown_at=at)).rowcount > 0


def forget(conn: sa.Connection, gone: Sequence[KeptObject], index: LocalIndex[Any]) -> None:
    """Let objects that are being deleted be found no more, in the transaction that says so."""
    for freed in index.drop(conn, gone):
        for table in (instances, return_objects):
            conn.execute(
                sa.update(table)
                .where(
                    table.c.sop_instance_uid == freed.sop_instance_uid,
                    table.c.object_key == freed.key,
                )
                .values(shown_at=None)
            )


@dataclass(frozen=True, slots=True)
class WhatIsHere:
    """Reads what of studies is here."""

    index: LocalIndex[Any]

    def of(self, conn: sa.Connection, studies: Sequence[str]) -> list[StudyHere]:
        """Return what is here of each of *studies*, in that order."""
        found: list[StudyHere] = []
        for at in range(0, len(studies), _IN_MAX):
            found += self._of(conn, studies[at : at + _IN_MAX])
        return found

    def _of(self, conn: sa.Connection, studies: Sequence[str]) -> list[StudyHere]:
        counts = self.index.count(conn, studies)
        gone = deleted(conn, studies)
        back = _back(conn, studies)
        priors = _priors(conn, studies)
        return [self._one(uid, counts.get(uid, 0), gone, back, priors) for uid in studies]

    @staticmethod
    def _one(
        uid: str,
        count: int,
        gone: Mapping[str, int],
        back: Mapping[str, list[Any]],
        priors: Mapping[str, PriorHere],
    ) -> StudyHere:
        rows = back.get(uid, [])
        reports = [_report(row) for row in rows if row.sop_class_uid in REPORT_CLASSES]
        shown = sum(report.state is ReportState.HERE for report in reports)
        again = sum(
            row.shown_at is not None and row.sop_class_uid not in REPORT_CLASSES for row in rows
        )
        return StudyHere(
            study_instance_uid=uid,
            images=max(0, count - shown),
            gone=max(0, gone.get(uid, 0) - again),
            reports=reports,
            prior=priors.get(uid),
        )


def deleted(conn: sa.Connection, studies: Sequence[str]) -> dict[str, int]:
    """Return how many instances of each of *studies* were here and are only at the county now."""
    columns = instances.c
    query = (
        sa.select(columns.study_instance_uid, sa.func.count(columns.sop_instance_uid.distinct()))
        .where(columns.study_instance_uid.in_(list(studies)), columns.deleted_at.is_not(None))
        .group_by(columns.study_instance_uid)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def _back(conn: sa.Connection, studies: Sequence[str]) -> dict[str, list[Any]]:
    columns = return_objects.c
    query = (
        sa.select(
            columns.study_instance_uid,
            columns.series_instance_uid,
            columns.sop_instance_uid,
            columns.sop_class_uid,
            columns.state,
            columns.code,
            columns.shown_at,
            returns.c.changed_at,
        )
        .join(returns, returns.c.study_instance_uid == columns.study_instance_uid)
        .where(columns.study_instance_uid.in_(list(studies)))
        .order_by(columns.study_instance_uid, columns.place, columns.sop_instance_uid)
    )
    found: dict[str, list[Any]] = {}
    for row in conn.execute(query):
        found.setdefault(row.study_instance_uid, []).append(row)
    return found


def _report(row: Any) -> ReportHere:
    state = _STATES[ObjectState(row.state)]
    return ReportHere(
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        sop_instance_uid=row.sop_instance_uid,
        form=REPORT_CLASSES[row.sop_class_uid],
        state=ReportState.HERE if row.shown_at is not None else state,
        at=row.shown_at or row.changed_at,
        code=row.code if state is ReportState.SET_ASIDE else "",
    )


def _priors(conn: sa.Connection, studies: Sequence[str]) -> dict[str, PriorHere]:
    asked = [view for view in views(conn, studies) if view.kind == Kind.PRIOR.value]
    return {
        view.study_instance_uid: PriorHere(
            state=view.state.value,
            code=view.code,
            objects=view.objects,
            here=view.here,
            set_aside=view.set_aside,
            asked_at=view.asked_at,
        )
        for view in asked
    }
