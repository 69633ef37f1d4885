"""The first association of a run: whether the peer takes us, and which node it is.

A node of ours says its own id in the Implementation Version Name (PS3.7 D.3.3.2.3); of another
peer it is asked whether it answers queries.
"""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE

from gateway.dimse.outgoing import MAX_CONTEXTS, Peer
from gateway.dimse.scu import entity
from kernel.errors import Category, PlatformError

STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
_VERIFICATION: Final = "1.2.840.10008.1.1"
_OUR_VERSION: Final = re.compile(r"YILIAN_([0-9a-f]{8})")
_CALLING_UNKNOWN: Final = (1, 3)
_CALLED_UNKNOWN: Final = (1, 7)
_TRANSIENT: Final = 2
_CONNECT_S: Final = 20.0
_ANSWER_S: Final = 20.0


class NotReached(PlatformError):
    """The peer does not take us; the detail says why, in a line for whoever typed the command."""

    code = "not-reached"
    category = Category.UNAVAILABLE

    def __init__(
        self, detail: str, *, again: bool, soon: bool = False, code: str | None = None
    ) -> None:
        super().__init__(detail, code=code)
        self.again = again
        """Whether the same command may work later with nothing changed here."""
        self.soon = soon
        """Whether the peer itself says so."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the peer said of itself."""

    node_id: str
    """Of a Yilian node; empty for others."""
    answers_queries: bool
    """Whether it accepts Study Root C-FIND from us."""


def greet(peer: Peer, kinds: Iterable[tuple[str, str]]) -> Greeting:
    """Open an association with *peer*, learn who it is, and release it.

    Args:
        peer: whom to call.
        kinds: SOP class and transfer syntax of what will be sent.

    Raises:
        NotReached: it takes no association, or none of *kinds*.
    """
    _connect(peer)
    ae = entity(peer)
    ae.acse_timeout = min(peer.timeout_s, _ANSWER_S)
    ae.add_requested_context(_VERIFICATION)
    ae.add_requested_context(STUDY_ROOT_FIND)
    wanted = sorted(set(kinds))[: MAX_CONTEXTS - 2]
    for sop_class, syntax in wanted:
        ae.add_requested_context(sop_class, syntax)
    assoc = ae.associate(
        peer.host,
        peer.port,
        ae_title=peer.called_ae_title.value,
        tls_args=(peer.tls, peer.host) if peer.tls else None,
    )
    answer = assoc.acceptor.primitive
    if not assoc.is_established:
        raise _cause(peer, assoc, answer)
    try:
        name = assoc.acceptor.implementation_version_name or ""
        accepted = {str(context.abstract_syntax) for context in assoc.accepted_contexts}
    finally:
        assoc.release()
    if wanted and not accepted & {sop_class for sop_class, _ in wanted}:
        raise NotReached(f"{_named(peer)} takes none of these kinds of images", again=False)
    ours = _OUR_VERSION.fullmatch(name.strip())
    return Greeting(ours[1] if ours else "", STUDY_ROOT_FIND in accepted)


def _cause(peer: Peer, assoc: Association, answer: A_ASSOCIATE | None) -> NotReached:
    if assoc.is_rejected and answer is not None:
        return _rejection(peer, answer)
    if answer is not None and answer.result == 0:
        return NotReached(f"{_named(peer)} takes none of these kinds of images", again=False)
    return NotReached(
        f"{peer.host}:{peer.port} is there but takes no DICOM association: check that this is its "
        "DICOM port, not its HTTP or TLS port",
        again=True,
    )


def _rejection(peer: Peer, answer: A_ASSOCIATE) -> NotReached:
    calling, called = peer.calling_ae_title.value, peer.called_ae_title.value
    soon = answer.result == _TRANSIENT
    match (answer.result_source, answer.diagnostic):
        case found if found == _CALLING_UNKNOWN:
            said = (
                f"calling AE title {calling} not recognised: give one it knows with --calling, "
                f"or have it admitted there (a Yilian node: yilian admin ae add {calling} ...)"
            )
        case found if found == _CALLED_UNKNOWN:
            said = f"called AE title {called} not recognised: give its own with --called"
        case _:
            said = f"it refuses the association: {answer.reason_str.lower()}"
    return NotReached(f"{_named(peer)}: {said}", again=soon, soon=soon)


def _connect(peer: Peer) -> None:
    """Connect and hang up: the library below tells nobody why it could not."""
    where = f"{peer.host}:{peer.port}"
    try:
        socket.create_connection((peer.host, peer.port), min(peer.timeout_s, _CONNECT_S)).close()
    except (socket.gaierror, UnicodeError) as exc:
        raise NotReached(f"no machine is called {peer.host}: check --to", again=False) from exc
    except ConnectionRefusedError as exc:
        said = "connection refused: nothing listens there; check the port, and that the node runs"
        raise NotReached(f"{where}: {said}", again=True) from exc
    except TimeoutError as exc:
        said = "no answer: check the address, the line and firewalls between"
        raise NotReached(f"{where}: {said}", again=True) from exc
    except OSError as exc:
        raise NotReached(f"{where}: {exc.strerror or exc}", again=True) from exc


def _named(peer: Peer) -> str:
    return f"{peer.called_ae_title} at {peer.host}:{peer.port}"
