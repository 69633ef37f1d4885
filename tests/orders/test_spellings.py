"""A name in pinyin, as a worklist and a page in English show it."""

import pytest

from yilian.wiring.spellings import NameSpellings


@pytest.mark.parametrize(
    ("name", "romanised"),
    [
        ("王海", "Wang Hai"),
        ("欧阳若兰", "Ouyang Ruolan"),
        ("呼延灼", "Huyan Zhuo"),
        ("独孤信", "Dugu Xin"),
        ("单雄信", "Shan Xiongxin"),
    ],
)
def test_a_family_name_comes_first_and_whole_in_its_reading_as_a_surname(
    name: str, romanised: str
) -> None:
    assert NameSpellings().romanised(name) == romanised
