r"""ER7 text: separators of any choice, escapes both ways, nothing that gets out of its field."""

import string

import pytest
from hypothesis import given, strategies as st

from gateway.hl7.codec import (
    STANDARD,
    MalformedMessage,
    Segment,
    Separators,
    composed,
    escape,
    parse,
    segment_line,
    unescape,
)

HEADER = "MSH|^~\\&|HIS|QS|||20260512||ADT^A08|1|P|2.5"


def pid(line: str, header: str = HEADER) -> Segment:
    found = parse(f"{header}\r{line}").first("PID")
    assert found is not None
    return found


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n"])
def test_takes_any_line_end(end: str) -> None:
    message = parse(end.join([HEADER, "PID|1", "", "PV1||I", ""]))
    assert [one.name for one in message.segments] == ["MSH", "PID", "PV1"]


def test_counts_from_one_and_answers_with_nothing_for_what_is_not_there() -> None:
    segment = pid("PID|1||A^^^H&1.2&ISO^MR~B^^^X")
    assert segment.text(3) == "A"
    assert segment.text(3, 4, 2) == "1.2"
    assert segment.text(3, repetition=2) == "B"
    assert segment.count(3) == 2
    assert segment.text(3, repetition=3) == segment.text(3, 9) == segment.text(40) == ""
    header = parse(HEADER).header
    assert (header.text(3), header.text(9, 2), header.field(2)) == ("HIS", "A08", "^~\\&")


def test_reads_separators_of_the_senders_choice() -> None:
    segment = pid("PID*1**A#B@C!T!%X41", header="MSH*#@!%*HIS*QS***2026**ADT#A08*1*P*2.5")
    assert segment.text(3, 2) == "B"
    assert segment.text(3, repetition=2) == "C%"
    assert segment.text(3, 1, 2, repetition=2) == "X41"
    assert Separators.of_header("MSH|^~\\&#|").truncation == "#"


@pytest.mark.parametrize(
    "encoding",
    ["^^^^", "^~\\", "^~\\\\&", "^~\\&#+", "ABCD", "^~\\|", "^~ &", "", "^~\\文", "^~\x1b&"],
)
def test_refuses_encoding_characters_that_cannot_separate(encoding: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        parse(f"MSH|{encoding}|HIS|QS")
    assert refused.value.code == "wrong-encoding-characters"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no-header"),
        ("PID|1", "no-header"),
        ("MSH", "no-header"),
        (f"{HEADER}\rnot a segment", "not-a-segment"),
        (f"{HEADER}\rpid|1", "not-a-segment"),
        (f"{HEADER}\rPIDX|1", "not-a-segment"),
        (f"{HEADER}\r{HEADER}", "not-a-segment"),
        (HEADER + "\rNTE" * 5000, "too-many-segments"),
    ],
)
def test_says_why_it_is_no_message(text: str, code: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        parse(text)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("written", "means"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", "a|b^c&d~e\\f"),
        (r"one\.br\two\.sp\three", "one\ntwo three"),
        (r"\H\bold\N\ \Zlocal\x", "bold x"),
        (r"\X41\\X4243\ ", "ABC "),
        (r"\X0D\PID|", "\rPID|"),
        (r"\XE5BCA0\ ", "张 "),
        (r"\X4\ \X4G\ ", "  "),
        ("ends with \\", "ends with \\"),
        (r"half \S", "half \\S"),
    ],
)
def test_reads_escapes(written: str, means: str) -> None:
    assert unescape(written) == means


def test_reads_bytes_in_the_character_set_of_the_message() -> None:
    assert unescape("\\XD5C5\\", codec="gb18030") == "张"


@given(st.text())
def test_writes_any_text_so_that_it_stays_in_its_component(text: str) -> None:
    line = segment_line("NTE", ["1", "", composed("x", text, "y")])
    message = parse(f"{HEADER}\r{line}\rZZZ|end")
    note = message.first("NTE")
    assert note is not None
    assert [one.name for one in message.segments] == ["MSH", "NTE", "ZZZ"]
    assert (note.text(3, 1), note.text(3, 3), note.text(4)) == ("x", "y", "")


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
def test_gives_back_what_it_wrote(text: str) -> None:
    assert unescape(escape(text)) == text


def test_strips_what_would_begin_another_segment() -> None:
    assert escape("a\rPID|1\x1c\x0b") == "aPID\\F\\1"
    assert escape("a\nb") == r"a\.br\b"


@given(st.text(alphabet=string.printable + "张\x1c\x0b", max_size=300))
def test_reads_any_text_or_refuses_it(text: str) -> None:
    try:
        message = parse(f"{HEADER}\r{text}")
    except MalformedMessage:
        return
    for segment in message.segments:
        for number in range(6):
            segment.text(number, 2, 2, repetition=2)


def test_is_not_slow_where_everything_separates() -> None:
    segment = pid("PID|" + "|~^&\\" * 100_000)
    assert segment.text(50_000, 1) == ""
    assert segment.signs == STANDARD
