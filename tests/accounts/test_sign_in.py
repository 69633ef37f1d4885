"""Coming in and going out."""

import asyncio
import datetime as dt
import time
from dataclasses import replace

import pytest
import sqlalchemy as sa

from gateway.accounts.administration import OPERATOR
from gateway.accounts.model import SignInFailed, SignInLocked
from gateway.accounts.passwords import Hasher, WeakPassword
from gateway.accounts.service import SignIns
from gateway.accounts.tables import sessions, tokens
from kernel.audit.trail import audit_entries, verify
from kernel.errors import Unauthenticated
from kernel.identity import Role
from tests.accounts.conftest import GOOD, OTHER, House

HERE = "10.0.0.7"


async def _in(house: House, address: str = HERE) -> str:
    return (await house.sign_ins.sign_in("wang", GOOD, address=address)).secret


async def _fails(house: House, times: int, *, username: str = "wang", address: str = HERE) -> None:
    for _ in range(times):
        with pytest.raises(SignInFailed):
            await house.sign_ins.sign_in(username, "wrong", address=address)


async def test_name_and_password_open_a_session(house: House) -> None:
    opened = await house.sign_ins.sign_in(" Wang ", GOOD, address=HERE)
    found = await house.sign_ins.by_session(opened.secret)
    assert found is not None
    assert found.principal.username == "wang"
    assert found.principal.roles == frozenset({Role.RADIOLOGIST})
    assert found.csrf == opened.sign_in.csrf != ""


async def test_the_database_holds_no_secret(house: House) -> None:
    secret = await _in(house)
    made = await house.admin.create_token(OPERATOR, "wang", label="pacs")
    kept = await house.database.read(
        lambda conn: [
            *conn.scalars(sa.select(sessions.c.digest)),
            *conn.scalars(sa.select(tokens.c.digest)),
        ]
    )
    assert all(secret not in one and made.token not in one for one in kept)


@pytest.mark.parametrize(("username", "password"), [("wang", "wrong"), ("nobody", GOOD), ("", "")])
async def test_a_wrong_pair_is_refused_alike(house: House, username: str, password: str) -> None:
    with pytest.raises(SignInFailed):
        await house.sign_ins.sign_in(username, password, address=HERE)


@pytest.mark.parametrize("username", ["wang", "nobody"])
async def test_the_sixth_try_is_locked_for_the_name_from_that_range_only(
    house: House, username: str
) -> None:
    await _fails(house, 5, username=username)
    with pytest.raises(SignInLocked) as locked:
        await house.sign_ins.sign_in(username, GOOD, address="10.0.0.200")
    assert locked.value.retry_after_s == 900
    assert await _in(house, "10.0.1.7")


async def test_the_lock_opens_after_its_time(house: House) -> None:
    await _fails(house, 5)
    house.clock.advance(dt.timedelta(minutes=14, seconds=59))
    with pytest.raises(SignInLocked):
        await _in(house)
    house.clock.advance(dt.timedelta(seconds=1))
    assert await _in(house)


async def test_the_right_password_starts_the_count_anew(house: House) -> None:
    await _fails(house, 4)
    await _in(house)
    await _fails(house, 4)
    assert await _in(house)


async def test_many_tries_at_once_do_not_slip_past_the_limit(house: House) -> None:
    async def attempt() -> str:
        try:
            await house.sign_ins.sign_in("wang", "wrong", address=HERE)
        except (SignInFailed, SignInLocked) as exc:
            return exc.code
        return "in"

    codes = await asyncio.gather(*(attempt() for _ in range(20)))
    assert codes.count("sign-in-failed") == 5
    assert codes.count("sign-in-locked") == 15


async def test_an_administrator_unlocks(house: House) -> None:
    await _fails(house, 5)
    await house.admin.unlock(OPERATOR, "wang")
    assert await _in(house)


async def test_a_session_ends_after_fifteen_idle_minutes(house: House) -> None:
    secret = await _in(house)
    for _ in range(3):
        house.clock.advance(dt.timedelta(minutes=14))
        assert await house.sign_ins.by_session(secret) is not None
    house.clock.advance(dt.timedelta(minutes=15))
    assert await house.sign_ins.by_session(secret) is None


async def test_what_runs_by_itself_keeps_no_session_alive(house: House) -> None:
    secret = await _in(house)
    house.clock.advance(dt.timedelta(minutes=14))
    assert await house.sign_ins.by_session(secret, active=False) is not None
    house.clock.advance(dt.timedelta(minutes=1))
    assert await house.sign_ins.by_session(secret, active=False) is None


async def test_a_session_ends_after_twelve_hours_however_busy(house: House) -> None:
    secret = await _in(house)
    for _ in range(71):
        house.clock.advance(dt.timedelta(minutes=10))
        assert await house.sign_ins.by_session(secret) is not None
    house.clock.advance(dt.timedelta(minutes=10))
    assert await house.sign_ins.by_session(secret) is None


