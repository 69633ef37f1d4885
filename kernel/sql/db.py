"""The one way to SQL: store functions of a connection, run as one transaction in one hop.

A store is a plain function ``fn(conn)`` over SQLAlchemy Core. ``read`` gives it one consistent
snapshot, ``write`` one transaction that is on disk when the call returns. Both promise the same on
SQLite and PostgreSQL: writers behave as if they ran one after another.

A function given to ``write`` may be run more than once and may be run although its caller was
cancelled; it does nothing but SQL, never commits, and returns plain values, not open results.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, Self, TypeVar

import sqlalchemy as sa

from kernel.errors import Invalid
from kernel.sql.columns import JsonDocument, RowId, UtcDateTime, metadata
from kernel.sql.sqlite import QueryTooSlow, SqliteEngine

__all__ = ["Database", "JsonDocument", "QueryTooSlow", "RowId", "UtcDateTime", "metadata"]

T = TypeVar("T")

READ_WITHIN_S: Final = 5.0
"""How long a read may take unless its caller says otherwise."""


class UnknownDatabase(Invalid):
    """The address is neither ``sqlite:///absolute/path`` nor ``postgresql://...``."""

    code = "unknown-database"


class _Engine(Protocol):
    async def start(self) -> None: ...
    async def read(
        self, fn: Callable[[sa.Connection], T], within_s: float, *, one_statement: bool = False
    ) -> T: ...
    async def write(self, fn: Callable[[sa.Connection], T]) -> T: ...
    async def close(self) -> None: ...


def parse_url(url: str) -> sa.URL:
    """Return *url* taken apart.

    Raises:
        UnknownDatabase: not an address of SQLite or PostgreSQL, or no absolute path.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as exc:
        raise UnknownDatabase("not a database address") from exc
    kind = parsed.get_backend_name()
    if kind == "sqlite" and parsed.database and Path(parsed.database).is_absolute():
        return parsed
    if kind == "postgresql":
        return parsed
    raise UnknownDatabase(f"{kind}: only sqlite:///absolute/path and postgresql://")


class Database:
    """Where a node keeps its rows."""

    def __init__(self, url: sa.URL, engine: _Engine) -> None:
        self._url = url
        self._engine = engine

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open *url*: ``sqlite:///absolute/path`` or ``postgresql://...``.

        Raises:
            UnknownDatabase: any other address.
            Unavailable: the file or the server cannot be used now.
        """
        parsed = parse_url(url)
        engine: _Engine
        if parsed.get_backend_name() == "sqlite":
            engine = SqliteEngine(Path(parsed.database or ""))
        else:
            # Its driver takes as long to load as all the rest of the database.
            from kernel.sql.postgres import PostgresEngine  # noqa: PLC0415

            engine = PostgresEngine(parsed)
        await engine.start()
        return cls(parsed, engine)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._url.get_backend_name()

    async def read(self, fn: Callable[[sa.Connection], T], *, within_s: float = READ_WITHIN_S) -> T:
        """Return what *fn* reads from one snapshot; it cannot write.

        Raises:
            QueryTooSlow: it took longer than *within_s* seconds.
            Unavailable: the database cannot be used now.
        """
        return await self._engine.read(fn, within_s)

    async def look_up(
        self, fn: Callable[[sa.Connection], T], *, within_s: float = READ_WITHIN_S
    ) -> T:
        """As ``read``, for a *fn* that runs one statement, which is a snapshot by itself.

        Two statements of one *fn* might see different states here; they belong into ``read``.
        """
        return await self._engine.read(fn, within_s, one_statement=True)

    async def write(self, fn: Callable[[sa.Connection], T]) -> T:
        """Return what *fn* returns once everything it wrote is durable, or raise and keep nothing.

        What *fn* raises comes out as it is. Constraint violations stay ``sa.exc.IntegrityError``.

        Raises:
            StorageFull: no room on disk.
            Busy: too many writers at once.
            Unavailable: the database cannot be used now; where the connection was lost during the
                commit itself, the write may have been kept.
        """
        return await self._engine.write(fn)

    async def close(self) -> None:
        """Finish waiting writes, then close. Safe to call twice."""
        await self._engine.close()
