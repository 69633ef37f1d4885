"""A county with an archive, a line that can be cut, and a township that asks for priors over it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.line.model import QUICK_LINE
from bench.line.proxy import Line, open_line
from gateway.exchange import returns
from gateway.exchange.ports import Handlers
from gateway.exchange.return_fetch import FetcherSettings, ReturnFetcher, Shelf
from gateway.exchange.return_letters import answer_request, take_return
from gateway.exchange.returns import ReturnState
from imaging.archive.objects_fs import FileObjectStore
from kernel.dicom.codecs import InThread
from tests.exchange.two_nodes import (
    QUICK,
    County,
    Township,
    county_in,
    township_in,
)
from tests.uploads.dicom_files import ROOT
from yilian.wiring.named_objects import NamedArchive
from yilian.wiring.township_objects import TownshipObjects

STUDY = f"{ROOT}.1"
DOWN = {"prior": take_return, "report": take_return}


def archive_in(home: Path) -> NamedArchive:
    """The archive of the county in *home*, as it names its objects."""
    return NamedArchive(FileObjectStore(home / "archive" / "objects"))


@dataclass
class Share:
    """The line's bucket; a line that somebody holds lets nothing more through."""

    passed_bytes: int = 0
    held_after_bytes: int | None = None
    """Somebody holds it once so many have come; None for never."""
    free: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_bytes(self, count: int) -> None:
        self.passed_bytes += count
        if self.held_after_bytes is not None and self.passed_bytes >= self.held_after_bytes:
            self.free.clear()
        await self.free.wait()


@dataclass
class Place:
    """A county with an archive, a line, and a township that fetches."""

    county: County
    line: Line
    node: Township
    fetcher: ReturnFetcher
    objects: TownshipObjects
    folder: Path
    share: "Share"
    archive: NamedArchive

    async def ask(self, study: str = STUDY) -> None:
        at = self.node.clock.now()
        await self.node.database.write(partial(returns.ask, study=study, by="li", at=at))
        self.node.hint.notify()

    async def named(self, raw: bytes) -> None:
        """File *raw* at the county, ask for its study, and hear what there is to fetch."""
        assert self.county.desk is not None
        await self.county.desk.file(raw)
        await self.ask()
        while await self.node.sender.send_once():
            pass
        await self.node.follower.follow_once()

    async def view(self, study: str = STUDY) -> returns.ReturnView:
        [found] = await self.node.database.read(partial(returns.views, studies=[study]))
        return found

    async def is_(self, state: ReturnState) -> bool:
        return (await self.view()).state is state

    def start(self) -> None:
        self.node.start()
        self.node.owner.keep("fetcher", lambda: self.fetcher.run(self.node.taken))


@asynccontextmanager
async def place_in(home: Path, down: Handlers | None = None) -> AsyncIterator[Place]:
    archive = archive_in(home)
    up = {"prior-request": answer_request(archive.of_study, archive.reports)}
    async with (
        county_in(home, up, archive=True) as county,
        open_line(county.port, QUICK_LINE) as line,
    ):
        enrolled, key = await county.new_node()
        node_of = township_in(home, line.port, enrolled, key, handlers=down or DOWN)
        async with node_of as node:
            objects = TownshipObjects(FileObjectStore(home / "objects"))
            folder = home / "scratch"
            share = Share()
            share.free.set()
            fetcher = ReturnFetcher(
                node.database,
                node.link,
                Shelf(objects, InThread()),
                node.line.urgent,
                share=share,
                clock=node.clock,
                settings=FetcherSettings(
                    folder,
                    "qingshan",
                    backoff=QUICK,
                    stall_s=1.0,
                    on_asked=node.hint.notify,
                    # No object waits, so that a test says when it is tried.
                    chance=lambda: 0.0,
                ),
            )
            yield Place(county, line, node, fetcher, objects, folder, share, archive)
