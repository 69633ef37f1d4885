"""``/api/v1/studies/{study}/conflicts/{conflict}``: which of several contents answers, and undo."""

import asyncio
from functools import partial
from typing import Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from imaging.archive import deciding
from imaging.archive.amending import Hand, hand_of
from imaging.archive.conflicts import content_row, one_conflict
from imaging.archive.deciding import Choice, ContentMissing, Kept, Matter
from imaging.archive.examine import Examiner
from imaging.archive.examined import Examined
from imaging.archive.http_corrections import UndoBody
from imaging.archive.locate import StudyRef
from imaging.archive.looks import look_at_study
from imaging.archive.model import ConflictRow
from imaging.archive.objects import ObjectMissing, ObjectStore
from kernel.arrival import Arrival, Sender
from kernel.idempotency import once
from kernel.policy import Act, Subject, decide, roles_for
from kernel.web import (
    ADDRESS,
    CLOCK,
    DATABASE,
    PRINCIPAL,
    describe,
    json_response,
    permit,
    read_ask,
    read_json,
    read_version,
)

_PATH: Final = "/api/v1/studies/{study}/conflicts/{conflict}"
_ROLES: Final = roles_for(Act.CORRECT_STUDY)


class DecisionBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which content answers from now on, and why."""

    content: str
    """``digest`` of the conflict or of its ``first``."""
    reason: str


class DecisionDoor:
    """The routes of deciding."""

    def __init__(self, objects: ObjectStore, examiner: Examiner, *, chain: str) -> None:
        """Read contents from *objects* by *examiner*; write into *chain* of the audit trail."""
        self._objects = objects
        self._examiner = examiner
        self._chain = chain

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.post(_PATH, self.decide), web.post(f"{_PATH}/undo", self.undo)]

    @describe("Say which content under a UID answers", body=DecisionBody, answer=ConflictRow)
    @permit(roles=_ROLES, machines=False)
    async def decide(self, request: web.Request) -> web.StreamResponse:
        """Answer the conflict as it then is; 201."""
        body = await read_json(request, DecisionBody)
        ask, seen = read_ask(request, body), read_version(request)
        ref, row, matter = await self._matter(request)
        hand = self._hand(request, ref, body.reason)
        kept = matter.beside.get(body.content)
        if kept is not None:
            _check_own(request, ref, kept)
        choice = Choice(body.content, await self._read(kept))

        def write(conn: sa.Connection) -> int:
            return deciding.decide(conn, ref.id, row, choice, hand, seen=seen)

        await request.app[DATABASE].write(partial(once, ask=ask, act=write, at=hand.at))
        return await _answer(request, ref, row, status=201)

    @describe("Take back which content answers", body=UndoBody, answer=ConflictRow)
    @permit(roles=_ROLES, machines=False)
    async def undo(self, request: web.Request) -> web.StreamResponse:
        """Answer the conflict as it then is."""
        body = await read_json(request, UndoBody)
        ask, seen = read_ask(request, body), read_version(request)
        ref, row, matter = await self._matter(request)
        hand = self._hand(request, ref, body.reason)
        last = matter.standing
        read = await self._read(matter.beside.get(last["before"])) if last else None

        def write(conn: sa.Connection) -> int:
            return deciding.undo(conn, ref.id, row, read, hand, seen=seen)

        await request.app[DATABASE].write(partial(once, ask=ask, act=write, at=hand.at))
        return await _answer(request, ref, row)

    async def _matter(self, request: web.Request) -> tuple[StudyRef, int, Matter]:
        ref = await look_at_study(request, request.match_info["study"], Act.CORRECT_STUDY)
        row = content_row(request.match_info["conflict"])
        matter = await request.app[DATABASE].read(
            partial(deciding.matter_of, study_row=ref.id, conflict=row)
        )
        return ref, row, matter

    async def _read(self, kept: Kept | None) -> Examined | None:
        return None if kept is None else await asyncio.to_thread(self._look, kept)

    def _look(self, kept: Kept) -> Examined | None:
        arrival = Arrival(
            door=kept.door,
            received_at=kept.received_at,
            sender=Sender(
                institution=kept.institution,
                ae_title=kept.ae_title,
                called_ae_title=kept.called_ae_title,
                address=kept.address,
            ),
            transfer_syntax_uid="",
            sop_class_uid="",
            sop_instance_uid="",
            study_instance_uid="",
            series_instance_uid="",
            dataset_offset=0,
            size_bytes=0,
            native=kept.native,
            # Known since it was filed: its pixels need not be decoded again.
            digest=kept.digest,
        )
        try:
            with self._objects.open(kept.object_key) as source:
                return self._examiner.look(source, arrival, kept.object_key)
        except ObjectMissing:
            return None

    def _hand(self, request: web.Request, ref: StudyRef, reason: str) -> Hand:
        return hand_of(
            request[PRINCIPAL],
            address=request.get(ADDRESS, ""),
            allowed=decide(request[PRINCIPAL], Act.CORRECT_STUDY, ref.subject).reason,
            reason=reason,
            at=request.app[CLOCK].now(),
            chain=self._chain,
        )


def _check_own(request: web.Request, ref: StudyRef, kept: Kept) -> None:
    """Hold what another institution sent back from a study it does not belong to."""
    if kept.institution == ref.subject.institution:
        return
    if not decide(request[PRINCIPAL], Act.READ_STUDY, Subject(kept.institution)).allowed:
        raise ContentMissing


async def _answer(
    request: web.Request, ref: StudyRef, row: int, *, status: int = 200
) -> web.StreamResponse:
    found = await request.app[DATABASE].read(partial(one_conflict, ref=ref, row=row))
    return json_response(found, status=status, headers={"ETag": f'"{found.etag}"'})
