"""The DICOMweb door of the county put together (PS3.18), all but queries (``qido``)."""

from dataclasses import dataclass, field

from aiohttp import web

from imaging.archive.objects import ObjectStore
from imaging.dicomweb.bulkdata import BulkdataDoor
from imaging.dicomweb.frames import FramesDoor
from imaging.dicomweb.metadata import MetadataDoor
from imaging.dicomweb.rendered import RenderedDoor
from imaging.dicomweb.stow import StowDoor, StowJournal
from imaging.dicomweb.thumbnail import ThumbnailDoor
from imaging.dicomweb.wado import WadoDoor
from imaging.pixels.frames import FramePlans
from imaging.pixels.pool import PixelPool
from kernel.clock import Clock
from kernel.db import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomWebParts:
    """What the door stands on; its owner closes them after the last request."""

    database: Database
    objects: ObjectStore
    pool: PixelPool
    clock: Clock
    journal: StowJournal | None = None
    """None where nothing is stored through this process."""
    plans: FramePlans = field(default_factory=FramePlans)


def routes(parts: DicomWebParts) -> list[web.RouteDef]:
    """Return the routes under /dicom-web.

    Handlers ask ``kernel.web`` for PRINCIPAL, ADDRESS and SIGN_IN_ID of the request, and for
    ACCESS_LOG of the application.
    """
    found = [
        *MetadataDoor(parts.database, parts.pool).routes(),
        *FramesDoor(parts.database, parts.objects, parts.pool, parts.plans).routes(),
        *WadoDoor(parts.database, parts.objects, parts.pool).routes(),
        *BulkdataDoor(parts.database, parts.objects, parts.pool).routes(),
        *RenderedDoor(parts.database, parts.objects, parts.pool, parts.plans).routes(),
        *ThumbnailDoor(parts.database, parts.objects, parts.pool, parts.plans).routes(),
    ]
    if parts.journal is not None:
        found += StowDoor(parts.database, parts.journal, parts.clock).routes()
    return found
