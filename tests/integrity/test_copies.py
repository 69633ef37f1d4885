"""A copy is never made worse by the node it is made of, and says what it lacks."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from kernel.settings import NodeKind, Settings
from tests.imaging.sample import ct
from tests.integrity.county import county, object_files
from tests.integrity.damage import flip, key_of
from yilian.cli import main
from yilian.wiring import objects_copy
from yilian.wiring.files_named import check_files
from yilian.wiring.homes import Home


def db(*words: object) -> int:
    return main(["db", *map(str, words)])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return county(tmp_path / "home", [ct(1), ct(2)])


def backup(home: Home, copy: Path) -> int:
    return db("backup", "--home", home.root, "--to", copy)


def test_a_damaged_object_never_takes_the_place_of_its_good_copy(
    home: Home, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    assert backup(home, copy) == 0
    cut, flipped = object_files(home)
    good = [path.read_bytes() for path in (cut, flipped)]
    cut.write_bytes(good[0][:100])
    flip(flipped, 700)
    assert backup(home, copy) == 0
    assert [(copy / "objects" / key_of(path)).read_bytes() for path in (cut, flipped)] == good
    # And a copy that is cut itself is made anew.
    cut.write_bytes(good[0])
    (copy / "objects" / key_of(cut)).write_bytes(good[0][:100])
    assert backup(home, copy) == 0
    assert (copy / "objects" / key_of(cut)).read_bytes() == good[0]


def test_the_control_that_proves_nothing_loses_the_good_copy(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    assert backup(home, copy) == 0
    path = object_files(home)[0]
    path.write_bytes(path.read_bytes()[:100])
    monkeypatch.setattr(objects_copy, "is_whole", lambda *_, **__: "believed")
    assert backup(home, copy) == 1
    assert (copy / "objects" / key_of(path)).stat().st_size == 100


def test_a_store_that_is_not_mounted_makes_no_good_copy(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.objects.rename(tmp_path / "unmounted")
    assert backup(home, tmp_path / "copy") == 1
    assert "2 faults" in capsys.readouterr().out


def test_an_object_the_disk_does_not_give_is_named_and_the_others_are_copied(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad, other = object_files(home)
    whole = Path.open

    def opened(self: Path, *words: Any, **named: Any) -> Any:
        if self == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return whole(self, *words, **named)

    monkeypatch.setattr(Path, "open", opened)
    assert backup(home, tmp_path / "copy") == 1
    assert f"object {key_of(bad)} cannot be read" in capsys.readouterr().out
    copied = tmp_path / "copy" / "objects"
    assert (copied / key_of(other)).read_bytes() == other.read_bytes()
    assert not (copied / key_of(bad)).exists()


def test_what_the_store_has_not_finished_or_set_aside_is_no_object(
    home: Home, tmp_path: Path
) -> None:
    for name in (".incoming", ".damaged"):
        (home.objects / name).mkdir(exist_ok=True)
        (home.objects / name / "half").write_bytes(b"half")
    assert backup(home, tmp_path / "copy") == 0
    assert not list((tmp_path / "copy" / "objects").rglob("half"))


def test_a_file_the_settings_name_in_the_home_comes_back_and_the_node_would_start(
    home: Home, tmp_path: Path
) -> None:
    home.settings_file.write_text('[routing]\nrules = "rules.toml"\n', "utf-8")
    (home.root / "rules.toml").write_text("", "utf-8")
    assert backup(home, tmp_path / "copy") == 0
    new = tmp_path / "new"
    assert db("restore", "--home", new, "--from", tmp_path / "copy") == 0
    check_files(Home(new), Settings.load(NodeKind.COUNTY, file=new / "yilian.toml"))


def test_nothing_is_brought_back_over_what_is_there(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backup(home, tmp_path / "copy") == 0
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter.txt").write_text("mine", "utf-8")
    assert db("restore", "--home", full, "--from", tmp_path / "copy") == 1
    assert "[home-in-use]" in capsys.readouterr().err
    assert [path.name for path in full.iterdir()] == ["letter.txt"]
