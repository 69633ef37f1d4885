"""The acceptor's life: places, deadlines of the store, a graceful end, memory that stays flat."""

import asyncio
import contextlib
import datetime as dt
from pathlib import Path

import psutil
import pytest

from gateway.dimse.acceptor import serve
from gateway.dimse.access import PeerTable
from gateway.dimse.reject import CALLING_AE_NOT_RECOGNIZED
from gateway.dimse.settings import AcceptorSettings
from kernel.clock import SystemClock
from kernel.identity import ApplicationEntity
from tests.dimse.doors import (
    OUR_TITLE,
    MemorySink,
    everybody,
    frozen,
    listening,
    open_door,
    rss_bytes,
    until,
)
from tests.dimse.houses import house
from tests.dimse.peers import SUCCESS, Answer, Scu, associated, connected, echo_once
from tests.dimse.samples import dataset, element
from tests.dimse.wire_bytes import (
    ABORT,
    CT,
    RELEASE_RP,
    RELEASE_RQ,
    any_store_command,
    context,
    echo_rq,
    p_data,
    pdv,
    store_command,
)

MIB = 1 << 20


async def rejected(scu: Scu, *, calling: str = "MODALITY") -> tuple[int, ...]:
    """Return result, source and reason of the A-ASSOCIATE-RJ."""
    kind, body = await scu.associate(calling=calling)
    assert kind == 3
    assert await scu.closed() == b""
    return tuple(body[1:])


async def test_associations_beyond_the_places_of_a_title_wait_for_one_to_be_free() -> None:
    peers = PeerTable(
        OUR_TITLE,
        [ApplicationEntity(ae_title="MODALITY", institution="city", max_associations=2)],
    )
    async with (
        open_door(MemorySink(), peers=peers) as door,
        associated(door.addresses[0]),
        associated(door.addresses[0]) as second,
    ):
        async with connected(door.addresses[0]) as third:
            assert await rejected(third) == (2, 3, 2)
        await second.release()
        async with associated(door.addresses[0]) as third:
            assert await third.echo() == SUCCESS


async def test_associations_beyond_the_places_of_the_house_are_rejected_for_now() -> None:
    async with (
        open_door(MemorySink(), AcceptorSettings(max_associations=1)) as door,
        associated(door.addresses[0]),
        connected(door.addresses[0]) as second,
    ):
        assert await rejected(second) == (2, 3, 1)


async def test_a_stranger_is_rejected_for_good_and_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    peers = PeerTable(OUR_TITLE, [])
    reason = CALLING_AE_NOT_RECOGNIZED
    async with open_door(MemorySink(), peers=peers) as door, connected(door.addresses[0]) as scu:
        told = await rejected(scu, calling="NEW_CT")
        assert told == (reason.result, reason.source, reason.reason)
    [line] = [record for record in caplog.records if record.message == "dimse.rejected"]
    assert vars(line)["calling_ae"] == "NEW_CT"
    assert vars(line)["called_ae"] == "YILIAN"


async def test_a_peer_that_may_not_store_is_given_no_storage_context() -> None:
    peers = PeerTable(
        OUR_TITLE,
        [ApplicationEntity(ae_title="MODALITY", institution="city", may_store=False)],
    )
    async with open_door(MemorySink(), peers=peers) as door, associated(door.addresses[0]) as scu:
        assert await scu.echo() == SUCCESS
        await scu.send(p_data(pdv(3, 3, store_command())))
        assert (await scu.closed())[0] == 7


async def test_what_is_not_served_is_answered_and_the_association_goes_on() -> None:
    find = any_store_command("2.25.1")[:12] + any_store_command("2.25.1")[12:].replace(
        bytes.fromhex("00000001020000000100"), bytes.fromhex("00000001020000002000")
    )
    async with open_door(MemorySink()) as door, associated(door.addresses[0]) as scu:
        await scu.send(p_data(pdv(3, 3, find)) + p_data(pdv(3, 2, b"a query")))
        assert await scu.answer() == Answer(0x0211, "This node does not serve this operation.")
        await scu.send(p_data(pdv(1, 3, store_command())) + p_data(pdv(1, 2, b"an image")))
        assert await scu.answer() == Answer(0x0122, "This node does not do this.")
        assert await scu.echo() == SUCCESS
        await scu.release()


