"""One object the county cannot give holds up nothing else that comes back."""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web

from gateway.exchange import returns
from gateway.exchange.county_link import CountyAddress, CountyLink
from gateway.exchange.return_fetch import FetcherSettings, ReturnFetcher, Shelf
from gateway.exchange.return_verdict import Outcome
from gateway.exchange.returns import ObjectState, ReturnedObject, ReturnState
from kernel.dicom.codecs import InThread
from kernel.errors import Unavailable
from tests.exchange.prior_place import Place, place_in
from tests.exchange.two_nodes import ShiftedClock, until
from tests.uploads.dicom_files import ROOT, ct_slice

pytestmark = pytest.mark.timeout(90)
X, Y = f"{ROOT}.1", f"{ROOT}.2"
HOUR: Final = dt.timedelta(hours=1)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def asked_for(place: Place, number: int) -> None:
    assert place.county.desk is not None
    await place.county.desk.file(ct_slice(1, study=number))
    await place.ask(f"{ROOT}.{number}")
    while await place.node.sender.send_once():
        pass
    await place.node.follower.follow_once()


asked_for_x, asked_for_y = partial(asked_for, number=1), partial(asked_for, number=2)


async def asked_for_both(place: Place) -> list[Path]:
    """Have a study of two patients at the county, X asked for first; returns the files of X."""
    assert place.county.desk is not None
    await asked_for_x(place)
    of_x = place.county.desk.object_files()
    await asked_for_y(place)
    return of_x


def pass_time(place: Place, by: dt.timedelta) -> None:
    """Let the node's clock say that much more."""
    assert isinstance(place.node.clock, ShiftedClock)
    place.node.clock.ahead += by


async def state(place: Place, study: str) -> tuple[ReturnState, ObjectState]:
    view = await place.view(study)
    [one] = await place.node.database.read(partial(returns.objects_of, study=study))
    return view.state, one.state


async def test_what_another_patient_waits_for_comes_although_a_file_is_gone_at_the_county(
    tmp_path: Path,
) -> None:
    async with place_in(tmp_path) as place:
        for file in await asked_for_both(place):
            file.rename(file.with_suffix(".gone"))
        place.node.owner.keep("fetcher", lambda: place.fetcher.run(place.node.taken))

        async def y_is_here() -> bool:
            return (await state(place, Y))[0] is ReturnState.HERE

        await until(y_is_here)
        assert (await state(place, X))[1] is ObjectState.SET_ASIDE
        [one] = await place.node.database.read(partial(returns.objects_of, study=X))
        assert one.code == "object-missing"


async def test_control_held_against_the_line_the_first_object_stops_all_others(
    tmp_path: Path,
) -> None:
    class Waits(ReturnFetcher):
        async def _hold_against(self, one: ReturnedObject, outcome: Outcome, code: str) -> None:
            raise Unavailable("as if the line were down", code=code)

    async with place_in(tmp_path) as place:
        for file in await asked_for_both(place):
            file.rename(file.with_suffix(".gone"))
        waits = fetcher_like(place, Waits)
        for _ in range(5):
            with pytest.raises(Unavailable):
                await waits.fetch_next()
        assert (await state(place, Y))[1] is ObjectState.WAITING


