"""What is set aside, for the township's pages: trying it again, letting it go, taking it along."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.township import queue_acts
from gateway.township.model import QueueItem
from gateway.township.ports import ObjectFiles, OpenObject
from gateway.township.queue_eyes import for_eyes_of
from gateway.township.queue_news import QueueNews
from gateway.township.queue_places import Now
from gateway.township.queue_view import items_of
from gateway.township.set_aside import AsideInstance, find_aside
from gateway.uploads.threads import finish_in_thread
from kernel.audit.trail import AuditEntry, AuditEvent
from kernel.errors import Missing
from kernel.identity import Principal
from kernel.policy import Act, Subject, require, roles_for
from kernel.sql.db import Database
from kernel.web import ACCESS_LOG, ADDRESS, PRINCIPAL, describe, json_response, permit, read_json

_MOVERS: Final = roles_for(Act.MANAGE_QUEUE)
_CHUNK_BYTES: Final = 256 * 1024
_ID_DIGITS: Final = 15


class NotSetAside(Missing):
    """No instance of that id is set aside here, or not any more."""

    code = "not-set-aside"


class ReleaseBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whether nobody waits for it any more; it stays here either way."""

    released: bool = True


@dataclass(frozen=True, slots=True)
class SetAsideDoor:
    """The routes of single instances; their ids are those of ``QueueItem.set_aside``."""

    database: Database
    news: QueueNews
    objects: ObjectFiles
    institution: str
    on_changed: Callable[[], None]

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = "/api/v1/set-aside/{id}"
        return [
            web.post(f"{one}/retry", self._retry),
            web.post(f"{one}/release", self._release),
            web.get(f"{one}/file", self._file, allow_head=False),
        ]

    @describe("Try one image again, on its own", answer=QueueItem)
    @permit(roles=_MOVERS)
    async def _retry(self, request: web.Request) -> web.StreamResponse:
        found = await self._find(request)
        return await self._change(
            request, found, "retry", partial(queue_acts.retry_one, instance_id=found.id)
        )

    @describe(
        "Let nobody wait for one image, or take that back", body=ReleaseBody, answer=QueueItem
    )
    @permit(roles=_MOVERS)
    async def _release(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, ReleaseBody)
        found = await self._find(request)
        change = partial(
            queue_acts.release,
            instance_id=found.id,
            at=self.news.now().at,
            released=body.released,
        )
        return await self._change(
            request, found, "release" if body.released else "take-back", change
        )

    @describe("One image as a DICOM file, for whoever can mend it")
    @permit(roles=_MOVERS)
    async def _file(self, request: web.Request) -> web.StreamResponse:
        found = await self._find(request)
        if not found.object_key:
            raise NotSetAside("its bytes were lost before they came here")
        source = await finish_in_thread(partial(self.objects.open, found.object_key))
        try:
            await self._note(request, found, AuditEvent.EXPORTED, "export-aside")
            return await self._stream(request, source, found.filename)
        finally:
            await finish_in_thread(partial(source.__exit__, None, None, None))

    async def _stream(
        self, request: web.Request, source: OpenObject, filename: str
    ) -> web.StreamResponse:
        answer = web.StreamResponse(
            headers={
                "Content-Type": "application/dicom",
                "Content-Length": str(source.size),
                "Content-Disposition": f'attachment; filename="{filename}"',
                "Cache-Control": "no-store",
            }
        )
        await answer.prepare(request)
        for pos in range(0, source.size, _CHUNK_BYTES):
            await answer.write(await finish_in_thread(partial(source.read, pos, _CHUNK_BYTES)))
        await answer.write_eof()
        return answer

    async def _find(self, request: web.Request) -> AsideInstance:
        require(request[PRINCIPAL], Act.MANAGE_QUEUE, Subject(self.institution))
        text = request.match_info["id"]
        if not (text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS):
            raise NotSetAside("an id is a number")
        found = await self.database.read(partial(find_aside, instance_id=int(text)))
        if found is None:
            raise NotSetAside("nothing of that id is set aside here")
        return found

    async def _change(
        self,
        request: web.Request,
        found: AsideInstance,
        act_name: str,
        change: Callable[[sa.Connection], object],
    ) -> web.StreamResponse:
        await self._note(request, found, AuditEvent.CHANGED, act_name)
        now = self.news.now()
        act = partial(_changed_item, change, found.study_key, now)
        item = await self.news.write(act, lambda _: [found.study_key])
        self.on_changed()
        return json_response(for_eyes_of(request[PRINCIPAL], item))

    async def _note(
        self, request: web.Request, found: AsideInstance, event: AuditEvent, act: str
    ) -> None:
        who: Principal = request[PRINCIPAL]
        entry = AuditEntry(
            at=self.news.now().at,
            event=event,
            user_id=who.user_id,
            username=who.username,
            institution=who.institution,
            address=request.get(ADDRESS, ""),
            subject=f"study:{found.study_key}",
            patient=found.patient_id,
            detail={
                "act": act,
                "sop_instance_uid": found.sop_instance_uid,
                "code": found.reason_code,
            },
        )
        await request.app[ACCESS_LOG].add(entry)


def _changed_item(
    change: Callable[[sa.Connection], object], study_key: str, now: Now, conn: sa.Connection
) -> QueueItem:
    if not change(conn):
        raise NotSetAside("it is not set aside any more")
    [item] = items_of(conn, [study_key], now)
    return item
