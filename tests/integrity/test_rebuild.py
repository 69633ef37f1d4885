"""The index is made anew from the objects' disk and gives the same answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from imaging.archive import correcting, rejecting
from imaging.archive.amending import Hand
from imaging.archive.rebuilding import Rebuilder, Rebuilt
from imaging.archive.register import FOLDER, Register
from imaging.archive.registering import Registrar
from imaging.archive.rejection_note import Title
from imaging.archive.tables import instance, instance_conflict, set_aside, study
from kernel.errors import Conflict
from tests.databases import open_filled
from tests.imaging.compressed import as_sent
from tests.imaging.desk import Desk, HereDecoder
from tests.imaging.sample import AT, ROOT, arrival, ct
from tests.imaging.test_corrections import LI
from tests.integrity.answers import Answers, answers
from tests.integrity.county import county
from tests.integrity.damage import flip, key_of
from yilian.cli import main

pytestmark = pytest.mark.timeout(120)

HINTS = {"CT1": "GB18030"}


async def samples(desk: Desk) -> None:
    """Images, doubles, conflicts, of several houses, with and without what is right."""
    desk.restart_filer(hint="GB18030")
    await desk.file(ct(2, study=2), ct(1), ct(2), ct(1), ct(1, pixels=3), ct(1, pixels=4))
    await desk.file(ct(3, series=2), b"no DICOM at all", ct(2, study=2, StudyDescription="另一个"))
    await desk.file(ct(4, study=3, PatientID=None, PatientName=None))
    await desk.file(ct(5, StudyInstanceUID=None, SeriesInstanceUID=None))
    chinese = ct(6, study=4, SpecificCharacterSet="GB18030", PatientName="Li^Si=李^四")
    # Its device says nothing of the character set; an administrator has.
    await desk.file(chinese.replace(b"GB18030 ", b"        "))
    await desk.file(ct(9, study=1, PatientID="of-another"))
    await desk.file(ct(1, study=5), told=arrival(institution="baihe"))
    sent, told = as_sent(ct(7, study=2))
    await desk.file(sent, told=told)


def hand(reason: str) -> Hand:
    return Hand(institution="qingshan", reason=reason, at=AT, chain="test")


async def people_decide(desk: Desk) -> None:
    """A study is put right, images are rejected, and one rejection is taken back."""

    def row_of(conn: sa.Connection, number: int) -> int:
        named = study.c.study_instance_uid == f"{ROOT}.{number}"
        return int(conn.execute(sa.select(study.c.id).where(named)).scalar_one())

    def decide(conn: sa.Connection) -> None:
        correcting.correct(conn, row_of(conn, 1), LI, hand("wrong line"), seen="0", system="YILIAN")
        first = row_of(conn, 2)
        uids = [f"{ROOT}.2.1.2"]
        rejecting.reject(conn, first, uids, Title.QUALITY, hand("blurred"), note="1.2.3")
        third = row_of(conn, 3)
        everything = [each.sop_instance_uid for each in rejecting.chosen(conn, third)]
        row = rejecting.reject(
            conn, third, everything, Title.QUALITY, hand("blurred"), note="1.2.4"
        )
        rejecting.undo(conn, row, hand("it was not"), seen=rejecting.STANDS)

    await desk.database.write(decide)


def registrar(desk: Desk) -> Registrar:
    register = Register(desk.folder / "objects")
    return Registrar(desk.database, register, desk.clock, hints=lambda _: HINTS)


async def registered(desk: Desk) -> None:
    follower = registrar(desk)
    while await follower.follow():
        pass


@asynccontextmanager
async def rebuilt(desk: Desk, path: Path, **more: Any) -> AsyncIterator[tuple[Desk, Rebuilt]]:
    """The archive of *desk* over a new index."""
    database = await open_filled(f"sqlite:///{path}")
    try:
        made = Rebuilder(database, desk.folder / "objects", HereDecoder(), desk.clock, **more)
        done = await made.run()
        new = Desk(
            database, desk.folder, desk.writer, desk.filer, desk.objects, desk.clock, desk.journal
        )
        yield new, done
    finally:
        await database.close()


async def everything(desk: Desk) -> Answers:
    own, other = await answers(desk), await answers(desk, who="other")
    return own | {f"baihe {asked}": told for asked, told in other.items()}


@pytest.mark.parametrize("decided", [False, True], ids=["as it came", "as people decided"])
async def test_a_new_index_answers_as_the_old_one_did(
    desk: Desk, tmp_path: Path, decided: bool
) -> None:
    await samples(desk)
    await registrar(desk).follow()
    if decided:
        await people_decide(desk)
        # What was rejected comes again, and stays as it is.
        await desk.file(ct(2, study=2), ct(2, study=2, pixels=9))
    await registered(desk)
    before = await everything(desk)
    async with rebuilt(desk, tmp_path / "new.sqlite") as (new, done):
        after = await everything(new)
        assert (done.missing, done.damaged, done.of_nobody, done.unregistered) == ([], [], [], 0)
        for table in (instance_conflict, set_aside, instance):
            counted = sa.select(sa.func.count().label("n")).select_from(table)
            assert await new.rows(counted) == await desk.rows(counted)
    assert set(after) ^ set(before) == set()
    assert [asked for asked in before if after[asked] != before[asked]] == []
    assert any(asked.startswith("second content 2") for asked in before) or decided


async def test_what_was_taken_back_in_the_new_index_is_as_it_was(
    desk: Desk, tmp_path: Path
) -> None:
    await samples(desk)
    await registered(desk)
    before = await everything(desk)
    await people_decide(desk)
    await registered(desk)

    def undo(conn: sa.Connection) -> None:
        rejecting.undo(conn, 1, hand("it was good"), seen=rejecting.STANDS)
        named = study.c.study_instance_uid == f"{ROOT}.1"
        row = conn.execute(sa.select(study.c.id).where(named)).scalar_one()
        correcting.undo(conn, row, 1, hand("it was right"), seen="1.0")

    async with rebuilt(desk, tmp_path / "new.sqlite") as (new, _):
        await new.database.write(undo)
        after = await everything(new)
    queries = {asked for asked in before if "?" in asked}
    assert [a for a in before if a not in queries and after.get(a) != before[a]] == []


async def test_the_control_without_a_register_gives_other_answers(
    desk: Desk, tmp_path: Path
) -> None:
    await samples(desk)
    before = await everything(desk)
    async with rebuilt(desk, tmp_path / "new.sqlite", institution="qingshan") as (new, done):
        assert done.unregistered == len(desk.object_files())
        after = await everything(new)
    # All of it is there; whose it was, and what it was made of, nobody can say.
    assert {a for a in before if "instances/" in a} - set(after)


async def test_without_a_register_nothing_is_made_anybodys(desk: Desk, tmp_path: Path) -> None:
    await samples(desk)
    async with rebuilt(desk, tmp_path / "new.sqlite") as (_, done):
        # Only what is in no study can be kept without.
        assert (len(done.of_nobody), done.filed) == (len(desk.object_files()) - 1, 1)


async def test_lost_and_damaged_objects_are_named_and_the_others_filed(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.file(ct(1), ct(2), ct(3))
    await registered(desk)
    lost, broken, _ = desk.object_files()
    lost.unlink()
    flip(broken, 700)
    async with rebuilt(desk, tmp_path / "new.sqlite") as (_, done):
        assert (done.missing, done.damaged) == ([key_of(lost)], [key_of(broken)])
        assert done.filed == 1


async def test_a_half_line_and_lines_that_came_twice_do_no_harm(desk: Desk, tmp_path: Path) -> None:
    await desk.file(ct(1), ct(2))
    await registered(desk)
    file = desk.folder / "objects" / FOLDER / "contents.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + whole + whole[:50])
    await desk.file(ct(3))
    await registered(desk)
    async with rebuilt(desk, tmp_path / "new.sqlite") as (_, done):
        assert (done.filed, done.unregistered, done.missing) == (3, 0, [])


async def test_a_register_that_is_lost_is_written_anew(desk: Desk, tmp_path: Path) -> None:
    await desk.file(ct(1), ct(2))
    follower = registrar(desk)
    await follower.follow()
    for file in (desk.folder / "objects" / FOLDER).iterdir():
        file.unlink()
    await follower.follow()
    async with rebuilt(desk, tmp_path / "new.sqlite") as (_, done):
        assert (done.filed, done.unregistered) == (2, 0)


async def test_an_index_that_holds_studies_is_not_touched(desk: Desk) -> None:
    await desk.file(ct(1))
    with pytest.raises(Conflict) as refused:
        await Rebuilder(desk.database, desk.folder / "objects", HereDecoder(), desk.clock).run()
    assert refused.value.code == "index-in-use"


def test_the_command_makes_a_database_a_county_can_stand_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = county(tmp_path / "home", [ct(1), ct(2)])
    new = tmp_path / "new.sqlite"
    words = ["db", "rebuild-index", "--home", str(home.root), "--into", str(new)]
    assert main(words) == 1
    assert "--institution" in capsys.readouterr().out
    new.unlink()
    assert main([*words, "--institution", "a.b"]) == 1
    assert "[invalid-institution]" in capsys.readouterr().err
    assert main([*words, "--institution", "qingshan"]) == 0
    assert "2 objects filed, 2 of them unregistered" in capsys.readouterr().out
    assert main([*words, "--institution", "qingshan"]) == 1
    assert "[file-exists]" in capsys.readouterr().err
    new.replace(home.root / "db" / "yilian.sqlite")
    assert main(["db", "verify", "--objects", "--home", str(home.root)]) == 0
