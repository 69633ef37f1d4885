"""Who sends in a C-STORE comparison: DCMTK's storescu, or a sender that costs next to nothing.

The own sender has every message ready in memory before the clock starts, and one thread writes
them on all associations: what is measured is the server. storescu reads and encodes each file and
starts anew for each measurement, which is part of its time.
"""

import asyncio
import os
import struct
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final, cast

import uvloop
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

from bench.objects import CT, Made
from bench.running import LOOPBACK

_CONTEXT: Final = 1
_PDU_BYTES: Final = 131072
_OURS: Final = "BENCH"
_SENDING_S: Final = 600.0
_PDU: Final = struct.Struct(">BxI")
_VALUE: Final = struct.Struct(">IBB")
_ELEMENT: Final = struct.Struct("<HHI")
_STATUS: Final = (0x0000, 0x0900)


class NotStored(RuntimeError):
    """The server refused an object, or left; the comparison is void."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to send to."""

    port: int
    ae_title: str


def send_by_storescu(target: Target, folders: Sequence[Path]) -> float:
    """Send each of *folders* by a storescu of its own, all at once; return the seconds taken.

    Raises:
        NotStored: one of them failed.
    """
    began = time.perf_counter()
    running = [
        subprocess.Popen(
            [
                "storescu",
                "-q",
                "-aet",
                _OURS,
                "-aec",
                target.ae_title,
                "-pdu",
                str(_PDU_BYTES),
                "+sd",
                LOOPBACK,
                str(target.port),
                str(folder),
            ],
            env={**os.environ, "TCP_NODELAY": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for folder in folders
    ]
    said = []
    for each in running:
        output, _ = each.communicate(timeout=_SENDING_S)
        if each.returncode != 0:
            said.append(output.decode(errors="replace")[-400:])
    took = time.perf_counter() - began
    if said:
        raise NotStored("; ".join(said))
    return took


def messages(objects: Iterable[Made]) -> list[bytes]:
    """Return each object as all the bytes of one C-STORE request."""
    return [_message(each, number % 65535 + 1) for number, each in enumerate(objects)]


def send_by_own(target: Target, requests: Sequence[bytes], *, associations: int) -> float:
    """Send *requests* over *associations*; return the seconds from first byte to last answer.

    Opening and releasing the associations is not in the time.

    Raises:
        NotStored: an answer is not success, or an association broke.
    """
    return uvloop.run(_send(target, requests, associations))


async def _send(target: Target, requests: Sequence[bytes], associations: int) -> float:
    loop = asyncio.get_running_loop()
    shares = [requests[start::associations] for start in range(associations)]
    async with asyncio.timeout(_SENDING_S):
        senders: list[_Association] = []
        for share in shares:
            _, made = await loop.create_connection(
                lambda share=share: _Association(target, share),  # type: ignore[misc]
                LOOPBACK,
                target.port,
            )
            await made.opened
            senders.append(made)
        began = time.perf_counter()
        for sender in senders:
            sender.begin()
        for sender in senders:
            await sender.done
        took = time.perf_counter() - began
        for sender in senders:
            sender.release()
        for sender in senders:
            await sender.closed
    return took


class _Association(asyncio.Protocol):
    def __init__(self, target: Target, requests: Sequence[bytes]) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._target = target
        self._requests = iter(requests)
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1 << 30)
        self._write(_associate_request(self._target))

    def begin(self) -> None:
        self._next()

    def release(self) -> None:
        self._write(_PDU.pack(5, 4) + bytes(4))

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= _PDU.size:
            kind, length = _PDU.unpack_from(self._received)
            if len(self._received) < _PDU.size + length:
                return
            body = bytes(self._received[_PDU.size : _PDU.size + length])
            del self._received[: _PDU.size + length]
            self._take(kind, body)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        for waiting in (self.opened, self.done):
            if not waiting.done():
                waiting.set_exception(NotStored("the association broke"))
        self.closed.set_result(None)

    def _take(self, kind: int, body: bytes) -> None:
        if kind == 2 and not self.opened.done():
            self.opened.set_result(None)
        elif kind == 4:
            if _status(body) == 0:
                self._next()
            elif not self.done.done():
                self.done.set_exception(NotStored(f"{self._target.ae_title} answered {body.hex()}"))
        elif kind == 6 and self._transport is not None:
            self._transport.close()
        else:
            self._fail(f"PDU of type {kind}")

    def _fail(self, reason: str) -> None:
        for waiting in (self.opened, self.done):
            if not waiting.done():
                waiting.set_exception(NotStored(reason))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
        else:
            self._write(request)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _associate_request(target: Target) -> bytes:
    length = MaximumLengthNotification()
    length.maximum_length_received = _PDU_BYTES
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID("2.25.10180001")
    context = build_context(CT, ExplicitVRLittleEndian)
    context.context_id = _CONTEXT
    asked = A_ASSOCIATE()
    asked.application_context_name = "1.2.840.10008.3.1.1.1"
    asked.calling_ae_title = _OURS
    asked.called_ae_title = target.ae_title
    asked.user_information = [length, implementation]
    asked.presentation_context_definition_list = [context]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(asked)
    encoded: bytes = pdu.encode()
    return encoded


def _message(made: Made, message_id: int) -> bytes:
    command = _command(made.sop_instance_uid, message_id)
    parts = [_data_pdu(command, 0x03)]
    dataset = memoryview(made.part10)[made.dataset_offset :]
    room = _PDU_BYTES - _VALUE.size
    for at in range(0, len(dataset), room):
        last = 0x02 if at + room >= len(dataset) else 0x00
        parts.append(_data_pdu(bytes(dataset[at : at + room]), last))
    return b"".join(parts)


def _data_pdu(value: bytes, control: int) -> bytes:
    head = _PDU.pack(4, len(value) + _VALUE.size)
    return head + _VALUE.pack(len(value) + 2, _CONTEXT, control) + value


def _command(sop_instance_uid: str, message_id: int) -> bytes:
    body = b"".join(
        (
            _element(0x0002, _padded(CT)),
            _element(0x0100, struct.pack("<H", 0x0001)),
            _element(0x0110, struct.pack("<H", message_id)),
            _element(0x0700, struct.pack("<H", 0)),
            _element(0x0800, struct.pack("<H", 0x0001)),
            _element(0x1000, _padded(sop_instance_uid)),
        )
    )
    return _element(0x0000, struct.pack("<I", len(body))) + body


def _status(body: bytes) -> int | None:
    at = _VALUE.size
    while at + _ELEMENT.size <= len(body):
        group, element, length = _ELEMENT.unpack_from(body, at)
        at += _ELEMENT.size
        if (group, element) == _STATUS:
            return int.from_bytes(body[at : at + length], "little")
        at += length
    return None


def _element(element: int, value: bytes) -> bytes:
    return _ELEMENT.pack(0x0000, element, len(value)) + value


def _padded(uid: str) -> bytes:
    raw = uid.encode("ascii")
    return raw + b"\0" * (len(raw) % 2)


def shared_out(objects: Iterable[Made], folders: Sequence[Path]) -> None:
    """Write *objects* as files into *folders*, made here, in turn."""
    for folder in folders:
        folder.mkdir(parents=True)
    for number, (made, folder) in enumerate(zip(objects, cycle(folders), strict=False)):
        (folder / f"{number:06d}.dcm").write_bytes(made.part10)
