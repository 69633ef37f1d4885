"""STOW-RS: 300 slices of 526 KB in one request, against Orthanc's DICOMweb."""

import json
import os
import shutil
from collections import defaultdict
from contextlib import ExitStack
from typing import Final

from bench import machine
from bench.measures import Verdict, ratios
from bench.objects import LARGE_SIDE, Scanner
from bench.peers.county import County
from bench.peers.orthanc import Orthanc
from bench.plan import Plan
from bench.report import Report
from bench.running import until
from bench.web import STOW_TYPE, WebClient, stow_body

RATE: Final = "objects/s"
CPU: Final = "CPU ms/object"
_INSTANCES: Final = 300
_CASE: Final = f"STOW-RS, {_INSTANCES} x 526 KB in one request"
_LISTED_WITHIN_S: Final = 120.0


def run(plan: Plan) -> Report:
    """Measure and judge."""
    report = Report("stow", "STOW-RS", plan.form, machine.described(plan.folder))
    folder = plan.folder / "stow"
    folder.mkdir()
    servers: list[County | Orthanc] = [County(folder), Orthanc(folder)]
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    scanner = Scanner(LARGE_SIDE)
    with ExitStack() as held:
        for server in servers:
            held.callback(server.stop)
            server.start()
            report.peers[server.name] = server.told
            _store(server, scanner, 10)
        for turn in range(plan.rounds):
            for server in servers if turn % 2 else reversed(servers):
                for name, value in _store(server, scanner, _INSTANCES).items():
                    values[server.name][name].append(value)
            report.note_load()
    for name, found in values.items():
        report.add(_CASE, name, found)
    report.conditions.append(f"{plan.rounds} rounds in turn, sync before each, one connection")
    rate = ratios(values["yilian"][RATE], values["orthanc"][RATE])
    report.verdicts.append(Verdict(f"{_CASE}: rate over orthanc's", rate, at_least=3.0))
    shutil.rmtree(folder, ignore_errors=True)
    return report


def _store(server: County | Orthanc, scanner: Scanner, count: int) -> dict[str, float]:
    body = stow_body([made.part10 for made in scanner.series(count)])
    os.sync()
    before, spent = server.stored(), server.program.cpu_s()
    with WebClient(server.url, server.headers) as client:
        answer = client.post(
            "/dicom-web/studies", body, Content_Type=STOW_TYPE, Accept="application/dicom+json"
        )
    stored = len(json.loads(answer.body)["00081199"]["Value"])
    if stored != count:
        raise RuntimeError(f"{server.name} stored {stored} of {count}")
    until(lambda: server.stored() >= before + count, _LISTED_WITHIN_S, f"{server.name} to list")
    spent = server.program.cpu_s() - spent
    return {RATE: count / answer.took_s, CPU: 1000 * spent / count}
