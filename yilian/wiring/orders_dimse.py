"""The DICOM door's worklist and performed procedure steps, bound to orders."""

import datetime as dt
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

import sqlalchemy as sa

from gateway.dimse.attributes import Attributes, text_of
from gateway.dimse.ports import Peer
from gateway.dimse.query_identifier import Query
from gateway.procedure_steps.model import PerformedStep
from gateway.procedure_steps.service import Noted
from gateway.procedure_steps.tables import steps
from kernel.clock import Clock
from kernel.sql.db import Database
from referrals.orders.ledger import By, Ledger, Page
from referrals.orders.performing import Performed, act_of_steps, note
from referrals.orders.worklist import WorklistQuery, worklist

_PAGE: Final = 100
_STEP: Final = "ScheduledProcedureStepSequence"


class OrderWorklist:
    """Binds ``gateway.dimse.ports.WorklistSource`` to the orders of the peer's institution."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, query: Query, peer: Peer) -> AsyncIterator[Attributes]:
        """Yield what may match, the earliest planned first, a page of rows at a time."""
        asked, after = narrowed(query, peer), None
        while True:
            page = await self._database.read(
                partial(
                    worklist,
                    institution=peer.institution.value,
                    query=asked,
                    now=self._clock.now(),
                    limit=_PAGE,
                    after=after,
                )
            )
            for place, item in page:
                after = place
                yield item
            if len(page) < _PAGE:
                return


def narrowed(query: Query, peer: Peer) -> WorklistQuery:
    """Return of *query* what the database narrows; the door matches all of it again."""
    days = query.dates(f"{_STEP}.ScheduledProcedureStepStartDate")
    return WorklistQuery(
        modalities=query.values(f"{_STEP}.Modality"),
        station_ae_titles=query.values(f"{_STEP}.ScheduledStationAETitle"),
        asking_ae_title=peer.calling_ae.value,
        patient_ids=query.values("PatientID"),
        accession_numbers=query.values("AccessionNumber"),
        study_instance_uids=query.values("StudyInstanceUID"),
        date_from=_day(days.first) if days else None,
        date_to=_day(days.last) if days else None,
    )


def _day(text: str) -> dt.date | None:
    try:
        day = dt.date.fromisoformat(text) if text else None
    except ValueError:
        return None
    # The day before and the day after must exist.
    return day if day is not None and dt.date.min < day < dt.date.max else None


def steps_to_orders(written: Ledger, clock: Clock) -> Noted:
    """Return what moves the orders a step performs, in the transaction that keeps the step."""

    def noted(conn: sa.Connection, step: PerformedStep) -> None:
        page, now = Page(conn), clock.now()
        by = By(machine=f"mpps:{step.ae_title}")
        for item in step.scheduled:
            performed = Performed(
                institution=step.institution,
                study_instance_uid=text_of(item, "StudyInstanceUID"),
                accession_number=text_of(item, "AccessionNumber"),
                patient_id=text_of(step.attributes, "PatientID"),
            )
            act = act_of_steps(_states(conn, performed.study_instance_uid) | {step.state.value})
            note(written, page, performed, act, by, at=now)
        written.end(page, at=now)

    return noted


def _states(conn: sa.Connection, study_instance_uid: str) -> set[str]:
    if not study_instance_uid:
        return set()
    columns = steps.c
    query = sa.select(columns.state).where(columns.study_instance_uid == study_instance_uid)
    return set(conn.scalars(query))
