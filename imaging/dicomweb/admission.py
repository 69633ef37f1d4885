"""Before anything of a study leaves: the asker may see it, and that he does is written down."""

from dataclasses import dataclass
from functools import partial

from aiohttp import web

from imaging.archive.locate import Elsewhere, absence, nowhere
from imaging.archive.model import InstanceLocation, StudyMissing
from imaging.dicomweb import locate
from imaging.dicomweb.locate import Shelf
from imaging.dicomweb.resources import Resource
from imaging.dicomweb.unfiled import UnfiledStores
from kernel.audit.access_log import Access
from kernel.errors import Missing
from kernel.policy import Act, decide
from kernel.sql.db import Database
from kernel.web import ACCESS_LOG, ADDRESS, PRINCIPAL, SIGN_IN_ID, asked_reach


@dataclass(frozen=True, slots=True)
class Admission:
    """Finds what a request names, for those who may see it."""

    database: Database
    unfiled: UnfiledStores | None = None
    """What the asker may have stored a moment ago; None where nothing is stored."""
    elsewhere: Elsewhere = nowhere
    """Knows what was here and is no longer."""

    async def shelf(self, request: web.Request) -> tuple[Resource, Shelf]:
        """Return the study or series *request* names, once its look is in the audit trail.

        Raises:
            InvalidIdentifier: a UID of the address is none.
            StudyMissing: there is none of that name in the asker's reach.
            Forbidden: the asker's roles read no studies.
        """
        resource = Resource.parse(request.match_info)
        if self.unfiled is not None:
            await self.unfiled.settle(request)
        asker = asked_reach(request)
        found = await self.database.look_up(partial(locate.find, resource=resource, reach=asker))
        if found is None:
            raise await self._absence(request, resource)
        await self._saw(request, resource, found)
        return resource, found

    async def instance(
        self, request: web.Request, resource: Resource | None = None
    ) -> tuple[Resource, InstanceLocation]:
        """Return the instance *request* names, as above.

        Args:
            request: who asks.
            resource: what it names where that does not stand in its path.
        """
        if resource is None:
            resource = Resource.parse(request.match_info)
        if self.unfiled is not None:
            await self.unfiled.settle(request)
        asker = asked_reach(request)
        found = await self.database.look_up(
            partial(locate.find_instance, resource=resource, reach=asker)
        )
        if found is None:
            raise await self._absence(request, resource)
        shelf, location = found
        await self._saw(request, resource, shelf)
        return resource, location

    async def _absence(self, request: web.Request, resource: Resource) -> StudyMissing:
        study, asker = resource.study.value, request[PRINCIPAL].institution
        return await self.database.read(
            lambda conn: absence(conn, study, asker, elsewhere=self.elsewhere)
        )

    async def _saw(self, request: web.Request, resource: Resource, shelf: Shelf) -> None:
        principal = request[PRINCIPAL]
        decision = decide(principal, Act.READ_STUDY, shelf.subject)
        if not decision.allowed:
            error = decision.error()
            # The very words for a study that is not there.
            raise StudyMissing if isinstance(error, Missing) else error
        await request.app[ACCESS_LOG].saw(
            Access(
                principal,
                f"study:{resource.study}",
                shelf.patient_id,
                decision.reason,
                request.get(ADDRESS, ""),
                request.get(SIGN_IN_ID, ""),
            )
        )
