"""A township node whose objects can be looked at: spool, index, DICOMweb, pages."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.exchange import return_turns, returns
from gateway.exchange.model import Kind, Source
from gateway.exchange.return_letters import NamedObject, ReturnBody, take_return
from gateway.here.earlier import CountyStudies
from gateway.here.http import HereDoor
from gateway.here.showing import Showing
from gateway.here.store import WhatIsHere, deleted, forget
from gateway.http.errors import errors
from gateway.township.keeping import Keeper, KeepSettings
from gateway.township.model import InstanceState
from gateway.township.tables import instances
from imaging.archive import http as studies
from imaging.archive.examine import Examiner
from imaging.archive.objects_fs import FileObjectStore
from imaging.dicomweb import qido
from imaging.dicomweb.routes import DicomWebParts, routes as dicomweb_routes
from imaging.pixels.pool import PixelPool
from imaging.query.paging import PagingMemory
from imaging.query.service import Search
from kernel.arrival import ContentDigest
from kernel.audit.access_log import AccessLog
from kernel.clock import SystemClock
from kernel.dicom.codecs import InThread
from kernel.dicom.content import content_digest
from kernel.dicom.dataset import BytesSource, read_file_meta, scan
from kernel.dicom.header import read_header
from kernel.dicom.shown import LEGAL_TIME
from kernel.identifiers import Uid, object_key
from kernel.identity import Principal, Role
from kernel.letter import Letter
from kernel.web import ACCESS_LOG, ADDRESS, CLOCK, DATABASE, PRINCIPAL, SIGN_IN_ID, Handler
from tests.township.node import Node, node_in
from yilian.wiring import tables
from yilian.wiring.township_view import ArchiveIndex, registered_number

WHO = {
    "li": Principal("u1", "li", "李", frozenset({Role.TECHNICIAN}), "qingshan"),
    "manager": Principal("u2", "gao", "高", frozenset({Role.MANAGER}), "qingshan"),
    "other": Principal("u3", "qian", "钱", frozenset({Role.TECHNICIAN}), "shiqiao"),
}


@dataclass
class Ward:
    """A node somebody looks at."""

    node: Node
    index: ArchiveIndex
    showing: Showing[Any]
    session: aiohttp.ClientSession

    async def show(self) -> int:
        """Look at everything that is here and was not; returns how many objects that were."""
        shown = 0
        while more := await self.showing.show_next():
            shown += more
        return shown

    async def get(self, path: str, who: str = "li") -> tuple[int, Any]:
        async with self.session.get(path, headers={"X-Test-User": who}) as answer:
            return answer.status, await answer.json(content_type=None)

    async def fetch(self, path: str, accept: str) -> tuple[int, bytes]:
        async with self.session.get(path, headers={"Accept": accept}) as answer:
            return answer.status, await answer.read()

    async def here(self, study: str) -> dict[str, Any]:
        """What the pages are told of *study*."""
        status, answer = await self.get(f"/api/v1/here?study={study}")
        assert status == 200
        [one] = answer["items"]
        found: dict[str, Any] = one
        return found

    async def receipted(self) -> None:
        """Let the county have everything, long ago, and make room."""
        at = self.node.news.now().at
        await self.node.database.write(partial(_receipt, at=at))
        keeper = Keeper(
            self.node.database,
            self.node.objects,
            self.node.home,
            KeepSettings(keep=-(KeepSettings().keep)),
            clock=SystemClock(),
            forget=lambda conn, gone: forget(conn, gone, self.index),
        )
        await keeper.sweep()

    async def comes_back(self, kind: Kind, *raws: bytes) -> None:
        """Have *raws* here as the fetcher leaves them."""
        named = [named_object(raw) for raw in raws]
        study = study_of(raws[0])
        body = ReturnBody(study=study, objects_in_all=len(named), objects=named)
        source = Source("county", "qingshan", self.node.news.now().at)
        letter = Letter(kind.value, f"{study}/0", 1, as_json(body))
        await self.node.database.write(lambda conn: take_return(conn, letter, source))
        for raw, one in zip(raws, named, strict=True):
            whole = f"{one.digest.dataset}-{one.digest.pixels}"
            key = object_key(Uid(one.sop_instance_uid), whole)
            await asyncio.to_thread(self.node.objects.put_new, [(key, [raw])])

            def note(conn: sa.Connection, key: str = key) -> None:
                found = return_turns.next_object(conn)
                assert found is not None
                became = return_turns.Fetched(returns.ObjectState.HERE, object_key=key)
                return_turns.note_object(conn, found, became, institution="qingshan", at=source.at)

            await self.node.database.write(note)


def as_json(body: ReturnBody) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(body)
    return found


def _receipt(conn: sa.Connection, *, at: dt.datetime) -> None:
    conn.execute(sa.update(instances).values(state=InstanceState.AT_COUNTY, county_at=at))


def study_of(raw: bytes) -> str:
    """Return the UID of the study of *raw*."""
    source = BytesSource(raw)
    meta = read_file_meta(source)
    walked = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    return read_header(source, walked).study_instance_uid


def named_object(raw: bytes) -> NamedObject:
    """Return how the county would name *raw*."""
    source = BytesSource(raw)
    meta = read_file_meta(source)
    walked = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    header = read_header(source, walked)
    digest: ContentDigest = content_digest(walked, decoder=InThread())
    return NamedObject(
        series_instance_uid=header.series_instance_uid,
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        size_bytes=len(raw),
        digest=digest,
    )


@asynccontextmanager
async def ward_in(home: Path, county: CountyStudies | None = None) -> AsyncIterator[Ward]:
    """Run a node in *home* with its viewing doors; ``X-Test-User`` says who asks."""
    tables.load()
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(node_in(home))
        store = FileObjectStore(home / "objects")
        index = ArchiveIndex(store, Examiner(decoder=InThread(), charset_hint=lambda _: ""))
        clock = SystemClock()
        showing: Showing[Any] = Showing(node.database, index, institution="qingshan", clock=clock)

        @web.middleware
        async def sign_in(request: web.Request, handler: Handler) -> web.StreamResponse:
            request[PRINCIPAL] = WHO[request.headers.get("X-Test-User", "li")]
            request[ADDRESS], request[SIGN_IN_ID] = "127.0.0.1", "s1"
            return await handler(request)

        app = web.Application(middlewares=[errors, sign_in])
        app[ACCESS_LOG] = AccessLog(node.database, clock, chain="test")
        app[DATABASE], app[CLOCK] = node.database, clock

        def at_county(conn: sa.Connection, study: str, institution: str, /) -> bool:
            return institution == "qingshan" and bool(deleted(conn, [study]))

        pool = stack.enter_context(closing(PixelPool(InThread())))
        parts = DicomWebParts(
            database=node.database, objects=store, pool=pool, clock=clock, elsewhere=at_county
        )
        searches = qido.routes(Search(node.database, PagingMemory(clock)), at_county)
        app.add_routes(dicomweb_routes(parts, searches))
        app.add_routes(studies.routes(elsewhere=at_county))
        door = HereDoor(
            node.database, WhatIsHere(index), county, registered_number, "qingshan", LEGAL_TIME
        )
        app.add_routes(door.routes())
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        stack.push_async_callback(server.close)
        session = await stack.enter_async_context(aiohttp.ClientSession(server.make_url("/")))
        yield Ward(node, index, showing, session)


def uids(found: Sequence[dict[str, Any]], tag: str) -> list[Any]:
    """Return the first value of *tag* of each DICOM JSON object."""
    return [each[tag]["Value"][0] for each in found]
