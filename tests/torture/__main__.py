"""``python -m tests.torture``: try every row of the fault table, and write it down.

Runs the short form, or with ``--long`` the one of ``make torture``; prints each row as it ends and
writes docs/reference/reliability.md. Ends with 1 where a row did not hold or a control did not
notice. With ``--only`` nothing is written.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.torture.figures import Size
from tests.torture.rows import CHECKS, ROWS, Check, Row
from tests.torture.table import Checked, Outcome, Told, written

_PAGE: Final = Path(__file__).parents[2] / "docs/reference/reliability.md"


async def _tried(row: Row, size: Size, folder: Path) -> Outcome:
    began = time.monotonic()
    if absent := row.missing():
        return Outcome(row, None, 0.0, absent)
    try:
        with tempfile.TemporaryDirectory(prefix=f"{row.name}-", dir=folder) as home:
            found = await row.trial(Path(home), size)
    except Exception as exc:  # noqa: BLE001  # a row that cannot end must not hide the others
        return Outcome(row, None, time.monotonic() - began, f"failed: {_said(exc)}")
    return Outcome(row, found, time.monotonic() - began)


async def _checked(check: Check, folder: Path) -> Checked:
    if absent := check.missing():
        return Checked(check, (), absent)
    try:
        with tempfile.TemporaryDirectory(prefix="control-", dir=folder) as home:
            return Checked(check, tuple(await check.controls(Path(home))))
    except Exception as exc:  # noqa: BLE001  # as above
        return Checked(check, (), f"failed: {_said(exc)}")


def _said(exc: BaseException) -> str:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return f"{type(exc).__name__}: {exc}"[:200]


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--long", action="store_true", help="as make torture; hours")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="such as R05 R06")
    parser.add_argument("--folder", type=Path, help="where the nodes live")
    arguments = parser.parse_args()
    # What the nodes say of each fault is not what this command is asked.
    logging.getLogger().addHandler(logging.NullHandler())
    size = Size.LONG if arguments.long else Size.SHORT
    chosen = [row for row in ROWS if not arguments.only or row.name in arguments.only]
    checks = [
        check
        for check in CHECKS
        if not arguments.only or any(name in check.of for name in arguments.only)
    ]
    outcomes, checked = [], []
    for row in chosen:
        outcomes.append(asyncio.run(_tried(row, size, arguments.folder)))
        sys.stdout.write(f"{outcomes[-1]}\n")
        sys.stdout.flush()
    for check in checks:
        checked.append(asyncio.run(_checked(check, arguments.folder)))
        sys.stdout.write(f"{checked[-1]}\n")
        sys.stdout.flush()
    told = Told(size, tuple(outcomes), tuple(checked))
    if not arguments.only:
        _PAGE.write_text(written(told), "utf-8")
    return 0 if told.held else 1


if __name__ == "__main__":
    sys.exit(main())
