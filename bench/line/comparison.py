"""Township to county over a bad line, beside storescu in a loop that resends to Orthanc.

Three senders, each with a line of its own that is the same in rate, round trip and cuts, send the
same studies at the same time: Yilian, the loop with the files as they are, and the loop with files
that DCMTK compressed without loss before the clock started.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench import machine
from bench.line import verdicts
from bench.line.arrivals import Arrivals
from bench.line.images import NoRealImages, Sent, grown_ct, radiograph, write_files
from bench.line.model import Fault, LineShape
from bench.line.proxy import Line, open_line
from bench.line.resend_loop import ResendLoop
from bench.line.tus_watch import TusWatch
from bench.line.verdicts import OURS, PACKED, RAW, Measured
from bench.peers.county import County
from bench.peers.orthanc import Orthanc
from bench.peers.township import Township
from bench.plan import Plan
from bench.report import Report
from bench.senders import Target, send_by_storescu

SHAPE: Final = LineShape(2_000_000, 2_000_000, rtt_s=0.2)
CUT_EVERY_S: Final = 20.0
CUT_LASTS_S: Final = 1.0
_RADIOGRAPHS: Final = ((3000, 2500), (3000, 3000), (4280, 3520))
"""Rows and columns; of two bytes each they are 15, 18 and 30 MB."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is sent, made anew for each round: what is there already is not sent again."""

    name: str
    objects: Callable[[int], Sequence[Sent]]
    """By the number of the round, from 1."""


def run(plan: Plan) -> Report:
    """Measure and judge; without real images the report says why there is nothing."""
    machine_now = machine.described(plan.folder)
    report = Report("line", "Township to county on a bad line", plan.form, machine_now)
    try:
        grown_ct(1, seed=1)
    except NoRealImages as exc:
        report.conditions.append(f"not measured: {exc}")
        return report
    folder = plan.folder / "line"
    folder.mkdir()
    large = _RADIOGRAPHS[: plan.line_radiographs]
    cases = [
        Case(
            f"CT, {plan.line_slices} x 525 KB",
            lambda turn: grown_ct(plan.line_slices, seed=turn),
        )
    ]
    if large:
        cases.append(Case(f"{len(large)} radiographs of 15-30 MB", partial(_radiographs, large)))
    try:
        asyncio.run(_Comparison(plan, report, folder).run(cases))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report


