"""A-ASSOCIATE-RJ: every reason we reject an association for (PS3.8 9.3.4)."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from gateway.dimse.pdu_stream import PduType, pdu


class RejectResult(IntEnum):
    """Whether asking again may help (PS3.8 Table 9-21)."""

    PERMANENT = 1
    TRANSIENT = 2


@dataclass(frozen=True, slots=True)
class RejectReason:
    """One row of PS3.8 Table 9-21: result, source and reason of an A-ASSOCIATE-RJ."""

    result: RejectResult
    source: int
    reason: int
    meaning: str = field(compare=False)


NO_REASON_GIVEN: Final = RejectReason(RejectResult.PERMANENT, 1, 1, "no reason given")
APPLICATION_CONTEXT_NOT_SUPPORTED: Final = RejectReason(
    RejectResult.PERMANENT, 1, 2, "application context name not supported"
)
CALLING_AE_NOT_RECOGNIZED: Final = RejectReason(
    RejectResult.PERMANENT, 1, 3, "calling AE title not recognized"
)
CALLED_AE_NOT_RECOGNIZED: Final = RejectReason(
    RejectResult.PERMANENT, 1, 7, "called AE title not recognized"
)
PROTOCOL_VERSION_NOT_SUPPORTED: Final = RejectReason(
    RejectResult.PERMANENT, 2, 2, "protocol version not supported"
)
TEMPORARY_CONGESTION: Final = RejectReason(RejectResult.TRANSIENT, 3, 1, "temporary congestion")
LOCAL_LIMIT_EXCEEDED: Final = RejectReason(RejectResult.TRANSIENT, 3, 2, "local limit exceeded")


def reject_pdu(reason: RejectReason) -> bytes:
    """Return the A-ASSOCIATE-RJ PDU for *reason*."""
    return pdu(PduType.ASSOCIATE_RJ, bytes((0, reason.result, reason.source, reason.reason)))
