"""One report over an association of our own, in which we are the SCP (PS3.4 J.3.3)."""

import io
import ssl
from typing import Any, Final

from pydicom.filereader import read_dataset
from pynetdicom.presentation import build_role

from gateway.dimse import scu
from gateway.dimse.commitment_messages import write_result
from gateway.dimse.negotiate import IMPLICIT_LE
from gateway.dimse.outgoing import Peer, PeerUnavailable
from gateway.dimse.ports import CommitmentResult
from gateway.dimse.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from kernel.identifiers import AETitle
from kernel.identity import ApplicationEntity

_PATIENCE_S: Final = 20.0


def call(
    entity: ApplicationEntity,
    address: str,
    our_title: str,
    result: CommitmentResult,
    tls: ssl.SSLContext | None,
) -> int:
    """Report *result* to *entity* in the calling thread and return its status.

    Args:
        entity: whom to call.
        address: where to, if the table of peers gives no host.
        our_title: what it knows us as.
        result: what to say.
        tls: the context to call in; None for none.

    Raises:
        PeerUnavailable: no association, no context for it, or no answer.
    """
    peer = Peer(
        host=_host(entity) or address,
        port=entity.port,
        called_ae_title=AETitle.parse(entity.ae_title),
        calling_ae_title=AETitle.parse(our_title),
        tls=tls,
        timeout_s=_PATIENCE_S,
    )
    event_type, raw = write_result(result, IMPLICIT_LE)
    ae = scu.entity(peer)
    ae.add_requested_context(STORAGE_COMMITMENT)
    role = build_role(STORAGE_COMMITMENT, scp_role=True)
    assoc = scu.associate(ae, peer, roles=[role])
    try:
        for context in assoc.accepted_contexts:
            # Many devices take reports and never heard of role selection.
            context._as_scp = True
        answer: Any = assoc.send_n_event_report(
            read_dataset(io.BytesIO(raw), is_implicit_VR=True, is_little_endian=True),
            event_type,
            STORAGE_COMMITMENT,
            STORAGE_COMMITMENT_INSTANCE,
        )[0]
    except (ValueError, RuntimeError, OSError) as error:
        raise PeerUnavailable(f"no report possible: {error}") from error
    finally:
        scu.end(assoc)
    status = getattr(answer, "Status", None)
    if status is None:
        raise PeerUnavailable("no answer to the report")
    return int(status)


def _host(entity: ApplicationEntity) -> str:
    """Return the host of *entity*, empty where the table gives none or a whole network."""
    return "" if "/" in entity.host else entity.host