class _Comparison:
    def __init__(self, plan: Plan, report: Report, folder: Path) -> None:
        self._plan = plan
        self._report = report
        self._folder = folder
        self._orthancs = {}
        for name, place in ((RAW, "raw"), (PACKED, "packed")):
            (folder / place).mkdir()
            self._orthancs[name] = Orthanc(folder / place)
        self._county = County(folder)
        self._township = Township(folder, self._county)
        self._watch = TusWatch()
        self._lines: dict[str, Line] = {}

    async def run(self, cases: Sequence[Case]) -> None:
        """Measure *cases*."""
        async with AsyncExitStack() as held:
            servers: list[Orthanc | County] = [*self._orthancs.values(), self._county]
            for server in servers:
                held.push_async_callback(asyncio.to_thread, server.stop)
                await asyncio.to_thread(server.start)
            ports = {name: orthanc.dicom_port for name, orthanc in self._orthancs.items()}
            for name, port in (ports | {OURS: self._county.http_port}).items():
                watch = self._watch if name == OURS else None
                line = await held.enter_async_context(open_line(port, SHAPE, watch=watch))
                self._lines[name] = line
            held.push_async_callback(asyncio.to_thread, self._township.stop)
            await asyncio.to_thread(self._township.start, self._lines[OURS].port)
            for number, case in enumerate(cases):
                rounds = []
                for turn in range(1, self._plan.line_rounds + 1):
                    folder = self._folder / f"case-{number}-{turn}"
                    objects = await asyncio.to_thread(case.objects, turn)
                    rounds.append(await self._round(objects, folder))
                    self._report.note_load()
                verdicts.tell(self._report, case.name, rounds)
        self._say_how()

    def _say_how(self) -> None:
        report, shape = self._report, SHAPE
        report.peers[OURS] = self._county.told
        report.peers["orthanc"] = self._orthancs[RAW].told
        told = f"""\
each sender has a line of its own: {shape.up_bits_per_s / 1e6:g} Mbit/s both ways, \
{1000 * shape.rtt_s:g} ms round trip
{self._plan.line_rounds} rounds, each with studies of its own
every {CUT_EVERY_S:g} s all lines are reset for {CUT_LASTS_S:g} s; all send at the same time
peers: storescu in a loop that sends again what was not acknowledged; JPEG-LS by dcmcjpls before \
the clock starts
ours: sent to the township by storescu when the clock starts, which then compresses
peers are given up on after {self._plan.line_given_up_times:g} times our time; the ratio is then \
at least that
compressed is what each sends: the files, and ours as the township keeps them (HTJ2K)"""
        report.conditions += told.splitlines()

    async def _round(self, objects: Sequence[Sent], folder: Path) -> dict[str, Measured]:
        files = await asyncio.to_thread(write_files, objects, folder)
        packed = await asyncio.to_thread(_packed, files)
        kept = await asyncio.to_thread(self._township.filed)
        on_line = {name: line.up.sent_bytes for name, line in self._lines.items()}
        resumed = len(self._watch.resent)
        cuts = {name: len(line.strikes) for name, line in self._lines.items()}
        arrivals = await self._race(files, packed)
        needed = {
            RAW: sum(path.stat().st_size for path in files),
            PACKED: sum(path.stat().st_size for path in packed),
            OURS: (await asyncio.to_thread(self._township.filed))[1] - kept[1],
        }
        given_up_s = self._given_up_s(arrivals[OURS])
        measured = {}
        for name, line in self._lines.items():
            sent = line.up.sent_bytes - on_line[name]
            again = max(0, sent - needed[name])
            again = sum(self._watch.resent[resumed:]) if name == OURS else again
            measured[name] = Measured(
                arrivals[name],
                sent_bytes=sent,
                needed_bytes=needed[name],
                resent_bytes=again,
                cuts=len(line.strikes) - cuts[name],
                worst_bytes=max(self._watch.resent[resumed:], default=0) if name == OURS else None,
                given_up_s=given_up_s,
            )
        await self._drained()
        await asyncio.to_thread(shutil.rmtree, folder)
        return measured

    async def _race(self, files: list[Path], packed: list[Path]) -> dict[str, Arrivals]:
        loop = asyncio.get_running_loop()
        began = loop.time()

        def now_s() -> float:
            return loop.time() - began

        stored = {**{n: o.stored for n, o in self._orthancs.items()}, OURS: self._county.stored}
        arrivals = {n: Arrivals(n, each, len(files), now_s) for n, each in stored.items()}
        loops = [
            ResendLoop(files, self._lines[RAW].port, Orthanc.ae_title),
            ResendLoop(packed, self._lines[PACKED].port, Orthanc.ae_title, ("-xt",)),
        ]
        target = Target(self._township.dicom_port, Township.ae_title)
        async with asyncio.TaskGroup() as group:
            watching = [
                group.create_task(each.watch(partial(self._given_up_s, arrivals[OURS])))
                for each in arrivals.values()
            ]
            others = [group.create_task(each.run()) for each in loops]
            others.append(group.create_task(self._cut_again_and_again(now_s)))
            await asyncio.to_thread(send_by_storescu, target, [files[0].parent])
            await asyncio.wait(watching)
            for task in others:
                task.cancel()
        return arrivals

    def _given_up_s(self, ours: Arrivals) -> float:
        """Return when senders are given up on: by then it is plain how much slower they are."""
        ended = ours.ended_s
        times = self._plan.line_given_up_times
        return self._plan.line_within_s if ended is None else times * ended

    async def _cut_again_and_again(self, now_s: Callable[[], float]) -> None:
        times = 0
        while True:
            times += 1
            await asyncio.sleep(max(0.0, times * CUT_EVERY_S - now_s()))
            for line in self._lines.values():
                line.strike(Fault.RST, lasts_s=CUT_LASTS_S)

    async def _drained(self) -> None:
        """Let no connection of a sender that was given up on live on."""
        for name in (RAW, PACKED):
            self._lines[name].strike(Fault.RST)
        await asyncio.sleep(1.0)


def _radiographs(sizes: Sequence[tuple[int, int]], turn: int) -> Sequence[Sent]:
    return [
        radiograph(number, seed=turn, rows=rows, columns=columns)
        for number, (rows, columns) in enumerate(sizes, 1)
    ]


def _packed(files: Sequence[Path]) -> list[Path]:
    """Return the files as DCMTK compresses them without loss, in a folder beside them."""
    folder = files[0].parent.with_name(f"{files[0].parent.name}-packed")
    folder.mkdir()
    for path in files:
        subprocess.run(["dcmcjpls", str(path), str(folder / path.name)], check=True)
    return sorted(folder.iterdir())
