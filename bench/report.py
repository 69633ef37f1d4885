"""What a comparison found: printed, kept as JSON, drawn."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import machine
from bench.measures import Spread, Verdict

RESULTS: Final = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: what was measured on which server."""

    case: str
    server: str
    figures: Mapping[str, Spread]
    """By name with unit, such as ``objects/s``."""
    values: Mapping[str, Sequence[float]]
    """The same, each round by itself."""


@dataclass(slots=True)
class Report:
    """One comparison."""

    name: str
    title: str
    form: str
    machine: Mapping[str, Any]
    peers: dict[str, Mapping[str, str]] = field(default_factory=dict)
    conditions: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    curves: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)
    """By case and server: seconds, and the share (0 to 1) that had arrived."""

    def note_load(self) -> None:
        """Take down the load average of the last minute."""
        self.loads.append(round(machine.load()[0], 2))

    def add(self, case: str, server: str, values: Mapping[str, Sequence[float]]) -> None:
        """Take a row from the *values* of all rounds."""
        figures = {name: Spread.of(each) for name, each in values.items()}
        self.rows.append(Row(case, server, figures, dict(values)))

    def show(self) -> None:
        """Print it."""
        print(f"\n== {self.title} ({self.form} form)")
        print("   " + ", ".join(f"{name} {value}" for name, value in self.machine.items()))
        if self.loads:
            print(f"   load average meanwhile {min(self.loads):.1f}-{max(self.loads):.1f}")
        for name, told in self.peers.items():
            print(f"   {name}: {told['version']}; {told['settings']}")
        for condition in self.conditions:
            print(f"   {condition}")
        for row in self.rows:
            shown = "  ".join(f"{name} {figure}" for name, figure in row.figures.items())
            print(f"   {row.case:<34}{row.server:<12}{shown}")
        for verdict in self.verdicts:
            state = "met" if verdict.met else "MISSED"
            print(f"   {state:<7}{verdict.name}: {verdict.ratio} (bar {verdict.bar})")

    def keep(self, folder: Path) -> Path:
        """Write it as JSON into *folder*; returns the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        content = dataclasses.asdict(self)
        content["verdicts"] = [
            {**dataclasses.asdict(each), "bar": each.bar, "met": each.met} for each in self.verdicts
        ]
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
        return path
