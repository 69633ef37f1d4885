"""The drill: a county is copied while it works, lost, brought back elsewhere, and answers the same.

Its negative controls copy in another order, or do not copy something: the drill must find that.
"""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kernel.journal.copying import copy_journal
from kernel.settings import NodeKind
from kernel.sql.db import parse_url
from tests.databases import PostgresServer, new_database
from tests.imaging.compressed import as_sent
from tests.imaging.desk import Desk
from tests.imaging.sample import ct
from tests.integrity.answers import Answers, answers
from tests.integrity.county import desk_in
from yilian.cli import main, parser
from yilian.wiring import home_copy
from yilian.wiring.homes import Home

pytestmark = pytest.mark.timeout(120)

FILED = [ct(1), ct(2), ct(1, pixels=3), ct(1, series=2), ct(1, study=2), b"no DICOM at all"]
WAITING = [ct(number, study=3) for number in range(1, 25)]
"""Acknowledged, and not filed when the copy begins."""
MEANWHILE = [ct(number, study=4) for number in range(1, 7)]

STEPS = ("copy_journal", "copy_rows", "_copy_objects")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Where the rows of the county are, and those of the one that is brought back."""
    if request.param == "sqlite":
        yield Home(tmp_path / "home").database_url, Home(tmp_path / "new").database_url
        return
    request.getfixturevalue("postgres_programs")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with new_database(server) as source, new_database(server) as empty:
        yield source, empty


def settle(settings: Path, url: str) -> None:
    if url.startswith("postgresql"):
        settings.write_text(f'[database]\nurl = "{url}"\n', "utf-8")


async def db(*words: object) -> int:
    return await asyncio.to_thread(main, ["db", *map(str, words)])


class Drill:
    """A county, its copy, and what is brought back."""

    def __init__(self, folder: Path, urls: tuple[str, str]) -> None:
        self.urls = urls
        self.home = Home.prepare(folder / "home", NodeKind.COUNTY)
        settle(self.home.settings_file, urls[0])
        self.copy, self.new = folder / "copy", folder / "new"
        self.key = self.home.public_key()

    async def copied_at_work(
        self, monkeypatch: pytest.MonkeyPatch, *, filing_from: str = STEPS[0]
    ) -> Answers:
        """Copy the county while it takes more at each step; return what it answers.

        All that waits is filed, and its journal let go, right after the step *filing_from*.
        """
        async with desk_in(self.home, self.urls[0]) as desk:
            await desk.file(*FILED)
            sent, told = as_sent(ct(7, study=2))
            await desk.file(sent, told=told)
            await desk.receive(*WAITING)
            self._between_the_steps(desk, monkeypatch, STEPS.index(filing_from))
            assert await db("backup", "--home", self.home.root, "--to", self.copy) == 0
            monkeypatch.undo()
            await desk.file_all()
            return await answers(desk)

    def _between_the_steps(self, desk: Desk, monkeypatch: pytest.MonkeyPatch, first: int) -> None:
        loop, coming = asyncio.get_running_loop(), iter(MEANWHILE)

        async def work(*, filing: bool) -> None:
            await desk.receive(*[each for each in [next(coming, None)] if each])
            if filing:
                await desk.file_all()

        def on_the_loop(*, filing: bool) -> None:
            asyncio.run_coroutine_threadsafe(work(filing=filing), loop).result(20)

        for number, name in enumerate(STEPS):
            whole = getattr(home_copy, name)

            def beside(*args: Any, whole: Any = whole, number: int = number) -> Any:
                on_the_loop(filing=number > first)
                done = whole(*args)
                on_the_loop(filing=number >= first)
                return done

            monkeypatch.setattr(home_copy, name, beside)

    async def brought_back(self) -> Answers:
        """Lose the county, bring it back elsewhere, and return what that one answers."""
        shutil.rmtree(self.home.root)
        settle(self.copy / "yilian.toml", self.urls[1])
        assert await db("restore", "--home", self.new, "--from", self.copy) == 0
        async with desk_in(Home(self.new), self.urls[1]) as desk:
            await desk.file_all()
            found = await answers(desk)
        assert await db("verify", "--objects", "--home", self.new) == 0
        return found


@pytest.fixture
def drill(tmp_path: Path, urls: tuple[str, str]) -> Drill:
    # Loaded before anything in it is changed.
    parser("db")
    return Drill(tmp_path, urls)


def acknowledged(told: Answers) -> Answers:
    """The answers about what was acknowledged before the copy began."""
    later = ct_study(4)
    return {
        asked: answer for asked, answer in told.items() if later not in asked and "?" not in asked
    }


def ct_study(number: int) -> str:
    return f"/studies/1.2.826.0.1.3680043.10.1462.{number}"


def rows_of(told: Answers, asked: str) -> list[Any]:
    rows: list[Any] = told[asked][1]
    return [row for row in rows if not row["0020000D"]["Value"][0].endswith(".1462.4")]


def same(before: Answers, after: Answers) -> bool:
    """Whether the county that was brought back answers as the lost one, for all that counts."""
    queries = [asked for asked in before if "?" in asked]
    return acknowledged(after) == acknowledged(before) and all(
        rows_of(after, asked) == rows_of(before, asked) for asked in queries
    )


@pytest.mark.parametrize("moment", STEPS)
async def test_a_county_copied_at_work_and_lost_answers_the_same_from_its_copy(
    drill: Drill, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    before = await drill.copied_at_work(monkeypatch, filing_from=moment)
    assert len([asked for asked in before if asked.endswith("frames/1")]) == 35
    after = await drill.brought_back()
    assert same(before, after)
    assert set(after) <= set(before)
    assert Home(drill.new).public_key() == drill.key


async def test_the_control_that_copies_journals_after_the_rows_is_found_out(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was filed and released between the two is in neither."""
    rows, journal = home_copy.copy_rows, copy_journal
    waiting: list[tuple[sa.URL, Path]] = []

    def late(source: Path, target: Path) -> set[str]:
        # All rows are read before the first journal.
        if not waiting:
            url = parse_url(drill.urls[0])
            waiting.append((url, drill.copy / "early"))
            rows(url, drill.copy / "early")
        return set()

    def early(url: sa.URL, target: Path) -> None:
        for folder in (drill.home.root / "journal").iterdir():
            journal(folder, drill.copy / "journal" / folder.name)
        (drill.copy / "early").replace(target)

    monkeypatch.setattr(home_copy, "copy_journal", late)
    monkeypatch.setattr(home_copy, "copy_rows", early)
    before = await drill.copied_at_work(monkeypatch)
    assert not same(before, await drill.brought_back())


