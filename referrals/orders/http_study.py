"""``/api/v1/studies/{study}/order``: the order behind a study, for whoever reads the study."""

import datetime as dt
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import sqlalchemy as sa
from aiohttp import web

from kernel.arrival import Priority
from kernel.audit.trail import AuditEvent
from kernel.dicom.shown import Age
from kernel.policy import Act as Duty, roles_for
from kernel.sql.db import Database
from kernel.web import describe, json_response, permit, saw
from referrals.orders.model import Examination, PatientClass, State
from referrals.orders.performing import Examined, Match, Performed, examined, matching
from referrals.orders.views import PatientNow

_READERS: Final = roles_for(Duty.READ_STUDY)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenStudy:
    """A study somebody looks at who may see it, the look being written down."""

    institution: str
    study_instance_uid: str
    accession_number: str
    patient_id: str
    reason: str
    """Why they may (``kernel.policy.Decision.reason``)."""


class StudyLooks(Protocol):
    """Knows the studies of this node, and who may look at each."""

    async def __call__(self, request: web.Request, study_instance_uid: str, /) -> SeenStudy:
        """Return the study once whoever asks may look at it.

        Raises:
            PlatformError: it is not there for them, or looking is not their role's.
        """


class OrderBehind(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader needs of the order; who the patient is stands on the study, where known."""

    id: str
    accession_number: str
    former_accession_numbers: tuple[str, ...]
    examination: Examination
    clinical_question: str
    priority: Priority
    patient_class: PatientClass
    state: State
    ordered_by_name: str
    ordered_at: dt.datetime
    patient_age: Age | None
    """On the day of the order, of whoever the images name."""
    patient_age_estimated: bool
    """Guessed by whoever registered somebody nobody knows."""
    patient_is_now: PatientNow | None
    """Who that was, where the images name somebody nobody knew and somebody knows since."""


class StudyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The order a study was made for."""

    order: OrderBehind | None
    """None where there is none, or where it is another patient's."""
    other_patient: bool
    """The study bears the number of an order for somebody else: it was typed wrongly there."""


class StudyOrderDoor:
    """The one route."""

    def __init__(self, database: Database, looks: StudyLooks) -> None:
        self._database = database
        self._looks = looks

    def routes(self) -> list[web.RouteDef]:
        """Return it."""
        return [web.get("/api/v1/studies/{study}/order", self.show, allow_head=False)]

    @describe("The order a study was made for", answer=StudyOrder)
    @permit(roles=_READERS)
    async def show(self, request: web.Request) -> web.StreamResponse:
        """Answer it; the look at study, order and who that is now is in the audit trail before."""
        study = await self._looks(request, request.match_info["study"])
        match = await self._database.read(lambda conn: _matching(conn, study))
        if match is None or not match.same_patient:
            return json_response(StudyOrder(order=None, other_patient=match is not None))
        who = await self._database.read(lambda conn: examined(conn, match.order, study.patient_id))
        looked_at = [(f"order:{match.order.id}", study.patient_id)]
        if who.now is not None:
            # Whoever asks who saw that patient asks by the real number.
            looked_at.append((f"patient:{who.now.id}", who.now.patient_id))
        for subject, number in looked_at:
            await saw(
                request,
                subject=subject,
                patient=number,
                reason=study.reason,
                event=AuditEvent.RECORD_SEEN,
            )
        return json_response(StudyOrder(order=_view(match, who), other_patient=False))


def _matching(conn: sa.Connection, study: SeenStudy) -> Match | None:
    performed = Performed(
        institution=study.institution,
        study_instance_uid=study.study_instance_uid,
        accession_number=study.accession_number,
        patient_id=study.patient_id,
    )
    return matching(conn, performed)


def _view(match: Match, who: Examined) -> OrderBehind:
    order = match.order
    return OrderBehind(
        id=order.id,
        accession_number=order.accession_number,
        former_accession_numbers=order.former_accession_numbers,
        examination=order.examination,
        clinical_question=order.clinical_question,
        priority=order.priority,
        patient_class=order.patient_class,
        state=order.state,
        ordered_by_name=order.ordered_by_name,
        ordered_at=order.ordered_at,
        patient_age=who.age,
        patient_age_estimated=who.estimated,
        patient_is_now=who.is_now,
    )
