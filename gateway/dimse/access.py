"""Who may open an association (PS3.8 9.3.4), by an allow-list of calling AE titles."""

import ipaddress
import logging
from collections.abc import Iterable
from typing import Final

from gateway.dimse.associate import APPLICATION_CONTEXT, AssociateRequest
from gateway.dimse.ports import Admission, Peer, PeerBook
from gateway.dimse.reject import (
    APPLICATION_CONTEXT_NOT_SUPPORTED,
    CALLED_AE_NOT_RECOGNIZED,
    CALLING_AE_NOT_RECOGNIZED,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    RejectReason,
)
from kernel.identifiers import AETitle, InstitutionCode, InvalidIdentifier
from kernel.identity import ApplicationEntity

_LOG: Final = logging.getLogger(__name__)
_VERSION_1: Final = 1
_DEMO_ASSOCIATIONS: Final = 64


class PeerTable:
    """The allow-list: application entities that are known, and where each may call from.

    An AE title proves nothing, so where an entity names its address, that counts as well. A host
    *name* is where it is called back at and is not looked up here.
    """

    def __init__(
        self,
        called: AETitle,
        entities: Iterable[ApplicationEntity],
        *,
        loopback: InstitutionCode | None = None,
    ) -> None:
        """Admit *entities*, who must call us *called*.

        Args:
            called: our own AE title.
            entities: who is known.
            loopback: when given, any other calling title from this machine itself is admitted
                too, for this institution; for demonstrations only.
        """
        self._called = called
        self._loopback = loopback
        self._known: dict[AETitle, tuple[ApplicationEntity, Admission]] = {}
        self.replace(entities)

    def replace(self, entities: Iterable[ApplicationEntity]) -> None:
        """Admit *entities* from now on; associations that are open stay open.

        An entity whose title or institution is none is left out and logged: one bad row does not
        close the door to the others.
        """
        known = {}
        for entity in entities:
            try:
                admission = Admission(
                    institution=InstitutionCode.parse(entity.institution),
                    max_associations=entity.max_associations,
                    charset_hint=entity.charset_hint,
                    may_store=entity.may_store,
                    may_query=entity.may_query,
                )
                known[AETitle.parse(entity.ae_title)] = entity, admission
            except InvalidIdentifier as error:
                _LOG.warning("dimse.bad-entity", extra={"reason": error.detail})
        self._known = known

    def admit(
        self, calling: AETitle, called: AETitle, address: str, *, secure: bool
    ) -> Admission | RejectReason:
        """Return the admission of *calling*, or why it is rejected (see ``PeerBook``)."""
        if called != self._called:
            return CALLED_AE_NOT_RECOGNIZED
        found = self._known.get(calling)
        if found is not None and _may_come(found[0], address, secure=secure):
            return found[1]
        if self._loopback is not None and _is_loopback(address):
            return Admission(
                institution=self._loopback, max_associations=_DEMO_ASSOCIATIONS, may_query=True
            )
        return CALLING_AE_NOT_RECOGNIZED


def admit(
    request: AssociateRequest, peers: PeerBook, address: str, *, secure: bool
) -> tuple[Peer, Admission] | RejectReason:
    """Return who asks for an association and what is allowed, or the reason for the reject.

    The provider's own reasons come first, as PS3.8 Table 9-21 has them: protocol version, then
    application context, then the AE titles. A title no AE may have is one nobody recognizes.
    """
    if not request.protocol_version & _VERSION_1:
        return PROTOCOL_VERSION_NOT_SUPPORTED
    if request.application_context != APPLICATION_CONTEXT:
        return APPLICATION_CONTEXT_NOT_SUPPORTED
    called = _title(request.called_ae)
    if called is None:
        return CALLED_AE_NOT_RECOGNIZED
    calling = _title(request.calling_ae)
    if calling is None:
        return CALLING_AE_NOT_RECOGNIZED
    found = peers.admit(calling, called, address, secure=secure)
    if isinstance(found, RejectReason):
        return found
    peer = Peer(
        calling_ae=calling,
        called_ae=called,
        address=address,
        institution=found.institution,
        charset_hint=found.charset_hint,
    )
    return peer, found


def _title(raw: bytes) -> AETitle | None:
    try:
        # Some devices fill the field with NUL, which PS3.8 9.3.2 does not allow.
        return AETitle.parse(raw.decode("latin-1").rstrip("\0"))
    except InvalidIdentifier:
        return None


def _may_come(entity: ApplicationEntity, address: str, *, secure: bool) -> bool:
    if entity.tls_required and not secure:
        return False
    try:
        network = ipaddress.ip_network(entity.host, strict=False)
    except ValueError:
        return True
    return _address(address) in network


def _is_loopback(address: str) -> bool:
    return _address(address).is_loopback


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    # An IPv4 peer on a dual-stack socket is still the IPv4 peer the table names.
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, ipaddress.IPv4Address) else address