async def test_the_control_that_leaves_out_the_journals_is_found_out(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await drill.copied_at_work(monkeypatch, filing_from="copy_rows")
    shutil.rmtree(drill.copy / "journal")
    (drill.copy / "journal").mkdir()
    assert not same(before, await drill.brought_back())


async def test_the_control_that_copies_objects_before_the_rows_is_found_out(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, objects = home_copy.copy_rows, home_copy._copy_objects

    def late(url: sa.URL, target: Path) -> None:
        objects(drill.home, drill.copy)
        asyncio.run_coroutine_threadsafe(filed(), loop).result(20)
        rows(url, target)

    async def filed() -> None:
        async with desk_in(drill.home, drill.urls[0]) as desk:
            await desk.file_all()

    loop = asyncio.get_running_loop()
    async with desk_in(drill.home, drill.urls[0]) as desk:
        await desk.file(*FILED)
        await desk.receive(*WAITING)
    monkeypatch.setattr(home_copy, "copy_rows", late)
    monkeypatch.setattr(home_copy, "_copy_objects", lambda *_: (0, []))
    await db("backup", "--home", drill.home.root, "--to", drill.copy)
    settle(drill.copy / "yilian.toml", drill.urls[1])
    assert await db("restore", "--home", drill.new, "--from", drill.copy) == 1


async def test_a_key_that_is_not_in_the_copy_is_noticed(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    await drill.copied_at_work(monkeypatch)
    (drill.copy / "secrets" / "node.key").unlink()
    await drill.brought_back()
    assert Home(drill.new).public_key() != drill.key