async def test_a_file_that_is_gone_is_told_before_anything_of_it_leaves(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        for file in await asked_for_both(place):
            file.unlink()
        path = f"/dicom-web/studies/{X}/series/{X}.1/instances/{X}.1.1"
        headers = {"Accept": "application/dicom; transfer-syntax=*"}
        async with place.node.link.ask("GET", path, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "object-missing")


async def test_a_file_that_was_cut_short_is_told_before_anything_of_it_leaves(
    tmp_path: Path,
) -> None:
    async with place_in(tmp_path) as place:
        for file in await asked_for_both(place):
            file.write_bytes(file.read_bytes()[:-7])
        path = f"/dicom-web/studies/{X}/series/{X}.1/instances/{X}.1.1"
        headers = {"Accept": "application/dicom; transfer-syntax=*"}
        async with place.node.link.ask("GET", path, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (422, "object-damaged")
        # Asked for as it is, it is tried again some times, and then a person is told.
        await place.fetcher.fetch_next()
        assert (await state(place, X))[1] is ObjectState.WAITING
        for _ in range(3):
            await place.fetcher.fetch_next()
        assert (await state(place, X))[1] is ObjectState.SET_ASIDE


def fetcher_like(
    place: Place,
    kind: type[ReturnFetcher] = ReturnFetcher,
    *,
    chance: float = 0.0,
) -> ReturnFetcher:
    return kind(
        place.node.database,
        place.node.link,
        Shelf(place.objects, InThread()),
        place.node.line.urgent,
        share=place.share,
        clock=place.node.clock,
        settings=FetcherSettings(place.folder, "qingshan", stall_s=1.0, chance=lambda: chance),
    )


@dataclass
class TwoCounties:
    """Asks one county for the objects of X, and the real one for all else."""

    of_x: CountyLink
    real: CountyLink

    def ask(self, method: str, path: str, **more: Any) -> Any:
        link = self.of_x if path.startswith(f"/dicom-web/studies/{X}/") else self.real
        return link.ask(method, path, **more)


@asynccontextmanager
async def older_county(place: Place, fetcher: ReturnFetcher, answer: Answer) -> AsyncIterator[None]:
    """Have the objects of X answered by *answer*, as an older or a broken county might."""
    runner = web.AppRunner(web.Application())
    runner.app.router.add_get("/{any:.*}", answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    real = place.node.link
    address = CountyAddress(f"http://127.0.0.1:{runner.addresses[0][1]}")
    other = CountyLink(address, real.identity, place.node.clock)
    other._token, other._renew_s = "any", float("inf")
    fetcher._link = TwoCounties(other, real)  # type: ignore[assignment]
    try:
        yield
    finally:
        fetcher._link = real
        await other.close()
        await runner.cleanup()


async def breaks_off(request: web.Request) -> web.StreamResponse:
    """Promise an object, and give no byte of it."""
    answer = web.StreamResponse(headers={"Content-Type": "application/dicom"})
    await answer.prepare(request)
    assert request.transport is not None
    request.transport.abort()
    return answer


async def fails(request: web.Request) -> web.StreamResponse:
    return web.Response(status=500)


@pytest.mark.parametrize("answer", [breaks_off, fails])
async def test_what_the_county_fails_over_waits_apart_and_is_set_aside_once_others_came(
    tmp_path: Path, answer: Answer
) -> None:
    async with place_in(tmp_path) as place:
        await asked_for_x(place)
        fetcher = fetcher_like(place, chance=0.9)
        async with older_county(place, fetcher, answer):
            # As long as there is nothing else, nobody can say whose fault it is.
            for _ in range(5):
                assert await fetcher.fetch_next()
                assert not await fetcher.fetch_next()
                pass_time(place, HOUR)
            assert await fetcher.fetch_next()
            assert (await state(place, X))[1] is ObjectState.WAITING
            await asked_for_y(place)
            assert await fetcher.fetch_next()
            assert (await state(place, Y))[1] is ObjectState.HERE
            pass_time(place, HOUR)
            assert await fetcher.fetch_next()
            assert (await state(place, X))[1] is ObjectState.SET_ASIDE
        # What hindered it passes: it comes by itself, within a day.
        assert not await fetcher.fetch_next()
        pass_time(place, 24 * HOUR)
        assert await fetcher.fetch_next()
        assert (await state(place, X))[0] is ReturnState.HERE


async def test_a_line_that_is_down_is_held_against_no_object(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        await asked_for_x(place)
        place.line.take_down()
        for _ in range(5):
            with pytest.raises(Unavailable):
                await place.fetcher.fetch_next()
        [one] = await place.node.database.read(partial(returns.objects_of, study=X))
        assert (one.state, one.failures) == (ObjectState.WAITING, 0)
        place.line.bring_up()
        await place.fetcher.fetch_next()
        assert (await state(place, X))[0] is ReturnState.HERE


async def test_a_clock_that_is_put_back_makes_no_object_wait_longer(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        await asked_for_x(place)
        fetcher = fetcher_like(place, chance=0.9)
        async with older_county(place, fetcher, fails):
            assert await fetcher.fetch_next()
        assert not await fetcher.fetch_next()
        pass_time(place, -48 * HOUR)
        assert await fetcher.fetch_next()
        assert (await state(place, X))[0] is ReturnState.HERE
