"""One node: its parent process, which binds the doors and runs the roles."""

import asyncio
import logging
import shutil
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from gateway.accounts.administration import Administration
from gateway.accounts.passwords import Hasher
from gateway.accounts.service import SignIns
from gateway.dimse.stand_in import answering_later
from kernel.clock import SystemClock
from kernel.errors import PlatformError
from kernel.identity import Institution, InstitutionKind
from kernel.process.child import HomeLock, Inherited, bind_door, write_ready_file
from kernel.process.owner import Owner
from kernel.process.run_directory import run_directory
from kernel.process.service_notice import ServiceNotice
from kernel.process.stand_in import answering_503, hanging_up
from kernel.process.supervise import ChildSpec, Stage, Supervisor, stop_on_signals
from kernel.process.valkey import valkey_child
from kernel.settings import NodeKind, Settings
from yilian.wiring.context import configure_logs
from yilian.wiring.destinations_named import check_destinations
from yilian.wiring.files_named import check_files
from yilian.wiring.homes import Home
from yilian.wiring.liveness import door_answers
from yilian.wiring.offline import opened_database

_LOG: Final = logging.getLogger(__name__)
_ROLES: Final[Mapping[NodeKind, Mapping[str, tuple[str, ...]]]] = {
    NodeKind.COUNTY: {
        "gateway": ("http", "hl7", "hl7-tls"),
        "dicom": ("dicom", "dicom-tls"),
        "worker": (),
    },
    NodeKind.TOWNSHIP: {"gateway": ("http",), "dicom": ("dicom", "dicom-tls")},
}
"""The processes of a node, and the doors each inherits."""
_PREPARE_WAIT_S: Final = 1.0
_NO_ROOM_BYTES: Final = 1 << 20
"""With less, SQLite cannot open even what is there."""
_ROOM_TRIED_EVERY_S: Final = 5.0
_HEAD: Final = {
    NodeKind.COUNTY: InstitutionKind.COUNTY,
    NodeKind.TOWNSHIP: InstitutionKind.TOWNSHIP,
}


async def supervise(  # noqa: PLR0913  # what the command line gives
    kind: NodeKind,
    home: Home,
    settings: Settings,
    *,
    only: str | None,
    port_offset: int,
    ready_file: Path | None,
    inherited: Inherited | None,
) -> int:
    """Run the node until SIGTERM and return its exit code.

    The first start makes the node's institution and one administrator, whose random password is
    printed once.

    Args:
        kind: which node.
        home: all its state.
        settings: already read, ports moved.
        only: run this role alone (scale-out); None for all.
        port_offset: handed on to the roles, which read the settings again.
        ready_file: written once all doors answer.
        inherited: where a demo supervises the node.
    """
    configure_logs(str(kind), home, settings)
    notice = ServiceNotice.enter()
    stop = asyncio.Event()
    stop_on_signals(stop)
    lock = await HomeLock.take(home.root)
    try:
        home.signing_key()
        home.node_id()  # before the roles, or each would make its own
        check_files(home, settings)
        doors = _doors(kind, settings)
        sockets = {name: bind_door(host, port) for name, (host, port) in doors.items()}
        silent = _stand_ins(sockets, settings)

        # Last: the password it prints is of use only where the node then starts.
        while not await _has_started(kind, home, settings):
            async with silent(list(sockets)):
                with suppress(TimeoutError):
                    async with asyncio.timeout(_ROOM_TRIED_EVERY_S):
                        await stop.wait()
            if stop.is_set():
                return 0
        bound = {name: sock.getsockname()[:2] for name, sock in sockets.items()}
        children = [
            ChildSpec(
                name=role,
                argv=_argv(kind, home, role, port_offset),
                stage=Stage.DOOR if names else Stage.ROLE,
                sockets={name: sockets[name] for name in names if name in sockets},
                stand_in=partial(silent, [name for name in names if name in sockets])
                if names
                else None,
            )
            for role, names in _ROLES[kind].items()
            if only in (None, role)
        ]
        if kind is NodeKind.COUNTY and settings.redis.enabled and not settings.redis.url:
            children.append(_redis(home, settings))

        def ready(_told: Mapping[str, Mapping[str, object]]) -> None:
            content = ready_content(kind, settings, bound)
            if ready_file is not None:
                write_ready_file(ready_file, content)
            if inherited is not None:
                inherited.ready(content)
            notice.ready()
            # Not before, for a start may take longer than the watchdog's interval.
            owner.keep("service", lambda: notice.follow(stop, well))

        serves = only in (None, "gateway")
        well = door_answers(settings, bound["http"]) if serves else _no_doubt
        async with Owner() as owner:
            return await Supervisor(children, lock=lock).run(stop, on_ready=ready)
    finally:
        lock.close()


async def _no_doubt() -> bool:
    return True


