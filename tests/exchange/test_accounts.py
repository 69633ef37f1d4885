"""The county's people at the township: they sign in also while the line is down."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.accounts.administration import OPERATOR, Administration, NewAccount
from gateway.accounts.model import SignInFailed
from gateway.accounts.passwords import Hasher
from gateway.accounts.service import OtherNodes, SignIns
from gateway.accounts.store import by_username
from gateway.accounts.tables import accounts
from gateway.exchange.accounts_down import publish_accounts
from gateway.exchange.accounts_here import (
    AccountOfCounty,
    CountyAccounts,
    OfflineTooLong,
    take_account,
)
from gateway.exchange.feed import read_feed, take_page
from gateway.exchange.model import Source
from gateway.exchange.tables import feed
from gateway.exchange.taking import kept_letters, retry_unknown
from kernel.identity import Institution, InstitutionKind, Role, find_institution
from tests.exchange.two_nodes import (
    GOOD,
    County,
    ShiftedClock,
    Township,
    county_in,
    township_in,
)

NEW = "Zt8qe-b4Wms-k2Hfd"
HANDLERS = {"account": take_account, "village-account": take_account}
XIGOU = Institution("xigou", "西沟村卫生室", InstitutionKind.VILLAGE, "qingshan")


async def told(county: County) -> int:
    return await county.database.write(partial(publish_accounts, at=county.clock.now()))


def sign_ins_at(node: Township, hasher: Hasher) -> SignIns:
    others = OtherNodes(guard=CountyAccounts())
    return SignIns(node.database, hasher, node.clock, chain="gateway", others=others)


@asynccontextmanager
async def both_in(
    home: Path, *, clock: ShiftedClock | None = None
) -> AsyncIterator[tuple[County, Township]]:
    """A county that has told of its accounts, and a node of qingshan that has not read yet."""
    async with county_in(home) as county:
        enrolled, key = await county.new_node()
        assert await told(county) == 1  # zhao; the others belong to houses without a node
        node_of = township_in(home, county.port, enrolled, key, handlers=HANDLERS, clock=clock)
        async with node_of as node:
            yield county, node


@pytest.fixture(name="hasher", scope="module")
def _hasher() -> Hasher:
    return Hasher(memory_kib=64, rounds=1)


async def test_the_countys_people_sign_in_at_the_township_with_the_line_down(
    tmp_path: Path, hasher: Hasher
) -> None:
    async with both_in(tmp_path) as (_, node):
        assert await node.follower.follow_once() == 1
        sign_ins = sign_ins_at(node, hasher)
        opened = await sign_ins.sign_in("zhao", GOOD, address="10.0.0.1")
        who = opened.sign_in.principal
        assert (who.institution, who.roles) == ("qingshan", frozenset({Role.TECHNICIAN}))
        with pytest.raises(SignInFailed):
            await sign_ins.sign_in("qian", GOOD, address="10.0.0.1")


async def villager(county: County, house: Institution = XIGOU) -> None:
    await county.admin.put_institution(OPERATOR, house)
    asked = NewAccount(
        "tianshui", "田水", house.code, frozenset({Role.VILLAGE_DOCTOR}), password=GOOD
    )
    await county.admin.create_account(OPERATOR, asked)


async def test_people_of_a_village_house_sign_in_at_the_township_it_belongs_to(
    tmp_path: Path, hasher: Hasher
) -> None:
    async with both_in(tmp_path) as (county, node):
        await villager(county)
        assert await told(county) == 1
        assert await told(county) == 0
        await node.follower.follow_once()
        sign_ins = sign_ins_at(node, hasher)
        who = (await sign_ins.sign_in("tianshui", GOOD, address="10.0.0.1")).sign_in.principal
        assert (who.institution, who.township) == ("xigou", "qingshan")
        assert await node.database.read(lambda conn: find_institution(conn, "xigou")) == XIGOU
        # A house of another name is the same house.
        renamed = replace(XIGOU, name="西沟中心卫生室", phone="0571-7")
        await county.admin.put_institution(OPERATOR, renamed)
        assert await told(county) == 1
        await node.follower.follow_once()
        assert await node.database.read(lambda conn: find_institution(conn, "xigou")) == renamed
        assert await node.database.read(partial(kept_letters, limit=9)) == []


async def test_people_of_another_townships_villages_do_not_come_here(tmp_path: Path) -> None:
    async with both_in(tmp_path) as (county, node):
        await villager(county, replace(XIGOU, parent="shiqiao"))
        assert await told(county) == 0
        await node.follower.follow_once()
        assert await node.database.read(lambda conn: find_institution(conn, "xigou")) is None


async def test_a_village_that_belongs_elsewhere_now_is_closed_where_it_belonged(
    tmp_path: Path, hasher: Hasher
) -> None:
    async with both_in(tmp_path) as (county, node):
        await villager(county)
        await told(county)
        await node.follower.follow_once()
        await county.admin.put_institution(OPERATOR, replace(XIGOU, parent="shiqiao"))
        assert await told(county) == 1
        assert await told(county) == 0
        await node.follower.follow_once()
        with pytest.raises(SignInFailed):
            await sign_ins_at(node, hasher).sign_in("tianshui", GOOD, address="10.0.0.1")
        # And open again, should it come back.
        await county.admin.put_institution(OPERATOR, XIGOU)
        assert await told(county) == 1
        await node.follower.follow_once()
        opened = await sign_ins_at(node, hasher).sign_in("tianshui", GOOD, address="10.0.0.1")
        assert opened.sign_in.principal.township == "qingshan"


async def test_an_older_node_keeps_a_villages_account_until_it_can_read_it(tmp_path: Path) -> None:
    async with both_in(tmp_path) as (county, node):
        await villager(county)
        await told(county)
        older = {"account": take_account}
        at = node.clock.now()
        page = await county.database.read(
            partial(read_feed, institution="qingshan", node="", after=0, protocol=1)
        )
        source = Source("county", "qingshan", at)
        refused = await node.database.write(lambda conn: take_page(conn, page, older, source))
        assert refused == 1
        assert await node.database.read(lambda conn: by_username(conn, "tianshui")) is None
        houses = {"county": "qingshan"}
        taken = await node.database.write(
            lambda conn: retry_unknown(conn, HANDLERS, houses, source)
        )
        assert taken == 1
        kept = await node.database.read(lambda conn: by_username(conn, "tianshui"))
        assert kept is not None
        assert kept.account.township == "qingshan"


async def test_what_changes_at_the_county_changes_here_and_ends_sessions(
    tmp_path: Path, hasher: Hasher
) -> None:
    async with both_in(tmp_path) as (county, node):
        await node.follower.follow_once()
        sign_ins = sign_ins_at(node, hasher)
        before = await sign_ins.sign_in("zhao", GOOD, address="10.0.0.1")
        await county.admin.set_password(OPERATOR, "zhao", NEW, must_change=False)
        await county.admin.set_roles(OPERATOR, "zhao", frozenset({Role.DOCTOR}))
        assert await told(county) == 1
        assert await told(county) == 0
        await node.follower.follow_once()
        sign_ins.forget()
        assert await sign_ins.by_session(before.secret) is None
        after = await sign_ins.sign_in("zhao", NEW, address="10.0.0.1")
        assert after.sign_in.principal.roles == frozenset({Role.DOCTOR})
        await county.admin.disable(OPERATOR, "zhao")
        await told(county)
        await node.follower.follow_once()
        with pytest.raises(SignInFailed):
            await sign_ins.sign_in("zhao", NEW, address="10.0.0.1")


async def test_thirty_days_without_the_county_are_the_end_but_a_clock_put_back_is_not(
    tmp_path: Path, hasher: Hasher
) -> None:
    clock = ShiftedClock()
    async with both_in(tmp_path, clock=clock) as (_, node):
        await node.follower.follow_once()
        sign_ins = sign_ins_at(node, hasher)
        clock.ahead = dt.timedelta(days=29, hours=23)
        await sign_ins.sign_in("zhao", GOOD, address="10.0.0.1")
        clock.ahead = dt.timedelta(days=30, minutes=1)
        with pytest.raises(OfflineTooLong) as refused:
            await sign_ins.sign_in("zhao", GOOD, address="10.0.0.1")
        assert refused.value.members["valid_days"] == 30
        heard_at = dt.datetime.fromisoformat(refused.value.members["heard_at"])
        clock.ahead = dt.timedelta(days=-365)
        opened = await sign_ins.sign_in("zhao", GOOD, address="10.0.0.1")
        # Whoever is in is told until when, and that does not move while nobody is heard.
        until = await sign_ins.good_until(opened.sign_in)
        assert until == heard_at + dt.timedelta(days=30)


async def test_the_countys_accounts_are_changed_at_the_county_only(
    tmp_path: Path, hasher: Hasher
) -> None:
    async with both_in(tmp_path) as (_, node):
        await node.follower.follow_once()
        sign_ins = sign_ins_at(node, hasher)
        opened = await sign_ins.sign_in("zhao", GOOD, address="10.0.0.1")
        admin = Administration(node.database, sign_ins, node.clock, chain="gateway")
        with pytest.raises(AccountOfCounty):
            await sign_ins.change_password(opened.secret, old=GOOD, new=NEW, address="::1")
        with pytest.raises(AccountOfCounty):
            await admin.set_password(OPERATOR, "zhao")
        with pytest.raises(AccountOfCounty):
            await admin.set_roles(OPERATOR, "zhao", frozenset({Role.DOCTOR}))


async def test_an_account_made_here_before_becomes_the_countys(
    tmp_path: Path, hasher: Hasher
) -> None:
    async with both_in(tmp_path) as (_, node):
        sign_ins = sign_ins_at(node, hasher)
        admin = Administration(node.database, sign_ins, node.clock, chain="gateway")
        for house in (
            Institution("qingshan", "q", InstitutionKind.TOWNSHIP),
            Institution("shiqiao", "s", InstitutionKind.TOWNSHIP),
        ):
            await admin.put_institution(OPERATOR, house)
        asked = NewAccount("zhao", "赵", "qingshan", frozenset({Role.DOCTOR}), password=NEW)
        made = await admin.create_account(OPERATOR, asked)
        await node.follower.follow_once()
        opened = await sign_ins.sign_in("zhao", GOOD, address="::1")
        assert opened.sign_in.principal.user_id == made.account.id


async def test_a_name_that_is_another_houses_here_is_kept_and_shown(tmp_path: Path) -> None:
    async with both_in(tmp_path) as (_, node):
        hasher = Hasher(memory_kib=64, rounds=1)
        sign_ins = sign_ins_at(node, hasher)
        admin = Administration(node.database, sign_ins, node.clock, chain="gateway")
        await admin.put_institution(OPERATOR, Institution("shiqiao", "s", InstitutionKind.TOWNSHIP))
        asked = NewAccount("zhao", "z", "shiqiao", frozenset({Role.DOCTOR}), password=NEW)
        await admin.create_account(OPERATOR, asked)
        await node.follower.follow_once()
        [kept] = await node.database.read(partial(kept_letters, limit=9))
        assert kept.code == "username-taken-here"
        hasher.close()


async def test_a_feed_holds_one_letter_for_each_account(tmp_path: Path) -> None:
    async with county_in(tmp_path) as county:
        await county.new_node()
        for name in ("a", "b", "c"):
            await county.admin.set_password(OPERATOR, "zhao", f"{NEW}{name}", must_change=False)
            await told(county)
        query = sa.select(feed.c.version)
        assert await county.database.read(lambda conn: list(conn.scalars(query))) == [3]


async def test_a_new_name_signs_nobody_out(tmp_path: Path, hasher: Hasher) -> None:
    async with both_in(tmp_path) as (county, node):
        await node.follower.follow_once()
        sign_ins = sign_ins_at(node, hasher)
        opened = await sign_ins.sign_in("zhao", GOOD, address="::1")

        def rename(conn: sa.Connection) -> None:
            conn.execute(sa.update(accounts).values(display_name="赵敏"))

        await county.database.write(rename)
        assert await told(county) == 1
        await node.follower.follow_once()
        sign_ins.forget()
        found = await sign_ins.by_session(opened.secret)
        assert found is not None
        assert found.principal.display_name == "赵敏"
