"""Modality Performed Procedure Step SCP: N-CREATE and N-SET (PS3.4 F.7)."""

import asyncio
import dataclasses
import logging
import struct
import uuid
from collections.abc import AsyncIterator
from typing import Final

from gateway.dimse.attributes import LIMITS, Attributes, read_message
from gateway.dimse.command_set import CommandField, Element, uid_bytes, us_bytes
from gateway.dimse.ports import Admission, ProcedureSteps, StepAnswer
from gateway.dimse.service import Answer, ServiceRequest
from kernel.dicom.dictionary import tag_of
from kernel.dicom.status import Status
from kernel.errors import Invalid, PlatformError
from kernel.identifiers import InvalidIdentifier, Uid

_LOG: Final = logging.getLogger(__name__)
_MAX_BYTES: Final = 4 << 20
_LIMITS: Final = dataclasses.replace(
    LIMITS, elements=100_000, elements_most=100_000, header_bytes=_MAX_BYTES
)
"""A step names every image it made; 5,000 of them take some 40,000 elements."""
_ON_THE_LOOP_BYTES: Final = 64 << 10
_TAG: Final = struct.Struct("<HH")


class MppsScp:
    """Hands performed procedure steps on to whoever keeps them."""

    max_bytes = _MAX_BYTES
    too_large = Status.PROCESSING_FAILURE

    def __init__(self, steps: ProcedureSteps) -> None:
        """Keep steps in *steps*."""
        self._steps = steps

    def open_to(self, admission: Admission) -> bool:
        """Whether a peer so admitted is served: devices."""
        return admission.may_store

    async def answers(self, request: ServiceRequest) -> AsyncIterator[Answer]:
        """Yield the one response."""
        match request.command.field:
            case CommandField.N_CREATE_RQ:
                yield await self._answer(request, Element.AFFECTED_SOP_INSTANCE_UID)
            case CommandField.N_SET_RQ:
                yield await self._answer(request, Element.REQUESTED_SOP_INSTANCE_UID)
            case _:
                yield Answer(
                    status=Status.UNRECOGNIZED_OPERATION, comment="Steps are created and set only."
                )

    async def _answer(self, request: ServiceRequest, element: Element) -> Answer:
        create = request.command.field is CommandField.N_CREATE_RQ
        text = request.command.text(element)
        try:
            # A device may leave it to us to name the step (PS3.7 10.1.5.1.4).
            uid = Uid.parse(f"2.25.{uuid.uuid4().int}" if create and not text else text)
        except InvalidIdentifier:
            return Answer(status=Status.INVALID_OBJECT_INSTANCE, comment="No valid instance UID.")
        try:
            attributes = await _read(request)
            keep = self._steps.create if create else self._steps.set
            answer = await keep(uid, attributes, request.peer)
        except PlatformError as error:
            return _refused(error, request)
        return _written(answer, uid)


async def _read(request: ServiceRequest) -> Attributes:
    raw, syntax, hint = (
        request.data_set,
        request.context.transfer_syntax,
        request.peer.charset_hint,
    )
    if len(raw) <= _ON_THE_LOOP_BYTES:
        return read_message(raw, syntax, hint=hint, limits=_LIMITS).attributes
    message = await asyncio.to_thread(read_message, raw, syntax, hint=hint, limits=_LIMITS)
    return message.attributes


def _written(answer: StepAnswer, uid: Uid) -> Answer:
    more = {Element.AFFECTED_SOP_INSTANCE_UID.value: uid_bytes(uid.value)}
    if answer.error_id is not None:
        more[Element.ERROR_ID] = us_bytes(answer.error_id)
    tags = [tag for keyword in answer.faulty if (tag := tag_of(keyword)) is not None]
    if tags:
        more[Element.ATTRIBUTE_IDENTIFIER_LIST] = b"".join(
            _TAG.pack(tag >> 16, tag & 0xFFFF) for tag in sorted(tags)
        )
    return Answer(status=answer.status, comment=answer.comment, more=more)


def _refused(error: PlatformError, request: ServiceRequest) -> Answer:
    _LOG.warning(
        "dimse.step-refused",
        extra={
            "calling_ae": request.peer.calling_ae.value,
            "error_code": error.code,
            "detail": error.detail,
        },
    )
    if isinstance(error, Invalid):
        return Answer(status=Status.PROCESSING_FAILURE, comment="The data set is broken.")
    return Answer(
        status=Status.RESOURCE_LIMITATION, comment="It cannot be kept now; send it again later."
    )