@pytest.mark.parametrize("event", ["sign-out", "disable", "password", "roles"])
async def test_every_session_is_dead_within_a_second_in_every_process(
    house: House, hasher: Hasher, event: str
) -> None:
    elsewhere = SignIns(house.database, hasher, house.clock, chain="worker")
    secret = await _in(house)
    assert await elsewhere.by_session(secret) is not None
    match event:
        case "sign-out":
            await house.sign_ins.sign_out(secret)
        case "disable":
            await house.admin.disable(OPERATOR, "wang")
        case "password":
            await house.admin.set_password(OPERATOR, "wang")
        case _:
            await house.admin.set_roles(OPERATOR, "wang", frozenset({Role.DOCTOR}))
    assert await house.sign_ins.by_session(secret) is None
    house.clock.advance(dt.timedelta(seconds=1))
    assert await elsewhere.by_session(secret) is None


async def test_a_closed_account_cannot_come_in_and_its_token_does_not_work(house: House) -> None:
    made = await house.admin.create_token(OPERATOR, "wang", label="pacs")
    await house.admin.disable(OPERATOR, "wang")
    with pytest.raises(SignInFailed):
        await _in(house)
    with pytest.raises(Unauthenticated):
        await house.sign_ins.by_token(made.token)
    await house.admin.enable(OPERATOR, "wang")
    assert await _in(house)


async def test_the_eleventh_session_ends_the_first(house: House) -> None:
    secrets = []
    for _ in range(11):
        secrets.append(await _in(house))
        house.clock.advance(dt.timedelta(seconds=1))
    alive = [await house.sign_ins.by_session(secret) is not None for secret in secrets]
    assert alive == [False] + [True] * 10


async def test_changing_the_password_ends_the_other_sessions_only(house: House) -> None:
    mine, other = await _in(house), await _in(house)
    await house.sign_ins.change_password(mine, old=GOOD, new=OTHER, address=HERE)
    assert await house.sign_ins.by_session(mine) is not None
    assert await house.sign_ins.by_session(other) is None
    with pytest.raises(SignInFailed):
        await _in(house)
    assert (await house.sign_ins.sign_in("wang", OTHER, address=HERE)).secret


async def test_an_old_password_cannot_come_back(house: House) -> None:
    mine = await _in(house)
    await house.sign_ins.change_password(mine, old=GOOD, new=OTHER, address=HERE)
    for again in (OTHER, GOOD):
        with pytest.raises(WeakPassword, match="used-before"):
            await house.sign_ins.change_password(mine, old=OTHER, new=again, address=HERE)


async def test_a_password_of_ninety_days_is_due(house: House) -> None:
    house.clock.advance(dt.timedelta(days=90))
    assert not (
        await house.sign_ins.sign_in("wang", GOOD, address=HERE)
    ).sign_in.password_change_due
    house.clock.advance(dt.timedelta(seconds=1))
    assert (await house.sign_ins.sign_in("wang", GOOD, address=HERE)).sign_in.password_change_due


async def test_a_token_works_until_its_end_or_until_revoked(house: House) -> None:
    made = await house.admin.create_token(
        OPERATOR, "wang", label="pacs", valid_for=dt.timedelta(hours=1)
    )
    found = await house.sign_ins.by_token(made.token)
    assert (found.by_token, found.principal.username) == (True, "wang")
    for bad in ("", "ylt_x", made.token + "x", "x" * 5000):
        with pytest.raises(Unauthenticated):
            await house.sign_ins.by_token(bad)
    house.clock.advance(dt.timedelta(hours=1))
    with pytest.raises(Unauthenticated):
        await house.sign_ins.by_token(made.token)
    lasting = await house.admin.create_token(OPERATOR, "wang", label="ris")
    assert [info.label for info in await house.admin.tokens()] == ["pacs", "ris"]
    await house.admin.revoke_token(OPERATOR, lasting.info.id)
    with pytest.raises(Unauthenticated):
        await house.sign_ins.by_token(lasting.token)


async def test_the_trail_tells_of_every_sign_in(house: House) -> None:
    secret = await _in(house)
    await _fails(house, 1)
    await house.sign_ins.sign_out(secret)
    query = sa.select(audit_entries.c.event).order_by(audit_entries.c.number.desc()).limit(3)
    events = await house.database.read(lambda conn: list(conn.scalars(query)))
    assert events == ["signed-out", "sign-in-refused", "signed-in"]
    assert await house.database.read(verify) == []


async def test_an_unknown_name_costs_as_much_as_a_wrong_password() -> None:
    hasher = Hasher()
    try:
        kept = await hasher.hash(GOOD)

        async def best_s(stored: str | None) -> float:
            times = []
            for _ in range(5):
                began = time.process_time()
                assert not await hasher.verify(stored, "wrong")
                times.append(time.process_time() - began)
            return min(times)

        unknown, known = await best_s(None), await best_s(kept)
        assert 0.5 < unknown / known < 2
    finally:
        hasher.close()


async def test_the_principal_of_an_account_is_the_same_by_every_way(house: House) -> None:
    secret = await _in(house)
    made = await house.admin.create_token(OPERATOR, "wang", label="pacs")
    by_session = await house.sign_ins.by_session(secret)
    by_token = await house.sign_ins.by_token(made.token)
    assert by_session is not None
    assert by_session.principal == replace(by_token.principal)
