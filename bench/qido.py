"""QIDO-RS: searches for studies in a filled index, against Orthanc's DICOMweb."""

import json
import random
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final
from urllib.parse import quote

from bench import machine
from bench.measures import Verdict, percentile, ratios
from bench.objects import Examined, Scanner
from bench.peers.county import INSTITUTION, ROOT, County
from bench.peers.orthanc import Orthanc
from bench.plan import Plan
from bench.report import Report
from bench.running import pause, until
from bench.senders import Target, messages, send_by_own
from bench.studies import SIDE
from bench.web import WebClient

_MEDIAN, _P95 = "median ms", "p95 ms"
_RUN: Final = 20261122
_FILLING_S: Final = 7200.0
_IDLE_WITHIN_S: Final = 600.0
_IDLE_SHARE: Final = 0.2
_LIMIT: Final = 50
_FIELDS: Final = "includefield=00081030&includefield=00080060"
_Took = dict[str, dict[str, list[float]]]


@dataclass(frozen=True, slots=True)
class _Search:
    """One kind of search: its name, and the query for one study."""

    name: str
    key: str

    def query(self, sought: Examined) -> str:
        value = {
            "PatientID": sought.patient_id,
            "AccessionNumber": sought.accession_number,
            "PatientName": f"{sought.name[:-3]}*",
            "StudyDate": sought.study_date,
        }[self.key]
        # Orthanc does not decode an encoded asterisk.
        return f"{self.key}={quote(value, safe='*^')}"


_SEARCHES: Final = (
    _Search("by PatientID", "PatientID"),
    _Search("by AccessionNumber", "AccessionNumber"),
    _Search("by begin of PatientName", "PatientName"),
    _Search("by StudyDate", "StudyDate"),
)
_ALL: Final = "all searches"


def run(plan: Plan) -> Report:
    """Measure and judge."""
    report = Report("qido", "QIDO-RS, studies", plan.form, machine.described(plan.folder))
    folder = plan.folder / "qido"
    folder.mkdir()
    county, orthanc = County(folder), Orthanc(folder)
    sizes = {"yilian": plan.qido_studies, "orthanc": plan.qido_peer_studies}
    values: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with ExitStack() as held:
        for server in (county, orthanc):
            held.callback(server.stop)
        _fill_county(county, plan.qido_studies)
        county.start()
        orthanc.start()
        _fill_orthanc(orthanc, plan.qido_peer_studies)
        _until_idle(county)
        for server in (county, orthanc):
            report.peers[server.name] = server.told
        for turn in range(plan.rounds):
            asked: Sequence[County | Orthanc] = (county, orthanc)
            for server in asked if turn % 2 else asked[::-1]:
                for name, took in _ask(server, sizes[server.name], plan.qido_asked).items():
                    kept = values[name, server.name]
                    kept[_MEDIAN].append(median(took))
                    kept[_P95].append(percentile(took, 0.95))
            report.note_load()
    for (case, name), found in values.items():
        report.add(case, name, found)
    report.conditions += [
        f"yilian {sizes['yilian']} studies, orthanc {sizes['orthanc']} studies, one instance each",
        f"{plan.rounds} rounds of {plan.qido_asked} searches of each kind, limit {_LIMIT}",
    ]
    ratio = ratios(values[_ALL, "orthanc"][_P95], values[_ALL, "yilian"][_P95])
    named = f"p95: times faster than orthanc's at {sizes['orthanc']} studies"
    report.verdicts.append(Verdict(named, ratio, at_least=1.0))
    shutil.rmtree(folder, ignore_errors=True)
    return report


def _ask(server: County | Orthanc, studies: int, times: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = defaultdict(list)
    chance = random.SystemRandom()
    with WebClient(server.url, server.headers) as client:
        for _ in range(times):
            sought = Examined.of(_RUN, chance.randrange(studies))
            for search in _SEARCHES:
                path = f"/dicom-web/studies?{search.query(sought)}&{_FIELDS}&limit={_LIMIT}"
                answer = client.get(path, Accept="application/dicom+json")
                found = json.loads(answer.body)
                names = {each["00100020"]["Value"][0] for each in found}
                if sought.patient_id not in names:
                    raise RuntimeError(f"{server.name} did not find a study {search.name}")
                took[search.name].append(1000 * answer.took_s)
                took[_ALL].append(1000 * answer.took_s)
    return took


def _fill_county(county: County, studies: int) -> None:
    county.prepare()
    subprocess.run(
        [
            *(sys.executable, "-m", "bench.studies", str(county.home)),
            *(str(studies), str(_RUN), INSTITUTION),
        ],
        cwd=ROOT,
        check=True,
        timeout=_FILLING_S,
    )


def _fill_orthanc(orthanc: Orthanc, studies: int) -> None:
    objects = Scanner(SIDE).series(studies, studies=studies, run=_RUN)
    target = Target(orthanc.dicom_port, orthanc.ae_title)
    send_by_own(target, messages(objects), associations=8)
    until(lambda: orthanc.stored() >= studies, 120.0, "orthanc to list")


def _until_idle(county: County) -> None:
    """Wait until the county has told everybody of what was filed before it started."""

    def idle() -> bool:
        spent = county.program.cpu_s()
        pause(1.0)
        return county.program.cpu_s() - spent < _IDLE_SHARE

    until(idle, _IDLE_WITHIN_S, "the county to be idle")
