"""``python -m bench.line.page``: docs/reference/line.md of what bench/results has of the line."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.report import RESULTS

_PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "line.md"
_NAMES: Final = ("line", "emergency")
_INTRODUCTION: Final = """\
# The line: how soon it is there

Written by `python -m bench.line.page` of what `python -m bench --only line emergency --long` kept
in `bench/results`. Do not change it by hand. What is compared, and what makes it fair:
`bench/README.md`.
"""


def written(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of some reports, as they are kept."""
    return "\n".join(line for report in found for line in _report(report))


def _report(report: Mapping[str, Any]) -> Iterator[str]:
    machine, loads = report["machine"], report["loads"]
    yield f"## {report['title']}"
    yield ""
    yield (
        f"{report['form'].capitalize()} form; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['system']}, load average {min(loads):.1f} to {max(loads):.1f} meanwhile; "
        f"Yilian {report['peers']['yilian']['version']}."
    )
    yield ""
    yield from (f"- {condition}" for condition in report["conditions"])
    yield ""
    yield "| Case | Who | Figure | Median | Lowest | Highest |"
    yield "|---|---|---|---:|---:|---:|"
    for row in report["rows"]:
        for name, spread in row["figures"].items():
            low, median, high = (f"{spread[key]:.3g}" for key in ("low", "median", "high"))
            yield f"| {row['case']} | {row['server']} | {name} | {median} | {low} | {high} |"
    yield ""
    yield "| Bar | Found | Asked | |"
    yield "|---|---:|---|---|"
    for verdict in report["verdicts"]:
        met = "met" if verdict["met"] else "**missed**"
        found = _found(verdict["ratio"])
        yield f"| {verdict['name']} | {found} | {verdict['bar']} | {met} |"
    yield ""


def _found(ratio: Mapping[str, Any]) -> str:
    low, median, high = (f"{ratio[key]:.3g}" for key in ("low", "median", "high"))
    return median if ratio["rounds"] == 1 else f"{median} ({low} to {high})"


def main() -> int:
    """Write the page; 1 where a bar is missed."""
    found = [json.loads((RESULTS / f"{name}.json").read_text("utf-8")) for name in _NAMES]
    _PAGE.write_text(f"{_INTRODUCTION}\n{written(found)}", "utf-8")
    return 0 if all(each["met"] for report in found for each in report["verdicts"]) else 1


if __name__ == "__main__":
    sys.exit(main())
