"""An examination is found by whatever people type for it."""

import pytest

from referrals.orders.examination_terms import distance, read_terms, words_of
from referrals.orders.model import Examination
from yilian.wiring.spellings import NameSpellings

SPELLINGS = NameSpellings()
ROWS = [
    Examination(code="CT-HEAD", name="头颅CT平扫", modality="CT", body_part="HEAD"),
    Examination(code="CT-CHEST", name="胸部CT平扫", modality="CT", body_part="CHEST"),
    Examination(code="DX-CHEST", name="胸部正位", modality="DX", body_part="CHEST"),
    Examination(code="DX-KNEE", name="DR左膝关节正侧位", modality="DX", body_part="KNEE"),
    Examination(code="US-HEART", name="心脏彩超", modality="US", body_part="HEART"),
    Examination(code="ECG", name="十二导联心电图", modality="ECG", body_part=""),
    Examination(code="HOLTER", name="24小时动态监测", modality="ECG", body_part=""),
    Examination(code="MR-HEAD", name="头颅MRA", modality="MR", body_part="HEAD"),
]


def found(typed: str) -> list[str]:
    words = words_of(typed, SPELLINGS)
    far = [(distance(row, read_terms(row, SPELLINGS), words), row.code) for row in ROWS]
    meant = [(at, code) for at, code in far if at is not None]
    return [code for _, code in sorted(meant, key=lambda each: each[0])]


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        ("xbct", ["CT-CHEST"]),
        ("XBCT", ["CT-CHEST"]),
        ("xbctps", ["CT-CHEST"]),
        ("ctps", ["CT-HEAD", "CT-CHEST"]),
        ("tlct", ["CT-HEAD"]),
        ("DR", ["DX-CHEST", "DX-KNEE"]),
        ("dr 胸部", ["DX-CHEST"]),
        ("DR胸部", ["DX-CHEST"]),
        ("drxb", ["DX-CHEST"]),
        ("xb dr", ["DX-CHEST"]),
        ("dx", ["DX-CHEST", "DX-KNEE"]),
        ("zxg", ["DX-KNEE"]),
        ("CT", ["CT-HEAD", "CT-CHEST"]),
        ("xdt", ["ECG", "HOLTER"]),
        ("心电图", ["HOLTER", "ECG"]),
        ("ecg", ["ECG", "HOLTER"]),
        ("平扫 胸", ["CT-CHEST"]),
        ("CT胸部", ["CT-CHEST"]),
        ("胸部", ["CT-CHEST", "DX-CHEST"]),
        ("xiongbuct", ["CT-CHEST"]),
        ("zhengwei", ["DX-CHEST"]),
        ("24", ["HOLTER"]),
        ("mra", ["MR-HEAD"]),
        ("hcx", []),
        ("cz", []),
        ("ct-chest", ["CT-CHEST"]),
        ("chest", ["CT-CHEST", "DX-CHEST"]),
        ("骨", []),
        ("iong", []),
        ("cthead x", []),
    ],
)
def test_by_part_by_initials_by_modality_in_any_order(typed: str, codes: list[str]) -> None:
    assert sorted(found(typed)) == sorted(codes)


def test_what_begins_so_comes_before_what_holds_it_farther_in() -> None:
    # DR, 动态 farther in.
    assert found("d") == ["DX-CHEST", "DX-KNEE", "ECG", "HOLTER"]
    # 正位, 正侧位 farther in; no row begins so.
    assert found("zheng") == ["DX-CHEST", "DX-KNEE"]


def test_everything_is_meant_by_nothing() -> None:
    assert found("") == [row.code for row in ROWS]
    assert found(" ，（") == [row.code for row in ROWS]
