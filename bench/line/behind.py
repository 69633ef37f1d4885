"""Emergencies behind a backlog on the bad line: how soon each starts, and can be looked at."""

import asyncio
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from bench import machine
from bench.line.comparison import CUT_EVERY_S, CUT_LASTS_S, SHAPE
from bench.line.emergency import Behind, emergency, fill_backlog
from bench.line.images import NoRealImages, grown_ct
from bench.line.model import Fault
from bench.line.proxy import Line, open_line
from bench.line.tus_watch import TusWatch
from bench.line.verdicts import OURS
from bench.measures import Spread, Verdict
from bench.peers.county import County
from bench.peers.township import Township
from bench.plan import Plan
from bench.report import Report

SLICES: Final = 60
STARTS_WITHIN_S: Final = 2.0
READABLE_WITHIN_S: Final = 10.0
_SEED: Final = 7


def run(plan: Plan) -> Report:
    """Measure and judge; without real images the report says why there is nothing."""
    title = "An emergency behind a backlog on a bad line"
    report = Report("emergency", title, plan.form, machine.described(plan.folder))
    folder = plan.folder / "emergency"
    folder.mkdir()
    try:
        found, cut, radiographs, kept_bytes = asyncio.run(_measured(plan, report, folder))
    except NoRealImages as exc:
        report.conditions.append(f"not measured: {exc}")
        return report
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    case = f"{SLICES} slices behind {kept_bytes / 1e6:.0f} MB"
    _tell(report, found, case)
    _tell(report, cut, f"{case}, line cut", starts=False)
    _say_how(report, len(found), radiographs=radiographs, kept_bytes=kept_bytes)
    return report


async def _measured(
    plan: Plan, report: Report, folder: Path
) -> tuple[list[Behind], list[Behind], int, int]:
    """Return what became of each on a line that holds and on one that is cut.

    And how large the backlog was, in images and bytes.
    """
    county = County(folder)
    township = Township(folder, county)
    watch = TusWatch()
    async with AsyncExitStack() as held:
        held.push_async_callback(asyncio.to_thread, county.stop)
        await asyncio.to_thread(county.start)
        report.peers[OURS] = county.told
        line = await held.enter_async_context(open_line(county.http_port, SHAPE, watch=watch))
        held.push_async_callback(asyncio.to_thread, township.stop)
        await asyncio.to_thread(township.start, line.port)
        radiographs = await fill_backlog(township, folder, plan.line_backlog_bytes, seed=_SEED)
        kept_bytes = (await asyncio.to_thread(township.filed))[1]
        report.note_load()

        async def one(number: int) -> Behind:
            study = await asyncio.to_thread(grown_ct, SLICES, seed=_SEED, study=-1 - number)
            place = folder / f"emergency-{number}"
            behind = await emergency(township, county, line, watch, study, place)
            report.note_load()
            return behind

        found = [await one(number) for number in range(plan.line_emergencies)]
        async with asyncio.TaskGroup() as group:
            cutting = group.create_task(_cut_again_and_again(line))
            more = range(plan.line_emergencies, 2 * plan.line_emergencies)
            cut = [await one(number) for number in more]
            cutting.cancel()
        return found, cut, radiographs, kept_bytes


async def _cut_again_and_again(line: Line) -> None:
    while True:
        await asyncio.sleep(CUT_EVERY_S)
        line.strike(Fault.RST, lasts_s=CUT_LASTS_S)


def _tell(report: Report, found: list[Behind], case: str, *, starts: bool = True) -> None:
    first_bytes = [each.starts_s for each in found]
    named: dict[str, list[float]] = {"s until it starts": first_bytes}
    for number, which in enumerate(("first", "middle", "last")):
        named[f"s until {which} readable"] = [each.readable_s[number] for each in found]
    report.add(case, OURS, named)
    if starts:
        report.verdicts.append(
            Verdict(
                f"{case}: s until it starts, the worst",
                Spread.of([max(first_bytes)]),
                at_most=STARTS_WITHIN_S,
            )
        )
    report.verdicts.append(
        Verdict(
            f"{case}: s until first, middle and last can be read, the worst",
            Spread.of([max(max(each.readable_s) for each in found)]),
            at_most=READABLE_WITHIN_S,
        )
    )


def _say_how(report: Report, emergencies: int, *, radiographs: int, kept_bytes: int) -> None:
    told = f"""\
line: {SHAPE.up_bits_per_s / 1e6:g} Mbit/s both ways, {1000 * SHAPE.rtt_s:g} ms round trip; \
then as many emergencies while it is reset for {CUT_LASTS_S:g} s every {CUT_EVERY_S:g} s
backlog: {radiographs} radiographs, {radiographs * 18:.0f} MB as sent by the modality, \
{kept_bytes / 1e6:.0f} MB as the township keeps them; {emergencies} emergencies, one after the other
the clock starts when a person marks the study; readable: the county gives out the pixels"""
    report.conditions += told.splitlines()
