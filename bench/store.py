"""C-STORE: objects made durable each second, and what one costs the server.

All servers stand side by side on one disk and are asked in turn, round by round, so that each
ratio is of two that saw the same machine. A server's CPU time counts until its index lists
everything that was sent, so what Yilian files after its answer is in it.
"""

import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from bench import machine
from bench.measures import Verdict, ratios
from bench.objects import LARGE_SIDE, SMALL_SIDE, Scanner
from bench.peers.county import ROOT, County
from bench.peers.orthanc import Orthanc
from bench.peers.pynetdicom_ae import PynetdicomAE
from bench.peers.server import StoreServer
from bench.peers.storescp import StoreScp
from bench.plan import Plan
from bench.report import Report
from bench.running import Program, busy_disk, until
from bench.senders import Target, messages, send_by_own, send_by_storescu, shared_out

RATE: Final = "objects/s"
CPU: Final = "CPU ms/object"
LISTED: Final = "listed/s"
_LISTED_WITHIN_S: Final = 300.0
_BUSY_MEBIBYTES: Final = 512
_BUSY_AT_MOST_S: Final = 600
_FILLED_AT_ONCE: Final = 5_000
_OTHERS: Final = ("orthanc", "storescp", "pynetdicom")


@dataclass(frozen=True, slots=True)
class Case:
    """One way of sending."""

    name: str
    associations: int
    objects: int
    large: bool
    storescu: bool = False
    busy: bool = False
    servers: tuple[str, ...] = ("yilian", *_OTHERS)


_Values = dict[tuple[str, str], dict[str, list[float]]]


