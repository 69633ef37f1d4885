"""A rules file is read whole or refused with the line to mend."""

import pytest

from gateway.routing.engine import route
from gateway.routing.model import Destination, DestinationKind, Facts
from gateway.routing.rules_file import read_rules
from gateway.routing.toml_lines import RulesFileError
from kernel.arrival import Priority

KEYWORDS = frozenset(
    {
        "Modality",
        "BodyPartExamined",
        "StudyDescription",
        "NumberOfFrames",
        "StudyDate",
        "PatientAge",
    }
)
GOOD = """
version = 1
matching = "first"
fallback = [{ reading-list = "county" }]

[[rule]]
name = "emergency head CT"
when.Modality = "CT"
when.BodyPartExamined = ["HEAD", "BRAIN"]
when.sender.institution = "qingshan"
to = [{ reading-list = "county", priority = "emergency" }]

[[rule]]
name = "ultrasound of 2026 with many frames"
when.Modality.in = ["US"]
when.NumberOfFrames = { from = 2 }
when.StudyDate = { from = "20260101", to = "20261231" }
any = [{ StudyDescription = { like = "*腹*" } }, { StudyDescription = { present = false } }]
to = { reading-list = "city" }
"""


def facts(**values: str | tuple[str, ...]) -> Facts:
    spread = {name.replace("__", ".").replace("_", "-"): v for name, v in values.items()}
    return Facts({n: (v,) if isinstance(v, str) else v for n, v in spread.items()})


def test_the_first_rule_that_matches_decides_alone() -> None:
    rules = read_rules(GOOD, keywords=KEYWORDS)
    routed = route(
        rules, facts(Modality="CT", BodyPartExamined="head", sender__institution="qingshan")
    )
    place = Destination(DestinationKind.READING_LIST, "county", Priority.EMERGENCY)
    assert routed.destinations == (place,)
    assert routed.rules == ("emergency head CT",)
    assert [trace.reached for trace in routed.trace] == [True, False]


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        pytest.param(("上腹部彩超",), "city", id="like-matches-inside-chinese-text"),
        pytest.param((), "city", id="an-empty-description-is-not-present"),
        pytest.param(("心脏",), "county", id="neither-group-holds-so-the-fallback-decides"),
    ],
)
def test_any_group_may_hold(description: tuple[str, ...], expected: str) -> None:
    rules = read_rules(GOOD, keywords=KEYWORDS)
    study = facts(
        Modality="US", NumberOfFrames="30", StudyDate="20260505", StudyDescription=description
    )
    assert [d.name for d in route(rules, study).destinations] == [expected]


def test_all_matching_rules_add_their_destinations_once() -> None:
    rules = read_rules(
        """
matching = "all"
[[rule]]
name = "a"
when.Modality = "CT"
to = { reading-list = "county", priority = "urgent" }
[[rule]]
name = "b"
to = [{ reading-list = "county" }, { reading-list = "city" }]
""",
        keywords=KEYWORDS,
    )
    routed = route(rules, facts(Modality="CT"))
    assert routed.rules == ("a", "b")
    assert [(d.name, d.priority) for d in routed.destinations] == [
        ("county", Priority.URGENT),
        ("city", None),
    ]


def test_the_trace_says_what_was_asked_and_what_was_found() -> None:
    rules = read_rules(GOOD, keywords=KEYWORDS)
    first = route(rules, facts(Modality="MR")).trace[0]
    assert [(a.holds, a.found) for a in first.answers] == [
        (False, "MR"),
        (False, "absent"),
        (False, "absent"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param("version = 1\nmatching = = 2\n", 2, "not TOML", id="syntax"),
        pytest.param('\nmaching = "first"\n', 2, "did you mean matching", id="unknown-key"),
        pytest.param('matching = "some"\n', 1, "one of first, all", id="unknown-word"),
        pytest.param(
            '[[rule]]\nname = "x"\nwhen.Modalty = "CT"\nto = { reading-list = "c" }\n',
            3,
            "did you mean Modality",
            id="unknown-keyword",
        ),
        pytest.param(
            '[[rule]]\nname = "x"\n\nwhen.Modality = { like = 3 }\nto = { reading-list = "c" }\n',
            4,
            "a pattern is text",
            id="wrong-kind",
        ),
        pytest.param(
            '[[rule]]\nname = "x"\nwhen.StudyDate = { from = "2026", to = 3 }\n'
            'to = { reading-list = "c" }\n',
            3,
            "both numbers or both text",
            id="mixed-ends",
        ),
        pytest.param('[[rule]]\nname = "x"\n', 1, "no destination", id="no-destination"),
        pytest.param('[[rule]]\nto = { reading-list = "c" }\n', 1, "needs a name", id="no-name"),
        pytest.param(
            '[[rule]]\nname = "x"\nto = { reading-list = "c" }\n'
            '[[rule]]\nname = "x"\nto = { reading-list = "c" }\n',
            4,
            "stands above",
            id="two-of-one-name",
        ),
        pytest.param(
            '[[rule]]\nname = "x"\nto = { reading-list = "c", priority = "now" }\n',
            3,
            "priority is one of",
            id="unknown-priority",
        ),
    ],
)
def test_every_fault_names_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(RulesFileError) as caught:
        read_rules(text, keywords=KEYWORDS)
    assert caught.value.line == line
    assert says in caught.value.detail


def test_one_reading_names_every_fault() -> None:
    text = """matching = "frist"
fallbak = { reading-list = "c" }
[[destination]]
dicomweb = "moon"
url = "ftp://moon"
[[rule]]
name = "x"
when.Modaliti = "CT"
when.sender.institutoin = "qingshan"
to = { reading-list = "c", priority = "now" }
[[rule]]
when.Modality = []
to = { dicomweb = "mars" }
[[prior]]
name = "p"
"""
    with pytest.raises(RulesFileError) as caught:
        read_rules(text, keywords=KEYWORDS)
    # The server of line 13 is told of once the destinations themselves can be read.
    assert [line for line, _ in caught.value.faults] == [1, 2, 5, 8, 9, 10, 11, 12, 14]
    assert caught.value.detail.count("line ") == 9
