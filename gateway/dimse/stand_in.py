"""What answers at a DICOM door whose role cannot come up: an A-ASSOCIATE-RJ that says try again."""

import asyncio
import socket
import ssl
from contextlib import AbstractAsyncContextManager
from typing import Final

from gateway.dimse.reject import TEMPORARY_CONGESTION, reject_pdu
from kernel.process.stand_in import answering

_HEADER_BYTES: Final = 6
_REQUEST_MAX_BYTES: Final = 64 << 10


def answering_later(
    door: socket.socket, *, tls: ssl.SSLContext | None = None
) -> AbstractAsyncContextManager[None]:
    """Reject every association at *door* as transient (PS3.8 Table 9-21: 2, 3, 1) while open.

    A device that is rejected so keeps its images and tries again; one that is not answered waits
    until its own patience ends, and some then give up.
    """
    return answering(door, _reject, tls=tls)


async def _reject(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # All of the request first: what is unread when a socket is closed resets the connection, and
    # may take the answer with it.
    header = await reader.readexactly(_HEADER_BYTES)
    length = int.from_bytes(header[2:], "big")
    if length <= _REQUEST_MAX_BYTES:
        await reader.readexactly(length)
        writer.write(reject_pdu(TEMPORARY_CONGESTION))
        await writer.drain()
        # The one who asked closes (PS3.8 9.2, AA-6 after Sta13's wait); not for ever.
        await reader.read(1)
