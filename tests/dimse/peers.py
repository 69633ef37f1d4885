"""A DICOM peer for tests that says exactly what it is told to, byte by byte."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from pynetdicom.presentation import PresentationContext

from gateway.dimse.acceptor import Door
from gateway.dimse.command_set import Command, CommandField, Element
from tests.dimse.wire_bytes import (
    EXPLICIT_LE,
    RELEASE_RP,
    RELEASE_RQ,
    any_store_command,
    associate_rq,
    context,
    echo_rq,
    p_data,
    pdv,
)

PATIENCE_S = 15.0


@dataclass
class Answer:
    """A response: its status and Error Comment."""

    status: int
    comment: str


SUCCESS = Answer(0, "")


class Scu:
    """One connection to the door; every wait has a deadline."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        async with asyncio.timeout(PATIENCE_S):
            await self.writer.drain()

    async def pdu(self) -> tuple[int, bytes]:
        """Return type and body of the next PDU; (0, b"") where the door closed instead."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                head = await self.reader.readexactly(6)
                return head[0], await self.reader.readexactly(int.from_bytes(head[2:], "big"))
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0, b""

    async def closed(self) -> bytes:
        """Return what still comes until the door closes the connection."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def associate(
        self, contexts: Sequence[PresentationContext] | None = None, *, calling: str = "MODALITY"
    ) -> tuple[int, bytes]:
        await self.send(associate_rq(contexts, calling=calling))
        return await self.pdu()

    async def answer(self) -> Answer:
        """Return the next response."""
        kind, body = await self.pdu()
        assert kind == 4, (kind, body)
        command = Command.decode(body[6:])
        assert command.field in {CommandField.C_STORE_RSP, CommandField.C_ECHO_RSP} or (
            command.field.is_response
        )
        status = command.us(Element.STATUS)
        assert status is not None
        return Answer(status, command.text(Element.ERROR_COMMENT))

    async def echo(self) -> Answer:
        await self.send(echo_rq())
        return await self.answer()

    async def store(
        self,
        data: bytes,
        *,
        sop_class: str,
        instance: str,
        context_id: int = 1,
        fragment_bytes: int = 16000,
    ) -> Answer:
        """Send one object as its bytes stand, and return the response."""
        command = any_store_command(instance, sop_class=sop_class)
        parts = [p_data(pdv(context_id, 3, command))]
        for start in range(0, len(data) or 1, fragment_bytes):
            piece = data[start : start + fragment_bytes]
            control = 2 if start + fragment_bytes >= len(data) else 0
            parts.append(p_data(pdv(context_id, control, piece)))
        await self.send(b"".join(parts))
        return await self.answer()

    async def release(self) -> None:
        await self.send(RELEASE_RQ)
        assert await self.closed() == RELEASE_RP


@contextlib.asynccontextmanager
async def connected(
    address: tuple[str, int], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Scu]:
    """Connect to the door and say nothing."""
    reader, writer = await asyncio.open_connection(*address, ssl=tls)
    try:
        yield Scu(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def associated(
    address: tuple[str, int],
    sop_class: str | None = None,
    transfer_syntax: str = EXPLICIT_LE,
    *,
    calling: str = "MODALITY",
) -> AsyncIterator[Scu]:
    """Associate; for *sop_class* on context 1, else for verification (1) and CT (3)."""
    contexts = [context(1, sop_class, [transfer_syntax])] if sop_class else None
    async with connected(address) as scu:
        kind, body = await scu.associate(contexts, calling=calling)
        assert kind == 2, (kind, body)
        yield scu


async def echo_once(door: Door) -> None:
    async with associated(door.addresses[0]) as scu:
        assert await scu.echo() == SUCCESS
        await scu.release()
