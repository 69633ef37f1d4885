"""Every row of the fault table in the forms in which its page has it: ``make test`` runs the short
ones of this very list, ``make torture`` the long ones.
"""

from pathlib import Path

import pytest

from tests.torture.figures import Size
from tests.torture.rows import ROWS, Row

WITHIN_S = {Size.SHORT: 240, Size.LONG: 2 * 3600}


def forms() -> list[object]:
    """Return every row in each of its forms."""
    return [
        pytest.param(
            row,
            size,
            id=f"{row.name}-{row.hop.split(':')[0].replace(' ', '-')}-{size}",
            marks=[
                pytest.mark.timeout(WITHIN_S[size]),
                pytest.mark.skipif(bool(why_not), reason=why_not),
                *([pytest.mark.torture] if size is Size.LONG else []),
            ],
        )
        for row in ROWS
        for why_not in [row.missing()]
        for size in Size
        if row.has(size)
    ]


@pytest.mark.parametrize(("row", "size"), forms())
async def test_whatever_breaks_nothing_acknowledged_is_lost_or_doubled(
    tmp_path: Path, row: Row, size: Size
) -> None:
    found = await row.trial(tmp_path, size)
    assert found.held, str(found)
