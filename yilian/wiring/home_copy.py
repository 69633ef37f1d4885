"""A node's home as a folder on another disk, and a new home made from such a folder.

The copy holds settings and the files they name in the home, secrets, receipts, the signed audit
heads, what the journals hold, the database and every object. It does not hold the node's id: a
home that was brought back has forgotten what came after the copy was made, and those who send must
not think otherwise.

The order makes it one whole though the node runs. What was acknowledged is in the journal until its
row is there: the journals are copied before the rows, so that it is in the one or in the other. A
receipt or a signed head speaks of rows: they are copied before both. A row names an object: objects
come last.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from kernel.errors import Conflict, Missing
from kernel.journal.copying import copy_journal, drop_older
from kernel.settings import NodeKind, Settings
from kernel.sql.db import parse_url
from yilian.wiring.database_copy import (
    DUMP_SUFFIX,
    copy_database,
    dump_database,
    fill_database,
    to_disk,
)
from yilian.wiring.files_named import files_named
from yilian.wiring.homes import Home, database_url
from yilian.wiring.objects_copy import can_be_read, new_objects

_NAME: Final = "yilian"
DATABASE: Final = f"{_NAME}.sqlite"
DUMP: Final = f"{_NAME}{DUMP_SUFFIX}"
_KIND: Final = "node.kind"
_SETTINGS: Final = "yilian.toml"
_JOURNALS: Final = "journal"
_BEFORE: Final = ("secrets", "receipts", "audit")
_OBJECTS: Final = "objects"


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy brought."""

    new: int
    """Files that were not there before."""
    unreadable: list[str]
    """Objects that the node's disk did not give."""


def copy_home(home: Home, folder: Path, *, url: sa.URL) -> Copied:
    """Copy *home*, whose node may run, to *folder*.

    Begun again it copies only what is not there yet, and journals and rows anew.

    Args:
        home: of the node.
        folder: made where absent, readable by its owner only.
        url: of its database.

    Raises:
        Unsupported, DumpFailed: rows are on PostgreSQL and cannot be had.
    """
    kind = home.kind() or NodeKind.COUNTY
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    copied = 0
    for name in (_KIND, _SETTINGS):
        if (home.root / name).is_file():
            (folder / name).unlink(missing_ok=True)
            copied += _copy_file(home.root / name, folder / name)
    copied += _copy_named(home, folder, Settings.load(kind, file=home.settings_file))
    for name in _BEFORE:
        copied += sum(_copied(home.root / name, folder / name))
    journals = home.root / _JOURNALS
    segments = {
        folder / _JOURNALS / one.name: copy_journal(one, folder / _JOURNALS / one.name)
        for one in (sorted(journals.iterdir()) if journals.is_dir() else [])
    }
    _copy_rows(url, folder)
    for place, names in segments.items():
        drop_older(place, names)
    new, unreadable = _copy_objects(home, folder)
    to_disk(folder)
    return Copied(copied + new, unreadable)


def _copy_objects(home: Home, folder: Path) -> tuple[int, list[str]]:
    copied = 0
    unreadable: list[str] = []
    source, target = home.root / _OBJECTS, folder / _OBJECTS
    for inside, names in new_objects(source, target, home.kind() or NodeKind.COUNTY):
        place = target / inside
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = 0
        for name in names:
            # One bad sector must not leave all the others without a copy.
            try:
                new += _copy_file(source / inside / name, place / name)
            except OSError:
                if can_be_read(source / inside / name):
                    raise
                unreadable.append(f"object {inside / name} cannot be read")
        if new:
            to_disk(place)
        copied += new
    return copied, unreadable


def _copy_named(source: Home, target: Path, settings: Settings) -> int:
    """Copy the files that *settings* name inside the home; those elsewhere are the machine's."""
    copied = 0
    for _, path, _ in files_named(source, settings):
        try:
            inside = path.resolve().relative_to(source.root.resolve())
        except ValueError:
            continue
        # A program, such as redis.server, is the machine's as well.
        if path.is_file() and not path.stat().st_mode & 0o111:
            place = target / inside
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            copied += _copy_file(path, place)
    return copied


def copy_rows(url: sa.URL, target: Path) -> None:
    """Copy the rows of the database at *url* into the new file *target*."""
    if url.get_backend_name() == "sqlite":
        copy_database(Path(url.database or ""), target)
    else:
        dump_database(url, target)


def _copy_rows(url: sa.URL, folder: Path) -> None:
    name, other = DATABASE, DUMP
    if url.get_backend_name() != "sqlite":
        name, other = other, name
    fresh = folder / f"{name}.new"
    fresh.unlink(missing_ok=True)
    copy_rows(url, fresh)
    fresh.replace(folder / name)
    # Of before this node's rows moved.
    (folder / other).unlink(missing_ok=True)


def restore_home(folder: Path, root: Path) -> Home:
    """Make a new home at *root* from what ``copy_home`` left in *folder*.

    Raises:
        Missing: *folder* holds no copy (``no-copy``).
        Conflict: there is a home at *root* already, running or not (``home-in-use``).
        Unsupported, DumpFailed: rows come from PostgreSQL and cannot be put there.
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
    if (folder / DUMP).is_file():
        settings = Settings.load(kind, file=folder / _SETTINGS)
        fill_database(parse_url(database_url(Home(root), settings)), folder / DUMP)
    # Its mark comes last: what a crash leaves is no home, and begins anew in an empty folder.
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    home = Home(root.resolve())
    if (folder / _SETTINGS).is_file():
        _copy_file(folder / _SETTINGS, home.settings_file)
        settings = Settings.load(kind, file=folder / _SETTINGS)
        _copy_named(Home(folder.resolve()), home.root, settings)
    for name in (*_BEFORE, _JOURNALS, _OBJECTS):
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
            # Receipts never change; the rest is small and may have.
            if source.name == "receipts" and _same(path, place / name):
                continue
            new += _copy_file(path, place / name)
        if new:
            to_disk(place)
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
