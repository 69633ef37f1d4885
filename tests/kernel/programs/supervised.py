"""A parent with three roles and a foreign child, as small as they can be.

Run as ``python -m tests.kernel.programs.supervised HOME [stubborn]``: binds a door for each role,
writes HOME/ready.json, and serves its process id on every door. ``… HOME --role NAME`` is a child.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

from kernel.process.child import EX_CONFIG, HomeLock, Inherited, bind_door, write_ready_file
from kernel.process.supervise import ChildSpec, RestartPolicy, Stage, Supervisor, stop_on_signals

_STAGES = {"door": Stage.DOOR, "role": Stage.ROLE, "store": Stage.STORE}


async def _answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"%d\n" % os.getpid())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _serve(home: Path, role: str) -> int:
    inherited = Inherited.enter()
    assert inherited is not None
    refuses = home / f"{role}.refuses"
    if refuses.exists():
        return EX_CONFIG
    door = inherited.door("http")
    assert door is not None
    stop = asyncio.Event()
    if (home / f"{role}.stubborn").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        stop_on_signals(stop)
    server = await asyncio.start_server(_answer, sock=door)
    inherited.ready({"pid": os.getpid()})
    await stop.wait()
    server.close()
    await server.wait_closed()
    with (home / "stopped").open("a") as stopped:
        stopped.write(f"{role}\n")
    return 0


async def _parent(home: Path) -> int:
    lock = await HomeLock.take(home)
    doors = {name: bind_door("127.0.0.1", 0) for name in _STAGES}
    children = [
        ChildSpec(
            name=name,
            argv=(sys.executable, "-m", __spec__.name, str(home), "--role", name),
            stage=stage,
            sockets={"http": doors[name]},
        )
        for name, stage in _STAGES.items()
    ]
    children.append(
        ChildSpec(name="foreign", argv=("/bin/sleep", "600"), stage=Stage.STORE, foreign=True)
    )
    ports = {name: door.getsockname()[1] for name, door in doors.items()}
    stop = asyncio.Event()
    stop_on_signals(stop)
    supervisor = Supervisor(
        children, lock=lock, policy=RestartPolicy(first_s=0.02, most_s=0.1), stopping_s=0.5
    )
    return await supervisor.run(
        stop,
        on_ready=lambda infos: write_ready_file(
            home / "ready.json", {"pid": os.getpid(), "ports": ports, "infos": infos}
        ),
    )


def main() -> int:
    home = Path(sys.argv[1])
    if "--role" in sys.argv:
        return uvloop.run(_serve(home, sys.argv[-1]))
    return uvloop.run(_parent(home))


if __name__ == "__main__":
    sys.exit(main())
