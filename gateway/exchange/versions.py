"""Two programs of different age find a version both speak. Pure.

Either side may be updated first, and a township's box may miss an update for months. Both tell the
range they speak; the newest common version holds for that request.
"""

from collections.abc import Mapping
from typing import Final

from gateway.exchange.model import Versions
from kernel.errors import Category, PlatformError

VERSIONS: Final = Versions(oldest=1, newest=1)
"""What this program speaks."""
SINCE: Final[Mapping[str, int]] = {}
"""By kind of letter, the version that brought it; all others came with version 1."""


class NoCommonVersion(PlatformError):
    """One of the two programs is too old for the other; what waits goes on waiting."""

    code = "exchange-version"
    category = Category.CONFLICT


def agree(mine: Versions, theirs: Versions) -> int:
    """Return the newest version both speak; raises ``NoCommonVersion``."""
    newest = min(mine.newest, theirs.newest)
    if newest < max(mine.oldest, theirs.oldest):
        raise NoCommonVersion(
            f"this side speaks {mine.oldest} to {mine.newest}, "
            f"the other {theirs.oldest} to {theirs.newest}"
        )
    return newest


def carries(kind: str, agreed: int, since: Mapping[str, int] = SINCE) -> bool:
    """Tell whether letters of *kind* may travel in version *agreed*."""
    return since.get(kind, 1) <= agreed
