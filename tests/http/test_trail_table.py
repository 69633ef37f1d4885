"""The audit trail as a table: whole, masked, and harmless in a spreadsheet."""

import csv
import io

import pytest
from hypothesis import given, strategies as st

from gateway.http.trail_table import as_csv
from kernel.audit.reading import TrailLine
from kernel.audit.trail import AuditEntry, AuditEvent
from tests.http.conftest import AT, Door


def line(subject: str) -> TrailLine:
    return TrailLine(
        7, "gateway", 1, AT, "queried", 0, "u1", "li", "county", "", subject, "", "", {}, 0, None
    )


def subjects(table: bytes) -> list[str]:
    text = table.decode()
    assert text.startswith("\ufeff")
    return [row["subject"] for row in csv.DictReader(io.StringIO(text[1:], newline=""))]


@pytest.mark.parametrize(
    "said", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", " =1", "\n=1"]
)
def test_what_a_spreadsheet_would_calculate_stays_text(said: str) -> None:
    assert subjects(as_csv([line(said)])) == [f"'{said}"]


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=5))
def test_every_row_comes_out_as_one_row_with_its_words(said: list[str]) -> None:
    found = subjects(as_csv(map(line, said)))
    assert [text.removeprefix("'") for text in found] == [text.removeprefix("'") for text in said]


async def test_the_export_is_what_the_list_shows_and_stands_in_the_trail(door: Door) -> None:
    for number in range(3):
        await door.access_log.add(
            AuditEntry(
                at=AT,
                event=AuditEvent.QUERIED,
                username="=HYPERLINK(1)",
                institution="qingshan" if number else "county",
                subject=f"study:{number}",
                patient="990000199001011234",
            )
        )
    page = await door.page("aud")
    root = "/api/v1/admin/audit"
    async with page.get(f"{root}/export", params={"institution": "qingshan"}) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/csv"
        table = await answer.read()
    assert subjects(table) == ["study:2", "study:1"]
    assert b"'=HYPERLINK(1)" in table
    assert b"199001011234" not in table
    async with page.get(root, params={"event": "exported"}) as answer:
        (noted,) = (await answer.json())["items"]
    assert noted["detail"] == {"act": "export", "institution": "qingshan"}
    # A privacy officer has the rows of their own house, whatever they ask for.
    officer = await door.page("sun")
    async with officer.get(f"{root}/export", params={"institution": "qingshan"}) as answer:
        assert "study:0" in subjects(await answer.read())
