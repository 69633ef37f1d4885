"""Objects stored to somebody: what they are, over what line they go, what was said to each.

Whoever has objects to give (an archive, a spool) makes ``SendableObject``s of them; whoever has a
line (an association of ours, or the one a C-GET came on) is a ``StoreLine``. ``send_over`` joins
the two: it reads ahead, so that the next object is ready when the answer to the last one comes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.dimse.command_set import Command, Element
from gateway.dimse.read_ahead import ReadAhead
from kernel.dicom.status import COMMENT_MAX, Status, comment_of, status_of
from kernel.errors import Category, PlatformError

_WARNINGS: Final = range(0xB000, 0xC000)
_OUT_OF_RESOURCES: Final = range(0xA700, 0xA800)
_OTHER_WARNINGS: Final = frozenset({0x0001, 0x0107, 0x0116})
LEAST_PDU_BYTES: Final = 1024
"""A peer that takes less at once gets no objects: each would be cut into crumbs."""
NO_CONTEXT: Final = "The peer takes it in no form it can be had in."


class SendableObject(Protocol):
    """One object that can be sent."""

    @property
    def sop_class_uid(self) -> str:
        """Its SOP class."""
        ...

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP instance."""
        ...

    @property
    def forms(self) -> tuple[str, ...]:
        """Transfer syntaxes it can be had in without loss, best first; the first is its own."""
        ...

    def pieces(self, transfer_syntax_uid: str) -> AsyncGenerator[bytes, None]:
        """Yield its data set in that one of ``forms``, without file meta, in pieces of any size.

        Raises:
            PlatformError: it cannot be had so. Where that comes before the first piece, another
                form is tried.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object.

    Attributes:
        status: DIMSE status of the peer, or ours where it was not sent; None where the line broke
            before the answer.
        comment: the peer's Error Comment, or our reason.
    """

    status: int | None
    comment: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the peer has it, with nothing to add."""
        return self.status == Status.SUCCESS

    @property
    def is_warning(self) -> bool:
        """Whether the peer has it, and adds something (PS3.7 C.4)."""
        status = self.status
        return status is not None and (status in _WARNINGS or status in _OTHER_WARNINGS)

    @property
    def worth_retrying(self) -> bool:
        """Whether the line or the peer's room was the cause, not the object."""
        return self.status is None or self.status in _OUT_OF_RESOURCES


@dataclass(frozen=True, slots=True)
class StoreOrder:
    """The C-STORE-RQ of one object, but for its message id."""

    sop_class_uid: str
    sop_instance_uid: str
    originator: tuple[str, int] | None = None
    """AE title that asked for it by C-MOVE, and the message id it asked with."""


class LineLost(PlatformError):
    """Nothing more can be sent on the line; the object under way was not answered."""

    code = "store-line-lost"
    category = Category.UNAVAILABLE


class StoreLine(Protocol):
    """An association on which the other side takes objects."""

    @property
    def contexts(self) -> Mapping[tuple[str, str], int]:
        """Presentation context ids by SOP class and transfer syntax."""
        ...

    async def store(
        self, context_id: int, order: StoreOrder, pieces: AsyncIterator[bytes]
    ) -> Command:
        """Send one object and return the C-STORE-RSP.

        Raises:
            LineLost: the peer left or took too long, or *pieces* broke off: then the association
                is aborted, for half an object cannot be taken back.
        """
        ...


_Ready = tuple[SendableObject, int, Outcome | None]
"""An object, and the context its pieces go on, or why it has none."""
Told = Callable[[SendableObject, Outcome], Awaitable[None]]


def _never() -> bool:
    return False


async def send_over(
    line: StoreLine,
    objects: Iterable[SendableObject],
    told: Told,
    *,
    originator: tuple[str, int] | None = None,
    stop: Callable[[], bool] = _never,
) -> None:
    """Send *objects* over *line* in their order and tell of each what became of it.

    Args:
        line: where to.
        objects: what; one that cannot be had, or that the peer takes in no form, is told of as
            failed, and the others go on.
        told: awaited after each object, in order.
        originator: see ``StoreOrder``.
        stop: asked before each object; nothing is told of those that are not sent.

    Raises:
        LineLost: after the object under way was told of; those behind it were not sent.
    """
    ahead: ReadAhead[_Ready] = ReadAhead()
    lost: LineLost | None = None
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(_read(ahead, objects, line.contexts))
        while not stop() and (one := await ahead.next()) is not None:
            sent, context_id, outcome = one
            if outcome is None:
                order = StoreOrder(sent.sop_class_uid, sent.sop_instance_uid, originator)
                try:
                    async with aclosing(ahead.pieces()) as pieces:
                        outcome = _said(await line.store(context_id, order, pieces))
                except LineLost as error:
                    outcome, lost = Outcome(None, error.detail[:COMMENT_MAX]), error
            await told(sent, outcome)
            if lost is not None:
                break
        reading.cancel()
    if lost is not None:
        raise lost


async def _read(
    ahead: ReadAhead[_Ready],
    objects: Iterable[SendableObject],
    contexts: Mapping[tuple[str, str], int],
) -> None:
    for one in objects:
        await _read_one(ahead, one, contexts)
    await ahead.end()


async def _read_one(
    ahead: ReadAhead[_Ready],
    one: SendableObject,
    contexts: Mapping[tuple[str, str], int],
) -> None:
    refusal = Outcome(Status.SOP_CLASS_NOT_SUPPORTED, NO_CONTEXT)
    for form in one.forms:
        context_id = contexts.get((one.sop_class_uid, form))
        if context_id is None:
            continue
        begun = False
        try:
            async with aclosing(one.pieces(form)) as pieces:
                async for piece in pieces:
                    if not begun:
                        begun = True
                        await ahead.begin((one, context_id, None))
                    await ahead.piece(piece)
        except PlatformError as error:
            if begun:
                await ahead.break_off(error)
                return
            refusal = Outcome(status_of(error), comment_of(error))
            continue
        if begun:
            await ahead.close()
            return
    await ahead.begin((one, 0, refusal))


def _said(response: Command) -> Outcome:
    return Outcome(response.us(Element.STATUS), response.text(Element.ERROR_COMMENT))