async def test_a_store_without_a_data_set_is_answered_at_once() -> None:
    command = any_store_command("2.25.1").replace(
        bytes.fromhex("00000008020000000100"), bytes.fromhex("00000008020000000101")
    )
    async with open_door(MemorySink()) as door, associated(door.addresses[0]) as scu:
        await scu.send(p_data(pdv(3, 3, command)))
        assert await scu.answer() == Answer(0xC000, "The request came without an object.")
        assert await scu.echo() == SUCCESS


async def test_high_priority_is_handed_on() -> None:
    sink = MemorySink()
    async with open_door(sink) as door, associated(door.addresses[0]) as scu:
        for priority in (0, 1, 2):
            await scu.send(p_data(pdv(3, 3, any_store_command("2.25.1", priority=priority))))
            await scu.send(p_data(pdv(3, 2, b"data")))
            assert await scu.answer() == SUCCESS
    assert [kept.request.high_priority for kept in sink.kept] == [False, True, False]


async def test_messages_that_come_all_at_once_are_answered_in_order() -> None:
    sink = MemorySink()
    async with open_door(sink) as door, associated(door.addresses[0]) as scu:
        one = p_data(pdv(3, 3, store_command())) + p_data(pdv(3, 2, bytes(3000)))
        await scu.send((one + echo_rq()) * 50 + RELEASE_RQ)
        for _ in range(100):
            assert await scu.answer() == SUCCESS
        assert await scu.closed() == RELEASE_RP
    assert len(sink.kept) == 50


async def test_a_store_that_takes_too_long_is_told_to_come_again() -> None:
    sink = MemorySink()
    sink.hold_commit = asyncio.Event()
    hasty = AcceptorSettings(commit_s=0.2)
    async with open_door(sink, hasty) as door, associated(door.addresses[0], CT) as scu:
        answer = await scu.store(b"data", sop_class=CT, instance="2.25.1")
        assert answer == Answer(0xA700, "The store is not available; send it again later.")
        await scu.release()
    assert sink.open == 0


async def test_a_store_under_way_is_not_idle() -> None:
    clock = frozen()
    sink = MemorySink()
    sink.hold_commit = asyncio.Event()
    async with open_door(sink, clock=clock) as door, associated(door.addresses[0], CT) as scu:
        storing = asyncio.ensure_future(scu.store(b"data", sop_class=CT, instance="2.25.1"))
        await until(lambda: sink.committing == 1)
        clock.advance(dt.timedelta(seconds=100))
        await echo_once(door)
        sink.hold_commit.set()
        assert await storing == SUCCESS


async def test_at_the_end_an_idle_association_is_released() -> None:
    with contextlib.closing(listening()) as listener:
        door = serve(
            [listener],
            settings=AcceptorSettings(),
            peers=everybody(),
            sink=MemorySink(),
            clock=SystemClock(),
        )
        opened = await door.__aenter__()
        async with associated(opened.addresses[0]) as scu, connected(opened.addresses[0]) as mute:
            ending = asyncio.ensure_future(door.__aexit__(None, None, None))
            assert await scu.pdu() == (5, bytes(4))
            await scu.send(RELEASE_RP)
            assert await scu.closed() == b""
            assert await mute.closed() == b""
            await ending
        assert opened.occupancy.associations == 0


