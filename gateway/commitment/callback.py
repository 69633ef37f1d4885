"""Tells a peer over an association of our own, in which we are the SCP (PS3.4 J.3.3)."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

from pydicom.dataset import Dataset
from pynetdicom.presentation import build_role

from gateway.dimse import scu
from gateway.dimse.ports import CommitmentResult, Reference
from gateway.dimse.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from kernel.errors import Unavailable
from kernel.identifiers import AETitle
from kernel.identity import ApplicationEntity, ae_table
from kernel.sql.db import Database

_SOME_FAILED: Final = 2
_ALL_COMMITTED: Final = 1
_PATIENCE_S: Final = 20.0


class PeerCallback:
    """Calls peers at the host and port the table of peers gives."""

    def __init__(
        self, database: Database, *, tls: Callable[[], ssl.SSLContext] | None = None
    ) -> None:
        """Find peers in *database*.

        Args:
            database: with the table of peers.
            tls: makes the context for peers that ask for TLS; None where there is none.
        """
        self._database = database
        self._tls = tls

    async def report(
        self, ae_title: str, called_ae_title: str, address: str, result: CommitmentResult
    ) -> int:
        """Report *result* (see ``Callback``).

        Raises:
            Unavailable: the table names no port of the peer (``no-callback-address``), or it
                wants TLS and there is none (``no-tls``).
            PeerUnavailable: it cannot be reached, or did not answer.
        """
        table = await self._database.read(ae_table)
        entity = next((one for one in table if one.ae_title == ae_title), None)
        if entity is None or not entity.port:
            raise Unavailable("no port to call back at", code="no-callback-address")
        if entity.tls_required and self._tls is None:
            raise Unavailable("the peer wants TLS", code="no-tls")
        peer = scu.Peer(
            host=_host(entity) or address,
            port=entity.port,
            called_ae_title=AETitle.parse(ae_title),
            calling_ae_title=AETitle.parse(called_ae_title),
            tls=self._tls() if entity.tls_required and self._tls else None,
            timeout_s=_PATIENCE_S,
        )
        return await asyncio.to_thread(report, peer, result)


def report(peer: scu.Peer, result: CommitmentResult) -> int:
    """Report *result* to *peer* in the calling thread and return its status.

    Raises:
        PeerUnavailable: no association, no context for it, or no answer.
    """
    ae = scu.entity(peer)
    ae.add_requested_context(STORAGE_COMMITMENT)
    role = build_role(STORAGE_COMMITMENT, scp_role=True)
    assoc = scu.associate(ae, peer, roles=[role])
    try:
        for context in assoc.accepted_contexts:
            # Many devices take reports and never heard of role selection.
            context._as_scp = True
        answer: Any = assoc.send_n_event_report(
            _data_set(result),
            _SOME_FAILED if result.failed else _ALL_COMMITTED,
            STORAGE_COMMITMENT,
            STORAGE_COMMITMENT_INSTANCE,
        )[0]
    except (ValueError, RuntimeError, OSError) as error:
        raise scu.PeerUnavailable(f"no report possible: {error}") from error
    finally:
        scu.end(assoc)
    status = getattr(answer, "Status", None)
    if status is None:
        raise scu.PeerUnavailable("no answer to the report")
    return int(status)


def _host(entity: ApplicationEntity) -> str:
    """Return the host of *entity*, empty where the table gives none or a whole network."""
    return "" if "/" in entity.host else entity.host


def _data_set(result: CommitmentResult) -> Dataset:
    ds = Dataset()
    ds.TransactionUID = result.transaction_uid
    if result.committed or not result.failed:
        ds.ReferencedSOPSequence = [_item(one) for one in result.committed]
    if result.failed:
        ds.FailedSOPSequence = []
        for failed in result.failed:
            item = _item(failed.reference)
            item.FailureReason = failed.reason
            ds.FailedSOPSequence.append(item)
    return ds


def _item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return item
