"""Modality Worklist SCP: C-FIND over what is scheduled (PS3.4 K)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

from gateway.dimse.attributes import Attributes, read_message, write_attributes
from gateway.dimse.command_set import CommandField
from gateway.dimse.ports import Admission, WorklistSource
from gateway.dimse.query_identifier import Query
from gateway.dimse.service import Answer, ServiceRequest
from kernel.dicom.status import Status
from kernel.errors import Invalid, PlatformError, Unavailable

_LOG: Final = logging.getLogger(__name__)
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
            query = _read(request)
        except Invalid as error:
            _LOG.warning(
                "dimse.bad-identifier",
                extra={"calling_ae": request.peer.calling_ae.value, "detail": error.detail},
            )
            yield Answer(
                status=Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
                comment="The identifier is broken, or a key is no value of its kind.",
            )
            return
        pending = Status.PENDING_KEYS_NOT_MATCHED if query.has_unmatched_keys else Status.PENDING
        found = self._source.find(query, request.peer)
        sent = 0
        try:
            while (entry := await self._next(found)) is not None:
                if not query.wants(entry):
                    continue
                if sent == self._matches_max:
                    yield Answer(
                        status=Status.OUT_OF_RESOURCES,
                        comment=f"Over {sent} entries match: ask for fewer.",
                    )
                    return
                sent += 1
                yield Answer(status=pending, data_set=_write(query, entry, request))
        except PlatformError as error:
            yield _refused(error, request)
            return
        finally:
            close = getattr(found, "aclose", None)
            if close is not None:
                await close()
        yield Answer(status=Status.SUCCESS)

    async def _next(self, found: AsyncIterator[Attributes]) -> Attributes | None:
        try:
            async with asyncio.timeout(self._find_s):
                return await anext(found, None)
        except TimeoutError as error:
            raise Unavailable(f"no entry within {self._find_s} s") from error


def _read(request: ServiceRequest) -> Query:
    if not request.data_set:
        raise Invalid("no identifier", code="bad-identifier")
    message = read_message(
        request.data_set, request.context.transfer_syntax, hint=request.peer.charset_hint
    )
    return Query.parse(message, MATCHED)


def _write(query: Query, entry: Attributes, request: ServiceRequest) -> bytes:
    hint = request.peer.charset_hint
    charsets = query.charsets or ((hint,) if hint else ())
    return write_attributes(query.answer(entry), request.context.transfer_syntax, charsets)


def _refused(error: PlatformError, request: ServiceRequest) -> Answer:
    _LOG.warning(
        "dimse.worklist-failed",
        extra={"calling_ae": request.peer.calling_ae.value, "error_code": error.code},
    )
    if isinstance(error, Unavailable):
        return Answer(
            status=Status.OUT_OF_RESOURCES,
            comment="The worklist is not available; ask again later.",
        )
    return Answer(status=Status.UNABLE_TO_PROCESS, comment="The worklist cannot be read.")
