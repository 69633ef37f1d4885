"""The DICOMweb door of the county put together (PS3.18), with the queries of ``qido``."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiohttp import web

from imaging.archive.locate import Elsewhere, nowhere
from imaging.archive.objects import ObjectStore
from imaging.dicomweb.admission import Admission
from imaging.dicomweb.bulk_levels import BulkLevelsDoor
from imaging.dicomweb.bulkdata import BulkdataDoor
from imaging.dicomweb.capabilities import CapabilitiesDoor
from imaging.dicomweb.commitment import CommitmentDoor, Commitments
from imaging.dicomweb.conflict import ConflictDoor
from imaging.dicomweb.drawing import Drawing
from imaging.dicomweb.frames import FramesDoor
from imaging.dicomweb.metadata import MetadataDoor
from imaging.dicomweb.rendered import RenderedDoor
from imaging.dicomweb.showing import Showing
from imaging.dicomweb.stow import IDLE_S, StowDoor, StowJournal
from imaging.dicomweb.thumbnail import ThumbnailDoor
from imaging.dicomweb.unfiled import WITHIN_S, UnfiledStores
from imaging.dicomweb.wado import WadoDoor
from imaging.dicomweb.wado_uri import UriDoor
from imaging.pixels.frames import FramePlans
from imaging.pixels.pool import PixelPool
from kernel.clock import Clock
from kernel.sql.db import Database
from kernel.web import Handler


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
    stow_idle_s: float = IDLE_S
    """Seconds after which a body that does not go on is given up."""
    filed_within_s: float = WITHIN_S
    """How long who has stored something waits, when he looks, until it is filed."""
    elsewhere: Elsewhere = nowhere
    """Knows the studies that were here and are only at another node now."""
    commitments: Commitments | None = None
    """Keeps storage commitment requests; None where none are taken over the web."""


def routes(parts: DicomWebParts, searches: Iterable[web.RouteDef] = ()) -> list[web.RouteDef]:
    """Return the routes under /dicom-web, and the second contents under /api/v1/studies.

    Handlers ask ``kernel.web`` for PRINCIPAL, ADDRESS and SIGN_IN_ID of the request, and for
    ACCESS_LOG of the application.

    Args:
        parts: what they stand on.
        searches: the routes of ``qido``; who has just stored something finds it through them.
    """
    journal = parts.journal
    unfiled = (
        None
        if journal is None
        else UnfiledStores(journal.name, journal.progress, within_s=parts.filed_within_s)
    )
    admission = Admission(parts.database, unfiled, parts.elsewhere)
    objects, pool, plans = parts.objects, parts.pool, parts.plans
    drawing = Drawing(objects, plans, pool.decoder)
    showing = Showing(parts.database, pool, drawing)
    found: list[web.RouteDef] = [
        *MetadataDoor(admission, pool).routes(),
        *FramesDoor(admission, objects, pool, plans).routes(),
        *WadoDoor(admission, objects, pool).routes(),
        *ConflictDoor(admission, objects, pool).routes(),
        *BulkLevelsDoor(admission, objects, pool).routes(),
        *BulkdataDoor(admission, objects, pool).routes(),
        *RenderedDoor(admission, pool, drawing, showing).routes(),
        *ThumbnailDoor(admission, pool, drawing).routes(),
        *UriDoor(admission, WadoDoor(admission, objects, pool), showing).routes(),
    ]
    if parts.commitments is not None:
        found += CommitmentDoor(parts.commitments, unfiled).routes()
    if journal is None or unfiled is None:
        found += searches
    else:
        store = StowDoor(parts.database, journal, parts.clock, unfiled, idle_s=parts.stow_idle_s)
        found += [*store.routes(), *(_settled(each, unfiled) for each in searches)]
    return [*found, *CapabilitiesDoor(found).routes()]


def _settled(route: web.RouteDef, unfiled: UnfiledStores) -> web.RouteDef:
    """Return *route* waiting for what its asker stored a moment ago."""
    inner: Handler = route.handler

    @functools.wraps(inner)
    async def handler(request: web.Request) -> web.StreamResponse:
        await unfiled.settle(request)
        return await inner(request)

    return web.RouteDef(route.method, route.path, handler, route.kwargs)
