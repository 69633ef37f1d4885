"""``python -m tests.torture``: try rows of the fault table, and write down what they found.

Runs the short form, or with ``--long`` the one of ``make torture``; prints each row as it ends,
keeps its result beside those of the other rows, and writes docs/reference/reliability.md of all of
them. Ends with 1 where a row did not hold or a control did not notice.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Final

from tests.torture import sudden_ends, system_calls
from tests.torture.figures import Size
from tests.torture.kept import Kept, KeptCheck, KeptRow, conditions, keep
from tests.torture.rows import CHECKS, ROWS, Check, Row
from tests.torture.table import written

_PAGE: Final = Path(__file__).parents[2] / "docs/reference/reliability.md"


async def _tried(row: Row, size: Size, folder: Path | None) -> KeptRow:
    plain = partial(KeptRow, row.name, row.hop, row.what)
    began = time.monotonic()
    if absent := row.missing():
        return plain(None, absent)
    try:
        with tempfile.TemporaryDirectory(prefix=f"{row.name}-", dir=folder) as home:
            found = await row.trial(Path(home), size)
    except Exception as exc:  # noqa: BLE001  # a row that cannot end must not hide the others
        return plain(None, f"failed: {_said(exc)}", conditions(time.monotonic() - began))
    return plain(found, "", conditions(time.monotonic() - began))


async def _checked(check: Check, folder: Path | None) -> KeptCheck:
    if absent := check.missing():
        return KeptCheck(check.of, (), absent)
    try:
        with tempfile.TemporaryDirectory(prefix="control-", dir=folder) as home:
            return KeptCheck(check.of, tuple(await check.controls(Path(home))))
    except Exception as exc:  # noqa: BLE001  # as above
        return KeptCheck(check.of, (), f"failed: {_said(exc)}")


def _said(exc: BaseException) -> str:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return f"{type(exc).__name__}: {exc}"[:200]


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--long", action="store_true", help="as make torture; hours")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="such as R05 R06")
    parser.add_argument("--where", metavar="TEXT", help="only rows whose place has this in it")
    parser.add_argument("--without-controls", action="store_true", help="leave those as they are")
    parser.add_argument("--minutes", type=float, help="most for one sweep of system calls")
    parser.add_argument("--kills", type=int, help="most kills, and most power cuts, of a node")
    parser.add_argument("--folder", type=Path, help="where the nodes live")
    arguments = parser.parse_args()
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    # What the nodes say of each fault is not what this command is asked.
    logging.getLogger().addHandler(logging.NullHandler())
    system_calls.MOST_MINUTES = arguments.minutes or system_calls.MOST_MINUTES
    for counts in (sudden_ends.CUTS, sudden_ends.KILLS):
        counts[Size.LONG] = min(arguments.kills or counts[Size.LONG], counts[Size.LONG])
    size = Size.LONG if arguments.long else Size.SHORT
    names = arguments.only or [row.name for row in ROWS]
    rows = [
        row
        for row in ROWS
        if row.has(size) and row.name in names and (arguments.where or "") in row.hop
    ]
    checks = [check for check in CHECKS if any(name in check.of for name in names)]
    held = True
    for row in rows:
        outcome = asyncio.run(_tried(row, size, arguments.folder))
        held &= outcome.held
        _keep(outcome, partial(Kept.with_row, size=size, row=row, found=outcome))
    for check in [] if arguments.without_controls else checks:
        checked = asyncio.run(_checked(check, arguments.folder))
        held &= checked.held
        _keep(checked, partial(Kept.with_check, found=checked))
    return 0 if held else 1


def _keep(found: KeptRow | KeptCheck, change: "partial[Kept]") -> None:
    """Say what was found, and write it down."""
    sys.stdout.write(f"{found}\n")
    sys.stdout.flush()
    _PAGE.write_text(written(keep(change)), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
