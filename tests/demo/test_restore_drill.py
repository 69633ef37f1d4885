"""A county that is killed while modalities send, brought back from a copy made meanwhile."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from imaging.archive.integrity_tables import object_checks
from imaging.archive.register import FOLDER
from imaging.archive.tables import instance
from tests.demo.acknowledged import Modality, images
from tests.demo.running import ROOT, RunningDemo, running_demo, until
from tests.imaging.desk import Desk
from tests.integrity.answers import answers
from tests.integrity.county import in_county
from yilian.wiring.homes import Home

_IMAGES = 60
_BEFORE = 20


def db(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "yilian", "db", *map(str, words)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def uids(desk: Desk) -> set[str]:
    await desk.file_all()
    rows = await desk.rows(sa.select(instance.c.sop_instance_uid))
    return {row["sop_instance_uid"] for row in rows}


async def told(desk: Desk) -> dict[str, Any]:
    return await answers(desk, who="centre")


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Home, set[str]]:
    """The killed county, the one brought back, and what was acknowledged before the copy began."""
    folder = tmp_path_factory.mktemp("drill")
    with running_demo(folder / "home") as demo:
        home = Home(demo.home / "county")
        before = _sent_and_copied(demo, home, folder / "copy")
        _registered(demo, home)
        demo.kill()
        # But for its sockets, which no copy can be made of.
        without = shutil.ignore_patterns("run")
        kept = Home(Path(shutil.copytree(home.root, folder / "killed", ignore=without)))
    db("restore", "--home", folder / "new", "--from", folder / "copy")
    return kept, Home(folder / "new"), before


def _sent_and_copied(demo: RunningDemo, home: Home, copy: Path) -> set[str]:
    sender = Modality(demo.door("county-hospital"), images(_IMAGES, series=1, run="drill"))
    sender.start()
    sender.wait_for(_BEFORE)
    before = set(sender.acknowledged)
    db("backup", "--home", home.root, "--to", copy)
    sender.wait_for(_IMAGES)
    sender.finish()
    return before


def _registered(demo: RunningDemo, home: Home) -> None:
    """Return when the worker has written all of it down, for the scrub and beside the objects."""
    counted = sa.select(sa.func.count()).select_from(object_checks)

    def written_down() -> bool:
        engine = sa.create_engine(home.database_url)
        try:
            with engine.connect() as conn:
                return (conn.scalar(counted) or 0) >= _IMAGES
        finally:
            engine.dispose()

    until(written_down, 60, "the scrub to know them", alive=demo.process)
    register = home.objects / FOLDER / "contents.jsonl"
    until(
        lambda: register.is_file() and register.read_bytes().count(b"\n") >= _IMAGES,
        60,
        "the register",
        alive=demo.process,
    )


@pytest.mark.timeout(280)
def test_every_instance_acknowledged_before_the_copy_is_there_again(
    drill: tuple[Home, Home, set[str]],
) -> None:
    _, new, before = drill
    assert len(before) >= _BEFORE
    assert before <= in_county(new, uids)
    assert "0 faults" in db("verify", "--objects", "--home", new.root)


@pytest.mark.timeout(280)
def test_the_killed_countys_index_is_made_anew_from_its_objects(
    drill: tuple[Home, Home, set[str]],
) -> None:
    killed, _, before = drill
    old = in_county(killed, uids)
    assert before <= old
    made = killed.root.parent / "made.sqlite"
    assert f"{len(old)} objects filed" in db("rebuild-index", "--home", killed.root, "--into", made)
    expected = in_county(killed, told)
    found = in_county(killed, told, f"sqlite:///{made}")
    assert len(expected) > _IMAGES
    assert found == expected
