"""Between a supervisor and its child processes: what is handed over, and how both tell.

A child inherits listening sockets, the lock on the home folder and one end of a pipe. It dies
with its supervisor, and says on the pipe, in one line of JSON, that its doors answer.
"""

import asyncio
import ctypes
import errno
import fcntl
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from kernel.errors import Busy, Conflict, Invalid, PlatformError

EX_CONFIG: Final = 78
"""Exit code of a child that can never start as it is set up; it is not started again."""

SUPERVISOR: Final = "YILIAN_SUPERVISOR"
READY_FD: Final = "YILIAN_READY_FD"
SOCKETS: Final = "YILIAN_SOCKETS"
_BACKLOG: Final = 512
_PR_SET_PDEATHSIG: Final = 1
_LOCK_TRIED_EVERY_S: Final = 0.02

# For a program that knows nothing of us: the wish to die survives exec.
_SHIM: Final = (
    "import ctypes,os,sys;ctypes.CDLL(None).prctl(1,15);"
    "os.getppid()==int(sys.argv[1]) or sys.exit(0);os.execv(sys.argv[2],sys.argv[2:])"
)


def die_with_parent(with_signal: int = signal.SIGKILL) -> None:
    """Ask the kernel to send this process *with_signal* when its parent is gone.

    Also the initializer of every process pool: its workers would outlive a killed owner for ever.
    Counts from the thread that started this process, so start processes from the main thread.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(with_signal))


def dying_with(parent: int, argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command that runs the absolute program *argv* and ends when *parent* does."""
    return (sys.executable, "-I", "-S", "-c", _SHIM, str(parent), *argv)


class Inherited:
    """What this process got from its supervisor."""

    def __init__(self, sockets: Mapping[str, socket.socket], ready_fd: int) -> None:
        self._sockets = dict(sockets)
        self._ready_fd = ready_fd

    @classmethod
    def enter(cls, environ: Mapping[str, str] | None = None) -> Self | None:
        """Return what was handed over, or None in a process nobody supervises.

        The first act of a child: from here on it dies with its supervisor, at once, because what
        matters is already durable. Ends the process if the supervisor is gone already.
        """
        environ = os.environ if environ is None else environ
        if SUPERVISOR not in environ:
            return None
        die_with_parent()
        if os.getppid() != int(environ[SUPERVISOR]):
            raise SystemExit(0)
        named = (pair.split("=", 1) for pair in environ.get(SOCKETS, "").split(",") if pair)
        sockets = {name: socket.socket(fileno=int(fd)) for name, fd in named}
        ready_fd = int(environ[READY_FD])
        for fd in (ready_fd, *(door.fileno() for door in sockets.values())):
            os.set_inheritable(fd, False)  # noqa: FBT003  # positional in the library
        return cls(sockets, ready_fd)

    def door(self, name: str) -> socket.socket | None:
        """Return the listening socket called *name*, which is now the caller's, or None."""
        return self._sockets.pop(name, None)

    def ready(self, info: Mapping[str, object] | None = None) -> None:
        """Tell the supervisor that all doors answer, with *info* for whoever asks it."""
        if self._ready_fd >= 0:
            os.write(self._ready_fd, json.dumps(info or {}).encode() + b"\n")
            os.close(self._ready_fd)
            self._ready_fd = -1


def bind_door(host: str, port: int) -> socket.socket:
    """Return a socket that listens on *host*, an address, and *port*; 0 takes a free one.

    Raises:
        Conflict: somebody listens there already (``port-in-use``).
        Invalid: no address of this machine (``not-our-address``), or a port only root may take
            (``port-forbidden``).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
        door.listen(_BACKLOG)
    except OSError as exc:
        door.close()
        raise _cannot_listen(host, port, exc) from exc
    return door


def _cannot_listen(host: str, port: int, exc: OSError) -> PlatformError:
    said = f"cannot listen on {host}:{port}"
    if exc.errno == errno.EADDRINUSE:
        return Conflict(f"{said}: another program does", code="port-in-use")
    if exc.errno in (errno.EACCES, errno.EPERM):
        return Invalid(
            f"{said}: ports below 1024 are root's; take a higher one, behind a proxy if need be",
            code="port-forbidden",
        )
    if exc.errno == errno.EADDRNOTAVAIL or isinstance(exc, socket.gaierror):
        return Invalid(
            f"{said}: this machine does not have that address (`ip address` lists its own)",
            code="not-our-address",
        )
    return Conflict(f"{said}: {exc}", code="cannot-listen")


class HomeLock:
    """The right to run on one home folder, shared with every child, gone with the last of them."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    async def take(cls, home: Path, *, wait_s: float = 10.0) -> Self:
        """Return the lock, after waiting at most *wait_s* for those who had it to be gone.

        Raises:
            Busy: they are still there (``home-in-use``).
        """
        fd = os.open(home / "lock", os.O_RDWR | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR)
        try:
            async with asyncio.timeout(wait_s):
                while not _locked(fd):  # noqa: ASYNC110  # another process has it
                    await asyncio.sleep(_LOCK_TRIED_EVERY_S)
        except BaseException as exc:
            os.close(fd)
            if isinstance(exc, TimeoutError):
                raise Busy(f"another program runs on {home}", code="home-in-use") from exc
            raise
        return cls(fd)

    def close(self) -> None:
        """Give this process's share back; calling it again is harmless."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_ready_file(path: Path, content: Mapping[str, object]) -> None:
    """Write *content* as JSON to *path* in one step, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(fd, "w", encoding="utf-8") as out:
        json.dump(content, out, ensure_ascii=False)
    draft.replace(path)
