"""Performed procedure steps as modalities report them (PS3.4 F.7), and what they mean to orders."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec
import sqlalchemy as sa

from kernel.clock import Clock
from kernel.errors import Conflict, Invalid, Missing
from kernel.events import EventDraft
from kernel.sql.db import Database
from referrals.orders.ledger import By, Ledger, Page, end
from referrals.orders.machine import Act
from referrals.orders.model import Order
from referrals.orders.performing import Performed, note
from referrals.orders.tables import procedure_steps

Attributes: TypeAlias = Mapping[str, Any]
"""By DICOM keyword: text, or the items of a sequence, each one of these again."""
STEP_UPDATED: Final = "procedure-step.updated"
_SCHEDULED: Final = "ScheduledStepAttributesSequence"
_STATUS: Final = "PerformedProcedureStepStatus"
_IMAGES: Final = (
    "ReferencedImageSequence",
    "ReferencedNonImageCompositeSOPInstanceSequence",
)


class StepStatus(StrEnum):
    """Performed Procedure Step Status (0040,0252)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


class StepExists(Conflict):
    """A step of that UID is here already."""

    code = "step-exists"


class StepMissing(Missing):
    """There is no such step here, or it is another institution's."""

    code = "step-not-found"


class StepEnded(Conflict):
    """The step is completed or discontinued and changes no more (PS3.4 F.7.2.2.2)."""

    code = "step-ended"


class InvalidStep(Invalid):
    """The step has a status it cannot have."""

    code = "invalid-step-status"


@dataclass(frozen=True, slots=True)
class Reporter:
    """The modality that reports."""

    institution: str
    ae_title: str


class StepBook:
    """Keeps steps durably, and moves their orders in the same transaction."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger

    async def create(self, uid: str, attributes: Attributes, reporter: Reporter) -> None:
        """Return once the new step *uid* is durable.

        Raises:
            StepExists: a step of that UID is here.
            InvalidStep: it does not begin in progress.
        """
        await self._database.write(lambda conn: self._create(conn, uid, attributes, reporter))

    async def set(self, uid: str, modifications: Attributes, reporter: Reporter) -> None:
        """Return once *modifications* of the step *uid* are durable.

        Raises:
            StepMissing: there is none, or it is another institution's.
            StepEnded: it changes no more.
            InvalidStep: they give it a status there is not.
        """
        await self._database.write(lambda conn: self._set(conn, uid, modifications, reporter))

    def _create(
        self, conn: sa.Connection, uid: str, attributes: Attributes, reporter: Reporter
    ) -> None:
        if _status_of(attributes) is not StepStatus.IN_PROGRESS:
            raise InvalidStep("a step begins IN PROGRESS")
        if find_step(conn, uid) is not None:
            raise StepExists
        page, now = Page(conn), self._clock.now()
        moved = self._move(page, attributes, reporter, Act.BEGIN)
        conn.execute(
            sa.insert(procedure_steps).values(
                sop_instance_uid=uid,
                institution=reporter.institution,
                ae_title=reporter.ae_title,
                status=StepStatus.IN_PROGRESS.value,
                order=moved[0].id if moved else "",
                study_instance_uid=_study_of(attributes),
                attributes=msgspec.to_builtins(dict(attributes)),
                created_at=now,
                updated_at=now,
            )
        )
        self._tell(page, uid, attributes, reporter, moved)
        end(page, at=now)

    def _set(
        self, conn: sa.Connection, uid: str, modifications: Attributes, reporter: Reporter
    ) -> None:
        before = find_step(conn, uid)
        if before is None or before.institution != reporter.institution:
            raise StepMissing
        if before.status is not StepStatus.IN_PROGRESS:
            raise StepEnded(f"it is {before.status}")
        whole = {**before.attributes, **modifications}
        status, now, page = _status_of(whole), self._clock.now(), Page(conn)
        columns = procedure_steps.c
        conn.execute(
            sa.update(procedure_steps)
            .where(columns.sop_instance_uid == uid)
            .values(status=status.value, attributes=msgspec.to_builtins(whole), updated_at=now)
        )
        act = _act_of([status, *_others(conn, uid, before.order)])
        moved = self._move(page, whole, reporter, act) if act is not None else []
        self._tell(page, uid, whole, reporter, moved)
        end(page, at=now)

    def _move(
        self, page: Page, attributes: Attributes, reporter: Reporter, act: Act
    ) -> list[Order]:
        by, now = By(machine=f"mpps:{reporter.ae_title}"), self._clock.now()
        found = (
            note(self._ledger, page, performed, act, by, at=now)
            for performed in _performed(attributes, reporter.institution)
        )
        return list({order.id: order for order in found if order is not None}.values())

    def _tell(
        self,
        page: Page,
        uid: str,
        attributes: Attributes,
        reporter: Reporter,
        moved: Sequence[Order],
    ) -> None:
        payload = {
            "id": uid,
            "study_instance_uid": _study_of(attributes),
            "status": _status_of(attributes).value,
            "orders": [order.id for order in moved],
            "instance_count": instance_count(attributes),
        }
        page.events.append(EventDraft(STEP_UPDATED, payload, reporter.institution))


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it is kept."""

    institution: str
    status: StepStatus
    order: str
    attributes: Attributes


def find_step(conn: sa.Connection, uid: str) -> Step | None:
    """Return the step of that UID, or None."""
    columns = procedure_steps.c
    row = conn.execute(
        sa.select(columns.institution, columns.status, columns.order, columns.attributes).where(
            columns.sop_instance_uid == uid
        )
    ).one_or_none()
    if row is None:
        return None
    return Step(row.institution, StepStatus(row.status), row.order, row.attributes)


def instance_count(attributes: Attributes) -> int:
    """Return how many instances the step says it made."""
    return sum(
        len(_items(series, name))
        for series in _items(attributes, "PerformedSeriesSequence")
        for name in _IMAGES
    )


def _others(conn: sa.Connection, uid: str, order: str) -> list[StepStatus]:
    columns = procedure_steps.c
    if not order:
        return []
    query = sa.select(columns.status).where(columns.order == order, columns.sop_instance_uid != uid)
    return [StepStatus(status) for status in conn.scalars(query)]


def _act_of(steps: Sequence[StepStatus]) -> Act | None:
    """Return what all steps of one order mean to it: it ends with the last of them."""
    if StepStatus.IN_PROGRESS in steps:
        return None
    return Act.COMPLETE if StepStatus.COMPLETED in steps else Act.DISCONTINUE


def _status_of(attributes: Attributes) -> StepStatus:
    try:
        return StepStatus(_text(attributes, _STATUS))
    except ValueError as exc:
        raise InvalidStep("IN PROGRESS, COMPLETED or DISCONTINUED") from exc


def _performed(attributes: Attributes, institution: str) -> Iterator[Performed]:
    patient_id = _text(attributes, "PatientID")
    for item in _items(attributes, _SCHEDULED):
        yield Performed(
            institution=institution,
            study_instance_uid=_text(item, "StudyInstanceUID"),
            accession_number=_text(item, "AccessionNumber"),
            patient_id=patient_id,
        )


def _study_of(attributes: Attributes) -> str:
    return next((_text(i, "StudyInstanceUID") for i in _items(attributes, _SCHEDULED)), "")


def _items(attributes: Attributes, keyword: str) -> Sequence[Attributes]:
    found = attributes.get(keyword, ())
    return (
        [item for item in found if isinstance(item, Mapping)] if not isinstance(found, str) else []
    )


def _text(attributes: Attributes, keyword: str) -> str:
    found = attributes.get(keyword, "")
    return found.strip() if isinstance(found, str) else ""
