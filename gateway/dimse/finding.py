"""The answers to one C-FIND, whatever was searched: what matches, one by one, then how it ended."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.dimse.attributes import Attributes, Message, read_message, write_attributes
from gateway.dimse.command_set import Element, tag_bytes
from gateway.dimse.service import Answer, ServiceRequest
from kernel.dicom.status import COMMENT_MAX, Status
from kernel.errors import Category, Invalid, PlatformError, Unavailable

_LOG: Final = logging.getLogger(__name__)
_LATER: Final = frozenset({Category.BUSY, Category.UNAVAILABLE})
BROKEN: Final = "The identifier is broken, or a key is no value of its kind."


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One search that has begun.

    Attributes:
        what: is searched, as a sentence about it begins: ``The worklist``.
        entries: what matches, each as it is to be answered.
        pending: the status each of them goes with.
        charsets: what the asker reads; empty where nothing is known of it.
        most: entries of one answer; where more match it ends with A700H.
        within_s: how long the search may take for one entry.
    """

    what: str
    entries: AsyncIterator[Attributes] = field(repr=False)
    pending: Status
    charsets: tuple[str, ...]
    most: int
    within_s: float


def read_identifier(request: ServiceRequest) -> Message:
    """Return the identifier of *request*.

    Raises:
        Invalid: there is none, or it is no data set or over a limit.
    """
    if not request.data_set:
        raise Invalid("There is no identifier.", code="bad-identifier")
    return read_message(
        request.data_set, request.context.transfer_syntax, hint=request.peer.charset_hint
    )


def charsets_of(message: Message, request: ServiceRequest) -> tuple[str, ...]:
    """Return the character set the asker reads: what it wrote in, else what is known of it."""
    hint = request.peer.charset_hint
    return message.charsets or ((hint,) if hint else ())


def refused_identifier(
    error: Invalid, request: ServiceRequest, *, comment: str = BROKEN, of: int | None = None
) -> Answer:
    """Return the answer to an identifier that cannot be searched for.

    Args:
        error: why; its detail goes to the log.
        request: what is answered.
        comment: why, for Error Comment.
        of: tag of the key that is wrong, for Offending Element (0000,0901).
    """
    _LOG.warning(
        "dimse.bad-identifier",
        extra={"calling_ae": request.peer.calling_ae.value, "detail": error.detail},
    )
    more: Mapping[int, bytes] = {} if of is None else {Element.OFFENDING_ELEMENT: tag_bytes(of)}
    return Answer(
        status=Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS, comment=comment[:COMMENT_MAX], more=more
    )


async def answers_of(finding: Finding, request: ServiceRequest) -> AsyncGenerator[Answer, None]:
    """Yield one pending response for each entry of *finding*, then the final one."""
    sent = 0
    try:
        while (entry := await _next(finding)) is not None:
            if sent == finding.most:
                yield Answer(
                    status=Status.OUT_OF_RESOURCES,
                    comment=f"Over {sent} entries match: ask for fewer.",
                )
                return
            sent += 1
            data_set = write_attributes(entry, request.context.transfer_syntax, finding.charsets)
            yield Answer(status=finding.pending, data_set=data_set)
    except PlatformError as error:
        yield search_failed(error, finding.what, request)
        return
    finally:
        close = getattr(finding.entries, "aclose", None)
        if close is not None:
            await close()
    yield Answer(status=Status.SUCCESS)


def search_failed(error: PlatformError, what: str, request: ServiceRequest) -> Answer:
    """Return the last answer where *what* could not be searched, or not to the end."""
    _LOG.warning(
        "dimse.find-failed",
        extra={"calling_ae": request.peer.calling_ae.value, "error_code": error.code},
    )
    if error.category in _LATER:
        comment = f"{what} is not available; ask again later."
        if error.category is Category.BUSY:
            comment = f"{what} takes too long to search: ask for fewer."
        return Answer(status=Status.OUT_OF_RESOURCES, comment=comment)
    return Answer(status=Status.UNABLE_TO_PROCESS, comment=f"{what} cannot be read.")


async def _next(finding: Finding) -> Attributes | None:
    try:
        async with asyncio.timeout(finding.within_s):
            return await anext(finding.entries, None)
    except TimeoutError as error:
        raise Unavailable(f"no entry within {finding.within_s} s") from error
