"""The line over real sockets, by its own clock: what it says it is, it is."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from bench.line.model import AtByte, AtTime, Fault, LineShape, every, seeded
from bench.line.proxy import Line, open_line
from tests.line.virtual_time import run_virtually

SHAPE = LineShape(2_000_000, 4_000_000, rtt_s=0.2)
MIB = 1 << 20


@dataclass
class Echo:
    """A server that takes what comes, and answers ``ok`` at the end, or gives what is asked."""

    port: int = 0
    to_give: bytes = b""
    taken: list[bytes] = field(default_factory=list)
    arrived_s: list[float] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = bytearray()
        try:
            while data := await reader.read(65_536):
                got += data
                self.arrived_s.append(asyncio.get_running_loop().time())
            writer.write(self.to_give or b"ok")
            await writer.drain()
        except OSError:
            pass
        finally:
            self.taken.append(bytes(got))
            writer.close()


@asynccontextmanager
async def behind_a_line(
    shape: LineShape = SHAPE,
    *,
    schedule: Sequence[AtTime] = (),
    troubles: Sequence[AtByte] = (),
    to_give: bytes = b"",
) -> AsyncIterator[tuple[Echo, Line]]:
    echo = Echo(to_give=to_give)
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    try:
        async with open_line(echo.port, shape, schedule=schedule, troubles=troubles) as line:
            yield echo, line
    finally:
        server.close()


async def send(line: Line, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
    try:
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        return await reader.read()
    finally:
        writer.transport.abort()


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize(
    ("up", "down"),
    [pytest.param(2_000_000, 4_000_000, id="2-4"), pytest.param(256_000, 1_000_000, id="0.25-1")],
)
def test_both_directions_have_their_own_rate(up: int, down: int) -> None:
    async def measure() -> tuple[float, float]:
        shape = LineShape(up, down, rtt_s=0.2)
        async with behind_a_line(shape, to_give=noise(MIB)) as (echo, line):
            began = line.now_s()
            assert await send(line, noise(MIB)) == noise(MIB)
            upward = echo.arrived_s[-1] - echo.arrived_s[0]
            assert (line.up.delivered_bytes, line.down.delivered_bytes) == (MIB, MIB)
            return upward, line.now_s() - began - upward

    upward, downward = run_virtually(measure())
    assert MIB * 8 / upward == pytest.approx(up, rel=0.03)
    # And a round trip for the handshake, one for the way there and back.
    assert MIB * 8 / (downward - 0.4) == pytest.approx(down, rel=0.03)


def test_two_connections_share_the_rate() -> None:
    async def measure() -> float:
        async with behind_a_line() as (_, line):
            began = line.now_s()
            await asyncio.gather(send(line, noise(MIB)), send(line, noise(MIB)))
            return line.now_s() - began

    assert 2 * MIB * 8 / (run_virtually(measure()) - 0.4) == pytest.approx(2_000_000, rel=0.03)


def test_a_question_takes_a_round_trip_after_a_handshake_of_one() -> None:
    async def measure() -> float:
        async with behind_a_line() as (_, line):
            began = line.now_s()
            assert await send(line, b"?") == b"ok"
            return line.now_s() - began

    assert run_virtually(measure()) == pytest.approx(0.4, abs=0.02)


def test_only_a_window_is_under_way() -> None:
    async def measure() -> int:
        async with behind_a_line() as (_, line):
            _, writer = await asyncio.open_connection("127.0.0.1", line.port)
            writer.write(noise(MIB))
            await line.until(2.0)
            writer.transport.abort()
            return line.up.sent_bytes - line.up.delivered_bytes

    assert 0 < run_virtually(measure()) <= SHAPE.window(up=True)


@pytest.mark.parametrize("fault", [Fault.RST, Fault.FIN])
def test_a_cut_ends_both_ends_and_refuses_for_a_while(fault: Fault) -> None:
    async def measure() -> None:
        async with behind_a_line(schedule=[AtTime(1.0, fault, lasts_s=2.0)]) as (echo, line):
            reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
            writer.write(noise(MIB))
            told: list[bytes | type] = []
            try:
                told.append(await reader.read())
            except ConnectionResetError:
                told.append(ConnectionResetError)
            assert told == [ConnectionResetError if fault is Fault.RST else b""]
            assert line.now_s() == pytest.approx(1.0, abs=0.05)
            writer.transport.abort()
            with pytest.raises(ConnectionResetError):
                await send(line, b"?")
            await line.until(3.01)
            assert await send(line, b"?") == b"ok"
            assert 0 < len(echo.taken[0]) < MIB
            assert [each.fault for each in line.strikes] == [fault]

    run_virtually(measure())


def test_a_black_hole_tells_nobody_and_later_connections_pass() -> None:
    async def measure() -> None:
        async with behind_a_line(schedule=[AtTime(1.0, Fault.BLACK_HOLE)]) as (_, line):
            reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
            writer.write(noise(MIB))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3600):
                    await reader.read()
            gone = line.up.delivered_bytes
            writer.transport.abort()
            assert await send(line, b"?") == b"ok"
            assert line.up.delivered_bytes == gone + 1

    run_virtually(measure())


def test_after_a_stall_everything_goes_on() -> None:
    async def measure() -> float:
        async with behind_a_line(schedule=[AtTime(1.0, Fault.STALL, lasts_s=7.0)]) as (echo, line):
            assert await send(line, noise(MIB)) == b"ok"
            assert echo.taken == [noise(MIB)]
            quiet = zip(echo.arrived_s, echo.arrived_s[1:], strict=False)
            return max(later - sooner for sooner, later in quiet)

    assert run_virtually(measure()) == pytest.approx(7.0, abs=0.2)


def test_a_cut_at_a_byte_lets_all_before_it_arrive() -> None:
    async def measure() -> None:
        async with behind_a_line(troubles=[AtByte(70_001, Fault.RST)]) as (echo, line):
            with pytest.raises(ConnectionResetError):
                await send(line, noise(MIB))
            assert await send(line, noise(MIB)) == b"ok"
            assert echo.taken == [noise(MIB)[:70_001], noise(MIB)]

    run_virtually(measure())


def test_an_answer_can_be_lost_after_the_last_byte() -> None:
    async def measure() -> None:
        trouble = AtByte(10_000, Fault.RST, before_answer=True)
        async with behind_a_line(troubles=[trouble]) as (echo, line):
            with pytest.raises(ConnectionResetError):
                await send(line, noise(10_000))
            assert echo.taken == [noise(10_000)]
            assert line.down.delivered_bytes == 0

    run_virtually(measure())


def test_a_flipped_bit_is_one_bit() -> None:
    async def measure() -> None:
        async with behind_a_line(troubles=[AtByte(5_000, Fault.FLIP)]) as (echo, line):
            assert await send(line, noise(20_000)) == b"ok"
            [taken] = echo.taken
            differing = [n for n, byte in enumerate(noise(20_000)) if taken[n] != byte]
            assert differing == [5_000]
            assert taken[5_000] ^ noise(20_000)[5_000] == 1
            assert len(line.strikes) == 1

    run_virtually(measure())


def test_a_line_that_is_down_is_down_until_it_is_up() -> None:
    async def measure() -> None:
        async with behind_a_line() as (_, line):
            line.take_down()
            for _ in range(3):
                with pytest.raises(ConnectionResetError):
                    await send(line, b"?")
            line.bring_up()
            assert await send(line, b"?") == b"ok"

    run_virtually(measure())


def test_the_bytes_of_a_resending_sender_are_all_counted() -> None:
    async def measure() -> tuple[Line, int]:
        schedule = every(2.0, until_s=60, lasts_s=0.1)
        async with behind_a_line(schedule=schedule) as (echo, line):
            whole = 0
            while whole < 5:
                try:
                    whole += await send(line, noise(300_000, whole)) == b"ok"
                except OSError:
                    await asyncio.sleep(0.05)
            assert line.up.delivered_bytes == sum(map(len, echo.taken))
            return line, whole

    line, whole = run_virtually(measure())
    again = line.up.sent_bytes - whole * 300_000
    assert len(line.strikes) > 2
    assert 0 < again < len(line.strikes) * 500_000


def test_no_drawn_trouble_hangs_or_invents_a_byte() -> None:
    async def measure() -> None:
        troubles = list(seeded(11, 60, most_bytes=99_000))
        data = noise(100_000)
        async with behind_a_line(troubles=troubles) as (echo, line):
            whole = 0
            while line.troubles or not whole:
                try:
                    async with asyncio.timeout(5):
                        whole += await send(line, data) == b"ok"
                except (OSError, TimeoutError):
                    continue
            await line.until(line.now_s() + 10)
            flipped = 0
            for taken in echo.taken:
                flipped += sum(a != b for a, b in zip(taken, data, strict=False))
            assert flipped == sum(each.fault is Fault.FLIP for each in line.strikes)
            assert data in echo.taken

    run_virtually(measure())
