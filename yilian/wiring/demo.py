"""The demo: a county with two townships and sample data, three real nodes in one home folder."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.dimse.outgoing import PeerUnavailable
from kernel.clock import SystemClock
from kernel.dicom.shown import LEGAL_TIME
from kernel.process.child import HomeLock, write_ready_file
from kernel.process.supervise import ChildSpec, Supervisor, stop_on_signals
from kernel.settings import NodeKind
from yilian.wiring.demo_home import DemoAccount, DemoHome, prepare

_STARTING_S: Final = 60.0


async def run(root: Path, *, port_offset: int, ready_file: Path | None, samples: bool) -> int:
    """Run the demo until SIGTERM and return its exit code.

    Args:
        root: holds the three nodes' homes; made where absent.
        port_offset: added to the county's and the first township's ports; the second township
            has the ports behind those.
        ready_file: written once all doors answer and the sample studies are on their way.
        samples: whether to send them at the first start.
    """
    stop = asyncio.Event()
    stop_on_signals(stop)
    root = await asyncio.to_thread(_made, root)
    lock = await HomeLock.take(root)
    try:
        home = await prepare(root, port_offset=port_offset)
        children = [
            ChildSpec(
                name=node.name,
                argv=(
                    *(sys.executable, "-m", "yilian", str(node.kind), "--home", str(node.root)),
                    *("--port-offset", str(node.port_offset)),
                ),
                ready_within_s=_STARTING_S,
            )
            for node in home.nodes
        ]
        started = asyncio.Event()
        told: dict[str, Mapping[str, object]] = {}

        def ready(info: Mapping[str, Mapping[str, object]]) -> None:
            told.update(info)
            started.set()

        async with asyncio.TaskGroup() as tasks:
            greeting = tasks.create_task(
                _greet(started, told, home, ready_file=ready_file, samples=samples)
            )
            code = await Supervisor(children, lock=lock).run(stop, on_ready=ready)
            greeting.cancel()
        return code
    finally:
        lock.close()


def _made(root: Path) -> Path:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root.resolve()


async def _greet(
    started: asyncio.Event,
    told: Mapping[str, Mapping[str, object]],
    home: DemoHome,
    *,
    ready_file: Path | None,
    samples: bool,
) -> None:
    await started.wait()
    content = _content(told, home)
    if samples:
        # Making images takes more to load than everything a start without them does.
        from yilian.samples.send import send_samples  # noqa: PLC0415

        now = SystemClock().now().astimezone(LEGAL_TIME)
        try:
            await asyncio.to_thread(send_samples, content, home.root, now)
        except PeerUnavailable as exc:
            print(f"sample studies are sent at the next start: {exc.detail}", file=sys.stderr)
    if ready_file is not None:
        await asyncio.to_thread(write_ready_file, ready_file, content)
    print(_line(content, home.accounts), flush=True)


def _content(told: Mapping[str, Mapping[str, object]], home: DemoHome) -> dict[str, Any]:
    townships: list[Any] = []
    for node in home.nodes:
        if node.kind is NodeKind.TOWNSHIP:
            found = told[node.name]["townships"]
            townships += found if isinstance(found, list) else []
    return {
        "county": told["county"]["county"],
        "townships": townships,
        "accounts": [account.public() for account in home.accounts],
    }


def _line(content: Mapping[str, Any], accounts: tuple[DemoAccount, ...]) -> str:
    pages = {"county-hospital": content["county"]["http"]}
    pages |= {t["institution"]: t["http"] for t in content["townships"]}
    signs = "; ".join(
        f"{a.role} {a.username} / {a.password} at {pages[a.institution]}"
        for a in accounts
        if a.role in ("radiologist", "technician")
    )
    return (
        f"Yilian demo ready: {content['county']['http']} ({signs}; all accounts in accounts.json "
        "of the home folder; any AE title and any HL7 sender is admitted from this machine)"
    )
