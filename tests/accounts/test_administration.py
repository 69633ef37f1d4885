"""What administrators do, and what they cannot."""

import datetime as dt
from dataclasses import replace

import pytest

from gateway.accounts.administration import OPERATOR, Administration, NewAccount
from gateway.accounts.model import RolesCollide, UsernameTaken
from gateway.accounts.passwords import Hasher, WeakPassword
from gateway.accounts.service import SignIns
from kernel.audit.trail import verify
from kernel.clock import FrozenClock
from kernel.errors import Forbidden, Invalid, Missing, PlatformError
from kernel.identity import ApplicationEntity, PrincipalKind, Role
from kernel.sql.db import Database
from tests.accounts.conftest import AT, COUNTY, GOOD, TOWNSHIP, House

PEER = ApplicationEntity("CT01", "qingshan", "10.0.0.9", 104, 4, "GB18030")


def _new(username: str = "li", *roles: Role, institution: str = "county") -> NewAccount:
    return NewAccount(username, "李", institution, frozenset(roles or {Role.DOCTOR}))


async def test_the_first_start_makes_one_administrator_once(
    database: Database, hasher: Hasher
) -> None:
    sign_ins = SignIns(database, hasher, FrozenClock(AT), chain="gateway")
    admin = Administration(database, sign_ins, FrozenClock(AT), chain="gateway")
    first = await admin.first_start(COUNTY)
    assert first is not None
    assert first.account.roles == frozenset({Role.SECURITY_ADMINISTRATOR})
    assert await admin.first_start(COUNTY) is None
    opened = await sign_ins.sign_in("admin", first.password, address="127.0.0.1")
    assert opened.sign_in.password_change_due


async def test_an_account_gets_a_random_password_that_works(house: House) -> None:
    made = await house.admin.create_account(OPERATOR, _new())
    opened = await house.sign_ins.sign_in("li", made.password, address="10.0.0.1")
    assert opened.sign_in.principal.username == "li"
    assert [account.username for account in await house.admin.accounts()] == ["li", "wang"]


async def test_a_machine_has_no_password(house: House) -> None:
    asked = replace(_new("pacs"), kind=PrincipalKind.MACHINE)
    made = await house.admin.create_account(OPERATOR, asked)
    assert made.password == ""
    with pytest.raises(PlatformError):
        await house.sign_ins.sign_in("pacs", "", address="10.0.0.1")


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (_new("wang"), UsernameTaken),
        (_new("WANG"), UsernameTaken),
        (_new("no spaces"), Invalid),
        (_new("x" * 65), Invalid),
        (_new("li", institution="nowhere"), Missing),
        (_new("li", Role.SYSTEM_ADMINISTRATOR, Role.AUDIT_ADMINISTRATOR), RolesCollide),
        (_new("li", Role.SYSTEM_ADMINISTRATOR, Role.RADIOLOGIST), RolesCollide),
        (replace(_new(), password=GOOD[:5]), WeakPassword),
    ],
)
async def test_what_cannot_be_is_refused(
    house: House, asked: NewAccount, error: type[PlatformError]
) -> None:
    with pytest.raises(error):
        await house.admin.create_account(OPERATOR, asked)
    assert [account.username for account in await house.admin.accounts()] == ["wang"]


async def test_nobody_changes_their_own_rights(house: House) -> None:
    made = await house.admin.create_account(OPERATOR, _new("sec", Role.SECURITY_ADMINISTRATOR))
    me = made.account.principal()
    for act in (
        house.admin.set_roles(me, "sec", frozenset({Role.SYSTEM_ADMINISTRATOR})),
        house.admin.disable(me, "sec"),
        house.admin.set_password(me, "sec", GOOD),
    ):
        with pytest.raises(Forbidden):
            await act


async def test_peers_are_kept_changed_and_forgotten(house: House) -> None:
    await house.admin.put_peer(OPERATOR, PEER)
    await house.admin.put_peer(OPERATOR, replace(PEER, port=11112))
    assert await house.admin.peers() == [replace(PEER, port=11112)]
    await house.admin.remove_peer(OPERATOR, "CT01")
    assert await house.admin.peers() == []
    with pytest.raises(Missing):
        await house.admin.remove_peer(OPERATOR, "CT01")


@pytest.mark.parametrize(
    "peer",
    [
        replace(PEER, ae_title="A\\B"),
        replace(PEER, ae_title="SEVENTEEN-LETTERS"),
        replace(PEER, port=65536),
        replace(PEER, max_associations=0),
        replace(PEER, institution="nowhere"),
        # As a name each would let the title in from anywhere.
        replace(PEER, host="10.1.2.300"),
        replace(PEER, host="10.1.2.0/33"),
        replace(PEER, host="10.1.2"),
        replace(PEER, host="ct room"),
        replace(PEER, charset_hint="GB18303"),
        replace(PEER, charset_hint="chinese"),
    ],
)
async def test_a_wrong_peer_is_refused(house: House, peer: ApplicationEntity) -> None:
    with pytest.raises(PlatformError):
        await house.admin.put_peer(OPERATOR, peer)


@pytest.mark.parametrize(
    "peer",
    [
        replace(PEER, host=""),
        replace(PEER, host="10.20.0.0/16"),
        replace(PEER, host="fd00::5"),
        replace(PEER, host="ct-1.qingshan.example"),
        replace(PEER, host="ct_2"),
        replace(PEER, charset_hint="gbk"),
        replace(PEER, charset_hint="ISO 2022 IR 58"),
        replace(PEER, charset_hint=""),
    ],
)
async def test_a_peer_may_be_named_by_address_network_or_name(
    house: House, peer: ApplicationEntity
) -> None:
    await house.admin.put_peer(OPERATOR, peer)
    assert await house.admin.peers() == [peer]


@pytest.mark.parametrize("days", [-3, 0, 4000])
async def test_a_token_that_is_never_or_almost_always_valid_is_refused(
    house: House, days: int
) -> None:
    with pytest.raises(Invalid):
        await house.admin.create_token(
            OPERATOR, "anybody", label="x", valid_for=dt.timedelta(days=days)
        )


async def test_an_institution_never_stands_above_itself(house: House) -> None:
    with pytest.raises(Invalid):
        await house.admin.put_institution(OPERATOR, replace(COUNTY, parent="qingshan"))
    with pytest.raises(Invalid):
        await house.admin.put_institution(OPERATOR, replace(TOWNSHIP, parent="qingshan"))
    with pytest.raises(Missing):
        await house.admin.put_institution(OPERATOR, replace(TOWNSHIP, parent="nowhere"))
    assert await house.admin.institutions() == [COUNTY, TOWNSHIP]


async def test_every_act_is_in_an_unbroken_trail(house: House) -> None:
    await house.admin.put_peer(OPERATOR, PEER)
    await house.admin.create_account(OPERATOR, _new())
    assert await house.database.read(verify) == []
