"""Enrolling from the command line, as two people on the telephone do it."""

import asyncio
import datetime as dt
import json
import stat
from pathlib import Path

import pytest

from gateway.accounts.administration import OPERATOR
from kernel.errors import Forbidden, Invalid
from kernel.settings import NodeKind, Settings
from tests.exchange.two_nodes import county_in
from yilian.cli import main
from yilian.wiring.enrolment import check_url
from yilian.wiring.homes import Home
from yilian.wiring.pairing import paired_settings, pairing_of


async def ran(*words: str) -> int:
    """Run the program as in a process of its own."""
    return await asyncio.to_thread(main, words)


async def test_a_code_pairs_a_fresh_home_and_the_settings_need_nothing_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "township"
    async with county_in(tmp_path) as county:
        code = (await county.enrolment.invite(OPERATOR, "qingshan")).code
        enrol = ("township", "enrol", code, "--county", county.url + "/", "--home", str(root))
        assert await ran(*enrol) == 0
        # The answer was lost, so somebody types it again.
        assert await ran(*enrol) == 0
        assert "青山镇卫生院 (qingshan)" in capsys.readouterr().out
        [node] = await county.enrolment.nodes()
        home = Home(root.resolve())
        pairing = pairing_of(home)
        assert pairing is not None
        assert pairing.enrolled.node == node.id
        assert node.public_key == home.public_key()
        mode = stat.S_IMODE(home.secret("enrolment.json").stat().st_mode)
        assert mode & 0o077 == 0
        settings = paired_settings(home, Settings.load(NodeKind.TOWNSHIP, environ={}))
        assert settings.node.institution == "qingshan"
        assert settings.township.county_url == county.url
        assert settings.township.county_public_key == pairing.enrolled.county_public_key


async def test_a_code_used_late_or_unknown_ends_with_the_countys_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with county_in(tmp_path) as county:
        code = (await county.enrolment.invite(OPERATOR, "qingshan")).code
        first, second = str(tmp_path / "a"), str(tmp_path / "b")
        assert await ran("township", "enrol", code, "--county", county.url, "--home", first) == 0
        assert await ran("township", "enrol", code, "--county", county.url, "--home", second) == 1
        assert "[enrol-code-used]" in capsys.readouterr().err
        late = (await county.enrolment.invite(OPERATOR, "qingshan")).code
        county.clock.ahead = dt.timedelta(days=2)
        assert await ran("township", "enrol", late, "--county", county.url, "--home", second) == 1
        assert "[enrol-code-late]" in capsys.readouterr().err
        back = await county.enrolment.invite(OPERATOR, "qingshan")
        await county.enrolment.withdraw(OPERATOR, back.id)
        words = ("township", "enrol", back.code, "--county", county.url, "--home", second)
        assert await ran(*words) == 1
        assert "[enrol-code-withdrawn]" in capsys.readouterr().err
    gone = county.url
    assert await ran("township", "enrol", late, "--county", gone, "--home", second) == 1
    told = capsys.readouterr().err
    assert "[line-down]" in told
    assert "look at the address and the line, and try again" in told


async def test_a_box_that_was_let_go_comes_back_with_a_new_code_and_nothing_else(
    tmp_path: Path,
) -> None:
    root = tmp_path / "township"
    async with county_in(tmp_path) as county:

        async def enrol_and_let_go() -> list[str]:
            code = (await county.enrolment.invite(OPERATOR, "qingshan")).code
            words = ["township", "enrol", code, "--county", county.url, "--home", str(root)]
            assert await ran(*words) == 0
            pairing = pairing_of(Home(root.resolve()))
            assert pairing is not None
            await county.enrolment.revoke(OPERATOR, pairing.enrolled.node)
            return words

        await enrol_and_let_go()
        words = await enrol_and_let_go()
        first, second = await county.enrolment.nodes()
        assert first.public_key != second.public_key
        # The code of before is used up, whatever key it comes with.
        assert await ran(*words) == 1


async def test_settings_for_another_house_are_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "township"
    home = Home.prepare(root, NodeKind.TOWNSHIP)
    home.settings_file.write_text('[node]\ninstitution = "shiqiao"\n')
    async with county_in(tmp_path) as county:
        code = (await county.enrolment.invite(OPERATOR, "qingshan")).code
        words = ("township", "enrol", code, "--county", county.url, "--home", str(root))
        assert await ran(*words) == 1
        assert "[other-institution]" in capsys.readouterr().err
        assert pairing_of(home) is None
        # The code is as good as it was, for the house it was made for.
        right = str(tmp_path / "right")
        assert await ran("township", "enrol", code, "--county", county.url, "--home", right) == 0


def test_the_county_invites_lists_and_revokes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = str(Home.prepare(tmp_path / "county", NodeKind.COUNTY).root)
    admin = ("admin", "--home", home, "--json")
    assert main([*admin, "institution", "add", "qingshan", "青山", "--kind", "township"]) == 0
    capsys.readouterr()
    assert main([*admin, "township", "invite", "qingshan"]) == 0
    invited = json.loads(capsys.readouterr().out)
    assert (invited["institution"], len(invited["code"])) == ("qingshan", 19)
    assert main([*admin, "township", "list", "--invitations"]) == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert (listed["institution"], listed["used_at"]) == ("qingshan", None)
    assert "code" not in listed
    assert (listed["id"], listed["withdrawn_at"]) == (invited["id"], None)
    assert main([*admin, "township", "withdraw", invited["id"]]) == 0
    capsys.readouterr()
    assert main([*admin, "township", "list", "--invitations"]) == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert listed["withdrawn_at"] is not None
    assert main([*admin, "township", "withdraw", "x"]) == 1
    assert "[invitation-unknown]" in capsys.readouterr().err
    assert main([*admin, "township", "list"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main([*admin, "township", "invite", "nowhere"]) == 1
    assert main([*admin, "township", "revoke", "x"]) == 1
    assert "[node-unknown]" in capsys.readouterr().err


def test_only_a_county_has_nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(Home.prepare(tmp_path / "township", NodeKind.TOWNSHIP).root)
    assert main(["admin", "--home", home, "township", "list"]) == 1
    assert "[no-such-home]" in capsys.readouterr().err


def test_a_code_crosses_no_network_in_clear_unless_that_is_meant() -> None:
    assert check_url("http://127.0.0.1:8080/", unencrypted=False) == "http://127.0.0.1:8080"
    assert check_url("http://10.0.0.1", unencrypted=True) == "http://10.0.0.1"
    with pytest.raises(Forbidden):
        check_url("http://10.0.0.1", unencrypted=False)
    with pytest.raises(Invalid):
        check_url("county.example", unencrypted=False)
