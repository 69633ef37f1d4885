"""The DICOM door's queries, bound to the archive: one search behind C-FIND and QIDO-RS."""

from collections.abc import Mapping
from functools import partial

from gateway.dimse.ports import ArchiveFound, ArchiveQuestion, Peer
from imaging.archive.locate import find_study
from imaging.query.attributes import Level
from imaging.query.find import find
from imaging.query.parse_find import MOST, Find, FindOptions, parse_find
from kernel.audit.access_log import Access, AccessLog
from kernel.audit.trail import AuditEvent
from kernel.clock import Clock
from kernel.identity import Principal
from kernel.policy import Act, Reach, reach, require
from kernel.sql.db import Database
from yilian.wiring.devices import device


class ArchiveFind:
    """Binds ``gateway.dimse.ports.ArchiveIndex`` to the archive of the county."""

    def __init__(
        self,
        database: Database,
        log: AccessLog,
        clock: Clock,
        *,
        most: Mapping[Level, int] = MOST,
    ) -> None:
        """Search *database*, write who asks into *log*, answer *most* matches of a level."""
        self._database = database
        self._log = log
        self._clock = clock
        self._most = most

    async def find(self, question: ArchiveQuestion, peer: Peer) -> ArchiveFound:
        """Return what matches *question*, once it stands in the trail who asks.

        Raises:
            FindRefused: it cannot be asked.
            PlatformError: it cannot be written down who asks, or the index cannot be read.
        """
        options = question.options
        asked = parse_find(
            question.keys,
            FindOptions(
                relational=options.relational,
                combined_moments=options.combined_moments,
                fuzzy_names=options.fuzzy_names,
            ),
            patient_root=question.patient_root,
            most=self._most,
        )
        asker = device(peer)
        allowed = reach(asker, at=self._clock.now())
        await self._log.saw(await self._access(asked, asker, allowed, peer.address))
        entries = find(self._database, asked, allowed)
        return ArchiveFound(entries, asked.all_keys, self._most[asked.query.level])

    async def _access(self, asked: Find, asker: Principal, allowed: Reach, address: str) -> Access:
        """Return the look at the one study that is asked for, else the search."""
        uid = asked.study_instance_uid
        if uid:
            found = await self._database.read(
                partial(find_study, study_instance_uid=uid, reach=allowed)
            )
            if found is not None:
                decision = require(asker, Act.READ_LIST, found.subject)
                subject = f"study:{uid}"
                return Access(asker, subject, found.patient_id, decision.reason, address=address)
        return Access(asker, "studies", "", "", address=address, event=AuditEvent.QUERIED)
