"""The fault table as a page, docs/reference/reliability.md; see ``python -m tests.torture``."""

from collections.abc import Iterator
from typing import Final

from tests.torture.figures import MIB, Size
from tests.torture.kept import Kept, KeptRow
from tests.torture.rows import CHECKS, ROWS, Row

_INTRODUCTION: Final = """\
# What breaks, and what is lost by it

Written by `python -m tests.torture`. Do not change it by hand.

Each row lets something break while images go from a modality to a township node and on to the
county, then lets the nodes go on and counts. *Acknowledged* are the instances whose sender was told
that they are safe; *lost* are those of them that are not at the county in the end with the same
data set and the same pixels, found anew from the bytes; *twice* are those that are there more than
once, counted behind the archive's filer. *Sent again* is what crossed the line more than once, and
the most after a single fault. *Load* is the load average of the minute in which a row ended: what
is counted does not depend on it, seconds do.
"""
_FORMS: Final = {
    Size.LONG: """\
## Long form

Of `make torture` and `python -m tests.torture --long`: each row once, as often as a claim needs;
where one ran fewer times, as under a cap (`--kills`), it says how many are asked.
""",
    Size.SHORT: """\
## Short form

Of `make test` and `python -m tests.torture`: some minutes.
""",
}
_CONTROLS: Final = """\
## Controls

The same trials with a safeguard taken out. Each has to find something, or the row above proves
nothing.
"""


def written(kept: Kept) -> str:
    """Return the page."""
    return "\n".join(_lines(kept)) + "\n"


def _lines(kept: Kept) -> Iterator[str]:
    yield _INTRODUCTION
    yield f"Tried on {kept.machine}."
    for size, introduction in _FORMS.items():
        yield ""
        yield introduction
        yield (
            "| Row | What breaks | Where | Runs | Acknowledged | Lost | Twice | Sent again, MiB "
            "| | Tried | Load |"
        )
        yield "|---|---|---|---:|---:|---:|---:|---:|---|---|---:|"
        for row in ROWS:
            if row.has(size):
                yield _row(row, kept.row(size, row), size)
        if left_out := [f"{row.name} {row.hop}" for row in ROWS if not row.has(size)]:
            yield ""
            yield f"Only in the long form: {'; '.join(left_out)}."
    yield ""
    yield _CONTROLS
    yield "| Row | Taken out | Acknowledged | Lost | Twice | Found |"
    yield "|---|---|---:|---:|---:|---|"
    for check in CHECKS:
        checked = kept.check(check)
        for control in checked.controls if checked else ():
            found = control.found
            losses = ("losses",) if found.lost else ()
            also = "; ".join((*losses, *found.broken)) or "nothing"
            yield (
                f"| {check.of} | {control.taken_out} | {found.acknowledged} | {found.lost} "
                f"| {found.duplicated} | {also if control.failed else '**nothing**'} |"
            )
        if checked is None or not checked.controls:
            why_not = f": {checked.why_not}" if checked else ""
            yield f"| {check.of} | not tried{why_not} | | | | |"


def _row(row: Row, kept: KeptRow | None, size: Size) -> str:
    head = f"| {row.name} | {row.what} | {row.hop} "
    if kept is None:
        return f"{head}| | | | | | not tried | | |"
    known = kept.conditions
    tried = f"{known.on:%Y-%m-%d}, {known.took_s:.0f} s | {known.load:.1f}" if known else " | "
    found = kept.found
    if found is None:
        return f"{head}| | | | | | not tried: {kept.why_not} | {tried} |"
    again = ""
    if found.resent_bytes is not None:
        again = f"{found.resent_bytes / MIB:.2f}"
    if found.worst_resent_bytes is not None:
        again += f" ({found.worst_resent_bytes / MIB:.2f})"
    capped = size is Size.LONG and found.runs < row.asked
    cap = (f"fewer than asked: {found.runs} of {row.asked}",) if capped else ()
    said = [*cap, *found.notes, *(f"**{each}**" for each in found.broken)]
    return (
        f"{head}| {found.runs} | {found.acknowledged} | {found.lost} | {found.duplicated} "
        f"| {again} | {'; '.join(said)} | {tried} |"
    )
