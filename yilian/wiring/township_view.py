"""Looking at studies on the township node: the archive's index and DICOMweb over what lies here."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.here.earlier import CountyStudies
from gateway.here.http import HereDoor
from gateway.here.ports import Held
from gateway.here.showing import Showing
from gateway.here.store import WhatIsHere, deleted, forget
from gateway.township.model import KeptObject
from imaging.archive import http as studies
from imaging.archive.examine import Examiner
from imaging.archive.examined import Examined
from imaging.archive.filing import file_kept
from imaging.archive.objects import ObjectStore
from imaging.archive.study_rows import instance_counts
from imaging.archive.unfile import unfile
from imaging.dicomweb import qido
from imaging.dicomweb.routes import DicomWebParts, routes as dicomweb_routes
from imaging.pixels.pool import PixelPool
from imaging.query.paging import PagingMemory
from imaging.query.service import Search
from kernel.dicom.codecs import FrameDecoder
from kernel.dicom.shown import LEGAL_TIME
from kernel.errors import Missing
from kernel.process.wake import Wake
from referrals.orders.store import find_patient
from yilian.wiring.context import AeCharsets, Context
from yilian.wiring.township_exchange import TownshipExchange


@dataclass(frozen=True, slots=True)
class ArchiveIndex:
    """Binds ``gateway.here.ports.LocalIndex`` to the archive's index."""

    objects: ObjectStore
    examiner: Examiner

    def look(self, held: Held) -> Examined | None:
        """Read an object; None where nobody can read it, or it is there no more."""
        try:
            with self.objects.open(held.key) as source:
                found = self.examiner.look(source, held.arrival, held.key)
        except Missing:
            return None
        if found is None or found.transfer_syntax_uid == held.arrival.transfer_syntax_uid:
            return found
        # The same content lay here before in another form: what that was made of is not this.
        return replace(found, arrival=msgspec.structs.replace(held.arrival, native=None))

    def enter(self, conn: sa.Connection, looked: Sequence[Examined], *, at: dt.datetime) -> None:
        """Let what was looked at be found."""
        file_kept(conn, looked, at=at)

    def drop(self, conn: sa.Connection, gone: Sequence[KeptObject]) -> Sequence[KeptObject]:
        """Let deleted objects be found no more; returns what must be entered again."""
        freed = unfile(conn, [(each.sop_instance_uid, each.key) for each in gone])
        return [KeptObject(*each) for each in freed]

    def count(self, conn: sa.Connection, studies: Sequence[str]) -> Mapping[str, int]:
        """Return how many objects of each study can be found."""
        return instance_counts(conn, studies)


@dataclass(frozen=True, slots=True)
class TownshipView:
    """What looks at the node's objects, and whoever brings or deletes them tells it."""

    objects: ObjectStore
    decoder: FrameDecoder
    index: ArchiveIndex
    grown: Wake
    """Hint it when an object came."""

    def forget(self, conn: sa.Connection, gone: Sequence[KeptObject]) -> None:
        """Let objects that are being deleted be found no more."""
        forget(conn, gone, self.index)


def township_view(
    objects: ObjectStore, decoder: FrameDecoder, charsets: AeCharsets
) -> TownshipView:
    """Return what looks at *objects*; nothing runs before ``township_pages``."""
    examiner = Examiner(decoder=decoder, charset_hint=lambda arrival: charsets(arrival.sender))
    return TownshipView(objects, decoder, ArchiveIndex(objects, examiner), Wake.local())


def township_pages(
    context: Context, view: TownshipView, pool: PixelPool, exchange: TownshipExchange | None
) -> list[web.RouteDef]:
    """Return DICOMweb, the study list and what is here, and keep running what they stand on.

    Args:
        context: of the process.
        view: what looks at the node's objects.
        pool: reads files and draws; its owner closes it after the last request.
        exchange: the way to the county; None where this node is enrolled nowhere.
    """
    database = context.database
    showing: Showing[Any] = Showing(
        database, view.index, institution=context.institution, clock=context.clock
    )
    context.owner.keep("showing", lambda: showing.run(view.grown))

    def at_county(conn: sa.Connection, study: str, institution: str, /) -> bool:
        return institution == context.institution and bool(deleted(conn, [study]))

    parts = DicomWebParts(
        database=database, objects=view.objects, pool=pool, clock=context.clock, elsewhere=at_county
    )
    searches = qido.routes(Search(database, PagingMemory(context.clock)), at_county)
    door = HereDoor(
        database,
        WhatIsHere(view.index),
        CountyStudies(exchange.link) if exchange is not None else None,
        registered_number,
        context.institution,
        LEGAL_TIME,
    )
    return [
        *dicomweb_routes(parts, searches),
        *studies.routes(elsewhere=at_county),
        *door.routes(),
    ]


def registered_number(conn: sa.Connection, institution: str, record: str, /) -> str:
    """Return whose record it is (``gateway.here.ports.RegisteredNumber``)."""
    found = find_patient(conn, record)
    return found.patient_id if found is not None and found.institution == institution else ""
