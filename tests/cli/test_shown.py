"""What a command found, for a person and for a script."""

import datetime as dt
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from yilian.commands.shown import show

MORNING = dt.datetime(2026, 5, 7, 0, 54, 12, 345678, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    roles: frozenset[str]
    made_at: dt.datetime
    gone_at: dt.datetime | None = None


ROW = Row("lijing", frozenset({"doctor", "coordinator"}), MORNING)


@pytest.fixture(autouse=True)
def in_china(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CST-8")
        time.tzset()
        yield
    time.tzset()


def test_a_person_reads_the_time_of_the_clock_on_the_wall(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show([ROW], as_json=False)
    show({"good until": MORNING}, as_json=False)
    head, row, until = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "roles", "made_at", "gone_at"]
    assert row.split() == ["lijing", "coordinator,doctor", "2026-05-07", "08:54+08:00"]
    assert until == "good until: 2026-05-07 08:54+08:00"


def test_a_script_reads_it_whole(capsys: pytest.CaptureFixture[str]) -> None:
    show([ROW], as_json=True)
    [told] = json.loads(capsys.readouterr().out)
    assert dt.datetime.fromisoformat(told["made_at"]) == MORNING
    assert told["gone_at"] is None


def test_nothing_found_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show([], as_json=False)
    assert capsys.readouterr().out == "none\n"
