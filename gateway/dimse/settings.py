"""The numbers of the DICOM door."""

import ssl
from dataclasses import dataclass, field

from gateway.dimse.negotiate import NegotiationPolicy
from kernel.dicom.part10 import IMPLEMENTATION_VERSION_NAME

KIB = 1024
GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptorSettings:
    """How the acceptor behaves; the defaults are for a county on its own network.

    Attributes:
        max_pdu_bytes: Maximum Length offered, and the longest P-DATA-TF body taken.
        first_pdu_bytes: the longest A-ASSOCIATE-RQ body taken.
        max_object_bytes: a longer data set is refused.
        first_pdu_s: from connection to complete A-ASSOCIATE-RQ, TLS handshake included.
        tls_handshake_s: the handshake's own share of it.
        idle_s: an association that makes no progress for so long is aborted. Progress is a whole
            message, or ``progress_bytes`` more of one.
        progress_bytes: see ``idle_s``.
        commit_s: how long an object may take to become durable before the sender is told to come
            again.
        linger_s: how long we wait for the peer to close after our last word.
        drain_s: how long associations may go on after the end was asked for.
        max_connections: sockets held at once, associated or not.
        pending_per_address: sockets of one address that have not asked for an association yet;
            beyond it the oldest goes.
        max_associations: associations held at once.
        associations_per_address: of them from one address.
        policy: what is accepted in negotiation.
        implementation_version: says which node answers (``YILIAN_`` and its id), so that a sender
            knows whether this is the one that acknowledged something before.
        tls: the context for TLS sockets, needed when there are any.
    """

    max_pdu_bytes: int = 128 * KIB
    first_pdu_bytes: int = 64 * KIB
    max_object_bytes: int = 8 * GIB
    first_pdu_s: float = 10.0
    tls_handshake_s: float = 5.0
    idle_s: float = 60.0
    progress_bytes: int = 16 * KIB
    commit_s: float = 60.0
    linger_s: float = 2.0
    drain_s: float = 4.0
    max_connections: int = 1024
    pending_per_address: int = 128
    max_associations: int = 200
    associations_per_address: int = 64
    policy: NegotiationPolicy = field(default_factory=NegotiationPolicy)
    implementation_version: str = IMPLEMENTATION_VERSION_NAME
    tls: ssl.SSLContext | None = None
