"""What rows found is kept row by row, and the page tells all of it."""

import datetime as dt
from pathlib import Path

from tests.torture.figures import Figures, Size
from tests.torture.kept import Conditions, Kept, KeptRow, keep, key_of, read
from tests.torture.rows import ROWS
from tests.torture.table import written

ROW = ROWS[0]
FOUND = KeptRow(
    ROW.name,
    ROW.hop,
    ROW.what,
    Figures(7, 21, 0, 0, notes=("5 different calls",)),
    conditions=Conditions(dt.date(2026, 3, 1), 12.0, 1.5),
)
LOST = KeptRow(ROW.name, ROW.hop, ROW.what, Figures(7, 21, 2, 0, broken=("two lost",)))


def test_each_row_keeps_its_own_result_in_either_form(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert read(path) == Kept()
    keep(lambda kept: kept.with_row(Size.LONG, ROW, LOST), path)
    keep(lambda kept: kept.with_row(Size.SHORT, ROW, FOUND), path)
    kept = read(path)
    assert kept.row(Size.SHORT, ROW) == FOUND
    assert kept.row(Size.LONG, ROW) == LOST
    assert kept.row(Size.LONG, ROWS[1]) is None
    keep(lambda kept: kept.with_row(Size.LONG, ROW, FOUND), path)
    assert read(path).row(Size.LONG, ROW) == FOUND


def test_the_page_tells_what_held_what_did_not_and_what_was_never_tried() -> None:
    page = written(Kept().with_row(Size.LONG, ROW, LOST).with_row(Size.SHORT, ROW, FOUND))
    assert "| 7 | 21 | 2 | 0 |  | **two lost** |" in page
    assert "| 7 | 21 | 0 | 0 |  | 5 different calls | 2026-03-01, 12 s | 1.5 |" in page
    assert page.count("not tried") > len(ROWS)


def test_the_page_says_where_a_cap_ended_a_row_and_how_many_are_asked() -> None:
    row = next(row for row in ROWS if row.asked)
    for runs, said in ((150, True), (row.asked, False)):
        found = KeptRow(row.name, row.hop, row.what, Figures(runs, 900, 0, 0))
        page = written(Kept().with_row(Size.LONG, row, found).with_row(Size.SHORT, row, found))
        assert page.count(f"fewer than asked: 150 of {row.asked}") == said


def test_the_page_has_no_short_form_of_what_make_test_does_not_try() -> None:
    _, _, short = written(Kept()).partition("## Short form")
    for row in ROWS:
        assert (f"| {row.name} | {row.what} | {row.hop} |" in short) == row.has(Size.SHORT)


def test_no_two_rows_share_a_place() -> None:
    assert len({key_of(row) for row in ROWS}) == len(ROWS)