async def test_at_the_end_a_message_under_way_is_finished_first() -> None:
    sink = MemorySink()
    async with contextlib.AsyncExitStack() as ending:
        door = await ending.enter_async_context(open_door(sink))
        async with associated(door.addresses[0], CT) as scu:
            await scu.send(p_data(pdv(1, 3, store_command())) + p_data(pdv(1, 0, b"first")))
            await until(lambda: sink.open == 1)
            closing = asyncio.ensure_future(ending.aclose())
            await asyncio.sleep(0.01)
            await scu.send(p_data(pdv(1, 2, b"last")))
            assert await scu.answer() == SUCCESS
            assert await scu.pdu() == (5, bytes(4))
            await scu.send(RELEASE_RP)
            await closing
    assert [kept.data for kept in sink.kept] == [b"firstlast"]


async def test_at_the_end_whoever_does_not_finish_is_aborted() -> None:
    sink = MemorySink()
    async with contextlib.AsyncExitStack() as ending:
        door = await ending.enter_async_context(
            open_door(sink, AcceptorSettings(drain_s=0.2, linger_s=0.2))
        )
        async with associated(door.addresses[0], CT) as scu:
            await scu.send(p_data(pdv(1, 3, store_command())) + p_data(pdv(1, 0, b"first")))
            await until(lambda: sink.open == 1)
            await ending.aclose()
            assert await scu.closed() == ABORT
    assert sink.open == 0
    assert sink.kept == []


async def test_what_waits_in_the_backlog_is_served_by_the_next_acceptor() -> None:
    with contextlib.closing(listening()) as listener:
        settings = AcceptorSettings(linger_s=0.2)
        everything = {"peers": everybody(), "sink": MemorySink(), "clock": SystemClock()}
        async with serve([listener], settings=settings, **everything) as door:  # type: ignore[arg-type]
            address = door.addresses[0]
        async with connected(address) as scu:
            asking = asyncio.ensure_future(scu.associate([context(1, CT)]))
            async with serve([listener], settings=settings, **everything):  # type: ignore[arg-type]
                kind, _ = await asking
                assert kind == 2
                await scu.release()


async def test_an_error_inside_the_context_comes_out_as_itself() -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_door(MemorySink()):
            raise ZeroDivisionError


async def test_a_cancelled_owner_still_drains() -> None:
    sink = MemorySink()
    opened = asyncio.Event()
    addresses = []

    async def own() -> None:
        async with open_door(sink, AcceptorSettings(drain_s=0.2, linger_s=0.2)) as door:
            addresses.append(door.addresses[0])
            opened.set()
            await asyncio.Event().wait()

    owner = asyncio.ensure_future(own())
    await opened.wait()
    async with associated(addresses[0]) as scu:
        owner.cancel()
        assert (await scu.pdu())[0] == 5
        with pytest.raises(asyncio.CancelledError):
            await owner
        assert await scu.closed() == ABORT


@pytest.mark.parametrize(
    "size",
    [
        96 * MIB,
        pytest.param(
            (2 << 30) - 4096, marks=[pytest.mark.torture, pytest.mark.timeout(600)], id="2-gib"
        ),
    ],
)
async def test_a_large_object_passes_through_without_staying(tmp_path: Path, size: int) -> None:
    head = dataset() + element(0x7FE00010, "OW", b"")[:-4] + size.to_bytes(4, "little")
    piece = p_data(pdv(1, 0, bytes(120_000)))
    async with house(tmp_path) as at, associated(at.door.addresses[0], CT) as scu:
        await scu.store(dataset(), sop_class=CT, instance="2.25.990007")
        before = rss_bytes()
        most = before
        await scu.send(p_data(pdv(1, 3, any_store_command("2.25.990007"))))
        await scu.send(p_data(pdv(1, 0, head)))
        left = size
        while left > 120_000:
            await scu.send(piece)
            left -= 120_000
            if left % 30 == 0:
                most = max(most, psutil.Process().memory_info().rss)
        await scu.send(p_data(pdv(1, 2, bytes(left))))
        assert await scu.answer() == SUCCESS
        most = max(most, psutil.Process().memory_info().rss)
    assert most - before < 64 * MIB
