"""SQLite as a store of acknowledged facts: one writer thread that commits in groups, a few readers.

Shown by trial (and held by tests): the driver's own transactions lose savepoints and updates, and
a plain BEGIN turns two writers into "database is locked" whatever the busy timeout. So every
connection is in the driver's autocommit mode, writers say BEGIN IMMEDIATE, each unit of a group
has its own SAVEPOINT, and readers cannot write.
"""

import asyncio
import contextlib
import functools
import queue
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool, StaticPool
from sqlalchemy.util import LRUCache

from kernel.errors import Busy, PlatformError, StorageFull, Unavailable

T = TypeVar("T")

BUSY_S: Final = 30.0
"""How long a writer waits for another process before it says ``database-busy``."""
READER_BUSY_S: Final = 5.0
_READERS: Final = 4
_READS_WAITING_MAX: Final = 2000
_WRITES_WAITING_MAX: Final = 10_000
_GROUP_UNITS: Final = 256
_GROUP_S: Final = 0.02
# A process that writes without a pause leaves the file free for microseconds only. After a run this
# long it stands back for longer than the others' longest wait between two tries.
_RUN_S: Final = 0.025
_STAND_BACK_S: Final = 0.0015
_TRY_AGAIN_S: Final = (0.0003, 0.001)
_PROGRESS_STEPS: Final = 20_000


class QueryTooSlow(Busy):
    """A read took longer than it may; the same question with a narrower filter may work."""

    code = "query-too-slow"


@dataclass(slots=True)
class _Unit:
    """One caller's transaction on its way through the writer thread."""

    fn: Callable[[sa.Connection], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    value: Any = None
    error: BaseException | None = None


def translate(exc: sa.exc.DBAPIError) -> PlatformError | None:
    """Return what a full, locked or failing file means to a caller; None for the caller's own."""
    code = getattr(exc.orig, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull("the database file cannot grow")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return Unavailable("another process holds the database", code="database-busy")
    if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}:
        return Unavailable("the database file cannot be used", code="database-failed")
    return None


def connect(
    path: Path, *, query_only: bool = False, busy_s: float = READER_BUSY_S
) -> sqlite3.Connection:
    """Open *path* with the settings every connection of the house must have."""
    raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=busy_s)
    _use_wal(raw)
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute("PRAGMA foreign_keys=ON")
    raw.execute("PRAGMA trusted_schema=OFF")
    raw.execute("PRAGMA journal_size_limit=67108864")
    raw.execute("PRAGMA cache_size=-16384")
    if query_only:
        raw.execute("PRAGMA query_only=ON")
    return raw


def _use_wal(raw: sqlite3.Connection) -> None:
    """Switch to WAL; the busy timeout does not cover two processes that do so at once."""
    deadline = time.monotonic() + READER_BUSY_S
    while True:
        try:
            raw.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raw.close()
                raise
            time.sleep(random.uniform(*_TRY_AGAIN_S))  # noqa: S311  # spreads the tries
        else:
            return


