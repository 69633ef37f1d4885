"""Sends objects to a DICOM peer: contexts that fit, association after association (PS3.4 B).

``StoreClient(peer).send(objects, told)`` reports every object once, whatever happens; it raises
nothing for what a peer does.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.dimse.associate import ProposedContext
from gateway.dimse.outgoing import MAX_CONTEXTS, Peer, PeerUnavailable
from gateway.dimse.outgoing_association import CallTimes, OutgoingAssociation
from gateway.dimse.storing import LineLost, Outcome, SendableObject, Told, send_over
from kernel.dicom.status import COMMENT_MAX

_TIMES: Final = CallTimes()
_BARREN_MAX: Final = 2
"""Associations lost one after the other, in which nothing was answered, before we give up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes over one association, and what is proposed for it."""

    objects: tuple[SendableObject, ...]
    contexts: tuple[ProposedContext, ...]


def plans(objects: Iterable[SendableObject]) -> list[Plan]:
    """Return *objects* in groups whose presentation contexts fit one association each.

    Each form of each SOP class gets a context of its own, so that we choose, not the peer; the
    best forms first. A SOP class stays together, in the order its first object has.
    """
    by_class: dict[str, list[SendableObject]] = {}
    for one in objects:
        by_class.setdefault(one.sop_class_uid, []).append(one)
    made: list[Plan] = []
    group: list[SendableObject] = []
    pairs: list[tuple[str, str]] = []
    for sop_class, members in by_class.items():
        forms = _forms(members)[:MAX_CONTEXTS]
        if len(pairs) + len(forms) > MAX_CONTEXTS:
            made.append(_plan(group, pairs))
            group, pairs = [], []
        group += members
        pairs += [(sop_class, form) for form in forms]
    if group:
        made.append(_plan(group, pairs))
    return made


class StoreClient:
    """The way to one peer; each ``send`` is a call of its own."""

    def __init__(self, peer: Peer, *, times: CallTimes = _TIMES) -> None:
        """Call *peer* with the patience of *times*."""
        self._peer = peer
        self._times = times

    async def send(
        self,
        objects: Iterable[SendableObject],
        told: Told,
        *,
        originator: tuple[str, int] | None = None,
    ) -> None:
        """Send *objects*, best form first; SOP class by SOP class where one association is too few.

        An association that is lost is made again for the rest, until two in a row bring nothing;
        then, or where there is none to be had, the rest has the outcome without a status.
        Cancelled, it aborts its association at once.

        Args:
            objects: what to send.
            told: awaited after each object.
            originator: AE title that asked by C-MOVE, and its message id.
        """
        lost = ""
        for plan in plans(objects):
            left = deque(plan.objects)

            async def note(
                one: SendableObject, outcome: Outcome, left: deque[SendableObject] = left
            ) -> None:
                left.popleft()
                await told(one, outcome)

            if not lost:
                lost = await self._send_plan(plan, left, note, originator)
            while left:
                await note(left[0], Outcome(None, lost))

    async def _send_plan(
        self,
        plan: Plan,
        left: deque[SendableObject],
        told: Told,
        originator: tuple[str, int] | None,
    ) -> str:
        """Send what is *left* of *plan*; return why nothing more can be sent, or nothing."""
        barren = 0
        while left:
            before = len(left)
            try:
                association = await OutgoingAssociation.open(self._peer, plan.contexts, self._times)
                await self._send_over(association, tuple(left), told, originator)
            except (PeerUnavailable, LineLost) as error:
                # The object under way has been told of, which is no progress by itself.
                barren = 0 if before - len(left) > 1 else barren + 1
                if isinstance(error, PeerUnavailable) or barren == _BARREN_MAX:
                    return error.detail[:COMMENT_MAX]
        return ""

    async def _send_over(
        self,
        association: OutgoingAssociation,
        objects: Sequence[SendableObject],
        told: Told,
        originator: tuple[str, int] | None,
    ) -> None:
        try:
            await send_over(association, objects, told, originator=originator)
        except BaseException:
            association.abort()
            raise
        await association.release()


def _forms(members: Iterable[SendableObject]) -> list[str]:
    """Return the forms of all *members*, each where its best rank is."""
    ranks: dict[str, int] = {}
    # Most share one tuple of forms.
    for forms in dict.fromkeys(one.forms for one in members):
        for rank, form in enumerate(forms):
            ranks[form] = min(rank, ranks.get(form, rank))
    return sorted(ranks, key=ranks.__getitem__)


def _plan(group: Sequence[SendableObject], pairs: Sequence[tuple[str, str]]) -> Plan:
    contexts = (
        ProposedContext(2 * number + 1, sop_class, (form,))
        for number, (sop_class, form) in enumerate(pairs)
    )
    return Plan(tuple(group), tuple(contexts))
