"""Every verb and act shows an example that its own parser takes, and reads --home on both sides."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from yilian.cli import main, parser
from yilian.parsers import walk

PARSERS = dict(walk(parser()))


@pytest.mark.parametrize("words", PARSERS, ids=" ".join)
def test_help_has_an_example_that_can_be_typed(words: tuple[str, ...]) -> None:
    shown = PARSERS[words].format_help()
    assert "example" in shown
    # A help text is broken into lines; an example goes on until a remark or the end.
    flat = " ".join((PARSERS[words].epilog or "").split())
    (first, *_) = re.findall(
        r"yilian [a-z].*?(?=\s\(|\syilian [a-z]|\sYILIAN_|\sexit code|$)", flat
    )
    typed = shlex.split(first)[1:]
    assert typed[0] == words[0]
    parser().parse_args(typed)


def test_the_home_is_read_before_and_after_the_act() -> None:
    for typed in (
        "admin --home H --json user list",
        "admin user list --home H --json",
        "admin user --home H list --json",
        "db --home H verify",
        "db verify --home H",
        "spool --home H --json list",
        "spool list --home H --json",
        "audit --home H verify --json",
        "admin routes check --home H --json",
    ):
        read = parser().parse_args(typed.split())
        assert read.home == Path("H"), typed
        assert getattr(read, "json", True), typed
    assert parser().parse_args(["spool", "list"]).home == Path("yilian-home")
    assert parser().parse_args(["spool", "list"]).json is False


def test_no_act_is_without_help() -> None:
    for words, each in PARSERS.items():
        for action in each._actions:
            if isinstance(action, argparse._SubParsersAction):
                told = {choice.dest for choice in action._choices_actions}
                assert told == set(action.choices), words


def test_a_word_that_is_no_verb_is_answered_with_the_verbs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["xyz"])
    told = capsys.readouterr().err
    assert "county" in told
    assert "NodeKind" not in told
