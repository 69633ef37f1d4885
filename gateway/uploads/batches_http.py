"""``/api/v1/uploads/{batch}``: what became of chosen files, and which need not be sent again."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.uploads import batches
from gateway.uploads.batches import (
    ChosenFile,
    FileState,
    SoughtFile,
    WantedAgain,
    nothing_again,
)
from gateway.uploads.tus import TusServer
from kernel.policy import Act, roles_for
from kernel.sql.db import Database
from kernel.web import PRINCIPAL, describe, json_response, permit, read_json

_KINDS = ("dicom", "zip")
_STORERS = roles_for(Act.STORE_STUDY)
_SOUGHT_MAX_BYTES = 16 * 1024 * 1024
_UID = re.compile(r"[0-9.]{1,64}", re.ASCII)


class Chosen(Protocol):
    """Hears which images of which studies somebody is about to send."""

    def __call__(self, conn: sa.Connection, chosen: Mapping[str, Collection[str]]) -> None:
        """Keep that of each study at least these SOP Instance UIDs are to come, or are here."""


class BatchView(msgspec.Struct, frozen=True, kw_only=True):
    """Every file of a batch that this node has heard of."""

    files: list[ChosenFile]


class HaveQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """The files a person chose."""

    files: list[SoughtFile]


class HaveFile(msgspec.Struct, frozen=True, kw_only=True):
    """One of them that is safe here already."""

    name: str
    state: FileState = FileState.SAFE


class HaveAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Those that need not be sent again."""

    files: list[HaveFile]


class BatchDoor:
    """Answers for the batches of the asker's own institution."""

    def __init__(
        self,
        database: Database,
        uploads: TusServer,
        *,
        chosen: Chosen,
        wanted_again: WantedAgain = nothing_again,
    ) -> None:
        self._database = database
        self._uploads = uploads
        self._chosen = chosen
        self._wanted_again = wanted_again

    def routes(self) -> list[web.RouteDef]:
        """Return the routes below ``/api/v1/uploads``."""
        return [
            web.get("/api/v1/uploads/{batch}", self._get, allow_head=False),
            web.post("/api/v1/uploads/{batch}/have", self._have),
        ]

    @describe("What became of the files of one batch", answer=BatchView)
    @permit(roles=_STORERS)
    async def _get(self, request: web.Request) -> web.StreamResponse:
        institution = request[PRINCIPAL].institution
        batch = request.match_info["batch"]
        ended = await self._database.read(lambda conn: batches.files_of(conn, institution, batch))
        known = {file.upload_id for file in ended}
        coming = [
            ChosenFile(
                upload_id=upload.info.upload_id,
                filename=upload.info.metadata.get("filename", ""),
                state=FileState.RECEIVING,
            )
            for kind in _KINDS
            for upload in self._uploads.uploads_of(institution, kind=kind)
            if upload.info.metadata.get("batch") == batch and upload.info.upload_id not in known
        ]
        return json_response(BatchView(files=ended + coming))

    @describe("Which of these files are safe here already", body=HaveQuestion, answer=HaveAnswer)
    @permit(roles=_STORERS, body_bytes=_SOUGHT_MAX_BYTES)
    async def _have(self, request: web.Request) -> web.StreamResponse:
        institution = request[PRINCIPAL].institution
        batch = request.match_info["batch"]
        question = await read_json(request, HaveQuestion, limit=_SOUGHT_MAX_BYTES)
        chosen = defaultdict[str, set[str]](set)
        for file in question.files:
            if _UID.fullmatch(file.study_instance_uid) and _UID.fullmatch(file.sop_instance_uid):
                chosen[file.study_instance_uid].add(file.sop_instance_uid)

        def ask(conn: sa.Connection) -> Collection[str]:
            self._chosen(conn, chosen)
            return batches.safe_already(
                conn, institution, batch, question.files, self._wanted_again
            )

        names = await self._database.write(ask)
        here = [HaveFile(name=file.name) for file in question.files if file.name in names]
        return json_response(HaveAnswer(files=here))
