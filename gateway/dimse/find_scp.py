"""Query/Retrieve FIND SCP: C-FIND over the archive, patient and study root (PS3.4 C.4.1)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from gateway.dimse.attributes import Attributes, BrokenDataset, text_of
from gateway.dimse.command_set import CommandField
from gateway.dimse.finding import (
    BROKEN,
    Finding,
    answers_of,
    charsets_of,
    read_identifier,
    refused_identifier,
    search_failed,
)
from gateway.dimse.ports import Admission, ArchiveIndex, ArchiveQuestion
from gateway.dimse.query_options import QueryOptions
from gateway.dimse.service import Answer, ServiceRequest
from gateway.dimse.sop_classes import PATIENT_ROOT_FIND
from kernel.dicom.status import Status
from kernel.errors import Invalid, PlatformError, Unavailable

IDENTIFIER_MAX_BYTES: Final = 1024 * 1024
"""A list of ten thousand UIDs is read, so that its answer can say that it is too long."""
_FIND_S: Final = 20.0
_WHAT: Final = "The archive"
_LEVEL: Final = "QueryRetrieveLevel"
_RETRIEVE_AE_TITLE: Final = "RetrieveAETitle"


class FindScp:
    """Answers queries of both query/retrieve models out of one index."""

    max_bytes = IDENTIFIER_MAX_BYTES
    too_large = Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS

    def __init__(self, index: ArchiveIndex, *, find_s: float = _FIND_S) -> None:
        """Answer out of *index*, which may take *find_s* seconds for one entry."""
        self._index = index
        self._find_s = find_s

    def open_to(self, admission: Admission) -> bool:
        """Whether a peer so admitted is served: whoever may ask for images."""
        return admission.may_query

    async def answers(self, request: ServiceRequest) -> AsyncIterator[Answer]:
        """Yield one pending response for each match, then the final one."""
        if request.command.field is not CommandField.C_FIND_RQ:
            yield Answer(status=Status.UNRECOGNIZED_OPERATION, comment="This is asked by C-FIND.")
            return
        try:
            finding = await self._begun(request)
        except BrokenDataset as error:
            yield refused_identifier(error, request)
            return
        except Invalid as error:
            tag = error.members.get("tag")
            yield refused_identifier(error, request, comment=error.detail or BROKEN, of=tag)
            return
        except PlatformError as error:
            yield search_failed(error, _WHAT, request)
            return
        async with aclosing(answers_of(finding, request)) as answers:
            async for answer in answers:
                yield answer

    async def _begun(self, request: ServiceRequest) -> Finding:
        message = read_identifier(request)
        question = ArchiveQuestion(
            patient_root=request.context.abstract_syntax == PATIENT_ROOT_FIND,
            keys=message.attributes,
            options=QueryOptions.of(request.context.extended),
        )
        try:
            async with asyncio.timeout(self._find_s):
                found = await self._index.find(question, request.peer)
        except TimeoutError as error:
            raise Unavailable(f"not begun within {self._find_s} s") from error
        # Where to retrieve what is found, and which level it is of (PS3.4 C.4.1.1.3.2).
        said = {
            _LEVEL: text_of(message.attributes, _LEVEL),
            _RETRIEVE_AE_TITLE: request.peer.called_ae.value,
        }
        return Finding(
            what=_WHAT,
            entries=_with(said, found.entries),
            pending=Status.PENDING if found.all_keys else Status.PENDING_KEYS_NOT_MATCHED,
            charsets=charsets_of(message, request),
            most=found.most,
            within_s=self._find_s,
        )


async def _with(said: Attributes, found: AsyncIterator[Attributes]) -> AsyncIterator[Attributes]:
    try:
        async for entry in found:
            yield {**entry, **said}
    finally:
        close = getattr(found, "aclose", None)
        if close is not None:
            await close()
