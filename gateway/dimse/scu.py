"""Send objects to a peer as a C-STORE SCU (PS3.4 B), over pynetdicom in the calling thread."""

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation

from gateway.dimse.outgoing import Answered, Outgoing, Peer, PeerUnavailable

_MAX_PDU_BYTES: Final = 131_072
_HOLD_S: Final = 30.0


def echo(peer: Peer) -> None:
    """Verify that *peer* answers a C-ECHO.

    Raises:
        PeerUnavailable: no connection, no association, or no success.
    """
    ae = entity(peer)
    ae.add_requested_context("1.2.840.10008.1.1")
    assoc = associate(ae, peer)
    try:
        status = assoc.send_c_echo()
    finally:
        end(assoc)
    if getattr(status, "Status", None) != 0:
        raise PeerUnavailable("the peer did not answer the echo")


def send(peer: Peer, files: Sequence[Outgoing], answered: Callable[[Answered], None]) -> None:
    """Send *files* over one association, reporting each as soon as its answer is in.

    At most ``MAX_CONTEXTS`` different pairs of SOP class and transfer syntax (``context_groups``).
    Files stream from disk; memory does not grow with their size.

    Raises:
        PeerUnavailable: the association could not be opened, or was lost; whatever was not
            reported by then has not been answered.
    """
    _config.STORE_SEND_CHUNKED_DATASET = True
    ae = entity(peer)
    for sop_class, syntax in sorted({(f.sop_class_uid, f.transfer_syntax_uid) for f in files}):
        ae.add_requested_context(sop_class, syntax)
    assoc = associate(ae, peer)
    try:
        for file in files:
            answered(_send_one(assoc, file))
            if not assoc.is_established:
                raise PeerUnavailable("the association was lost")
    finally:
        end(assoc)


def _send_one(assoc: Association, file: Outgoing) -> Answered:
    try:
        answer: Any = assoc.send_c_store(file.path)
    except ValueError as exc:
        # no accepted presentation context for this pair: the object's fault at this peer
        return Answered(file, 0x0122, str(exc).splitlines()[0][:64])
    except (OSError, RuntimeError) as exc:
        raise PeerUnavailable(f"sending failed: {exc}") from exc
    status = getattr(answer, "Status", None)
    return Answered(file, status, str(getattr(answer, "ErrorComment", "") or ""))


def entity(peer: Peer) -> AE:
    """Return what calls *peer*; its presentation contexts are the caller's."""
    ae = AE(ae_title=peer.calling_ae_title.value)
    ae.maximum_pdu_size = _MAX_PDU_BYTES
    ae.acse_timeout = ae.network_timeout = ae.connection_timeout = peer.timeout_s
    ae.dimse_timeout = peer.timeout_s
    return ae


def associate(
    ae: AE, peer: Peer, *, roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = ()
) -> Association:
    """Return an association with *peer*, whose messages the caller alone reads; ``end`` it.

    Args:
        ae: from ``entity``.
        peer: whom to call.
        roles: proposed where we are not simply the SCU.

    Raises:
        PeerUnavailable: it did not come to be.
    """
    assoc = ae.associate(
        peer.host,
        peer.port,
        ae_title=peer.called_ae_title.value,
        max_pdu=_MAX_PDU_BYTES,
        evt_handlers=[(evt.EVT_CONN_OPEN, _no_delay)],
        tls_args=(peer.tls, peer.host) if peer.tls else None,
        ext_neg=list(roles),
    )
    if not assoc.is_established:
        reason = "rejected by the peer" if assoc.is_rejected else "no association"
        raise PeerUnavailable(f"{peer.called_ae_title} at {peer.host}:{peer.port}: {reason}")
    _hold_reactor(assoc)
    return assoc


class _Held(threading.Event):
    """A checkpoint that lets nobody pass until the association is over."""

    def __init__(self, assoc: Association) -> None:
        super().__init__()
        self._assoc = assoc
        self.reached = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.reached.set()
        return super().wait(timeout)

    def set(self) -> None:
        if self._assoc._kill:
            super().set()


def end(assoc: Association) -> None:
    """Release *assoc* if it is still there."""
    if assoc.is_established:
        assoc.release()
    # An association that was lost leaves its reader waiting at the checkpoint.
    threading.Event.set(assoc._reactor_checkpoint)


def _hold_reactor(assoc: Association) -> None:
    """Keep the library's own reader of messages still for as long as we ask and wait ourselves.

    It is meant to pause around each request, but may pass its checkpoint just as it is closed and
    then take the answer away: on a busy machine one sending in a few dozen waited for ever.
    """
    held = _Held(assoc)
    assoc._reactor_checkpoint = held  # see above
    if not held.reached.wait(_HOLD_S):
        assoc.abort()
        raise PeerUnavailable("the association was lost as it began")


def _no_delay(event: evt.Event) -> None:
    # Without it DCMTK's delayed answers cost 40 ms an object.
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
