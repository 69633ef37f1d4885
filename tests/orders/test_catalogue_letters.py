"""A house's catalogue stands at its township and at the county, whoever imported it."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from kernel.errors import PlatformError
from kernel.letter import Letter
from kernel.sql.db import Database
from referrals.orders.catalogue_letters import (
    Edition,
    catalogue_letters,
    edition_of,
    import_catalogue,
    take_catalogue,
    tell_untold,
)
from referrals.orders.examinations import find_examinations, replace_catalogue
from referrals.orders.model import Examination
from referrals.orders.tables import catalogue_parts
from tests.databases import open_filled
from tests.orders.desk import AT, CHEST, COUNTY, HEAD, QINGSHAN
from yilian.wiring.spellings import NameSpellings

SPELLINGS = NameSpellings()
MANY = [
    Examination(
        code=f"EX-{number}",
        name=f"{number}号检查" + "（示例）" * 12,
        modality="CT",
        body_part="HEAD",
        example=True,
    )
    for number in range(3000)
]


class Node:
    """One node's catalogue, and the letters it wrote."""

    def __init__(self, database: Database, name: str = QINGSHAN) -> None:
        self.database = database
        self.name = name
        self.posted: list[Letter] = []

    def _post(
        self, conn: sa.Connection, letters: Sequence[Letter], whose: str, at: dt.datetime
    ) -> None:
        del conn, at
        assert whose == QINGSHAN
        self.posted.extend(letters)

    async def take_in(self, rows: Sequence[Examination]) -> list[Letter]:
        """Import *rows* and return what was told of it."""
        self.posted = []
        await self.database.write(
            lambda conn: import_catalogue(
                conn, QINGSHAN, rows, SPELLINGS, node=self.name, post=self._post, at=AT
            )
        )
        return self.posted

    async def hear(self, letters: Sequence[Letter], institution: str = QINGSHAN) -> list[bool]:
        take = partial(take_catalogue, spellings=SPELLINGS, institution=institution)
        return [await self.database.write(partial(take, letter=letter)) for letter in letters]

    async def rows(self) -> list[Examination]:
        return await self.database.read(lambda conn: find_examinations(conn, QINGSHAN))

    async def edition(self) -> Edition:
        return await self.database.read(lambda conn: edition_of(conn, QINGSHAN))

    async def tell_untold(self) -> list[Letter]:
        self.posted = []
        await self.database.write(
            lambda conn: tell_untold(conn, QINGSHAN, node=self.name, post=self._post, at=AT)
        )
        return self.posted


@pytest.fixture(name="node")
def _node(database: Database) -> Node:
    return Node(database)


async def another(folder: Path, name: str) -> Node:
    return Node(await open_filled(f"sqlite:///{folder / name}.sqlite"), name)


async def test_what_a_township_imports_stands_at_the_county(node: Node, tmp_path: Path) -> None:
    township = await another(tmp_path, QINGSHAN)
    told = await township.take_in([HEAD, CHEST])
    assert await node.hear(told) == [True]
    assert await node.rows() == [HEAD, CHEST]
    # The same again, and what was before, change nothing.
    newer = await township.take_in([CHEST])
    assert await node.hear([*newer, *told, *newer]) == [True, False, False]
    assert await node.rows() == [CHEST]
    assert await node.edition() == Edition(2, QINGSHAN)
    await township.database.close()


async def test_a_large_one_goes_in_parts_that_fit_and_is_taken_whole(node: Node) -> None:
    told = await node.take_in(MANY)
    assert len(told) > 1
    assert all(len(msgspec.json.encode(letter.body)) < 192 * 1024 for letter in told)
    await node.take_in([HEAD])
    again = [replace(letter, version=3) for letter in reversed(told)]
    assert await node.hear(again) == [False] * (len(again) - 1) + [True]
    assert await node.rows() == MANY
    left = sa.select(sa.func.count()).select_from(catalogue_parts)
    assert await node.database.read(lambda conn: conn.scalar(left)) == 0


async def test_half_of_one_changes_nothing_and_the_next_whole_one_holds(node: Node) -> None:
    told = await node.take_in(MANY)
    short = await node.take_in([HEAD])
    half = [replace(letter, version=3) for letter in told[:-1]]
    assert await node.hear(half) == [False] * len(half)
    assert await node.rows() == [HEAD]
    assert await node.hear([replace(short[0], version=4)]) == [True]
    assert await node.hear([replace(told[-1], version=3)]) == [False]
    assert await node.rows() == [HEAD]


async def test_whoever_heard_the_same_shows_the_same_in_whatever_order(tmp_path: Path) -> None:
    here, there = await another(tmp_path, QINGSHAN), await another(tmp_path, COUNTY)
    told = [
        *(await here.take_in([HEAD])),
        *(await here.take_in([HEAD, CHEST])),
        *(await there.take_in([CHEST])),
        *(await there.take_in([CHEST, HEAD])),
    ]
    for number, order in enumerate(permutations(told)):
        node = await another(tmp_path, f"n{number}")
        await node.hear(order)
        # Of two second editions the later name of a node holds.
        assert await node.edition() == Edition(2, QINGSHAN)
        assert await node.rows() == [HEAD, CHEST]
        await node.database.close()
    await asyncio.gather(here.database.close(), there.database.close())


async def test_what_an_older_program_imported_is_told_once(node: Node) -> None:
    assert await node.tell_untold() == []
    await node.database.write(lambda conn: replace_catalogue(conn, QINGSHAN, [HEAD], SPELLINGS))
    (letter,) = await node.tell_untold()
    assert letter.version == 1
    assert await node.tell_untold() == []
    stands = await node.database.read(lambda conn: catalogue_letters(conn, QINGSHAN))
    assert stands == [letter]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"institution": "shiqiao"}, "other-institution"),
        ({"part": 0}, "invalid-catalogue"),
        ({"parts": 1000}, "invalid-catalogue"),
        ({"rows": [{"code": "x"}]}, "letter-invalid"),
        ({"rows": "x"}, "letter-invalid"),
        (
            {"rows": [{"code": "a b", "name": "x", "modality": "CT", "body_part": ""}]},
            "invalid-catalogue",
        ),
    ],
)
async def test_what_is_no_catalogue_of_the_house_is_refused(
    node: Node, change: dict[str, object], code: str
) -> None:
    (letter,) = await node.take_in([HEAD])
    wrong = replace(letter, version=9, body={**letter.body, **change})
    with pytest.raises(PlatformError) as refused:
        await node.hear([wrong])
    assert refused.value.code == code
    assert await node.rows() == [HEAD]
