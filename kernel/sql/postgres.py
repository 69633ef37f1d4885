"""PostgreSQL behind the same two verbs as SQLite: read one snapshot, write one transaction.

SQLite runs writers one after another, so a store may read, decide and write without a thought.
PostgreSQL gives the same promise at SERIALIZABLE; what it refuses for that reason is run again
here, which is why a store function does nothing but SQL.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import LRUCache

from kernel.errors import Busy, PlatformError, StorageFull, Unavailable
from kernel.sql.sqlite import QueryTooSlow

T = TypeVar("T")

_TRIES: Final = 20
_STAND_BACK_S: Final = 0.02
_UNIQUE_TRIES: Final = 2
_WRITE_S: Final = 30.0
_POOL: Final = 10
_SETTINGS: Final = {
    "application_name": "yilian",
    "timezone": "UTC",
    "statement_timeout": "60000",
    "idle_in_transaction_session_timeout": "60000",
    # Compiling a query takes longer than any page of a list does.
    "jit": "off",
}
_READING: Final[dict[str, Any]] = {
    "isolation_level": "REPEATABLE READ",
    "postgresql_readonly": True,
}
_WRITING: Final[dict[str, Any]] = {"isolation_level": "SERIALIZABLE"}
_COMPILED: Final = LRUCache[Any, Any](1000)
_DIALECTS: Final[dict[Any, sa.Dialect]] = {}
# SQLSTATE (PostgreSQL Appendix A)
_SERIALIZATION: Final = frozenset({"40001", "40P01"})
_UNIQUE: Final = "23505"
_CANCELED: Final = "57014"
_FULL: Final = frozenset({"53100", "53200", "53400"})
_DOWN_CLASSES: Final = frozenset({"08", "57"})


def _sqlstate(exc: BaseException) -> str:
    for seen in (exc, getattr(exc, "orig", None), getattr(exc, "__cause__", None)):
        state = getattr(seen, "sqlstate", None)
        if isinstance(state, str):
            return state
    return ""


def translate(exc: BaseException) -> PlatformError | None:
    """Return what a full, stopped or overloaded server means to a caller; None for the caller's."""
    state = _sqlstate(exc)
    if isinstance(exc, sa.exc.TimeoutError):
        return Busy("no free connection", code="database-busy")
    if state in _FULL:
        return StorageFull("the database server has no room")
    if state == _CANCELED:
        return QueryTooSlow("the server's statement timeout")
    if state in _SERIALIZATION:
        return Busy("too many writers at one row", code="database-busy")
    if (
        isinstance(exc, OSError | asyncpg.InterfaceError)
        or state[:2] in _DOWN_CLASSES
        or _was_stale(exc)
    ):
        return Unavailable("the database server does not answer", code="database-failed")
    return None


class PostgresEngine:
    """A pool of connections; stores run as they do on SQLite, by ``run_sync``."""

    def __init__(self, url: sa.URL) -> None:
        self._engine: AsyncEngine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=_POOL,
            max_overflow=_POOL,
            pool_timeout=10.0,
            connect_args={"server_settings": _SETTINGS, "timeout": 10.0, "command_timeout": 60.0},
        )
        self._crowd = asyncio.Lock()
        self._reader = self._engine.execution_options(**_READING)
        self._writer = self._engine.execution_options(**_WRITING)

    async def start(self) -> None:
        """Connect once; raises ``Unavailable`` where the server does not answer."""
        await self.read(lambda conn: conn.execute(sa.select(sa.literal(1))).scalar_one(), 10.0)
        self._share_compiled()

    def _share_compiled(self) -> None:
        """Let what a statement was compiled to serve all of this process; needs a connection."""
        own = self._engine.sync_engine
        # A statement is known by its dialect too, which knows its server from the first connection.
        dialect = _DIALECTS.setdefault(own.dialect.server_version_info, own.dialect)
        shared = AsyncEngine(sa.Engine(own.pool, dialect, own.url))
        self._reader = shared.execution_options(**_READING, compiled_cache=_COMPILED)
        self._writer = shared.execution_options(**_WRITING, compiled_cache=_COMPILED)

    async def read(
        self, fn: Callable[[sa.Connection], T], within_s: float, *, one_statement: bool = False
    ) -> T:
        """Run *fn* on one read-only snapshot, which *one_statement* does not make cheaper here."""
        for last in (False, True):
            try:
                async with asyncio.timeout(within_s), self._reader.connect() as conn:
                    return await conn.run_sync(fn)
            except TimeoutError as exc:
                raise QueryTooSlow(f"over {within_s:g} s") from exc
            except (sa.exc.SQLAlchemyError, asyncpg.PostgresError, OSError) as exc:
                if not last and _was_stale(exc):
                    continue
                if (known := translate(exc)) is not None:
                    raise known from exc
                raise
        raise AssertionError  # pragma: no cover  # the loop returns or raises

    async def write(self, fn: Callable[[sa.Connection], T]) -> T:
        """Run *fn* in one serializable transaction, again where the server asks for that."""
        try:
            return await self._write_once(fn)
        except _RunAgain as again:
            # Those that lost once queue up, so that a crowd at one row thins out instead of losing
            # to itself again and again.
            async with self._crowd:
                return await self._write_again(fn, again.cause)

    async def _write_again(self, fn: Callable[[sa.Connection], T], cause: BaseException) -> T:
        violations = 0
        for _ in range(_TRIES):
            violations += _sqlstate(cause) == _UNIQUE
            if violations > _UNIQUE_TRIES:
                break
            try:
                return await self._write_once(fn)
            except _RunAgain as again:
                cause = again.cause
            await asyncio.sleep(random.uniform(0, _STAND_BACK_S))  # noqa: S311  # spreads the tries
        known = translate(cause)
        if known is None:
            raise cause from None
        raise known from cause

    async def _write_once(self, fn: Callable[[sa.Connection], T]) -> T:
        committing = False
        try:
            async with asyncio.timeout(_WRITE_S), self._writer.connect() as conn:
                value = await conn.run_sync(fn)
                committing = True
                await conn.commit()
                return value
        except TimeoutError as exc:
            raise Unavailable("the database did not answer in time", code="database-busy") from exc
        except (sa.exc.SQLAlchemyError, asyncpg.PostgresError, OSError) as exc:
            state = _sqlstate(exc)
            # A unique violation may be the other half of a read this transaction made before the
            # other's commit; run once more it sees the row, as it would on SQLite.
            if state in _SERIALIZATION or state == _UNIQUE or (not committing and _was_stale(exc)):
                raise _RunAgain(exc) from exc
            if (known := translate(exc)) is not None:
                raise known from exc
            raise

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


class _RunAgain(Exception):
    """The transaction left nothing behind and may be run once more."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


def _was_stale(exc: BaseException) -> bool:
    """Tell whether the pool's connection had died before this unit used it."""
    return isinstance(exc, sa.exc.DBAPIError) and exc.connection_invalidated
