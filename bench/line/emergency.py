"""An emergency behind a backlog: when it starts, and when the county can begin to look."""

import asyncio
import shutil
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.line.images import Sent, alike_radiographs, write_files
from bench.line.proxy import Line
from bench.line.tus_watch import TusWatch
from bench.peers.county import County
from bench.peers.township import Township
from bench.senders import Target, send_by_storescu

_Question = Callable[[], Awaitable[bool]]
_EVERY_S: Final = 0.05
_FILED_WITHIN_S: Final = 900.0
_BUSY_WITHIN_S: Final = 60.0
_GIVEN_UP_S: Final = 120.0
_BACKLOG_STUDY: Final = 10
"""Radiographs of each study of the backlog."""


@dataclass(frozen=True, slots=True)
class Behind:
    """Seconds after a person called the study an emergency."""

    starts_s: float
    """The first byte of an upload that is neither of before nor begun by the backlog."""
    readable_s: Sequence[float]
    """First, middle and last slice, each given out by the county with its pixels."""


async def fill_backlog(township: Township, folder: Path, kept_bytes: int, *, seed: int) -> int:
    """Fill the queue with *kept_bytes* of radiographs; return how many it took."""
    before = await asyncio.to_thread(township.filed)
    sent = 0

    async def filed() -> bool:
        return (await asyncio.to_thread(township.filed))[0] >= before[0] + sent

    while (await asyncio.to_thread(township.filed))[1] - before[1] < kept_bytes:
        study = await asyncio.to_thread(
            alike_radiographs, _BACKLOG_STUDY, seed=seed, study=1 + sent
        )
        place = folder / f"backlog-{sent}"
        await _send(township, study, place)
        await asyncio.to_thread(shutil.rmtree, place)
        sent += len(study)
        await _until(filed, _FILED_WITHIN_S, "the backlog to be filed")
    return sent


async def emergency(
    township: Township,
    county: County,
    line: Line,
    watch: TusWatch,
    study: Sequence[Sent],
    folder: Path,
) -> Behind:
    """Send *study* into the backlog, call it an emergency, and see what happens when."""
    on_line = line.up.sent_bytes

    async def busy() -> bool:
        return line.up.sent_bytes > on_line

    before = await asyncio.to_thread(township.filed)
    await _send(township, study, folder)

    async def filed() -> bool:
        return (await asyncio.to_thread(township.filed))[0] >= before[0] + len(study)

    await _until(filed, _FILED_WITHIN_S, "the emergency to be filed")
    await _until(busy, _BUSY_WITHIN_S, "the backlog to be on the line")
    known = set(watch.first_bytes)
    path = f"/api/v1/queue/{study[0].study_instance_uid}/priority"
    began = line.now_s()
    await asyncio.to_thread(township.ask, path, {"priority": "emergency"})
    half = len(study) // 2
    # Of an even number either of two slices is the middle.
    wanted = [study[:1], study[half - 1 + len(study) % 2 : half + 1], study[-1:]]

    async def started() -> bool:
        return bool(set(watch.first_bytes) - known)

    async def after(holds: _Question, what: str) -> float:
        await _until(holds, _GIVEN_UP_S, what)
        return line.now_s() - began

    async with asyncio.TaskGroup() as group:
        starts = group.create_task(after(started, "the emergency to start"))
        readable = [
            group.create_task(after(_readable(county, each), "a slice to be readable"))
            for each in wanted
        ]

    async def delivered(uid: str = study[0].study_instance_uid) -> bool:
        return not await asyncio.to_thread(township.undelivered, uid)

    # The next one is to wait for a backlog, not for an emergency.
    await _until(delivered, _GIVEN_UP_S, "the emergency to be delivered")
    return Behind(starts.result(), [each.result() for each in readable])


def _readable(county: County, either: Sequence[Sent]) -> _Question:
    """Return the question whether the county gives out the pixels of one of *either*."""
    series = [
        f"{county.url}/dicom-web/studies/{each.study_instance_uid}"
        f"/series/{each.series_instance_uid}/instances/{each.sop_instance_uid}/frames/1"
        for each in either
    ]
    headers = {
        **county.headers,
        "Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    }

    def asked() -> bool:
        for url in series:
            try:
                request = urllib.request.Request(url, headers=headers)
                with urllib.request.urlopen(request, timeout=30) as answer:
                    if answer.read():
                        return True
            except urllib.error.HTTPError as refused:
                refused.close()
        return False

    async def holds() -> bool:
        return await asyncio.to_thread(asked)

    return holds


async def _send(township: Township, study: Sequence[Sent], folder: Path) -> None:
    await asyncio.to_thread(write_files, study, folder)
    target = Target(township.dicom_port, Township.ae_title)
    await asyncio.to_thread(send_by_storescu, target, [folder])


async def _until(holds: _Question, within_s: float, what: str) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while not await holds():
        if loop.time() > end:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        await asyncio.sleep(_EVERY_S)
