"""What of a proposed association is accepted: contexts, transfer syntaxes, roles (PS3.8 7.1.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.dimse.associate import (
    AssociateRequest,
    ContextAnswer,
    ContextResult,
    ExtendedNegotiation,
    ProposedContext,
    RoleSelection,
)
from gateway.dimse.query_options import agree
from gateway.dimse.sop_classes import VERIFICATION, is_storage
from kernel.identifiers import InvalidIdentifier, Uid

IMPLICIT_LE: Final = "1.2.840.10008.1.2"
EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
DEFLATED_LE: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE: Final = "1.2.840.10008.1.2.2"
_NATIVE: Final = (EXPLICIT_LE, IMPLICIT_LE, DEFLATED_LE, EXPLICIT_BE)
"""Syntaxes that differ only in how elements are written, best first: explicit VR keeps what
private elements are, and big endian is retired."""

_READABLE: Final = (EXPLICIT_LE, IMPLICIT_LE)
"""Of what we read and answer ourselves; every requestor must offer the second (PS3.5 10.1)."""

_STANDARD_ROOT: Final = "1.2.840.10008."


@dataclass(frozen=True, slots=True, kw_only=True)
class NegotiationPolicy:
    """What this node is willing to accept.

    Attributes:
        services: SOP classes besides storage that are served here, Verification among them.
        store: whether C-STORE is served to this peer.
        private_sop_classes: take SOP classes outside the standard's root as storage too; odd but
            valid objects are kept rather than refused.
        store_to_peer: whether the peer may be SCP of a storage context (needed for C-GET).
    """

    services: frozenset[str] = frozenset({VERIFICATION})
    store: bool = True
    private_sop_classes: bool = True
    store_to_peer: bool = False


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """A presentation context both sides agreed on."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    extended: bytes = b""
    """Service class application information agreed for its SOP class (PS3.7 D.3.3.5)."""
    peer_asks: bool = True
    """The peer may be SCU of its SOP class."""
    peer_takes: bool = False
    """The peer is SCP of its SOP class, so that objects may be stored to it (C-GET)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The answer to an association request.

    Attributes:
        contexts: the accepted ones by their id.
        answers: one for each proposed context, in the order proposed.
        roles: the role selections to answer; none for what was not asked or not accepted.
        extended: the application information to answer, likewise.
    """

    contexts: Mapping[int, AcceptedContext]
    answers: tuple[ContextAnswer, ...]
    roles: tuple[RoleSelection, ...]
    extended: tuple[ExtendedNegotiation, ...] = ()


def negotiate(request: AssociateRequest, policy: NegotiationPolicy) -> Agreement:
    """Return what of *request* is accepted under *policy*; decides nothing about the peer."""
    asked = {role.sop_class_uid: role for role in request.user.roles}
    agreed = _agreed(request)
    contexts: dict[int, AcceptedContext] = {}
    answers: list[ContextAnswer] = []
    roles: dict[str, RoleSelection] = {}
    for proposed in request.contexts:
        role = asked.get(proposed.abstract_syntax)
        allowed = _allowed_role(role, policy) if role else None
        result, syntax = _answer(proposed, allowed, policy)
        answers.append(ContextAnswer(proposed.id, result, syntax))
        if result is ContextResult.ACCEPTANCE:
            information = agreed.get(proposed.abstract_syntax)
            contexts[proposed.id] = AcceptedContext(
                proposed.id,
                proposed.abstract_syntax,
                syntax,
                information.information if information else b"",
                peer_asks=allowed is None or allowed.scu,
                peer_takes=allowed is not None and allowed.scp,
            )
            if allowed:
                roles[proposed.abstract_syntax] = allowed
    used = {context.abstract_syntax for context in contexts.values()}
    return Agreement(
        MappingProxyType(contexts),
        tuple(answers),
        tuple(roles.values()),
        tuple(one for uid, one in agreed.items() if uid in used),
    )


def _agreed(request: AssociateRequest) -> dict[str, ExtendedNegotiation]:
    answers = (agree(asked) for asked in request.user.extended)
    return {answer.sop_class_uid: answer for answer in answers if answer is not None}


def choose_transfer_syntax(proposed: Sequence[str]) -> str | None:
    """Return the transfer syntax to accept, or None when no proposal is a valid UID.

    A sender lists first what it would like to send, so the first counts: a compressed syntax at
    the head is taken, and nobody decompresses for our sake; none further down is, so nobody
    compresses for our sake either. Native syntaxes are one family, of which the best is taken.
    Private and unknown syntaxes are accepted like any other: the object is kept as it is.
    """
    valid = [uid for uid in proposed if _is_uid(uid)]
    if not valid:
        return None
    if valid[0] not in _NATIVE:
        return valid[0]
    return next(syntax for syntax in _NATIVE if syntax in valid)


def _answer(
    proposed: ProposedContext, allowed: RoleSelection | None, policy: NegotiationPolicy
) -> tuple[ContextResult, str]:
    # In a refusal the transfer syntax is not significant but has to be there (PS3.8 9.3.3.2).
    taken_by_peer = allowed is not None and allowed.scp
    if not _serves(proposed.abstract_syntax, policy, to_peer=taken_by_peer):
        return ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, IMPLICIT_LE
    if allowed and not (allowed.scu or allowed.scp):
        return ContextResult.USER_REJECTION, IMPLICIT_LE
    syntax = choose_transfer_syntax(proposed.transfer_syntaxes)
    if taken_by_peer:
        # Every object can be had so, not every one in what the peer would like best; who wants
        # them as they are kept proposes that on a context of its own.
        offered = proposed.transfer_syntaxes
        syntax = next((known for known in _READABLE if known in offered), syntax)
    if proposed.abstract_syntax in policy.services - {VERIFICATION}:
        offered = proposed.transfer_syntaxes
        syntax = next((known for known in _READABLE if known in offered), None)
    if syntax is None:
        return ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, IMPLICIT_LE
    return ContextResult.ACCEPTANCE, syntax


def _serves(abstract_syntax: str, policy: NegotiationPolicy, *, to_peer: bool) -> bool:
    if abstract_syntax in policy.services:
        return True
    if not (policy.store or to_peer):
        return False
    if not _is_uid(abstract_syntax) or not is_storage(abstract_syntax):
        return False
    return policy.private_sop_classes or abstract_syntax.startswith(_STANDARD_ROOT)


def _allowed_role(role: RoleSelection, policy: NegotiationPolicy) -> RoleSelection:
    if role.sop_class_uid in policy.services:
        return RoleSelection(role.sop_class_uid, scu=role.scu, scp=False)
    return RoleSelection(
        role.sop_class_uid,
        scu=role.scu and policy.store,
        scp=role.scp and policy.store_to_peer,
    )


def _is_uid(text: str) -> bool:
    try:
        Uid.parse(text)
    except InvalidIdentifier:
        return False
    return True
