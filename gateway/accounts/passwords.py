"""Passwords: what is good enough, and how they are kept.

Two rule sets, because GB/T 22239 (level 3) asks for composition and periodic change and OWASP ASVS
5.0 forbids both; the region chooses.
"""

import asyncio
import datetime as dt
import re
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kernel.errors import Busy, Invalid

_WAITING_MAX: Final = 64
_LENGTH_MAX: Final = 128
_UNAMBIGUOUS: Final = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_PLAIN: Final = str.maketrans("013457@$!", "oieastasi")
_RUNS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "qazwsxedcrfvtgbyhnujm",
    "!@#$%^&*()",
)
# The words behind the passwords found most often, and those a Chinese hospital adds.
_WORDS: Final = """
    password passwort passwd pass admin administrator root system manager user guest test tester
    demo default login welcome letmein changeme secret master super superman batman dragon monkey
    shadow sunshine princess football baseball iloveyou trustno access hello freedom whatever
    michael jordan jennifer charlie thomas computer internet samsung google qwerty azerty zxcvbn
    abc abcd abcde abcdef asdf asdfgh qwer qweasd qweasdzxc qazwsx woaini aini wodemima mima nihao
    zhongguo china beijing wuhan chongqing changsha xinjiang hubei hunan taobao baidu tencent
    wechat weixin alibaba woshishui buzhidao caonima laopo laogong baobei zhangwei wangwei liuwei
    lijing yisheng hushi yiyuan keshi weisheng xianyiyuan weishengyuan zhensuo yingxiang fangshe
    hospital doctor nurse clinic health patient radiology dicom pacs his lis ris yilian yilianadmin
    service oracle mysql postgres redis ubuntu debian linux windows microsoft cisco huawei
"""
_COMMON: Final = frozenset(_WORDS.split())


class PasswordRules(StrEnum):
    """Which set of rules holds."""

    MLPS3 = "mlps3"
    """At least 10 characters of 3 kinds, changed every 90 days, none of the last 5."""
    NIST = "nist"
    """At least 15 characters of any kind, never changed for its own sake."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The numbers of one set of rules."""

    length: int
    kinds: int
    valid_for: dt.timedelta | None
    history: int


RULES: Final[dict[PasswordRules, RuleSet]] = {
    PasswordRules.MLPS3: RuleSet(10, 3, dt.timedelta(days=90), 5),
    PasswordRules.NIST: RuleSet(15, 1, None, 0),
}


class WeakPassword(Invalid):
    """The password is not good enough; the detail lists the reasons: ``too-short 10, ...``."""

    code = "weak-password"


def normal(password: str) -> str:
    """Return *password* as it is hashed, the same from every keyboard (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def _kinds(password: str) -> int:
    kinds = {
        "lower"
        if char.islower()
        else "upper"
        if char.isupper()
        else "digit"
        if char.isdigit()
        else "other"
        for char in password
    }
    return len(kinds)


def _is_common(password: str, names: tuple[str, ...]) -> bool:
    """Tell whether little is left of *password* without words, names, runs and repeats."""
    lower = re.sub(r"(?:19|20)\d\d", "\0", password.lower())
    for plain in (lower, lower.translate(_PLAIN)):
        rest = plain
        for word in sorted({*_COMMON, *names}, key=len, reverse=True):
            if len(word) > 2:  # noqa: PLR2004  # shorter ones are everywhere
                rest = rest.replace(word, "\0")
        for run in _RUNS:
            for row in (run, run[::-1]):
                for size in range(len(row), 2, -1):
                    for start in range(len(row) - size + 1):
                        rest = rest.replace(row[start : start + size], "\0")
        rest = re.sub(r"(.)\1+", r"\1", rest.replace("\0", ""))
        if len(rest) < 4:  # noqa: PLR2004  # a word and a few digits is a word
            return True
    return False


def weaknesses(password: str, *, names: tuple[str, ...], rules: PasswordRules) -> tuple[str, ...]:
    """Return why *password* is not good enough, as codes; empty when it is.

    Args:
        password: as typed.
        names: the account's own names, which must not make up the password.
        rules: which set holds.
    """
    text = normal(password)
    found = []
    if len(text) < RULES[rules].length:
        found.append("too-short")
    if len(text) > _LENGTH_MAX:
        return ("too-long",)
    if _kinds(text) < RULES[rules].kinds:
        found.append("too-few-kinds")
    if _is_common(text, tuple(name.lower() for name in names if name)):
        found.append("too-common")
    return tuple(found)


def random_password() -> str:
    """Return four groups of five letters and digits no one mixes up: about 115 bits."""
    while True:
        text = "-".join("".join(secrets.choice(_UNAMBIGUOUS) for _ in range(5)) for _ in range(4))
        if not weaknesses(text, names=(), rules=PasswordRules.MLPS3):
            return text


class Hasher:
    """argon2id, at most four at a time, so that sign-ins cannot take all memory."""

    def __init__(self, *, memory_kib: int = 19_456, rounds: int = 2, at_once: int = 4) -> None:
        self._argon2 = PasswordHasher(time_cost=rounds, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobody = self._argon2.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """Return the hash to keep for *password*; raises ``Busy`` when too many wait."""
        return await self._in_thread(password, None) or ""

    async def verify(self, kept: str | None, password: str) -> bool:
        """Tell whether *kept* is of *password*, with the same work when there is nothing kept."""
        return await self._in_thread(password, kept or self._nobody) is not None and bool(kept)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=True)

    async def _in_thread(self, password: str, kept: str | None) -> str | None:
        if self._waiting >= _WAITING_MAX:
            raise Busy("too many sign-ins at once", code="sign-in-busy")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._work, normal(password), kept)
        finally:
            self._waiting -= 1

    def _work(self, password: str, kept: str | None) -> str | None:
        # Length is bounded before: argon2 reads all of it.
        password = password[:_LENGTH_MAX]
        if kept is None:
            return self._argon2.hash(password)
        try:
            self._argon2.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return None
        return kept
