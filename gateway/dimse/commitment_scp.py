"""Storage Commitment Push Model SCP: N-ACTION taken, the result reported later (PS3.4 J)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

from gateway.dimse.command_set import Command, CommandField, Element, us_bytes
from gateway.dimse.commitment_messages import read_request
from gateway.dimse.ports import Admission, CommitmentRequest, Commitments, Reference
from gateway.dimse.service import Answer, ServiceRequest
from gateway.dimse.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from kernel.dicom.status import Status
from kernel.errors import Category, PlatformError
from kernel.identifiers import Uid

_LOG: Final = logging.getLogger(__name__)
_REQUEST_COMMITMENT: Final = 1
_ON_THE_LOOP_BYTES: Final = 64 << 10


class CommitmentScp:
    """Hands commitment requests on to whoever keeps them."""

    max_bytes = 4 << 20
    too_large = Status.RESOURCE_LIMITATION

    def __init__(self, commitments: Commitments) -> None:
        """Keep requests in *commitments*."""
        self._commitments = commitments

    def open_to(self, admission: Admission) -> bool:
        """Whether a peer so admitted is served: devices."""
        return admission.may_store

    async def answers(self, request: ServiceRequest) -> AsyncIterator[Answer]:
        """Yield the one response; after success the request is durable."""
        refusal = _refusal(request.command)
        if refusal is not None:
            yield refusal
            return
        try:
            transaction_uid, references = await _read(request)
            await self._commitments.request(
                CommitmentRequest(
                    transaction_uid=transaction_uid, references=references, peer=request.peer
                ),
                request.line,
            )
        except PlatformError as error:
            yield _failed(error, request)
            return
        yield Answer(
            status=Status.SUCCESS, more={Element.ACTION_TYPE_ID: us_bytes(_REQUEST_COMMITMENT)}
        )


async def _read(request: ServiceRequest) -> tuple[Uid, tuple[Reference, ...]]:
    raw, syntax = request.data_set, request.context.transfer_syntax
    if len(raw) <= _ON_THE_LOOP_BYTES:
        return read_request(raw, syntax)
    return await asyncio.to_thread(read_request, raw, syntax)


def _refusal(command: Command) -> Answer | None:
    if command.field is not CommandField.N_ACTION_RQ:
        return Answer(
            status=Status.UNRECOGNIZED_OPERATION, comment="Commitment is asked for by N-ACTION."
        )
    if command.text(Element.REQUESTED_SOP_CLASS_UID) != STORAGE_COMMITMENT:
        return Answer(status=Status.NO_SUCH_SOP_CLASS, comment="No class of this context.")
    if command.text(Element.REQUESTED_SOP_INSTANCE_UID) != STORAGE_COMMITMENT_INSTANCE:
        return Answer(
            status=Status.NO_SUCH_SOP_INSTANCE, comment="Its one instance ends in 1.20.1.1."
        )
    if command.us(Element.ACTION_TYPE_ID) != _REQUEST_COMMITMENT:
        return Answer(status=Status.NO_SUCH_ACTION, comment="There is action 1 only.")
    return None


def _failed(error: PlatformError, request: ServiceRequest) -> Answer:
    _LOG.warning(
        "dimse.commitment-refused",
        extra={
            "calling_ae": request.peer.calling_ae.value,
            "error_code": error.code,
            "detail": error.detail,
        },
    )
    if error.category is Category.INVALID:
        return Answer(
            status=Status.INVALID_ARGUMENT_VALUE,
            comment="The request is broken or names no transaction or instance.",
        )
    if error.category is Category.TOO_LARGE:
        return Answer(
            status=Status.RESOURCE_LIMITATION, comment="Too many instances: ask in parts."
        )
    return Answer(
        status=Status.RESOURCE_LIMITATION, comment="It cannot be kept now; ask again later."
    )
