"""Damaged objects are mended from good copies, and from nothing else."""

import datetime as dt
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from imaging.archive import mending
from imaging.archive.damaged import damaged
from imaging.archive.mending import GoodCopies, Mended, Mender
from imaging.archive.object_truth import Found, is_whole
from imaging.archive.scrubbing import Scrubber
from imaging.archive.tables import instance
from kernel.arrival import ContentDigest
from kernel.audit.trail import audit_entries
from kernel.errors import Unavailable
from kernel.identifiers import Uid, object_key
from tests.imaging.compressed import as_sent, compressed
from tests.imaging.desk import Desk, HereDecoder
from tests.imaging.sample import ct
from tests.integrity.county import county, object_files
from tests.integrity.damage import flip, flip_content, key_of
from yilian.cli import main
from yilian.wiring.homes import Home


def mender(desk: Desk) -> Mender:
    return Mender(desk.database, desk.objects, HereDecoder(), desk.clock, chain="mend")


async def scrub(desk: Desk) -> list[Found]:
    desk.clock.advance(dt.timedelta(hours=1))
    looked = await Scrubber(
        desk.database, desk.objects, HereDecoder(), desk.clock, chain="scrub"
    ).look_at_all()
    return list(looked.damaged)


def copied(desk: Desk) -> Path:
    return Path(shutil.copytree(desk.folder / "objects", desk.folder / "copy" / "objects")).parent


def source(desk: Desk, folder: Path) -> GoodCopies:
    return GoodCopies.at(folder, not_of=desk.folder / "objects")


@pytest.mark.parametrize("read_before", [False, True], ids=["never read", "read before"])
async def test_a_good_copy_takes_the_place_of_the_damaged_one(
    desk: Desk, read_before: bool
) -> None:
    await desk.file(ct(1), ct(1, pixels=3), b"no DICOM at all")
    await compressed(desk, ct(7))
    if read_before:
        await scrub(desk)
    copy, files = copied(desk), desk.object_files()
    whole = [path.read_bytes() for path in files]
    files[0].unlink()
    for path in files[1:]:
        flip_content(path)
    assert len(await scrub(desk)) == len(files)
    for path in files:
        assert await mender(desk).mend(key_of(path), source(desk, copy)) is Mended.REPAIRED
    assert [path.read_bytes() for path in files] == whole
    assert await desk.database.read(damaged) == []
    assert await scrub(desk) == []
    # The bad bytes are kept for whoever wants to know what happened, and nothing else is left.
    assert len(list((desk.folder / "objects" / ".damaged").iterdir())) == len(files) - 1
    assert list((desk.folder / "objects" / ".incoming").iterdir()) == []
    entries = await desk.rows(
        sa.select(audit_entries.c.subject, audit_entries.c.detail).where(
            audit_entries.c.chain == "mend"
        )
    )
    assert {row["subject"] for row in entries} == {f"object:{key_of(path)}" for path in files}
    assert {row["detail"]["act"] for row in entries} == {"object-repaired"}


@pytest.mark.parametrize("read_before", [False, True], ids=["never read", "read before"])
async def test_a_copy_that_is_damaged_itself_changes_nothing(desk: Desk, read_before: bool) -> None:
    await desk.file(ct(1))
    if read_before:
        await scrub(desk)
    (path,) = desk.object_files()
    copy = copied(desk)
    flip(path, 700)
    flip(copy / "objects" / key_of(path), 701)
    bad = path.read_bytes()
    await scrub(desk)
    assert await mender(desk).mend(key_of(path), source(desk, copy)) is Mended.DIFFERS
    assert path.read_bytes() == bad
    assert len(await desk.database.read(damaged)) == 1


async def test_the_control_that_proves_nothing_puts_bad_bytes_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.file(ct(1))
    (path,) = desk.object_files()
    copy = copied(desk)
    flip(path, 700)
    flip(copy / "objects" / key_of(path), 701)
    await scrub(desk)
    monkeypatch.setattr(mending, "is_whole", lambda *_, **__: "believed")
    assert await mender(desk).mend(key_of(path), source(desk, copy)) is Mended.REPAIRED
    monkeypatch.undo()
    with desk.objects.open(key_of(path)) as reader:
        assert not is_whole(reader, key_of(path), known_sha256="", decoder=HereDecoder())


async def test_a_townships_store_has_the_object_under_another_name(desk: Desk) -> None:
    raw = ct(7)
    await compressed(desk, raw)
    (path,) = desk.object_files()
    (row,) = await desk.rows(
        sa.select(instance.c.sop_instance_uid, instance.c.dataset_digest, instance.c.pixels_digest)
    )
    content = ContentDigest(dataset=row["dataset_digest"], pixels=row["pixels_digest"])
    name = object_key(Uid(row["sop_instance_uid"]), content.whole)
    assert name != key_of(path)
    there = desk.folder / "township" / "objects" / name
    there.parent.mkdir(parents=True)
    there.write_bytes(as_sent(raw)[0])
    path.unlink()
    await scrub(desk)
    done = await mender(desk).mend(key_of(path), source(desk, desk.folder / "township"))
    assert done is Mended.REPAIRED
    assert await scrub(desk) == []


async def test_cut_off_before_it_took_the_place_the_damaged_one_lies_there_still(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.file(ct(1))
    (path,) = desk.object_files()
    copy = copied(desk)
    flip(path, 700)
    bad = path.read_bytes()
    await scrub(desk)

    def fail(*_: object) -> None:
        raise OSError(5, "the disk ends")

    monkeypatch.setattr("imaging.archive.objects_fs.os.replace", fail)
    with pytest.raises(Unavailable):
        await mender(desk).mend(key_of(path), source(desk, copy))
    monkeypatch.undo()
    assert path.read_bytes() == bad
    assert list((desk.folder / "objects" / ".incoming").iterdir()) == []
    assert await mender(desk).mend(key_of(path), source(desk, copy)) is Mended.REPAIRED


def db(*words: object) -> int:
    return main(["db", *map(str, words)])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return county(tmp_path / "home", [ct(1), ct(2)])


def test_a_county_is_repaired_from_its_nightly_copy(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert db("backup", "--home", home.root, "--to", tmp_path / "copy") == 0
    for path in object_files(home):
        flip(path, 700)
    assert db("verify", "--objects", "--home", home.root) == 1
    assert db("repair", "--home", home.root, "--from", tmp_path / "copy") == 0
    assert "2 of 2 mended" in capsys.readouterr().out
    assert db("verify", "--objects", "--home", home.root) == 0
    assert db("repair", "--home", home.root, "--from", tmp_path / "copy") == 0
    assert "nothing is damaged" in capsys.readouterr().out


def test_bad_sources_and_names_are_answered_in_one_line(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    object_files(home)[0].unlink()
    assert db("verify", "--objects", "--home", home.root) == 1
    empty = tmp_path / "empty"
    empty.mkdir()
    cases: list[tuple[tuple[object, ...], str]] = [
        (("--from", tmp_path / "nowhere"), "[no-such-folder]"),
        (("--from", home.root), "[same-store]"),
        (("--from", home.objects), "[same-store]"),
        (("--from", empty, "--key", "../../etc/passwd"), "[invalid-object-key]"),
        (("--from", empty, "--key", f"aa/bb/{'0' * 32}"), "[object-unknown]"),
    ]
    for words, code in cases:
        assert db("repair", "--home", home.root, *words) == 1
        assert code in capsys.readouterr().err
    assert db("repair", "--home", home.root, "--from", empty) == 1
    assert "not there" in capsys.readouterr().out
