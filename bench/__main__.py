"""``python -m bench``: measure, print, and keep the figures."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bench import qido, store, stow, wado
from bench.line import behind, comparison
from bench.plan import Plan, long, short
from bench.plots import draw
from bench.report import RESULTS, Report

_BENCHES: Final[Mapping[str, Callable[[Plan], Report]]] = {
    "cstore": store.run,
    "stow": stow.run,
    "wado": wado.run,
    "qido": qido.run,
    "line": comparison.run,
    "emergency": behind.run,
}
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a file system in memory, where there is one


def main() -> int:
    """Run what the command line names; returns 0 also where a bar is missed."""
    arguments = _arguments()
    names = arguments.only or list(_BENCHES)
    began = time.monotonic()
    reports = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.folder) as folder,
        tempfile.TemporaryDirectory(
            prefix="bench-", dir=_MEMORY if _MEMORY.is_dir() else arguments.folder
        ) as memory,
    ):
        make = long if arguments.long else short
        plan = make(Path(folder), Path(memory), arguments.results)
        for name in names:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            report = _BENCHES[name](plan)
            report.show()
            report.keep(plan.results)
            draw(report, plan.results)
            reports.append(report)
            shutil.rmtree(plan.memory, ignore_errors=True)
            plan.memory.mkdir()
    _summary(reports, time.monotonic() - began)
    return 0


def _summary(reports: list[Report], took_s: float) -> None:
    verdicts = [each for report in reports for each in report.verdicts]
    met = sum(each.met for each in verdicts)
    print(f"\n{met} of {len(verdicts)} bars met, {took_s:.0f} s in all")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Speed comparisons with DCMTK, Orthanc and pynetdicom on this machine.",
        epilog="example: python -m bench --only cstore --folder /srv",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(_BENCHES),
        metavar="NAME",
        help=f"of {', '.join(_BENCHES)}; all by default",
    )
    parser.add_argument("--long", action="store_true", help="sizes for a claim; over an hour")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("/var/tmp"),  # noqa: S108  # removed at the end
        help="on the disk that is measured (default: /var/tmp); 2 GB free",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="where JSON and plots go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