def _raw(conn: sa.Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", conn.connection.dbapi_connection)


_COMPILED: Final = LRUCache[Any, Any](1000)


def _opens(path: Path, **how: Any) -> Callable[[], Any]:
    return lambda: connect(path, **how)


def _engine(pool: sa.Pool) -> sa.Engine:
    """Return an engine of *pool*; what a statement was compiled to serves all of this process."""
    known = _known()
    return sa.Engine(pool, known.dialect, known.url).execution_options(compiled_cache=_COMPILED)


@functools.cache
def _known() -> sa.Engine:
    """Return one that has looked at SQLite, which it does with its first connection."""
    engine = sa.create_engine("sqlite://")
    engine.connect().close()
    return engine


class SqliteEngine:
    """One file; any number of processes may write it, each through its own writer thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.Queue[_Unit | None] = queue.Queue(_WRITES_WAITING_MAX)
        self._closed = False
        self._reading = 0
        self._read_engine = _engine(
            QueuePool(_opens(path, query_only=True), pool_size=_READERS, max_overflow=0)
        )
        self._own = threading.local()
        self._held: list[sa.Connection] = []
        sa.event.listen(self._read_engine, "begin", self._begin_read)
        self._write_engine = _engine(StaticPool(_opens(path, busy_s=0)))
        sa.event.listen(self._write_engine, "begin", _begin_immediate)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-read")
        # A daemon: a program that dies without closing must not hang on it.
        self._writer = threading.Thread(target=self._write_all, name="sqlite-write", daemon=True)

    async def start(self) -> None:
        """Open the file, making it where absent; raises ``Unavailable`` where that fails."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._readers, self._check)
        except sqlite3.Error as exc:
            self._readers.shutdown(wait=False)
            raise Unavailable("the database file cannot be opened", code="database-failed") from exc
        self._writer.start()

    def _check(self) -> None:
        with contextlib.closing(connect(self._path)) as raw:
            raw.execute("SELECT count(*) FROM sqlite_master").fetchone()

    async def read(
        self, fn: Callable[[sa.Connection], T], within_s: float, *, one_statement: bool = False
    ) -> T:
        """Run *fn* on one snapshot in a reader thread; one statement is a snapshot by itself."""
        if self._closed:
            raise Unavailable("the database is closed", code="database-closed")
        if self._reading >= _READS_WAITING_MAX:
            raise Busy("too many reads wait", code="database-busy")
        self._reading += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._readers, self._read_now, fn, within_s, one_statement
            )
        finally:
            self._reading -= 1

    def _read_now(
        self,
        fn: Callable[[sa.Connection], T],
        within_s: float,
        one_statement: bool,  # noqa: FBT001
    ) -> T:
        deadline = time.monotonic() + within_s
        self._own.one_statement = one_statement
        try:
            conn = self._reader()
            try:
                with _deadline(_raw(conn), deadline):
                    return fn(conn)
            finally:
                conn.rollback()
        except sa.exc.DBAPIError as exc:
            self._let_go()
            if getattr(exc.orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
                raise QueryTooSlow(f"over {within_s:g} s") from exc
            if (known := translate(exc)) is not None:
                raise known from exc
            raise

    def _reader(self) -> sa.Connection:
        """Return the connection of this thread, which it keeps: taking one costs as a look-up."""
        conn: sa.Connection | None = getattr(self._own, "conn", None)
        if conn is None:
            conn = self._own.conn = self._read_engine.connect()
            self._held.append(conn)
        return conn

    def _let_go(self) -> None:
        """Give this thread's connection back after trouble; the next read takes another."""
        conn: sa.Connection | None = getattr(self._own, "conn", None)
        if conn is not None:
            self._own.conn = None
            self._held.remove(conn)
            conn.close()

    def _begin_read(self, conn: sa.Connection) -> None:
        if not self._own.one_statement:
            _raw(conn).execute("BEGIN")

    async def write(self, fn: Callable[[sa.Connection], T]) -> T:
        """Run *fn* in the writer thread; returns after the commit that holds it is on disk."""
        if self._closed:
            raise Unavailable("the database is closed", code="database-closed")
        loop = asyncio.get_running_loop()
        unit = _Unit(fn, loop.create_future(), loop)
        try:
            self._queue.put_nowait(unit)
        except queue.Full:
            raise Busy("too many writes wait", code="database-busy") from None
        value: T = await unit.future
        return value

    async def close(self) -> None:
        """Finish what waits, then close; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._readers, self._queue.put, None)
        await loop.run_in_executor(self._readers, self._writer.join)
        self._readers.shutdown(wait=True)
        for conn in self._held:
            conn.close()
        self._read_engine.dispose()

    # Everything below runs in the writer thread.

    def _write_all(self) -> None:
        held: deque[_Unit] = deque()
        run_began = time.monotonic()
        ending = False
        while held or not ending:
            if not held:
                try:
                    unit = self._queue.get_nowait()
                except queue.Empty:
                    unit = self._queue.get()
                    run_began = time.monotonic()
                if unit is None:
                    ending = True
                    continue
                held.append(unit)
            ending = self._gather(held) or ending
            units = [held.popleft() for _ in range(min(len(held), _GROUP_UNITS))]
            held.extendleft(reversed(self._commit(units)))
            if time.monotonic() - run_began > _RUN_S:
                time.sleep(_STAND_BACK_S)
                run_began = time.monotonic()
        self._write_engine.dispose()

    def _gather(self, held: deque[_Unit]) -> bool:
        """Take what waits into *held*; returns whether the end was among it."""
        while len(held) < _GROUP_UNITS:
            try:
                unit = self._queue.get_nowait()
            except queue.Empty:
                return False
            if unit is None:
                return True
            held.append(unit)
        return False

    def _commit(self, units: Sequence[_Unit]) -> list[_Unit]:
        """Commit *units* together and answer their callers; returns those it had no time for."""
        wanted = [unit for unit in units if not unit.future.cancelled()]
        if not wanted:
            return []
        ran = len(wanted)
        lost: PlatformError | None = None
        try:
            with self._write_engine.connect() as conn, conn.begin():
                ran = _run_units(conn, wanted)
        except sa.exc.IntegrityError as exc:
            # Only a constraint checked at COMMIT comes here; it is one unit's fault.
            if ran > 1:
                for unit in wanted[:ran]:
                    unit.value = unit.error = None
                    self._commit([unit])
                return wanted[ran:]
            wanted[0].error = exc
        except PlatformError as exc:
            lost = exc
        except sa.exc.DBAPIError as exc:
            lost = translate(exc) or Unavailable("the commit failed", code="database-failed")
        if lost is not None:
            # The state of that connection is unknown and not worth reasoning about.
            self._write_engine.dispose()
        _answer_callers(wanted[:ran], lost)
        return wanted[ran:]


def _run_units(conn: sa.Connection, units: Sequence[_Unit]) -> int:
    """Run *units*, each in its own savepoint, until time is up; returns how many ran."""
    began = time.monotonic()
    for index, unit in enumerate(units):
        savepoint = conn.begin_nested()
        try:
            unit.value = unit.fn(conn)
            savepoint.commit()
        except BaseException as exc:  # handed to the caller, whatever it is
            known = translate(exc) if isinstance(exc, sa.exc.DBAPIError) else None
            unit.error = known or exc
            if not _raw(conn).in_transaction:
                raise known or Unavailable(
                    "SQLite rolled the transaction back", code="database-failed"
                ) from exc
            savepoint.rollback()
        if time.monotonic() - began > _GROUP_S:
            # The first callers must not wait for many slow units behind them.
            return index + 1
    return len(units)


def _begin_immediate(conn: sa.Connection) -> None:
    raw = _raw(conn)
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise sa.exc.OperationalError("BEGIN IMMEDIATE", {}, exc) from exc
            if time.monotonic() > deadline:
                raise Unavailable(
                    "another process holds the database", code="database-busy"
                ) from exc
            # SQLite's own busy handler sleeps up to 100 ms between tries and starves.
            time.sleep(random.uniform(*_TRY_AGAIN_S))  # noqa: S311  # spreads the tries
        else:
            return


@contextlib.contextmanager
def _deadline(raw: sqlite3.Connection, deadline: float) -> Iterator[None]:
    raw.set_progress_handler(lambda: int(time.monotonic() > deadline), _PROGRESS_STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def _answer_callers(units: Sequence[_Unit], lost: PlatformError | None) -> None:
    """Tell each caller what became of its unit, with one hop per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Unit]] = {}
    for unit in units:
        if lost is not None and unit.error is None:
            unit.error = type(lost)(lost.detail, code=lost.code)
        by_loop.setdefault(unit.loop, []).append(unit)
    for loop, mine in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has ended; nobody waits
            loop.call_soon_threadsafe(_answer, mine)


def _answer(units: Sequence[_Unit]) -> None:
    for unit in units:
        if unit.future.done():
            continue
        if unit.error is not None:
            unit.future.set_exception(unit.error)
        else:
            unit.future.set_result(unit.value)
