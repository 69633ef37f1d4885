"""An institution's catalogue, as a file and as a list people search."""

from pathlib import Path

import pytest

from kernel.settings import NodeKind
from kernel.sql.db import Database
from referrals.orders.examination_terms import words_of
from referrals.orders.examinations import (
    CatalogueRefused,
    examination_called,
    find_examinations,
    read_catalogue,
    replace_catalogue,
)
from referrals.orders.model import Examination
from tests.orders.desk import COUNTY, HEAD, QINGSHAN, open_desk
from yilian.cli import main
from yilian.samples.orders import CATALOGUE, ORDERS
from yilian.wiring.homes import Home

ROW = """
[[examination]]
code = "EX-1"
name = "头颅CT平扫（示例）"
modality = "CT"
"""


def test_the_demos_rows_are_all_called_examples() -> None:
    rows = read_catalogue(CATALOGUE)
    assert rows
    assert all(row.example and "示例" in row.name for row in rows)
    codes = {row.code for row in rows}
    assert {sample.order.examination for day in ORDERS.values() for sample in day} <= codes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version = 1", "examination"),
        ("version = 2\nexamination = []", "version is 1"),
        ("version = 1" + ROW + ROW, "examination 2: code EX-1 stands there twice"),
        ("version = 1" + ROW + "price = 3", "price"),
        ("version = 1" + ROW.replace("EX-1", "a" * 17), "examination 1: code"),
        ("version = 1" + ROW.replace('"CT"', '"ct"'), "examination 1: modality"),
        ("version = 1" + ROW.replace("头颅CT平扫（示例）", " "), "examination 1: name"),
        ("version = 1" + ROW + 'body_part = "头"', "examination 1: body_part"),
        ("version = ", "Invalid value"),
    ],
)
def test_what_is_no_catalogue_is_refused_by_its_row(text: str, told: str) -> None:
    with pytest.raises(CatalogueRefused) as refused:
        read_catalogue(text)
    assert told in refused.value.detail


@pytest.mark.parametrize("typed", ["", "tl", "头", "toulu", "CT平", "ex-ct", "tlct", "平扫 CT"])
async def test_it_is_found_by_what_people_type(database: Database, typed: str) -> None:
    desk = await open_desk(database)
    words = words_of(typed, desk.ledger.spellings)
    found = await desk.read(lambda conn: find_examinations(conn, QINGSHAN, words))
    assert HEAD in found
    assert len(found) == (2 if typed == "" else 1)


async def test_each_house_has_its_own(database: Database) -> None:
    desk = await open_desk(database)
    row = Examination(code="X", name="骨密度", modality="BMD", body_part="")
    await database.write(
        lambda conn: replace_catalogue(conn, QINGSHAN, [row], desk.ledger.spellings)
    )
    assert await desk.read(lambda conn: find_examinations(conn, QINGSHAN)) == [row]
    assert await desk.read(lambda conn: examination_called(conn, COUNTY, HEAD.code)) == HEAD


def test_the_command_line_reads_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, file = tmp_path / "home", tmp_path / "items.toml"
    file.write_text(CATALOGUE, "utf-8")
    admin = ["admin", "--home", str(home)]
    made = ["institution", "add", QINGSHAN, "青山卫生院", "--kind", "township"]
    Home.prepare(home, NodeKind.TOWNSHIP)
    assert main([*admin, *made]) == 0
    into = ["--institution", QINGSHAN]
    assert main([*admin, "examinations", "import", str(file), *into]) == 0
    assert "9 examinations" in capsys.readouterr().out
    assert main([*admin, "examinations", "list", *into]) == 0
    assert "头颅CT平扫（示例）" in capsys.readouterr().out
    nowhere = ["examinations", "import", str(file), "--institution", "nowhere"]
    assert main([*admin, *nowhere]) == 1
    assert "no-such-institution" in capsys.readouterr().err
    file.write_text("version = 1" + ROW + ROW, "utf-8")
    assert main([*admin, "examinations", "import", str(file), *into]) == 1
    assert "stands there twice" in capsys.readouterr().err
