"""What every role of a node begins with."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kernel.arrival import Sender
from kernel.clock import Clock, SystemClock
from kernel.errors import StorageFull, Unavailable
from kernel.events import last_event_id
from kernel.identity import ae_table
from kernel.process import logs
from kernel.process.bus import Bus, NullBus
from kernel.process.child import Inherited
from kernel.process.owner import Owner
from kernel.process.run_directory import run_directory
from kernel.process.supervise import stop_on_signals
from kernel.settings import NodeKind, Settings
from kernel.sql.db import Database
from yilian.wiring.homes import Home, database_url

if TYPE_CHECKING:
    from kernel.process.redis_bus import RedisBus

EVENTS: Final = "events"
"""Topic of the hint that the outbox has grown."""
_RELAY_EVERY_S: Final = 0.2
_LOOK_EVERY_S: Final = 5.0
"""For a hint that was lost; ``relay_events`` runs in each process that has followers."""
_CHARSETS_EVERY_S: Final = 2.0
_BEAT_EVERY_S: Final = 2.0
_BEAT_OLD_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Context:
    """One role's process."""

    kind: NodeKind
    role: str
    home: Home
    settings: Settings
    inherited: Inherited
    database: Database
    bus: Bus
    clock: Clock
    owner: Owner
    stop: asyncio.Event

    @property
    def run_folder(self) -> Path:
        """Where this node's sockets are."""
        return run_directory(self.home.root)

    @property
    def filer_socket(self) -> Path:
        """Where doors hint that a journal has grown."""
        return self.run_folder / "filer.sock"

    @property
    def institution(self) -> str:
        """Code of the institution the node stands in."""
        return self.settings.node.institution or str(self.kind)


@asynccontextmanager
async def entered(
    kind: NodeKind, role: str, home: Home, settings: Settings, inherited: Inherited
) -> AsyncIterator[Context]:
    """Open what every role needs, and close it in reverse."""
    configure_logs(f"{kind}-{role}", home, settings)
    stop = asyncio.Event()
    stop_on_signals(stop)
    database = await Database.open(database_url(home, settings))
    clock = SystemClock()
    redis = _redis(kind, home, settings)
    bus = redis or NullBus()
    try:
        async with Owner(clock=clock) as owner:
            # The DICOM door waits for no hint, and each would cost it as much as an object does.
            if redis is not None and role != "dicom":
                owner.keep("bus", redis.run)
            made = Context(kind, role, home, settings, inherited, database, bus, clock, owner, stop)
            beat = made.run_folder / f"{role}.beat"
            owner.keep("beat", lambda: _beat(beat))
            yield made
    finally:
        if redis is not None:
            await redis.close()
        await database.close()


def configure_logs(role: str, home: Home, settings: Settings) -> None:
    """Send this process's log where the settings say, a file relative to the home folder."""
    file = home.root / settings.log.file if settings.log.file else None
    logs.configure(role, level=settings.log.level, file=file)


def _redis(kind: NodeKind, home: Home, settings: Settings) -> "RedisBus | None":
    if kind is NodeKind.TOWNSHIP or not settings.redis.enabled:
        return None
    # A township never has one, and its processes start sooner without the client.
    from kernel.process.redis_bus import RedisBus  # noqa: PLC0415

    socket_path = run_directory(home.root) / "redis.sock"
    return RedisBus(settings.redis.url or f"unix://{socket_path}")


async def relay_events(context: Context) -> None:
    """Hint every process of the node whenever the outbox has grown, until cancelled."""
    seen = await context.database.look_up(last_event_id)
    while True:
        await asyncio.sleep(_RELAY_EVERY_S)
        newest = await context.database.look_up(last_event_id)
        if newest != seen:
            seen = newest
            await context.bus.notify(EVENTS)


async def follow_outbox(context: Context, look: Callable[[], Awaitable[int]]) -> None:
    """Let *look* deal with what is new whenever the outbox has grown, until cancelled.

    Args:
        context: of the process.
        look: deals with some of it and returns how many events that were; 0 when none was left.
    """
    async with context.bus.listen([EVENTS]) as hints:
        while True:
            while await look():
                pass
            await hints.wait(_LOOK_EVERY_S)


class AeCharsets:
    """What the text of each known AE really is, as its administrator wrote down."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hints: Mapping[str, str] = {}

    async def load(self) -> None:
        """Read the table of peers."""
        peers = await self._database.read(ae_table)
        self._hints = {peer.ae_title: peer.charset_hint for peer in peers if peer.charset_hint}

    async def run(self) -> None:
        """Read it again every two seconds, until cancelled."""
        while True:
            await asyncio.sleep(_CHARSETS_EVERY_S)
            await self.load()

    def __call__(self, sender: Sender) -> str:
        """Return the character set of *sender*, empty where nothing is known."""
        return self._hints.get(sender.ae_title, "")


async def _beat(path: Path) -> None:
    while True:
        await asyncio.to_thread(path.touch)
        await asyncio.sleep(_BEAT_EVERY_S)


def role_probe(context: Context, role: str) -> Callable[[], Awaitable[None]]:
    """Return what raises while *role* of this node shows no sign of life."""
    path = context.run_folder / f"{role}.beat"

    async def probe() -> None:
        try:
            seen = await asyncio.to_thread(path.stat)
        except FileNotFoundError as exc:
            raise Unavailable(f"{role} has not started", code="role-down") from exc
        if context.clock.now().timestamp() - seen.st_mtime > _BEAT_OLD_S:
            raise Unavailable(f"{role} shows no sign of life", code="role-down")

    return probe


def room_probe(context: Context) -> Callable[[], Awaitable[None]]:
    """Return what raises while the disk is too full to take anything."""

    async def probe() -> None:
        found = await asyncio.to_thread(shutil.disk_usage, context.home.root)
        if found.free < context.settings.journal.reserve_bytes:
            raise StorageFull("below the reserve")

    return probe
