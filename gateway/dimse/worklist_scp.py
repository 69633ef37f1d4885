"""Modality Worklist SCP: C-FIND over what is scheduled (PS3.4 K)."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from gateway.dimse.attributes import Attributes
from gateway.dimse.command_set import CommandField
from gateway.dimse.finding import (
    Finding,
    answers_of,
    charsets_of,
    read_identifier,
    refused_identifier,
)
from gateway.dimse.ports import Admission, WorklistSource
from gateway.dimse.query_identifier import Query
from gateway.dimse.service import Answer, ServiceRequest
from kernel.dicom.status import Status
from kernel.errors import Invalid

MATCHES_MAX: Final = 500
IDENTIFIER_MAX_BYTES: Final = 64 * 1024
_FIND_S: Final = 20.0

_STEP: Final = "ScheduledProcedureStepSequence"
MATCHED: Final = frozenset(
    {
        "AccessionNumber",
        "AdmissionID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientID",
        "PatientName",
        "PatientSex",
        "ReferringPhysicianName",
        "RequestedProcedureDescription",
        "RequestedProcedureID",
        "RequestedProcedurePriority",
        "RequestingPhysician",
        "StudyInstanceUID",
        f"{_STEP}.Modality",
        f"{_STEP}.ScheduledPerformingPhysicianName",
        f"{_STEP}.ScheduledProcedureStepDescription",
        f"{_STEP}.ScheduledProcedureStepID",
        f"{_STEP}.ScheduledProcedureStepLocation",
        f"{_STEP}.ScheduledProcedureStepStartDate",
        f"{_STEP}.ScheduledProcedureStepStartTime",
        f"{_STEP}.ScheduledProcedureStepStatus",
        f"{_STEP}.ScheduledStationAETitle",
        f"{_STEP}.ScheduledStationName",
    }
)
"""Keys that are matched; any other key only says what to return."""


class WorklistScp:
    """Answers worklist queries out of one source."""

    max_bytes = IDENTIFIER_MAX_BYTES
    too_large = Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS

    def __init__(
        self, source: WorklistSource, *, matches_max: int = MATCHES_MAX, find_s: float = _FIND_S
    ) -> None:
        """Answer out of *source*.

        Args:
            source: what is scheduled.
            matches_max: entries of one answer; where more match it ends with A700H.
            find_s: how long the source may take for one entry.
        """
        self._source = source
        self._matches_max = matches_max
        self._find_s = find_s

    def open_to(self, admission: Admission) -> bool:
        """Whether a peer so admitted is served: devices, and whoever may ask for images."""
        return admission.may_store or admission.may_query

    async def answers(self, request: ServiceRequest) -> AsyncIterator[Answer]:
        """Yield one pending response for each entry that matches, then the final one."""
        if request.command.field is not CommandField.C_FIND_RQ:
            yield Answer(status=Status.UNRECOGNIZED_OPERATION, comment="A worklist is asked only.")
            return
        try:
            message = read_identifier(request)
            query = Query.parse(message, MATCHED)
        except Invalid as error:
            yield refused_identifier(error, request)
            return
        finding = Finding(
            what="The worklist",
            entries=_wanted(query, self._source.find(query, request.peer)),
            pending=Status.PENDING_KEYS_NOT_MATCHED if query.has_unmatched_keys else Status.PENDING,
            charsets=charsets_of(message, request),
            most=self._matches_max,
            within_s=self._find_s,
        )
        async with aclosing(answers_of(finding, request)) as answers:
            async for answer in answers:
                yield answer


async def _wanted(query: Query, found: AsyncIterator[Attributes]) -> AsyncIterator[Attributes]:
    try:
        async for entry in found:
            if query.wants(entry):
                yield query.answer(entry)
    finally:
        close = getattr(found, "aclose", None)
        if close is not None:
            await close()
