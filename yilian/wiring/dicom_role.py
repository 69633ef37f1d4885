"""The DICOM door in a process of its own, at the township and at the county."""

import asyncio
from pathlib import Path
from typing import Final

from gateway.dimse.acceptor import serve
from gateway.dimse.access import PeerTable
from gateway.dimse.settings import AcceptorSettings
from gateway.dimse.store_scp import JournalSink
from kernel.child import Inherited
from kernel.clock import Clock
from kernel.db import Database
from kernel.identifiers import AETitle, InstitutionCode
from kernel.identity import ae_table
from kernel.journal import JournalWriter
from kernel.owner import Owner
from kernel.wake import Wake

_PEERS_EVERY_S: Final = 2.0


async def run_dicom(  # noqa: PLR0913  # everything this role is made of
    inherited: Inherited,
    stop: asyncio.Event,
    *,
    database: Database,
    journal_folder: Path,
    reserve_bytes: int,
    filer_socket: Path,
    ae_title: AETitle,
    settings: AcceptorSettings,
    loopback: InstitutionCode | None,
    clock: Clock,
) -> None:
    """Serve the inherited doors ``dicom`` and ``dicom-tls`` until *stop* is set.

    The table of peers is read again every two seconds, so that a new AE is admitted without a
    restart.
    """
    plain, secure = inherited.door("dicom"), inherited.door("dicom-tls")
    peers = PeerTable(ae_title, await database.read(ae_table), loopback=loopback)
    wake = Wake.sender(filer_socket)
    journal = JournalWriter.open(journal_folder, reserve_bytes=reserve_bytes, wake=wake)

    async def refresh() -> None:
        while True:
            await asyncio.sleep(_PEERS_EVERY_S)
            peers.replace(await database.read(ae_table))

    try:
        async with (
            serve(
                [plain] if plain else [],
                settings=settings,
                peers=peers,
                sink=JournalSink(journal, clock=clock),
                clock=clock,
                tls_sockets=[secure] if secure else [],
            ),
            Owner(clock=clock) as owner,
        ):
            owner.keep("peers", refresh)
            inherited.ready()
            await stop.wait()
    finally:
        await journal.close()
        wake.close()
