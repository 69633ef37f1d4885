"""A node's home as a folder on another disk, and a new home made from such a folder.

The copy holds the database, the settings, the secrets, the receipts, the signed audit heads and
every object. It does not hold the node's id: a home that was brought back has forgotten what came
after the copy was made, and those who send must not think otherwise.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from kernel.errors import Conflict, Missing
from kernel.settings import NodeKind
from yilian.wiring.homes import Home

DATABASE: Final = "yilian.sqlite"
_KIND: Final = "node.kind"
_SETTINGS: Final = "yilian.toml"
_FOLDERS: Final = ("secrets", "receipts", "audit", "objects")
"""Objects last: every object the database names was there when the database was copied."""


def copy_database(source: Path, target: Path) -> None:
    """Copy the SQLite file *source*, which may be in use, to *target*; on disk when it returns.

    Raises:
        Conflict: *target* is there already (``file-exists``).
    """
    if target.exists():
        raise Conflict(f"{target} exists already", code="file-exists")
    making = target.with_name(f"{target.name}.part")
    making.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(making)) as copy:
        live.backup(copy)
    making.chmod(0o600)
    _to_disk(making)
    making.rename(target)
    _to_disk(target.parent)


def copy_home(home: Home, folder: Path, *, database: Path | None) -> int:
    """Copy *home*, whose node may run, to *folder*; returns how many files were new to it.

    Begun again it copies only what is not there yet, and the database anew.

    Args:
        home: of the node.
        folder: made where absent, readable by its owner only.
        database: the SQLite file; None where rows are elsewhere.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if database is not None:
        fresh = folder / f"{DATABASE}.new"
        fresh.unlink(missing_ok=True)
        copy_database(database, fresh)
        fresh.replace(folder / DATABASE)
    copied = 0
    for name in (_KIND, _SETTINGS):
        if (home.root / name).is_file():
            (folder / name).unlink(missing_ok=True)
            copied += _copy_file(home.root / name, folder / name)
    for name in _FOLDERS:
        copied += sum(_copied(home.root / name, folder / name))
    _to_disk(folder)
    return copied


def restore_home(folder: Path, root: Path) -> Home:
    """Make a new home at *root* from what ``copy_home`` left in *folder*.

    Raises:
        Missing: *folder* holds no copy (``no-copy``).
        Conflict: there is a home at *root* already, running or not (``home-in-use``).
    """
    try:
        kind = NodeKind((folder / _KIND).read_text("ascii"))
    except (OSError, ValueError) as exc:
        raise Missing(f"{folder} is no copy `yilian db backup` made", code="no-copy") from exc
    if root.exists() and any(root.iterdir()):
        raise Conflict(
            f"{root} is not empty: a copy is brought back into a new folder only",
            code="home-in-use",
        )
    # Its mark comes last: what a crash leaves is no home, and begins anew in an empty folder.
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    home = Home(root.resolve())
    if (folder / _SETTINGS).is_file():
        _copy_file(folder / _SETTINGS, home.settings_file)
    for name in _FOLDERS:
        sum(_copied(folder / name, home.root / name))
    if (folder / DATABASE).is_file():
        (home.root / "db").mkdir(mode=0o700)
        copy_database(folder / DATABASE, home.root / "db" / DATABASE)
    return Home.prepare(home.root, kind)


def _copied(source: Path, target: Path) -> Iterator[int]:
    """Copy the files below *source* that *target* does not have; yields 1 for each copied."""
    if not source.is_dir():
        return
    for folder, inner, names in os.walk(source):
        inner.sort()
        place = target / Path(folder).relative_to(source)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = 0
        for name in sorted(names):
            path = Path(folder, name)
            # Objects and receipts never change; the rest is small and may have.
            if source.name in ("objects", "receipts") and _same(path, place / name):
                continue
            new += _copy_file(path, place / name)
        if new:
            _to_disk(place)
        yield new


def _same(source: Path, target: Path) -> bool:
    try:
        return source.stat().st_size == target.stat().st_size
    except FileNotFoundError:
        return False


def _copy_file(source: Path, target: Path) -> int:
    making = target.with_name(f"{target.name}.part")
    try:
        with source.open("rb") as reading:
            descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as writing:
                shutil.copyfileobj(reading, writing, 1 << 20)
                writing.flush()
                os.fsync(writing.fileno())
    except FileNotFoundError:
        return 0  # a node that runs has let it go meanwhile
    making.replace(target)
    return 1


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
