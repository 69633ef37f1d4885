"""How many uploads a door knows: those that ended never shut anybody out, nor one house another."""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway.uploads.roll import Roll, RollLimits
from gateway.uploads.tus import TusSettings
from gateway.uploads.tus_headers import TusFault
from gateway.uploads.upload_files import Owner, Upload, UploadInfo, UploadResult
from tests.uploads.test_tus_protocol import KIND, TUS, Client
from tests.uploads.tus_door import Door, FolderSink, tus_door, until

AT = dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)


@asynccontextmanager
async def small_door(home: Path, limits: RollLimits) -> AsyncIterator[tuple[Client, Door]]:
    sink = FolderSink(home / "taken")
    settings = TusSettings(reserve_bytes=0, roll=limits)
    async with (
        tus_door(home / "uploads", {"box": sink}, settings=settings) as door,
        aiohttp.ClientSession() as session,
    ):
        yield Client(session, door, sink), door


async def asked(client: Client, user: str) -> int:
    headers = TUS | {"Upload-Length": "5", "Upload-Metadata": KIND, "X-Test-User": user}
    return (await client.ask("POST", client.door.url, headers=headers)).status


async def test_what_ended_shuts_nobody_out_and_the_oldest_are_forgotten(tmp_path: Path) -> None:
    limits = RollLimits(open_max=4, open_of_institution=4, open_of_account=4, ended_max=6)
    async with small_door(tmp_path, limits) as (client, door):
        urls = []
        for number in range(20):
            url = await client.create(1)
            assert (await client.patch(url, 0, b"x")).status == 204
            urls.append(url)
            assert await door.server.wait_ended(url.rsplit("/", 1)[1], 5)
            assert len(client.sink.taken) == number + 1
        assert await asked(client, "another") == 201
        await door.server.sweep()
        answers = [(await client.ask("HEAD", url, headers=TUS)).status for url in urls]
        assert answers == [404] * 14 + [200] * 6
        left = await asyncio.to_thread(lambda: Counter(p.suffix for p in door.directory.iterdir()))
        assert left == {".info": 7, ".result": 6, ".data": 1, ".offset": 1}
    # Also those that a door finds when it begins.
    async with small_door(tmp_path, RollLimits(ended_max=2)) as (client, door):
        await until(lambda: len(list(door.directory.glob("*.result"))) == 2)


async def test_one_account_is_refused_where_another_goes_on(tmp_path: Path) -> None:
    limits = RollLimits(open_max=10, open_of_institution=5, open_of_account=3)
    async with small_door(tmp_path, limits) as (client, _):
        assert [await asked(client, "anna") for _ in range(4)] == [201, 201, 201, 429]
        assert [await asked(client, "ben") for _ in range(3)] == [201, 201, 429]


def upload(number: int, owner: Owner, *, ended: bool) -> Upload:
    info = UploadInfo(
        upload_id=f"{number:026}",
        kind="box",
        length=1,
        metadata={},
        owner=owner,
        created_at=AT,
    )
    at = AT + dt.timedelta(seconds=number)
    return Upload(info, 1, AT, UploadResult(accepted=True, at=at) if ended else None)


def owner_of(institution: str) -> Owner:
    return Owner(user_id=f"node-{institution}", institution=institution)


def test_one_house_cannot_take_all_and_all_together_have_a_bound() -> None:
    roll = Roll(RollLimits(open_max=6, open_of_institution=4, open_of_account=4))
    roll.add(upload(number, owner_of("qingshan"), ended=False) for number in range(4))
    with pytest.raises(TusFault):
        roll.check_room(owner_of("qingshan"))
    roll.check_room(owner_of("baihe"))
    roll.add(upload(number, owner_of("baihe"), ended=False) for number in (5, 6))
    with pytest.raises(TusFault):
        roll.check_room(owner_of("third"))


def test_the_oldest_of_whoever_has_most_are_forgotten() -> None:
    roll = Roll(RollLimits(ended_max=5))
    few = [upload(number, owner_of("baihe"), ended=True) for number in (1, 2)]
    roll.add(few)
    roll.add(upload(number, owner_of("qingshan"), ended=True) for number in range(10, 20))
    gone = roll.surplus()
    assert [int(one.info.upload_id) for one in gone] == [10, 11, 12, 13, 14, 15, 16]
    for one in gone:
        roll.drop(one)
    assert roll.surplus() == []
    assert sorted(int(one.info.upload_id) for one in roll) == [1, 2, 17, 18, 19]
    assert roll.of_institution("baihe") == few
    assert roll.get(few[0].info.upload_id) is few[0]


def test_as_many_files_as_a_page_lets_choose_pass_one_account() -> None:
    roll, anna = Roll(RollLimits()), owner_of("qingshan")
    for number in range(50_000):
        roll.check_room(anna)
        roll.add([upload(number, anna, ended=True)])
        if number % 1_000 == 0:
            for one in roll.surplus():
                roll.drop(one)