async def prepare(kind: NodeKind, home: Home, settings: Settings) -> int:
    """Make all that a first start makes, then end: keys, database, institution, administrator.

    Raises:
        Busy: the node runs (``home-in-use``).
    """
    configure_logs(str(kind), home, settings)
    lock = await HomeLock.take(home.root, wait_s=_PREPARE_WAIT_S)
    try:
        home.signing_key()
        home.node_id()
        check_files(home, settings)
        await _first_start(kind, home, settings)
    finally:
        lock.close()
    print(f"prepared: {kind} at {home.root}", flush=True)
    return 0


def ready_content(
    kind: NodeKind, settings: Settings, bound: Mapping[str, tuple[str, int]]
) -> dict[str, object]:
    """Return what the ready file says of this node's doors (design: ``--ready-file``)."""
    scheme = "https" if settings.tls.on else "http"
    host, port = bound["http"]
    dicom_host, dicom_port = bound["dicom"]
    doors: dict[str, object] = {
        "http": f"{scheme}://{host}:{port}",
        "dicom": {"host": dicom_host, "port": dicom_port, "ae_title": settings.dicom.ae_title},
    }
    if kind is NodeKind.COUNTY:
        hl7_host, hl7_port = bound["hl7"]
        doors["hl7"] = {"host": hl7_host, "port": hl7_port}
        return {"county": doors, "townships": [], "accounts": []}
    named = {"name": settings.node.name, "institution": settings.node.institution}
    return {"townships": [{**named, **doors}], "accounts": []}


def _doors(kind: NodeKind, settings: Settings) -> dict[str, tuple[str, int]]:
    doors = {
        "http": (_address(settings.http.host), settings.http.port),
        "dicom": (_address(settings.dicom.host), settings.dicom.port),
    }
    if settings.tls.on:
        doors["dicom-tls"] = (_address(settings.dicom.host), settings.dicom.tls_port)
    if kind is NodeKind.COUNTY:
        doors["hl7"] = (_address(settings.hl7.host), settings.hl7.port)
        if settings.tls.on:
            doors["hl7-tls"] = (_address(settings.hl7.host), settings.hl7.tls_port)
    return doors


def _address(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host


def _argv(kind: NodeKind, home: Home, role: str, port_offset: int) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "yilian", str(kind), "--home", str(home.root)),
        *("--port-offset", str(port_offset), "--role", role),
    )


def _redis(home: Home, settings: Settings) -> ChildSpec:
    return valkey_child(
        home.root / "redis",
        run_directory(home.root) / "redis.sock",
        server=Path(settings.redis.server) if settings.redis.server else None,
        log=home.root / "logs" / "redis.log",
    )


def _http_tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls.on:
        return None
    # The parent needs nothing else of the shell, which takes its time to load.
    from yilian.wiring.shell import http_tls  # noqa: PLC0415

    return http_tls(settings)


def _stand_ins(
    sockets: Mapping[str, socket.socket], settings: Settings
) -> Callable[[Sequence[str]], AbstractAsyncContextManager[None]]:
    """Return what answers at the doors named while the role behind them cannot come up."""
    tls, dicom_tls = _http_tls(settings), _dicom_tls(settings)

    @asynccontextmanager
    async def answering(names: Sequence[str]) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            for name in names:
                if name == "http":
                    answers = answering_503(sockets[name], tls=tls)
                elif name in {"hl7", "hl7-tls"}:
                    answers = hanging_up(sockets[name])
                else:
                    secure = dicom_tls if name == "dicom-tls" else None
                    answers = answering_later(sockets[name], tls=secure)
                await held.enter_async_context(answers)
            yield

    return answering


def _dicom_tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls.on:
        return None
    from yilian.wiring.dicom_role import dicom_tls  # noqa: PLC0415

    return dicom_tls(settings)


async def _has_started(kind: NodeKind, home: Home, settings: Settings) -> bool:
    """Do what a start begins with; False where the disk has no room even for that."""
    try:
        await _first_start(kind, home, settings)
    except (PlatformError, OSError) as exc:
        if shutil.disk_usage(home.root).free > _NO_ROOM_BYTES:
            raise
        code = exc.code if isinstance(exc, PlatformError) else type(exc).__name__
        _LOG.error("node.disk-full", extra={"reason": code, "again_in_s": _ROOM_TRIED_EVERY_S})
        return False
    return True


async def _first_start(kind: NodeKind, home: Home, settings: Settings) -> None:
    """Bring the database to this program's form; make the first administrator once."""
    clock, hasher = SystemClock(), Hasher()
    code = settings.node.institution or str(kind)
    head = Institution(code, settings.node.name or code, _HEAD[kind], phone=settings.node.phone)
    async with opened_database(home, settings) as database:
        await check_destinations(home, settings, database)
        sign_ins = SignIns(database, hasher, clock, chain="first-start")
        made = await Administration(database, sign_ins, clock, chain="first-start").first_start(
            head
        )
    hasher.close()
    if made is not None:
        print(
            f"first administrator of {head.name}: {made.account.username}  "
            f"password: {made.password}  (shown this once)",
            flush=True,
        )
