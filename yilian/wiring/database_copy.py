"""A node's rows as one file: SQLite's own copy, or a dump by PostgreSQL's own programs."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from kernel.errors import Category, Conflict, PlatformError, Unsupported

DUMP_SUFFIX: Final = ".dump"
_WITHIN_S: Final = 6 * 3600.0
_PART_OF_ENVIRONMENT: Final = {"host": "PGHOST", "port": "PGPORT", "sslmode": "PGSSLMODE"}


class DumpFailed(PlatformError):
    """pg_dump or pg_restore did not do it; the detail is its own last line."""

    code = "dump-failed"
    category = Category.UNAVAILABLE


def copy_database(source: Path, target: Path) -> None:
    """Copy the SQLite file *source*, which may be in use, to *target*; on disk when it returns.

    Raises:
        Conflict: *target* is there already (``file-exists``).
    """
    making = _new(target)
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(making)) as copy:
        live.backup(copy)
    _put(making, target)


def dump_database(url: sa.URL, target: Path) -> None:
    """Write what the PostgreSQL database at *url* holds at this moment to *target*, durably.

    Raises:
        Conflict: *target* is there already (``file-exists``).
        Unsupported: there is no pg_dump here.
        DumpFailed: it cannot be reached, or is newer than the programs here.
    """
    making = _new(target)
    _run(url, "pg_dump", ["--format=custom", "--no-owner", "--no-acl", f"--file={making}"])
    _put(making, target)


def fill_database(url: sa.URL, dump: Path) -> None:
    """Bring what ``dump_database`` wrote into the empty database at *url*, all of it or nothing.

    Raises:
        Unsupported: there is no pg_restore here.
        DumpFailed: it cannot be reached, or is not empty.
    """
    options = ["--no-owner", "--no-acl", "--exit-on-error", "--single-transaction"]
    _run(url, "pg_restore", [*options, f"--dbname={url.database or ''}", str(dump)])


def _new(target: Path) -> Path:
    if target.exists():
        raise Conflict(f"{target} exists already", code="file-exists")
    making = target.with_name(f"{target.name}.part")
    making.unlink(missing_ok=True)
    return making


def _put(making: Path, target: Path) -> None:
    making.chmod(0o600)
    to_disk(making)
    making.rename(target)
    to_disk(target.parent)


def _run(url: sa.URL, name: str, options: Sequence[str]) -> None:
    program = shutil.which(name)
    if program is None:
        raise Unsupported(f"{name} is not installed: apt install postgresql-client")
    done = subprocess.run(  # noqa: S603  # one program, with options of ours
        [program, "--no-password", *options],
        env=os.environ | _environment(url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_WITHIN_S,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise DumpFailed(lines[-1] if lines else f"{name} ended with {done.returncode}")


def _environment(url: sa.URL) -> dict[str, str]:
    """Return how libpq is told of *url*; its password stands in no list of processes."""
    told = {
        "PGHOST": url.host,
        "PGPORT": str(url.port) if url.port else None,
        "PGUSER": url.username,
        "PGPASSWORD": str(url.password) if url.password else None,
        "PGDATABASE": url.database,
    }
    for key, name in _PART_OF_ENVIRONMENT.items():
        value = url.query.get(key)
        if isinstance(value, str):
            told[name] = value
    return {name: value for name, value in told.items() if value}


def to_disk(path: Path) -> None:
    """Flush a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
