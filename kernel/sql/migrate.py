"""Bring a database to the newest shape, or leave it exactly as it was.

Shown by trial: changing an SQLite table means copying and dropping it, and with foreign keys on the
drop deletes every child row without a word. So a migration has its own connection with foreign keys
off, a copy of the file is made first, every key is checked and every row counted before the commit,
and any doubt rolls all of it back. PostgreSQL migrates in one transaction as well, and is counted
alike. What only adds is noted as such, so that the release before may be started again
(``kernel.sql.lineage``).
"""

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.pool import StaticPool

from kernel.errors import Category, PlatformError, Unavailable
from kernel.sql import lineage
from kernel.sql.db import parse_url
from kernel.sql.sqlite import connect, translate as translate_sqlite

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_LOG: Final = logging.getLogger(__name__)
_SCRIPTS: Final = Path(__file__).parent / "migrations"
_LOCK_KEY: Final = 0x59_4C_4D_47
_SECONDS: Final = 60.0


class MigrationFailed(PlatformError):
    """The change was rolled back; the database is as it was."""

    code = "migration-failed"
    category = Category.BROKEN


def _config(versions: Path | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions or _SCRIPTS / "versions"))
    return config


def _pending(conn: sa.Connection, config: Config) -> list[str]:
    """Return the revisions still to run, oldest first; none where a newer release only added.

    Raises:
        MigrationFailed: a newer release has made a change this one cannot live with.
    """
    scripts = ScriptDirectory.from_config(config)
    at = MigrationContext.configure(conn).get_current_heads()
    known = {script.revision for script in scripts.walk_revisions()}
    if not set(at) <= known:
        if lineage.only_added(conn, at, known):
            return []
        raise MigrationFailed("a newer release has been here", code="database-newer")
    done = {script.revision for head in at for script in scripts.iterate_revisions(head, "base")}
    order = [script.revision for script in scripts.walk_revisions()]
    return [revision for revision in reversed(order) if revision not in done]


def _may_change(config: Config, revisions: Collection[str]) -> set[str]:
    scripts = ScriptDirectory.from_config(config)
    tables: set[str] = set()
    for revision in revisions:
        script = scripts.get_revision(revision)
        tables.update(getattr(script.module, "ROWS_MAY_CHANGE", ()))
    return tables


def _count_rows(conn: sa.Connection) -> dict[str, int]:
    names = sa.inspect(conn).get_table_names()
    return {
        name: conn.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one()
        for name in names
    }


def _compare(before: Mapping[str, int], after: Mapping[str, int], allowed: set[str]) -> None:
    for table in sorted(set(before) & set(after) - allowed - {"alembic_version", lineage.NAME}):
        if before[table] != after[table]:
            raise MigrationFailed(
                f"{table}: {before[table]} rows before, {after[table]} after", code="rows-lost"
            )


def _upgrade(conn: sa.Connection, config: Config) -> list[str]:
    """Run what is pending in *conn*'s open transaction, counting; returns the revisions run."""
    pending = _pending(conn, config)
    if not pending:
        return []
    before = _count_rows(conn)
    config.attributes["connection"] = conn
    command.upgrade(config, "heads")
    lineage.note(conn, ScriptDirectory.from_config(config))
    _compare(before, _count_rows(conn), _may_change(config, pending))
    return pending


