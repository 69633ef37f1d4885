"""``StoreClient`` as those with objects use it: each is told of once, memory stays flat."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import pytest

from gateway.dimse.outgoing import Peer
from gateway.dimse.outgoing_association import CallTimes
from gateway.dimse.ports import Incoming, StoreOutcome, StoreRequest
from gateway.dimse.store_client import StoreClient
from gateway.dimse.storing import Outcome, SendableObject
from kernel.dicom.status import Status
from kernel.errors import StorageFull, Unavailable
from kernel.identifiers import AETitle
from tests.dimse.doors import OUR_TITLE, MemorySink, open_door, rss_bytes, until
from tests.dimse.wire_bytes import CT, EXPLICIT_LE, IMPLICIT_LE, RELEASE_RQ

MIB = 1 << 20
QUICK = CallTimes(connect_s=5, associate_s=2, write_s=5, response_s=2, release_s=2)


@dataclass
class Made:
    """An object of *pieces* times *piece*; fails after *breaks_after* of them."""

    number: int
    piece: bytes = bytes(1000)
    count: int = 3
    breaks_after: int = -1
    forms: tuple[str, ...] = (EXPLICIT_LE,)
    sop_class_uid: str = CT

    @property
    def sop_instance_uid(self) -> str:
        return f"2.25.99{self.number}"

    async def pieces(self, transfer_syntax_uid: str) -> AsyncGenerator[bytes, None]:
        assert transfer_syntax_uid in self.forms
        for number in range(self.count):
            if number == self.breaks_after:
                raise Unavailable("the disk fails")
            yield self.piece


def peer_at(address: tuple[str, int]) -> Peer:
    return Peer(*address, OUR_TITLE, AETitle("SENDER"))


async def sent(
    address: tuple[str, int], objects: Sequence[SendableObject], *, times: CallTimes = QUICK
) -> list[tuple[str, Outcome]]:
    told: list[tuple[str, Outcome]] = []

    async def note(one: SendableObject, outcome: Outcome) -> None:
        told.append((one.sop_instance_uid.removeprefix("2.25.99"), outcome))

    await StoreClient(peer_at(address), times=times).send(objects, note)
    return told


async def test_objects_arrive_byte_by_byte_and_are_told_of_in_order() -> None:
    sink = MemorySink()
    objects = [Made(n, bytes([n]) * (30_001 + n), count=n) for n in range(1, 5)]
    async with open_door(sink) as door:
        told = await sent(door.addresses[0], objects)
        await until(lambda: door.occupancy.associations == 0)
    assert told == [(str(n), Outcome(0)) for n in range(1, 5)]
    assert [one.data for one in sink.kept] == [one.piece * one.count for one in objects]


async def test_an_object_that_breaks_off_costs_itself_alone() -> None:
    sink = MemorySink()
    never, half = Made(2, breaks_after=0), Made(3, breaks_after=2)
    async with open_door(sink) as door:
        told = await sent(door.addresses[0], [Made(1), never, half, Made(4)])
        await until(lambda: sink.open == 0)
    statuses = [(number, outcome.status) for number, outcome in told]
    assert statuses == [("1", 0), ("2", Status.OUT_OF_RESOURCES), ("3", None), ("4", 0)]
    assert len(sink.kept) == 2


async def test_a_peer_without_room_is_worth_another_try() -> None:
    sink = MemorySink()
    sink.fail_commit = StorageFull("full")
    async with open_door(sink) as door:
        ((_, outcome),) = await sent(door.addresses[0], [Made(1)])
    assert outcome.status == Status.OUT_OF_RESOURCES
    assert outcome.worth_retrying
    assert not outcome.is_success
    assert outcome.comment == "There is no room left to keep the object."


async def test_a_peer_that_does_not_answer_an_object_is_left() -> None:
    sink = MemorySink()
    sink.hold_commit = asyncio.Event()
    times = CallTimes(response_s=0.3, release_s=1)
    async with open_door(sink) as door:
        told = await sent(door.addresses[0], [Made(1), Made(2), Made(3)], times=times)
        sink.hold_commit.set()
    assert [outcome.status for _, outcome in told] == [None, None, None]
    assert told[0][1].comment == "the peer took too long"
    assert sink.committing == 2


async def test_a_peer_that_says_nothing_fails_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        times = CallTimes(associate_s=0.2)
        told = await sent(mute.getsockname(), [Made(1), Made(2)], times=times)
    assert [outcome.status for _, outcome in told] == [None, None]
    assert all(outcome.worth_retrying for _, outcome in told)


async def test_a_sending_that_is_cancelled_leaves_at_once() -> None:
    sink = MemorySink()
    sink.hold_commit = asyncio.Event()
    async with open_door(sink) as door, asyncio.TaskGroup() as group:
        sending = group.create_task(sent(door.addresses[0], [Made(1), Made(2)]))
        await until(lambda: sink.committing == 1)
        sending.cancel()
        sink.hold_commit.set()
        await until(lambda: door.occupancy.associations == 0)
    assert sink.begun == 1


async def test_one_cancelled_while_it_takes_its_leave_leaves_at_once() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def deaf_to_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand all on to the door but the request to release, which nobody answers."""
        answers, onward = await asyncio.open_connection(*door.addresses[0])
        with contextlib.closing(writer), contextlib.closing(onward):
            back = asyncio.ensure_future(handed_on(answers, writer))
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(1 << 16):
                    if data == RELEASE_RQ:
                        asked.set()
                    else:
                        onward.write(data)
            gone.set()
            back.cancel()

    async with open_door(MemorySink()) as door, asyncio.timeout(20):
        between = await asyncio.start_server(deaf_to_the_end, "127.0.0.1", 0)
        async with between:
            times = CallTimes(release_s=600)
            sending = asyncio.ensure_future(
                sent(between.sockets[0].getsockname(), [Made(1)], times=times)
            )
            await asked.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await gone.wait()


async def handed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)


async def test_what_the_peer_takes_in_no_form_is_not_sent() -> None:
    sink = MemorySink()
    odd = Made(2, forms=(IMPLICIT_LE,), sop_class_uid="1.2.840.10008.1.20.1")
    async with open_door(sink) as door:
        told = await sent(door.addresses[0], [Made(1), odd])
    assert [outcome.status for _, outcome in told] == [0, Status.SOP_CLASS_NOT_SUPPORTED]


class CountingSink(MemorySink):
    """Counts the bytes and keeps none."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.most_rss = 0

    async def begin(self, request: StoreRequest) -> Incoming:
        return _Counting(self)


@dataclass
class _Counting:
    sink: CountingSink

    async def write(self, data: memoryview) -> None:
        before = self.sink.bytes
        self.sink.bytes += len(data)
        if before // (64 * MIB) != self.sink.bytes // (64 * MIB):
            self.sink.most_rss = max(self.sink.most_rss, rss_bytes())

    async def commit(self) -> StoreOutcome:
        return StoreOutcome(Status.SUCCESS)

    def discard(self) -> None:
        pass


@pytest.mark.torture
async def test_a_gigabyte_passes_in_little_memory() -> None:
    sink = CountingSink()
    async with open_door(sink) as door:
        await sent(door.addresses[0], [Made(1)])
        before = rss_bytes()
        large = Made(2, bytes(MIB), count=1024)
        assert await sent(door.addresses[0], [large]) == [("2", Outcome(0))]
    assert sink.bytes > 1024 * MIB
    assert sink.most_rss - before < 48 * MIB
