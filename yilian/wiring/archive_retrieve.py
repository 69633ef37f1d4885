"""The DICOM door's retrievals, bound to the archive: what may leave, after it was written down."""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Final

from gateway.dimse.ports import ArchiveQuestion, Peer
from gateway.dimse.retrieve_ports import Destination, Selection, TooManyObjects
from imaging.query.parse_retrieve import OBJECTS_MAX, parse_retrieve
from imaging.query.retrieve import RetrievedStudy, instances_of
from kernel.audit.access_log import Access, AccessLog
from kernel.audit.trail import AuditEvent
from kernel.clock import Clock
from kernel.identity import Principal
from kernel.policy import Act, decide, reach, require
from kernel.sql.db import Database
from yilian.wiring.archive_pixels import ArchivedObject, ArchivePixels
from yilian.wiring.devices import device, entity

_ROWS_AT_ONCE: Final = 64


class ArchiveRetrieve:
    """Binds ``gateway.dimse.retrieve_ports.RetrieveArchive`` to the archive of the county."""

    def __init__(
        self,
        database: Database,
        log: AccessLog,
        pixels: ArchivePixels,
        clock: Clock,
        *,
        most: int = OBJECTS_MAX,
    ) -> None:
        """Find in *database*, write into *log* what leaves, read from *pixels*; *most* objects."""
        self._database = database
        self._log = log
        self._pixels = pixels
        self._clock = clock
        self._most = most

    async def select(
        self, question: ArchiveQuestion, peer: Peer, destination: Destination | None
    ) -> Selection:
        """Return what *question* asks for, once each study of it stands in the trail.

        A study the destination's institution may not see is withheld from it.

        Raises:
            FindRefused: it cannot be asked.
            TooManyObjects: over the most.
            PlatformError: it cannot be written down, or the index cannot be read.
        """
        query = parse_retrieve(
            question.keys,
            relational=question.options.relational,
            patient_root=question.patient_root,
        )
        asker = device(peer)
        allowed = reach(asker, Act.READ_STUDY, at=self._clock.now())
        found = await self._database.read(partial(instances_of, query=query, reach=allowed))
        if len(found) > self._most:
            raise TooManyObjects(f"over {self._most} objects")
        receiver = asker
        if destination is not None:
            receiver = entity(destination.peer.called_ae_title, destination.institution)
        studies = {one.study.study_instance_uid: one.study for one in found}
        goes = {
            uid
            for uid, one in studies.items()
            if decide(receiver, Act.READ_STUDY, one.subject).allowed
        }
        to = receiver.username if destination is not None else ""
        await self._write_down((studies[uid] for uid in studies if uid in goes), asker, to, peer)
        await self._pixels.load()
        objects, withheld = [], []
        for one in found:
            if one.study.study_instance_uid in goes:
                objects.append(ArchivedObject(one, self._pixels))
            else:
                withheld.append(one.sop_instance_uid)
        return Selection(objects, tuple(withheld))

    async def _write_down(
        self, studies: Iterable[RetrievedStudy], asker: Principal, to: str, peer: Peer
    ) -> None:
        accesses = []
        for one in studies:
            decision = require(asker, Act.READ_STUDY, one.subject)
            accesses.append(
                Access(
                    asker,
                    f"study:{one.study_instance_uid}",
                    one.patient_id,
                    decision.reason,
                    address=peer.address,
                    event=AuditEvent.EXPORTED,
                    to=to,
                )
            )
        # Those that wait together share one commit.
        for start in range(0, len(accesses), _ROWS_AT_ONCE):
            some = accesses[start : start + _ROWS_AT_ONCE]
            await asyncio.gather(*(self._log.saw(access) for access in some))
