"""WADO-RS: metadata of a series of 300 slices, and single frames, against Orthanc's DICOMweb."""

import json
import random
import shutil
import zlib
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Final

from bench import machine
from bench.measures import Verdict, percentile, ratios
from bench.objects import LARGE_SIDE, Made, Scanner
from bench.peers.county import County
from bench.peers.orthanc import Orthanc
from bench.plan import Plan
from bench.report import Report
from bench.running import pause, until
from bench.senders import Target, messages, send_by_own
from bench.web import Answer, WebClient

_INSTANCES: Final = 300
_METADATA: Final = f"metadata, {_INSTANCES} instances"
_FRAMES: Final = "one frame of 512 KB"
_FIRST, _WARM, _PLAIN = "first ms", "warm ms", "warm, not compressed ms"
_MEDIAN, _P95 = "median ms", "p95 ms"
_LISTED_WITHIN_S: Final = 120.0
_QUIET_S: Final = 4.0
"""After the last object: who opens a study does it later than that."""
_WARM_ASKED: Final = 5
_FRAME: Final = 'multipart/related; type="application/octet-stream"'
_SHARES: Final = 4
_Values = dict[tuple[str, str], dict[str, list[float]]]


def run(plan: Plan) -> Report:
    """Measure and judge."""
    report = Report("wado", "WADO-RS", plan.form, machine.described(plan.folder))
    folder = plan.folder / "wado"
    folder.mkdir()
    servers: list[County | Orthanc] = [County(folder), Orthanc(folder)]
    values: _Values = defaultdict(lambda: defaultdict(list))
    scanner = Scanner(LARGE_SIDE)
    with ExitStack() as held:
        for server in servers:
            held.callback(server.stop)
            server.start()
            report.peers[server.name] = server.told
        for turn in range(plan.rounds):
            series = {server.name: _sent(server, scanner) for server in servers}
            pause(_QUIET_S)
            asked = servers if turn % 2 else servers[::-1]
            for server in asked:
                _metadata(server, series[server.name], values[_METADATA, server.name])
            _frames(asked, series, plan, values)
            report.note_load()
    for (case, name), found in values.items():
        report.add(case, name, found)
    report.conditions += [
        f"{plan.rounds} rounds, each with a new series sent by C-STORE; asked {_QUIET_S:g} s later",
        "metadata as a browser asks (Accept-Encoding: gzip), read to the last byte",
        f"{plan.frames_asked} frames a round in random order over one connection, in turn",
    ]
    report.verdicts += _verdicts(values)
    shutil.rmtree(folder, ignore_errors=True)
    return report


def _verdicts(values: _Values) -> list[Verdict]:
    def times_faster(case: str, figure: str, bar: float) -> Verdict:
        ratio = ratios(values[case, "orthanc"][figure], values[case, "yilian"][figure])
        return Verdict(f"{case}, {figure}: times faster than orthanc", ratio, at_least=bar)

    return [
        times_faster(_METADATA, _FIRST, 5.0),
        times_faster(_METADATA, _WARM, 10.0),
        times_faster(_FRAMES, _P95, 2.0),
    ]


def _sent(server: County | Orthanc, scanner: Scanner) -> list[Made]:
    objects = list(scanner.series(_INSTANCES))
    all_of_them = server.stored() + _INSTANCES
    target = Target(server.dicom_port, server.ae_title)
    send_by_own(target, messages(objects), associations=4)
    until(lambda: server.stored() >= all_of_them, _LISTED_WITHIN_S, f"{server.name} to list")
    return objects


def _metadata(
    server: County | Orthanc, series: Sequence[Made], kept: dict[str, list[float]]
) -> None:
    path = f"{_series_path(series[0])}/metadata"
    with WebClient(server.url, server.headers) as client:
        asked = {"Accept": "application/dicom+json", "Accept_Encoding": "gzip"}
        first = client.get(path, **asked)
        found = len(json.loads(_plain(first)))
        if found != _INSTANCES:
            raise RuntimeError(f"{server.name} told of {found} instances")
        warm = [client.get(path, **asked).took_s for _ in range(_WARM_ASKED)]
        asked["Accept_Encoding"] = "identity"
        plain = [client.get(path, **asked).took_s for _ in range(_WARM_ASKED)]
    kept[_FIRST].append(1000 * first.took_s)
    kept[_WARM].append(1000 * median(warm))
    kept[_PLAIN].append(1000 * median(plain))


def _plain(answer: Answer) -> bytes:
    coding = {name.lower(): value for name, value in answer.headers.items()}
    if coding.get("content-encoding") == "gzip":
        return zlib.decompress(answer.body, wbits=31)
    return answer.body


def _frames(
    servers: Sequence[County | Orthanc], series: dict[str, list[Made]], plan: Plan, values: _Values
) -> None:
    took: dict[str, list[float]] = defaultdict(list)
    order = random.sample(range(_INSTANCES), min(_INSTANCES, plan.frames_asked))
    clients = {each.name: WebClient(each.url, each.headers) for each in servers}
    for share in range(_SHARES):
        for server in servers:
            for number in order[share::_SHARES]:
                made = series[server.name][number]
                path = f"{_series_path(made)}/instances/{made.sop_instance_uid}/frames/1"
                answer = clients[server.name].get(path, Accept=_FRAME)
                if made.part10[-LARGE_SIDE * LARGE_SIDE * 2 :] not in answer.body:
                    raise RuntimeError(f"{server.name} gave other pixels")
                took[server.name].append(1000 * answer.took_s)
    for server in servers:
        clients[server.name].close()
        values[_FRAMES, server.name][_MEDIAN].append(median(took[server.name]))
        values[_FRAMES, server.name][_P95].append(percentile(took[server.name], 0.95))


def _series_path(made: Made) -> str:
    return f"/dicom-web/studies/{made.study_instance_uid}/series/{made.series_instance_uid}"
