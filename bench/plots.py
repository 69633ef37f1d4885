"""A picture of each comparison: one panel for each figure, bars with the spread of the rounds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes  # after its back end is chosen

from bench.report import Report, Row

_COLOURS: Final = {
    "yilian": "#0f766e",
    "orthanc": "#b45309",
    "orthanc, raw": "#b45309",
    "orthanc, JPEG-LS": "#4f46e5",
    "storescp": "#6b7280",
    "pynetdicom": "#4f46e5",
}
_WIDTH: Final = 0.8
_LABEL: Final = 14
"""Characters of a line below a bar: what a dozen cases leave each."""


def draw(report: Report, folder: Path) -> Path | None:
    """Draw *report* as PNG into *folder*; returns the file, None where nothing was measured."""
    names = list(dict.fromkeys(name for row in report.rows for name in row.figures))
    count = len(names) + len(report.curves)
    if not count:
        return None
    figure, panels = plt.subplots(
        count, 1, figsize=(11, 3.4 * count), squeeze=False, layout="constrained"
    )
    for case, panel in zip(report.curves, panels[:, 0], strict=False):
        _curves(panel, case, report.curves[case])
    for name, panel in zip(names, panels[len(report.curves) :, 0], strict=True):
        rows = [row for row in report.rows if name in row.figures]
        cases = list(dict.fromkeys(row.case for row in rows))
        servers = list(dict.fromkeys(row.server for row in rows))
        for number, server in enumerate(servers):
            _bars(
                panel, [r for r in rows if r.server == server], name, cases, (number, len(servers))
            )
        panel.set_xticks(range(len(cases)), [fill(case, _LABEL) for case in cases], fontsize=8)
        panel.set_ylabel(name)
        panel.grid(axis="y", alpha=0.3)
        panel.legend(fontsize=8)
    loads = f"load {min(report.loads):.1f}-{max(report.loads):.1f}" if report.loads else ""
    processor = report.machine["processor"]
    figure.suptitle(f"{report.title}\n{processor}, {report.machine['cores']} cores, {loads}")
    path = folder / f"{report.name}.png"
    figure.savefig(path, dpi=90)
    plt.close(figure)
    return path


def _curves(panel: Axes, case: str, curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for server, points in curves.items():
        panel.step(
            [at_s for at_s, _ in points],
            [100 * share for _, share in points],
            where="post",
            label=server,
            color=_COLOURS.get(server),
        )
    panel.set_title(case, fontsize=9)
    panel.set_xlabel("s")
    panel.set_ylabel("% arrived")
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)


def _bars(
    panel: Axes, rows: Sequence[Row], name: str, cases: Sequence[str], turn: tuple[int, int]
) -> None:
    number, servers = turn
    width = _WIDTH / servers
    places = [cases.index(row.case) + (number - (servers - 1) / 2) * width for row in rows]
    spreads = [row.figures[name] for row in rows]
    errors = [
        [each.median - each.low for each in spreads],
        [each.high - each.median for each in spreads],
    ]
    panel.bar(
        places,
        [each.median for each in spreads],
        width,
        yerr=errors,
        capsize=2,
        label=rows[0].server,
        color=_COLOURS.get(rows[0].server),
    )
