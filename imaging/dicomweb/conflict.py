"""The second content under a UID, for the person who must look: one object as it is stored."""

from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
from aiohttp import web

from imaging.archive.conflicts import ConflictMissing, content_row
from imaging.archive.objects import ObjectStore, pieces
from imaging.archive.tables import instance_conflict
from imaging.dicomweb.admission import Admission
from imaging.dicomweb.answers import answered, stream
from imaging.dicomweb.negotiate import DICOM
from imaging.pixels.pool import Pieces, PixelPool
from kernel.policy import Act, Subject, decide
from kernel.web import PRINCIPAL, describe, permit


@dataclass(frozen=True, slots=True)
class _Beside:
    """A content kept beside the first."""

    sop_instance_uid: str
    object_key: str
    size_bytes: int
    institution: str


class ConflictDoor:
    """What was kept beside the content that answers for its UID."""

    def __init__(self, admission: Admission, objects: ObjectStore, pool: PixelPool) -> None:
        """Answer what *admission* lets out of *objects*, read in *pool*."""
        self._database = admission.database
        self._objects = objects
        self._pool = pool
        self._admission = admission

    def routes(self) -> list[web.RouteDef]:
        """Return the one route."""
        path = "/api/v1/studies/{study}/conflicts/{conflict}/instance"
        return [web.get(path, self.instance, allow_head=False)]

    @describe("The second content under a UID, as a DICOM file")
    @permit()
    @answered
    async def instance(self, request: web.Request) -> web.StreamResponse:
        """Answer the object as it is stored; the look is in the audit trail before."""
        _, shelf = await self._admission.shelf(request)
        row = content_row(request.match_info["conflict"])
        found = await self._database.read(partial(_find, study=shelf.study_row, row=row))
        # Whoever sent it may be another institution than the study's, with its own patient in it.
        own = found.institution == shelf.subject.institution
        subject = shelf.subject if own else Subject(found.institution)
        if not decide(request[PRINCIPAL], Act.READ_STUDY, subject).allowed:
            raise ConflictMissing
        headers = {
            "Cache-Control": "private, no-store",
            "Content-Disposition": f'attachment; filename="{found.sop_instance_uid}-2.dcm"',
            "X-Content-Type-Options": "nosniff",
        }
        body = self._pool.read_pieces(self._file(found.object_key))
        return await stream(request, body, DICOM, headers, length=found.size_bytes)

    def _file(self, object_key: str) -> Pieces:
        with self._objects.open(object_key) as source:
            yield from pieces(source)


def _find(conn: sa.Connection, *, study: int, row: int) -> _Beside:
    columns = instance_conflict.c
    found = conn.execute(
        sa.select(
            columns.sop_instance_uid, columns.object_key, columns.size_bytes, columns.institution
        ).where(columns.id == row, columns.study == study)
    ).one_or_none()
    if found is None:
        raise ConflictMissing
    return _Beside(*found)
