"""What the DICOM door serves besides storage, at the township and at the county."""

import datetime as dt
import random
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from gateway.commitment.callback import PeerCallback
from gateway.commitment.ports import Committed
from gateway.commitment.reporter import Reporter, ReporterSettings
from gateway.commitment.service import CommitmentBook, OpenLines
from gateway.dimse.commitment_scp import CommitmentScp
from gateway.dimse.destinations import TableDestinations
from gateway.dimse.find_scp import FindScp
from gateway.dimse.get_scp import GetScp
from gateway.dimse.move_scp import MoveScp
from gateway.dimse.mpps_scp import MppsScp
from gateway.dimse.service import Performer, Service, Services
from gateway.dimse.sop_classes import (
    MODALITY_WORKLIST,
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    PERFORMED_PROCEDURE_STEP,
    STORAGE_COMMITMENT,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from gateway.dimse.store_scp import JournalSink
from gateway.dimse.worklist_scp import WorklistScp
from gateway.exchange.node_facts import note_expected
from gateway.exchange.outbox import write_letters
from gateway.exchange.steps_up import step_letter
from gateway.procedure_steps import store as steps
from gateway.procedure_steps.model import PerformedStep
from gateway.procedure_steps.service import Noted, StepBook
from imaging.archive.objects_fs import FileObjectStore
from kernel.audit.access_log import AccessLog
from kernel.clock import Clock
from kernel.journal.frames import Position
from kernel.journal.segment import segment_numbers
from kernel.process.owner import Owner
from kernel.process.wake import Wake
from kernel.settings import NodeKind, Settings
from yilian.wiring.archive_find import ArchiveFind
from yilian.wiring.archive_pixels import ArchivePixels
from yilian.wiring.archive_retrieve import ArchiveRetrieve
from yilian.wiring.calling_tls import calling_tls
from yilian.wiring.commitments import CountyCommitted, Safe, TownshipCommitted
from yilian.wiring.context import Context
from yilian.wiring.order_ledger import ledger
from yilian.wiring.orders_dimse import OrderWorklist, steps_to_orders
from yilian.wiring.worklist_trail import TracedWorklist


@dataclass(frozen=True, slots=True)
class DicomServices:
    """The services, and the tasks that go with them."""

    services: Services
    reporter: Reporter
    trail: AccessLog
    pixels: ArchivePixels | None = None
    """What retrievals read, at the county."""

    def close(self) -> None:
        """Let go what the services held; blocks."""
        if self.pixels is not None:
            self.pixels.close()

    def keep_by(self, owner: Owner) -> None:
        """Let *owner* run what goes on behind the services."""
        self.reporter.keep_by(owner)
        owner.keep("worklist-trail", self.trail.run)


def is_empty(journal: Path) -> bool:
    """Whether nothing lies in the journal folder that is not filed; ask before it is opened."""
    return not journal.is_dir() or not segment_numbers(journal)


def dicom_services(context: Context, sink: JournalSink, *, fresh: bool) -> DicomServices:
    """Return what is served beside *sink*, the door's store.

    Args:
        context: of the role.
        sink: new, before its first object.
        fresh: whether its journal was empty when it was opened (``is_empty``).
    """
    database, clock = context.database, context.clock
    nothing_yet = Position(0, 0) if fresh else None
    wake, lines = Wake.local(), OpenLines()
    book = CommitmentBook(
        database, clock, mark=lambda: sink.newest or nothing_yet, lines=lines, wake=wake
    )
    reporter = Reporter(
        database,
        clock,
        committed=_committed(context),
        callback=PeerCallback(database, tls=calling_tls(context.settings)),
        lines=lines,
        wake=wake,
        chance=random.random,
        settings=_reporting(context.settings),
    )
    up = context.kind is NodeKind.TOWNSHIP
    noted = orders_and_counts(steps_to_orders(ledger(context), clock), clock, tell_county=up)
    trail = AccessLog(database, clock, chain=f"{context.role}-worklist")
    worklist = TracedWorklist(OrderWorklist(database, clock), trail)
    services: dict[str, Service | Performer] = {
        MODALITY_WORKLIST: WorklistScp(worklist),
        PERFORMED_PROCEDURE_STEP: MppsScp(StepBook(database, clock, noted)),
        STORAGE_COMMITMENT: CommitmentScp(book),
    }
    if context.kind is not NodeKind.COUNTY:
        return DicomServices(services, reporter, trail)
    pixels = ArchivePixels(FileObjectStore(context.home.objects))
    archive = ArchiveRetrieve(database, trail, pixels, clock)
    find, get = FindScp(ArchiveFind(database, trail, clock)), GetScp(archive)
    move = MoveScp(archive, TableDestinations(database, tls=calling_tls(context.settings)))
    services |= {PATIENT_ROOT_FIND: find, STUDY_ROOT_FIND: find}
    services |= {PATIENT_ROOT_MOVE: move, STUDY_ROOT_MOVE: move}
    services |= {PATIENT_ROOT_GET: get, STUDY_ROOT_GET: get}
    return DicomServices(services, reporter, trail, pixels)


def _committed(context: Context) -> Committed:
    if context.kind is NodeKind.TOWNSHIP:
        return TownshipCommitted(Safe(context.settings.township.commitment))
    return CountyCommitted()


def _reporting(settings: Settings) -> ReporterSettings:
    hours = settings.dicom.commitment_give_up_hours
    return ReporterSettings(give_up_after=dt.timedelta(hours=hours) if hours else None)


def orders_and_counts(orders: Noted, clock: Clock, *, tell_county: bool) -> Noted:
    """Return who is told of each step: its orders, the county, who counts what is expected."""

    def noted(conn: sa.Connection, step: PerformedStep) -> None:
        performed = steps.performed(conn, step.study_instance_uid)
        if performed is not None and performed.is_over:
            # None named is not none made: such a study is whole when nothing comes any more.
            count = len(performed.instances) or None
            note_expected(conn, step.study_instance_uid, count, at=clock.now())
        letter = step_letter(step) if tell_county else None
        if letter is not None:
            write_letters(conn, [letter], at=clock.now())
        orders(conn, step)

    return noted
