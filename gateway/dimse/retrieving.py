"""What C-MOVE and C-GET have in common: the request read, sub-operations counted (PS3.4 C.4.2)."""

import asyncio
import logging
from typing import Final

from gateway.dimse.attributes import BrokenDataset, write_attributes
from gateway.dimse.command_set import Element, us_bytes
from gateway.dimse.finding import BROKEN, read_identifier, refused_identifier
from gateway.dimse.ports import ArchiveQuestion
from gateway.dimse.query_options import QueryOptions
from gateway.dimse.retrieve_ports import Destination, RetrieveArchive, Selection, TooManyObjects
from gateway.dimse.service import Answer, ServiceRequest
from gateway.dimse.sop_classes import PATIENT_ROOT
from gateway.dimse.storing import Outcome
from kernel.dicom.status import COMMENT_MAX, Status
from kernel.errors import Invalid, PlatformError

_LOG: Final = logging.getLogger(__name__)
_COUNT_MAX: Final = 0xFFFF
_LIST_MAX_BYTES: Final = 0xFFFE
"""A UI value in explicit VR is no longer; failed instances beyond it are counted, not listed."""
IDENTIFIER_MAX_BYTES: Final = 1 << 20
SELECT_S: Final = 30.0


class Tally:
    """The sub-operations of one retrieval."""

    def __init__(self, total: int) -> None:
        """Begin with *total* to be done."""
        self.remaining = total
        self.completed = 0
        self.failed = 0
        self.warning = 0
        self._failed_uids: list[str] = []
        self._failed_bytes = 0
        self._why = ""

    @property
    def done(self) -> int:
        """How many have an outcome."""
        return self.completed + self.failed + self.warning

    def count(self, sop_instance_uid: str, outcome: Outcome) -> None:
        """Know what became of one of them."""
        self.remaining -= 1
        if outcome.is_success:
            self.completed += 1
        elif outcome.is_warning:
            self.warning += 1
        else:
            self.failed += 1
            self._why = self._why or outcome.comment
            self._failed_bytes += len(sop_instance_uid) + 1
            if self._failed_bytes <= _LIST_MAX_BYTES:
                self._failed_uids.append(sop_instance_uid)

    def pending(self) -> Answer:
        """Return the pending response of now."""
        return Answer(status=Status.PENDING, more=self._counts(remaining=True))

    def final(self, transfer_syntax_uid: str, *, cancelled: bool = False) -> Answer:
        """Return the last response (PS3.4 Tables C.4-2 and C.4-3).

        Args:
            transfer_syntax_uid: of the identifier with the failed instances.
            cancelled: the peer cancelled, and something remains.
        """
        status = Status.SUCCESS
        if cancelled and self.remaining:
            status = Status.CANCELLED
        elif self.failed and not self.completed and not self.warning:
            status = Status.CANNOT_PERFORM_SUBOPERATIONS
        elif self.failed or self.warning:
            status = Status.SUBOPERATIONS_WITH_FAILURES
        data_set = None
        if self._failed_uids:
            listed = {"FailedSOPInstanceUIDList": "\\".join(self._failed_uids)}
            data_set = write_attributes(listed, transfer_syntax_uid)
        return Answer(
            status=status,
            comment=self._why[:COMMENT_MAX],
            data_set=data_set,
            more=self._counts(remaining=status is Status.CANCELLED),
        )

    def _counts(self, *, remaining: bool) -> dict[int, bytes]:
        counts = {
            Element.NUMBER_OF_COMPLETED_SUBOPERATIONS: self.completed,
            Element.NUMBER_OF_FAILED_SUBOPERATIONS: self.failed,
            Element.NUMBER_OF_WARNING_SUBOPERATIONS: self.warning,
        }
        if remaining:
            counts[Element.NUMBER_OF_REMAINING_SUBOPERATIONS] = self.remaining
        return {element: us_bytes(min(count, _COUNT_MAX)) for element, count in counts.items()}


async def selected(
    archive: RetrieveArchive, request: ServiceRequest, destination: Destination | None = None
) -> Selection | Answer:
    """Return what *request* asks *archive* for, or the refusal."""
    try:
        message = read_identifier(request)
        question = ArchiveQuestion(
            patient_root=request.context.abstract_syntax in PATIENT_ROOT,
            keys=message.attributes,
            options=QueryOptions.of(request.context.extended),
        )
        async with asyncio.timeout(SELECT_S):
            return await archive.select(question, request.peer, destination)
    except BrokenDataset as error:
        return refused_identifier(error, request)
    except Invalid as error:
        tag = error.members.get("tag")
        return refused_identifier(error, request, comment=error.detail or BROKEN, of=tag)
    except TooManyObjects:
        return Answer(
            status=Status.CANNOT_COUNT_MATCHES, comment="Over 65,535 objects: ask for fewer."
        )
    except (PlatformError, TimeoutError) as error:
        code = error.code if isinstance(error, PlatformError) else "too-slow"
        _LOG.warning(
            "dimse.retrieve-failed",
            extra={"calling_ae": request.peer.calling_ae.value, "error_code": code},
        )
        return Answer(
            status=Status.CANNOT_COUNT_MATCHES,
            comment="The archive is not available; ask again later.",
        )


def log_end(request: ServiceRequest, tally: Tally, answer: Answer, destination: str) -> None:
    """Log how a retrieval ended, in numbers."""
    _LOG.info(
        "dimse.retrieved",
        extra={
            "calling_ae": request.peer.calling_ae.value,
            "destination": destination,
            "status": f"{answer.status:04X}",
            "completed": tally.completed,
            "failed": tally.failed,
            "warning": tally.warning,
            "remaining": tally.remaining,
        },
    )
