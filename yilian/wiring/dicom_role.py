"""The DICOM door in a process of its own, at the township and at the county."""

import asyncio
import ssl
from pathlib import Path
from typing import Final

from gateway.dimse.acceptor import serve
from gateway.dimse.access import PeerTable
from gateway.dimse.settings import AcceptorSettings
from gateway.dimse.store_scp import JournalSink
from gateway.dimse.tls import ClientCertificate, server_context
from kernel.identifiers import AETitle, InstitutionCode
from kernel.identity import ae_table
from kernel.journal.writer import JournalWriter
from kernel.process.owner import Owner
from kernel.process.wake import Wake
from kernel.settings import Settings
from yilian.wiring.commitments import DICOM_JOURNAL
from yilian.wiring.context import Context
from yilian.wiring.dicom_services import dicom_services, is_empty
from yilian.wiring.homes import VERSION_PREFIX

_PEERS_EVERY_S: Final = 2.0


async def run_dicom(context: Context) -> None:
    """Serve the inherited doors ``dicom`` and ``dicom-tls`` until the role is told to stop.

    The table of peers is read again every two seconds, so that a new AE is admitted without a
    restart.
    """
    settings, database = context.settings, context.database
    inherited = context.inherited
    plain, secure = inherited.door("dicom"), inherited.door("dicom-tls")
    loopback = InstitutionCode.parse(context.institution)
    peers = PeerTable(
        AETitle.parse(settings.dicom.ae_title),
        await database.read(ae_table),
        loopback=loopback if settings.dicom.admit_loopback else None,
    )
    wake = Wake.sender(context.filer_socket)
    folder = context.home.journal(DICOM_JOURNAL)
    fresh = await asyncio.to_thread(is_empty, folder)
    journal = JournalWriter.open(
        folder,
        reserve_bytes=settings.journal.reserve_bytes,
        wake=wake,
        at_once=True,
    )
    sink = JournalSink(journal, clock=context.clock)
    beside = dicom_services(context, sink, fresh=fresh)

    async def refresh() -> None:
        while True:
            await asyncio.sleep(_PEERS_EVERY_S)
            peers.replace(await database.read(ae_table))

    try:
        async with (
            serve(
                [plain] if plain else [],
                settings=_acceptor(settings, await asyncio.to_thread(context.home.node_id)),
                peers=peers,
                sink=sink,
                clock=context.clock,
                tls_sockets=[secure] if secure else [],
                services=beside.services,
            ),
            Owner(clock=context.clock) as owner,
        ):
            owner.keep("peers", refresh)
            beside.keep_by(owner)
            inherited.ready()
            await context.stop.wait()
    finally:
        await asyncio.to_thread(beside.close)
        await journal.close()
        wake.close()


def dicom_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS of the DICOM door, None where the node has no certificate.

    Where the settings name an authority, a peer without its certificate does not get in.
    """
    if not settings.tls.on:
        return None
    authority = settings.tls.client_ca_file
    return server_context(
        certificate=Path(settings.tls.cert_file),
        key=Path(settings.tls.key_file),
        client_authority=Path(authority) if authority else None,
        client_certificate=ClientCertificate.REQUIRED if authority else ClientCertificate.NONE,
    )


def _acceptor(settings: Settings, node_id: str) -> AcceptorSettings:
    return AcceptorSettings(
        max_object_bytes=settings.dicom.max_object_bytes,
        max_associations=settings.dicom.max_associations,
        associations_per_address=settings.dicom.associations_per_address,
        implementation_version=f"{VERSION_PREFIX}{node_id}",
        tls=dicom_tls(settings),
    )
