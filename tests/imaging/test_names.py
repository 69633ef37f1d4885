"""Names are found however they are written."""

import pytest
from hypothesis import given, strategies as st

from imaging.patients.names import (
    SUFFIX_MAX,
    NameTerm,
    TermKind,
    fold,
    fold_pattern,
    name_terms,
    suffixes,
)
from imaging.query.matching import literal_runs, matches_wildcard
from kernel.dicom.shown import name_groups

CHARACTERS = st.text("abZé^ ,.张三丰*?=-1", max_size=16)


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        pytest.param("Zhang^San", "zhang san", id="caret"),
        pytest.param("ZHANG^^SAN^", "zhang san", id="empty-components"),
        pytest.param("Müller^Jérôme", "muller jerome", id="accents"),
        pytest.param("ＺＨＡＮＧ", "zhang", id="wide-letters"),  # noqa: RUF001
        pytest.param("张^三", "张三", id="chinese"),
        pytest.param("张　三", "张三", id="chinese-with-a-wide-space"),
        pytest.param("欧阳·娜娜", "欧阳娜娜", id="chinese-with-a-dot"),
        pytest.param("ヤマダ^タロウ", "ヤマダ タロウ", id="katakana-keeps-its-marks"),
        pytest.param("がぎ", "がぎ", id="hiragana-keeps-its-marks"),
        pytest.param("STRASSE", "strasse", id="plain"),
        pytest.param("straße", "strasse", id="sharp-s"),
        pytest.param("^^", "", id="nothing"),
    ],
)
def test_folds(written: str, folded: str) -> None:
    assert fold(written) == folded


@given(st.text(max_size=30))
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(CHARACTERS)
def test_a_name_matches_itself_as_a_pattern(name: str) -> None:
    plain = name.replace("*", "").replace("?", "")
    assert matches_wildcard(fold_pattern(plain), fold(plain))


@given(CHARACTERS, CHARACTERS, CHARACTERS)
def test_a_part_of_a_name_matches_between_stars(before: str, part: str, after: str) -> None:
    name = "".join((before, part, after)).replace("*", "").replace("?", "")
    inner = fold(part.replace("*", "").replace("?", ""))
    if inner and inner in fold(name):
        assert matches_wildcard(fold_pattern(f"*{inner}*"), fold(name))


@given(CHARACTERS, CHARACTERS, st.integers(1, 3))
def test_whatever_matches_begins_a_suffix(pattern: str, name: str, shortest: int) -> None:
    folded = fold_pattern(pattern)
    if matches_wildcard(folded, fold(name)):
        for run in literal_runs(folded):
            if len(run) >= shortest:
                ends = suffixes(fold(name), shortest=shortest)
                assert any(end.startswith(run[:SUFFIX_MAX]) for end in ends)


def test_suffixes() -> None:
    assert suffixes("abc") == {"abc", "bc", "c"}
    assert suffixes("abc", shortest=3) == {"abc"}
    assert suffixes("ab", shortest=3) == frozenset()
    assert suffixes("") == frozenset()
    assert max(map(len, suffixes("x" * 100_000))) == SUFFIX_MAX


def test_groups_of_a_person_name() -> None:
    assert name_groups("Yamada^Tarou=山田^太郎=やまだ^たろう") == (
        "Yamada^Tarou",
        "山田^太郎",
        "やまだ^たろう",
    )
    assert name_groups("=张^三") == ("", "张^三", "")
    assert name_groups("Doe^^^^ ") == ("Doe", "", "")


def of_kind(terms: frozenset[NameTerm], kind: TermKind) -> set[str]:
    return {term.text for term in terms if term.kind is kind}


def test_a_name_is_found_by_every_group_word_pinyin_and_initials() -> None:
    terms = name_terms("Zhang^San=张^三丰")
    assert of_kind(terms, TermKind.WRITTEN) == {"zhang san", "张三丰"}
    assert of_kind(terms, TermKind.WORD) == {"san"}
    assert of_kind(terms, TermKind.PINYIN) == {"zhangsanfeng"}
    assert of_kind(terms, TermKind.INITIALS) == {"zsf"}


def test_a_surname_with_a_reading_of_its_own_is_found_by_both() -> None:
    terms = name_terms("曾^国藩")
    assert of_kind(terms, TermKind.PINYIN) == {"zengguofan", "cengguofan"}
    assert of_kind(terms, TermKind.INITIALS) == {"zgf", "cgf"}


def test_a_name_without_chinese_has_no_pinyin() -> None:
    assert of_kind(name_terms("Doe^John"), TermKind.PINYIN) == set()


def test_a_name_beyond_all_measure_is_cut() -> None:
    assert max(len(term.text) for term in name_terms("x" * 100_000)) == 256


@given(st.text(max_size=80))
def test_any_text_has_terms(text: str) -> None:
    for term in name_terms(text):
        assert term.text