def _copy(path: Path, revision: str) -> Path:
    """Copy the database in *path*, with what its WAL holds, beside it; on disk when it returns."""
    target = path.with_name(f"{path.name}.before-{revision}")
    making = target.with_name(f"{target.name}.part")
    with (
        contextlib.closing(connect(path)) as source,
        contextlib.closing(sqlite3.connect(making)) as copy,
    ):
        source.backup(copy)
    descriptor = os.open(making, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    making.replace(target)
    return target


def upgrade_file(path: Path, config: Config, *, foreign_keys: bool = False) -> list[str]:
    """Bring the SQLite file in *path* up; see the module for why foreign keys are off."""

    def open_for_change() -> sqlite3.Connection:
        raw = connect(path, busy_s=_SECONDS)
        raw.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        return raw

    engine = sa.create_engine("sqlite://", creator=open_for_change, poolclass=StaticPool)
    sa.event.listen(engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.connect() as conn:
            had_tables = bool(sa.inspect(conn).get_table_names())
            pending = _pending(conn, config)
        if not pending:
            return []
        if had_tables:
            _copy(path, pending[0])
        with engine.begin() as conn:
            ran = _upgrade(conn, config)
            broken = conn.exec_driver_sql("PRAGMA foreign_key_check").first()
            if broken is not None:
                raise MigrationFailed(f"{broken[0]}: a row without its parent", code="keys-broken")
            return ran
    finally:
        engine.dispose()


def _server(url: sa.URL) -> "AsyncEngine":
    # What PostgreSQL needs takes its time to load, and most nodes never use it.
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    return create_async_engine(url.set(drivername="postgresql+asyncpg"))


async def _upgrade_server(url: sa.URL, config: Config) -> list[str]:
    engine = _server(url)

    def run(conn: sa.Connection) -> list[str]:
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
        return _upgrade(conn, config)

    try:
        async with engine.begin() as conn:
            return await conn.run_sync(run)
    finally:
        await engine.dispose()


async def migrate(url: str, *, versions: Path | None = None) -> list[str]:
    """Bring the database at *url* to the newest shape; returns the revisions that were run.

    Several processes may call it at once: one migrates, the others find nothing to do. Before an
    SQLite file is changed it is copied to ``<file>.before-<revision>``.

    Args:
        url: as for ``Database.open``; an SQLite file is made where absent.
        versions: another folder of scripts, for tests.

    Raises:
        MigrationFailed: rows or keys were lost, or a script failed; nothing was changed.
        Unavailable: the database cannot be used now.
    """
    parsed, config = parse_url(url), _config(versions)
    try:
        if parsed.get_backend_name() == "sqlite":
            ran = await asyncio.to_thread(upgrade_file, Path(parsed.database or ""), config)
        else:
            ran = await _upgrade_server(parsed, config)
    except (sa.exc.SQLAlchemyError, CommandError, sqlite3.Error, OSError) as exc:
        known = _translate(exc)
        if known is not None:
            raise known from exc
        raise MigrationFailed("a script failed; nothing was changed") from exc
    if ran:
        _LOG.info("migrate.ran", extra={"revisions": ", ".join(ran)})
    return ran


async def pending(url: str, *, versions: Path | None = None) -> list[str]:
    """Return the revisions ``migrate`` would run on the database at *url*, changing nothing.

    Args:
        url: as for ``Database.open``; an SQLite file must be there.
        versions: another folder of scripts, for tests.

    Raises:
        MigrationFailed: the database was made by a newer release (``database-newer``).
        Unavailable: the database cannot be used now.
    """
    parsed, config = parse_url(url), _config(versions)
    try:
        if parsed.get_backend_name() == "sqlite":
            return await asyncio.to_thread(_pending_in_file, Path(parsed.database or ""), config)
        engine = _server(parsed)
        try:
            async with engine.connect() as conn:
                return await conn.run_sync(_pending, config)
        finally:
            await engine.dispose()
    except (sa.exc.SQLAlchemyError, CommandError, sqlite3.Error, OSError) as exc:
        known = _translate(exc)
        raise known or Unavailable("it cannot be read", code="database-failed") from exc


def _pending_in_file(path: Path, config: Config) -> list[str]:
    def open_to_read() -> sqlite3.Connection:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)

    engine = sa.create_engine("sqlite://", creator=open_to_read, poolclass=StaticPool)
    try:
        with engine.connect() as conn:
            return _pending(conn, config)
    finally:
        engine.dispose()


def _translate(exc: Exception) -> PlatformError | None:
    if isinstance(exc, sa.exc.DBAPIError) and isinstance(exc.orig, sqlite3.Error):
        return translate_sqlite(exc)
    if isinstance(exc, sqlite3.Error):
        return Unavailable("the database file cannot be opened", code="database-failed")
    from kernel.sql.postgres import translate as translate_postgres  # noqa: PLC0415

    return translate_postgres(exc)
