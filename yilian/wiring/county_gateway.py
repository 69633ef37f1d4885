"""The county's HTTP door: pages, API, DICOMweb, uploads of townships."""

import asyncio
from contextlib import ExitStack, closing
from typing import Final

from aiohttp import web

from gateway.accounts.service import OtherNodes
from gateway.uploads.parcel_sink import CountyIdentity, ParcelSink
from gateway.uploads.receipt_http import ReceiptDoor
from gateway.uploads.receipts import ReceiptBook
from gateway.uploads.tus import TusServer, TusSettings
from imaging.archive import http as studies
from imaging.archive.examine import Examiner
from imaging.archive.http_corrections import CorrectionDoor
from imaging.archive.http_decisions import DecisionDoor
from imaging.archive.http_rejections import RejectionDoor
from imaging.archive.note_keeper import NoteJournal
from imaging.archive.objects_fs import FileObjectStore
from imaging.archive.progress import FilingProgress
from imaging.dicomweb import qido
from imaging.dicomweb.cors import Cors
from imaging.dicomweb.routes import DicomWebParts, routes as dicomweb_routes
from imaging.dicomweb.stow import StowJournal
from imaging.patients.http import PersonDoor
from imaging.pixels.pool import PixelPool
from imaging.query.paging import PagingMemory
from imaging.query.service import Search
from kernel.dicom.decode_pool import DecodePool
from kernel.journal.writer import JournalWriter
from kernel.process.wake import Wake
from referrals.orders.http_study import StudyOrderDoor
from yilian.wiring.access import access_door, still_given, sweep_ended
from yilian.wiring.context import AeCharsets, Context
from yilian.wiring.county_deliveries import delivery_routes
from yilian.wiring.county_exchange import county_exchange
from yilian.wiring.county_integrity import integrity_routes
from yilian.wiring.fhir import ERRORS, fhir_door
from yilian.wiring.hl7_door import hl7_door
from yilian.wiring.order_ledger import ledger
from yilian.wiring.orders import forget_old_asks, order_routes
from yilian.wiring.register import OrderRegister
from yilian.wiring.shell import ShellHooks, serve_shell
from yilian.wiring.study_arrivals import arrivals
from yilian.wiring.study_looks import archived_look
from yilian.wiring.web_commitments import WebCommitments

JOURNAL: Final = "gateway"
AMENDMENTS: Final = "gateway-amendments"
"""Chain of the audit trail for what people put right."""


async def run_gateway(context: Context) -> None:
    """Serve until the role is told to stop."""
    home = context.home
    wake = Wake.sender(context.filer_socket)
    journal = JournalWriter.open(
        home.journal(JOURNAL), reserve_bytes=context.settings.journal.reserve_bytes, wake=wake
    )
    try:
        with ExitStack() as held:
            decoder = held.enter_context(DecodePool())
            receipts = ReceiptBook(home.receipts)
            sink = ParcelSink(
                journal,
                receipts,
                CountyIdentity(context.institution, home.signing_key()),
                decoder=decoder,
                clock=context.clock,
            )
            uploads = TusServer(
                home.uploads,
                {"parcel": sink},
                clock=context.clock,
                settings=TusSettings(options=sink.options),
            )
            pool = held.enter_context(closing(PixelPool(decoder)))
            dicomweb = DicomWebParts(
                database=context.database,
                objects=await asyncio.to_thread(FileObjectStore, home.objects),
                pool=pool,
                clock=context.clock,
                journal=StowJournal(journal, JOURNAL, FilingProgress(context.database)),
                commitments=WebCommitments(context.database, context.clock),
            )
            # As the filer reads them: what it kept is read by the same rules when it is chosen.
            charsets = AeCharsets(context.database)
            await charsets.load()
            context.owner.keep("charsets", charsets.run)
            examiner = Examiner(
                decoder=decoder, charset_hint=lambda arrival: charsets(arrival.sender)
            )
            searches = qido.routes(Search(context.database, PagingMemory(context.clock)))
            viewers = Cors(context.settings.dicomweb.viewer_origins)
            exchange = await county_exchange(context)
            context.owner.keep("old-asks", lambda: forget_old_asks(context))
            context.owner.keep("ended-grants", lambda: sweep_ended(context))
            written = ledger(context)
            routes: list[web.RouteDef] = [
                *exchange.routes,
                *delivery_routes(context),
                *integrity_routes(context),
                *dicomweb_routes(dicomweb, searches),
                *viewers.routes(),
                *studies.routes(arrivals(context.clock)),
                *access_door(context).routes(),
                *CorrectionDoor(OrderRegister(), chain=AMENDMENTS).routes(),
                *DecisionDoor(dicomweb.objects, examiner, chain=AMENDMENTS).routes(),
                *PersonDoor(context.institution, chain=AMENDMENTS).routes(),
                *RejectionDoor(NoteJournal(journal), chain=AMENDMENTS).routes(),
                *order_routes(context, written),
                *fhir_door(context.database, context.clock, written).routes(),
                *StudyOrderDoor(context.database, archived_look).routes(),
                *ReceiptDoor(receipts, uploads).routes(),
                *uploads.routes(),
            ]
            async with hl7_door(context, written):
                await serve_shell(
                    context,
                    routes,
                    others=["dicom", "worker"],
                    elsewhere=OtherNodes(nodes=exchange.enrolment),
                    hooks=ShellHooks(
                        lifespans=[uploads.running],
                        on_prepare=[viewers.add_headers],
                        still_given=still_given,
                        error_forms=ERRORS,
                    ),
                )
    finally:
        await journal.close()
        wake.close()
