"""The doctor of an enrolled node signs in at the county once, and tells apart what goes wrong."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.accounts.administration import OPERATOR
from gateway.exchange.proof import public_hex
from kernel.settings import NodeKind
from tests.exchange.two_nodes import County, ShiftedClock, county_in
from yilian.cli import main
from yilian.wiring.homes import Home
from yilian.wiring.pairing import Pairing, pair, pairing_of

DAY = dt.timedelta(days=1)


@pytest_asyncio.fixture
async def county(tmp_path: Path) -> AsyncIterator[County]:
    async with county_in(tmp_path / "county") as running:
        yield running


@pytest_asyncio.fixture
async def home(county: County, tmp_path: Path) -> Home:
    """A township that was enrolled at the county."""
    made = Home.prepare(tmp_path / "home", NodeKind.TOWNSHIP)
    await enrol(made, county, "qingshan")
    return made


async def enrol(home: Home, county: County, institution: str) -> None:
    invited = await county.enrolment.invite(OPERATOR, institution)
    told = await county.enrolment.enrol(invited.code, public_hex(home.signing_key()))
    pair(home, Pairing(county_url=county.url, enrolled=told))


async def look(home: Home, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    await asyncio.to_thread(main, ["doctor", "--home", str(home.root), "--json"])
    found = json.loads(capsys.readouterr().out)
    return {one["what"]: one for one in found if one["what"].startswith("county")}


async def test_a_node_that_the_county_knows_is_well(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    told = await look(home, capsys)
    assert {what for what, one in told.items() if one["good"]} == {"county", "county enrolment"}
    assert "qingshan" in told["county enrolment"]["found"]


async def test_a_node_that_was_let_go_is_told_to_enrol_again(
    home: Home, county: County, capsys: pytest.CaptureFixture[str]
) -> None:
    pairing = pairing_of(home)
    assert pairing is not None
    await county.enrolment.revoke(OPERATOR, pairing.enrolled.node)
    told = await look(home, capsys)
    assert told["county"]["good"]
    assert "let this node go [node-revoked]" in told["county enrolment"]["found"]
    assert "yilian township enrol CODE" in told["county enrolment"]["mend"]


async def test_a_key_that_the_county_does_not_know_is_told(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.secret("node.key").unlink()
    told = await look(home, capsys)
    assert "does not know this node or its key" in told["county enrolment"]["found"]


async def test_a_node_that_says_it_is_another_house_is_told(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.settings_file.write_text('[node]\ninstitution = "shiqiao"\n', "utf-8")
    told = (await look(home, capsys))["county enrolment"]
    assert not told["good"]
    assert "of qingshan, but here it is shiqiao" in told["found"]
    assert "node.institution" in told["mend"]


async def test_a_county_nobody_answers_for_is_no_refusal(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.settings_file.write_text('[township]\ncounty_url = "http://127.0.0.1:1"\n', "utf-8")
    told = await look(home, capsys)
    assert list(told) == ["county"]
    assert "the line is down or the address is wrong" in told["county"]["mend"]


@pytest.mark.parametrize("ahead", [DAY, -DAY])
async def test_a_wrong_clock_is_told_and_is_no_refusal(
    home: Home,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ahead: dt.timedelta,
) -> None:
    monkeypatch.setattr("yilian.commands.doctor.SystemClock", lambda: ShiftedClock(ahead))
    told = await look(home, capsys)
    assert not told["county"]["good"]
    assert "clock" in told["county"]["mend"]
    assert told["county enrolment"]["good"]
