"""What is good enough."""

import pytest

from gateway.accounts.model import address_range
from gateway.accounts.passwords import PasswordRules, random_password, weaknesses


@pytest.mark.parametrize(
    ("password", "found"),
    [
        ("Kf7ma-x3Tpq", ()),
        ("山高月小水落石出A7", ()),
        ("Kf7ma-x3T", ("too-short",)),
        ("kfmaxtpqwrnc", ("too-few-kinds",)),
        ("Password123!", ("too-common",)),
        ("P@ssw0rd2024", ("too-common",)),
        ("Yilian@2025!", ("too-common",)),
        ("Qwerty12345!", ("too-common",)),
        ("1qaz2wsx3EDC", ("too-common",)),
        ("Aaaaaaaaaa1!", ("too-common",)),
        ("Wangfang-2025", ("too-common",)),
        ("x" * 129, ("too-long",)),
        ("", ("too-short", "too-few-kinds", "too-common")),
    ],
)
def test_level_three_asks_for_length_kinds_and_no_common_word(
    password: str, found: tuple[str, ...]
) -> None:
    assert weaknesses(password, names=("wangfang",), rules=PasswordRules.MLPS3) == found


def test_the_other_rules_ask_for_length_only() -> None:
    assert weaknesses("purple kettle under stairs", names=(), rules=PasswordRules.NIST) == ()
    assert weaknesses("Kf7ma-x3Tpq", names=(), rules=PasswordRules.NIST) == ("too-short",)


def test_a_random_password_is_good_and_never_the_same() -> None:
    made = {random_password() for _ in range(50)}
    assert len(made) == 50
    assert all(not weaknesses(one, names=(), rules=PasswordRules.NIST) for one in made)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("10.1.2.3", "10.1.2.0/24"),
        ("::ffff:10.1.2.3", "10.1.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", ""),
        ("not an address", "not an address"),
    ],
)
def test_an_address_has_a_neighbourhood(address: str, found: str) -> None:
    assert address_range(address) == found
