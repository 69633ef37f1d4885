"""What was acknowledged is in a copy of the node, filed or not, and filed once it is back."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from imaging.archive.examine import Examiner
from imaging.archive.ingest import Filer
from imaging.archive.objects_fs import FileObjectStore
from imaging.archive.tables import instance
from kernel.arrival import encode_arrival
from kernel.clock import SystemClock
from kernel.journal.writer import JournalWriter
from kernel.settings import NodeKind
from kernel.sql.db import Database
from kernel.sql.migrate import migrate
from tests.databases import PostgresServer, new_database
from tests.imaging.desk import HereDecoder
from tests.imaging.sample import arrival, ct
from tests.township.node import arrival_of, node_in
from tests.uploads.dicom_files import ct_slice
from yilian.cli import main
from yilian.wiring import home_copy, tables
from yilian.wiring.homes import Home

JOURNAL = "dicom"


@asynccontextmanager
async def door(home: Home) -> AsyncIterator[JournalWriter]:
    """The county's DICOM door, as far as its journal."""
    writer = JournalWriter.open(home.journal(JOURNAL), segment_bytes=64 << 10, reserve_bytes=0)
    try:
        yield writer
    finally:
        await writer.close()


async def acknowledge(writer: JournalWriter, numbers: Sequence[int]) -> None:
    for number in numbers:
        draft = writer.begin()
        await draft.write(ct(number))
        await writer.commit([(draft, encode_arrival(arrival()))])


async def file_all(home: Home, url: str) -> None:
    """File what waits, as the county's worker does."""
    database = await Database.open(url)
    filer = Filer(
        database,
        FileObjectStore(home.objects),
        Examiner(decoder=HereDecoder(), charset_hint=lambda _: ""),
        journals={JOURNAL: home.journal(JOURNAL)},
        clock=SystemClock(),
    )
    while await filer.file_waiting():
        pass
    filer.close()
    await database.close()


async def numbers_at(url: str) -> list[int]:
    """The instances that are filed."""
    database = await Database.open(url)
    try:
        uids = await database.read(
            lambda conn: conn.scalars(sa.select(instance.c.sop_instance_uid))
        )
        return sorted(int(uid.rpartition(".")[2]) for uid in uids)
    finally:
        await database.close()


async def db(*words: object) -> int:
    return await asyncio.to_thread(main, ["db", *map(str, words)])


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Where the rows of the first home are, and those of the second."""
    if request.param == "sqlite":
        yield Home(tmp_path / "home").database_url, Home(tmp_path / "new").database_url
        return
    request.getfixturevalue("postgres_programs")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with new_database(server) as source, new_database(server) as empty:
        yield source, empty


@pytest.fixture
def home(tmp_path: Path, urls: tuple[str, str]) -> Home:
    made = Home.prepare(tmp_path / "home", NodeKind.COUNTY)
    settle(made.settings_file, urls[0])
    tables.load()
    asyncio.run(migrate(urls[0]))
    return made


def settle(settings: Path, url: str) -> None:
    if url.startswith("postgresql"):
        settings.write_text(f'[database]\nurl = "{url}"\n', "utf-8")


async def brought_back(copy: Path, new: Path, url: str) -> list[int]:
    """What is there once a new home was made and its worker has run."""
    settle(copy / "yilian.toml", url)
    assert await db("restore", "--home", new, "--from", copy) == 0
    await file_all(Home(new), url)
    assert await db("verify", "--home", new) == 0
    return await numbers_at(url)


async def test_what_is_acknowledged_and_not_filed_yet_comes_back(
    home: Home, urls: tuple[str, str], tmp_path: Path
) -> None:
    async with door(home) as writer:
        await acknowledge(writer, range(1, 5))
        await file_all(home, urls[0])
        await acknowledge(writer, range(5, 150))
        assert await db("backup", "--home", home.root, "--to", tmp_path / "copy") == 0
    assert await numbers_at(urls[0]) == [1, 2, 3, 4]
    found = await brought_back(tmp_path / "copy", tmp_path / "new", urls[1])
    assert found == list(range(1, 150))
    # And the door of the new home goes on behind it.
    async with door(Home(tmp_path / "new")) as writer:
        await acknowledge(writer, [150])
    await file_all(Home(tmp_path / "new"), urls[1])
    assert await numbers_at(urls[1]) == list(range(1, 151))


@pytest.mark.parametrize("moment", ["before the rows", "after the rows"])
async def test_what_is_filed_while_the_copy_is_made_is_in_it(
    home: Home,
    urls: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    """The worst moments: all of it filed, and the journal released, right beside the rows' copy."""
    copy_rows = home_copy.copy_rows
    async with door(home) as writer:
        await acknowledge(writer, range(1, 100))
        loop = asyncio.get_running_loop()

        def on_the_loop(work: Coroutine[Any, Any, None]) -> None:
            asyncio.run_coroutine_threadsafe(work, loop).result(20)

        def meanwhile(url: sa.URL, target: Path) -> None:
            if moment == "before the rows":
                on_the_loop(file_all(home, urls[0]))
            on_the_loop(acknowledge(writer, range(100, 110)))
            copy_rows(url, target)
            on_the_loop(file_all(home, urls[0]))

        monkeypatch.setattr(home_copy, "copy_rows", meanwhile)
        assert await db("backup", "--home", home.root, "--to", tmp_path / "copy") == 0
    found = await brought_back(tmp_path / "copy", tmp_path / "new", urls[1])
    assert set(found) >= set(range(1, 100))


async def test_a_township_brings_back_what_its_spool_had_not_filed(tmp_path: Path) -> None:
    home = Home.prepare(tmp_path / "home", NodeKind.TOWNSHIP)
    assert await db("migrate", "--home", home.root) == 0
    raws = [ct_slice(number) for number in (1, 2, 3)]
    async with door(home) as writer:
        for raw in raws:
            draft = writer.begin()
            await draft.write(raw)
            await writer.commit([(draft, encode_arrival(arrival_of(raw)))])
        assert await db("backup", "--home", home.root, "--to", tmp_path / "copy") == 0
    assert await db("restore", "--home", tmp_path / "new", "--from", tmp_path / "copy") == 0
    new, place = Home(tmp_path / "new"), tmp_path / "runs"
    shutil.copytree(new.journal(JOURNAL), place / "journal")
    shutil.copy(new.root / "db" / "yilian.sqlite", place / "node.sqlite")
    async with node_in(place) as node:
        await node.until(waiting=len(raws))


async def test_an_image_that_a_township_has_lost_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home.prepare(tmp_path / "home", NodeKind.TOWNSHIP)
    assert await db("migrate", "--home", home.root) == 0
    async with node_in(home.root) as node:
        await node.store([ct_slice(1), ct_slice(2)])
        await node.until(waiting=2)
        keys = [key for (key,) in await node.rows("object_key")]
    (home.root / "node.sqlite").rename(home.root / "db" / "yilian.sqlite")
    assert await db("verify", "--home", home.root) == 0
    assert "2 objects looked up, 0 faults" in capsys.readouterr().out
    (home.objects / keys[0]).unlink()
    assert await db("verify", "--home", home.root) == 1
    assert f"object {keys[0]} is missing" in capsys.readouterr().out