def cases(plan: Plan) -> list[Case]:
    """Return what is measured."""
    made = []
    for large, count, size in (
        (True, plan.large_objects, "512 KB"),
        (False, plan.small_objects, "8 KB"),
    ):
        made.append(Case(f"{size}, 1 assoc., storescu", 1, count, large, storescu=True))
        for associations in (1, 4, 16):
            sent = count if associations == 1 else count * 3 // 2
            made.append(Case(f"{size}, {associations} assoc.", associations, sent, large))
    busy = Case(
        "512 KB, 1 assoc., busy disk",
        1,
        max(40, plan.large_objects // 3),
        large=True,
        busy=True,
        servers=("yilian", "orthanc"),
    )
    return [*made, busy]


def run(plan: Plan) -> Report:
    """Measure and judge."""
    report = Report("cstore", "C-STORE, durable", plan.form, machine.described(plan.folder))
    folder = plan.folder / "cstore"
    folder.mkdir()
    servers: list[StoreServer] = [
        County(folder),
        Orthanc(folder),
        StoreScp(folder),
        PynetdicomAE(folder),
    ]
    values: _Values = defaultdict(lambda: defaultdict(list))
    with ExitStack() as held:
        for server in servers:
            held.callback(server.stop)
            server.start()
            report.peers[server.name] = server.told
        measuring = _Measuring(plan, servers, values, report)
        measuring.warm_up()
        for turn in range(plan.rounds):
            for case in cases(plan):
                measuring.case(case, turn)
        fresh = County(folder / "empty")
        held.callback(fresh.stop)
        fresh.start()
        measuring.filled(fresh)
    for (case_name, server_name), found in values.items():
        report.add(case_name, server_name, found)
    report.conditions += _conditions(plan)
    report.verdicts += verdicts(values, plan)
    shutil.rmtree(folder, ignore_errors=True)
    return report


def _conditions(plan: Plan) -> list[str]:
    small, large = plan.small_objects, plan.large_objects
    told = f"""\
{plan.rounds} rounds, servers in turn, sync before each
{large} objects of 512 KB, {small} of 8 KB at one association, half as many more at several
sender: its own messages ready in memory, one thread; storescu (-pdu 131072, TCP_NODELAY=1)
    where it is named, from start to end of its process
{CPU}: all processes of the server, until its index lists everything; {LISTED}: until then
busy disk: another process writes {_BUSY_MEBIBYTES} MiB over and over, fdatasync every 8 MiB
"""
    return told.splitlines()


class _Measuring:
    def __init__(
        self, plan: Plan, servers: Sequence[StoreServer], values: _Values, report: Report
    ) -> None:
        self._plan = plan
        self._servers = servers
        self._values = values
        self._report = report
        self._scanners = {True: Scanner(LARGE_SIDE), False: Scanner(SMALL_SIDE)}
        self._writer = Program(
            [
                *(sys.executable, "-m", "bench.disk_writer"),
                *(str(plan.folder / "busy"), str(_BUSY_MEBIBYTES), str(_BUSY_AT_MOST_S)),
            ],
            plan.folder / "busy.log",
            folder=ROOT,
        )

    def warm_up(self) -> None:
        """Let every server do everything once, unmeasured."""
        for server in self._servers:
            for large in (True, False):
                self._send(server, Case("warm-up", 2, 40, large))

    def case(self, case: Case, turn: int) -> None:
        """Measure *case* on each server, beginning with another one each turn."""
        asked = [server for server in self._servers if server.name in case.servers]
        for number in range(len(asked)):
            self._measure(case, asked[(number + turn) % len(asked)])
        self._report.note_load()

    def filled(self, empty: StoreServer) -> None:
        """Fill Yilian, and see whether it is as fast as *empty*, which has just begun."""
        full = self._servers[0]
        few = Case("8 KB, 1 assoc., empty", 1, self._plan.small_objects, large=False)
        many = replace(few, name=filled_case(self._plan))
        self._send(empty, Case("warm-up", 2, 40, large=False))
        while (lacking := self._plan.filled_instances - full.stored()) > 0:
            self._send(full, Case("filling", 16, min(lacking, _FILLED_AT_ONCE), large=False))
        for turn in range(self._plan.rounds):
            pairs = [(few, empty), (many, full)]
            for case, server in pairs if turn % 2 else reversed(pairs):
                self._measure(case, server)
            self._report.note_load()

    def _measure(self, case: Case, server: StoreServer) -> None:
        os.sync()
        with busy_disk(self._writer if case.busy else None):
            measured = self._send(server, case)
        kept = self._values[case.name, server.name]
        for name, value in measured.items():
            kept[name].append(value)

    def _send(self, server: StoreServer, case: Case) -> Mapping[str, float]:
        objects = list(self._scanners[case.large].series(case.objects))
        target = Target(server.dicom_port, server.ae_title)
        requests = [] if case.storescu else messages(objects)
        folders = []
        if case.storescu:
            folders = [self._plan.memory / f"sent-{n}" for n in range(case.associations)]
            shared_out(objects, folders)
        all_of_them = server.stored() + case.objects
        spent, began = server.program.cpu_s(), time.perf_counter()
        if case.storescu:
            took = send_by_storescu(target, folders)
        else:
            took = send_by_own(target, requests, associations=case.associations)
        until(lambda: server.stored() >= all_of_them, _LISTED_WITHIN_S, f"{server.name} to list")
        listed_s = time.perf_counter() - began
        spent = server.program.cpu_s() - spent
        for folder in folders:
            shutil.rmtree(folder)
        return {
            RATE: case.objects / took,
            LISTED: case.objects / listed_s,
            CPU: 1000 * spent / case.objects,
        }


def filled_case(plan: Plan) -> str:
    """Return the name of the case of a filled archive."""
    return f"8 KB, 1 assoc., {plan.filled_instances // 1000} k filed"


def verdicts(values: _Values, plan: Plan) -> list[Verdict]:
    """Return what the figures say against the bars of the design."""
    made = []
    for size, orthanc, storescp in (("512 KB", 2.0, 0.8), ("8 KB", 1.5, 0.5)):
        for case in (f"{size}, 1 assoc.", f"{size}, 1 assoc., storescu"):
            ours = values[case, "yilian"]
            for other, bar in (("orthanc", orthanc), ("storescp", storescp)):
                ratio = ratios(ours[RATE], values[case, other][RATE])
                made.append(Verdict(f"{case}: rate over {other}'s", ratio, at_least=bar))
        for associations in (1, 4, 16):
            case = f"{size}, {associations} assoc."
            ratio = ratios(values[case, "yilian"][CPU], values[case, "orthanc"][CPU])
            name = f"{case}: server CPU over orthanc's"
            made.append(Verdict(name, ratio, at_most=round(1 / 3, 3)))
    busy = "512 KB, 1 assoc., busy disk"
    ratio = ratios(values[busy, "yilian"][RATE], values[busy, "orthanc"][RATE])
    made.append(Verdict(f"{busy}: rate over orthanc's", ratio, at_least=3.0))
    full, empty = values[filled_case(plan), "yilian"], values["8 KB, 1 assoc., empty", "yilian"]
    ratio = ratios(full[RATE], empty[RATE])
    made.append(Verdict(f"{filled_case(plan)}: rate over empty's", ratio, at_least=0.9))
    return made
