"""Sent on to a device of the house: as its maker made it, and past a disk that fails."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa
from pynetdicom import AE, evt

from gateway.exchange import returns, sendings
from gateway.exchange.returns import ReturnState
from gateway.exchange.send_on import SendOn, SendOnSettings
from gateway.exchange.sendings import SendState, SendView
from kernel.dicom.codecs import InThread
from kernel.identifiers import AETitle
from kernel.identity import ApplicationEntity, Institution, InstitutionKind, put_ae, put_institution
from kernel.process.wake import Wake
from tests.exchange.prior_place import STUDY, Place, place_in
from tests.exchange.two_nodes import QUICK, until
from tests.imaging.compressed import compressed
from tests.uploads.dicom_files import CT, ct_slice

pytestmark = pytest.mark.timeout(120)


@dataclass
class Device:
    """A listening device of the house, and what it has taken."""

    port: int
    taken: list[pydicom.Dataset] = field(default_factory=list)


@asynccontextmanager
async def device_at(place: Place) -> AsyncIterator[Device]:
    """Return a device that takes plain CT only, known to *place*'s table of peers."""
    device = Device(0)

    def keep(event: evt.Event) -> int:
        device.taken.append(event.dataset)
        return 0x0000

    receiver = AE(ae_title="PACS_QS")
    receiver.add_supported_context(CT, "1.2.840.10008.1.2.1")
    server = receiver.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)]
    )
    assert server is not None
    assert server.socket is not None
    device.port = server.socket.getsockname()[1]
    at = place.node.clock.now()

    def known(conn: sa.Connection) -> None:
        house = Institution("qingshan", "q", InstitutionKind.TOWNSHIP)
        put_institution(conn, house, at=at)
        peer = ApplicationEntity("PACS_QS", "qingshan", host="127.0.0.1", port=device.port)
        put_ae(conn, peer, at=at)

    try:
        await place.node.database.write(known)
        yield device
    finally:
        server.shutdown()


async def come(place: Place, raw: bytes) -> None:
    """File *raw* at the county as it keeps it, and wait until the township has it."""
    assert place.county.desk is not None
    # Compressed for the line, in a syntax the receiver has not.
    await compressed(place.county.desk, raw)
    await place.ask()
    place.start()
    await until(lambda: place.is_(ReturnState.HERE))


async def ask_to_send(place: Place, *, times: int = 1) -> None:
    at = place.node.clock.now()
    for _ in range(times):
        await place.node.database.write(
            partial(sendings.ask_send, study=STUDY, ae_title="PACS_QS", by="li", at=at)
        )


def start(place: Place, scratch: Path) -> None:
    settings = SendOnSettings(AETitle("YILIAN-TWP"), scratch, backoff=QUICK)
    send_on = SendOn(
        place.node.database, place.objects, InThread(), clock=place.node.clock, settings=settings
    )
    place.node.owner.keep("send-on", lambda: send_on.run(Wake.local()))


async def last(place: Place) -> SendView:
    return (await place.view()).sends[-1]


async def is_(place: Place, state: SendState, code: str = "") -> bool:
    view = await last(place)
    return (view.state, view.code) == (state, code)


async def test_a_prior_is_sent_on_as_its_device_made_it(tmp_path: Path) -> None:
    raw = ct_slice()
    async with place_in(tmp_path) as place, device_at(place) as device:
        await come(place, raw)
        await ask_to_send(place, times=2)
        start(place, tmp_path / "on")
        await until(lambda: is_(place, SendState.DONE))
        assert [one.sent for one in (await place.view()).sends] == [1]
    [dataset] = device.taken
    assert dataset.PixelData == _pixels(raw)


async def test_a_disk_that_fails_is_told_and_the_images_leave_once_it_does_not(
    tmp_path: Path,
) -> None:
    in_the_way = tmp_path / "disk"
    in_the_way.touch()
    async with place_in(tmp_path) as place, device_at(place) as device:
        await come(place, ct_slice())
        await ask_to_send(place)
        start(place, in_the_way / "on")
        await until(lambda: is_(place, SendState.WAITING, "disk"))
        in_the_way.unlink()
        await until(lambda: is_(place, SendState.DONE))
    assert len(device.taken) == 1


async def test_a_file_that_is_gone_is_told_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place, device_at(place) as device:
        await come(place, ct_slice())
        [one] = await place.node.database.read(partial(returns.objects_of, study=STUDY))
        with place.objects.open(one.object_key) as source:
            raw = source.read(0, source.size)
        place.objects.delete(one.object_key)
        await ask_to_send(place)
        start(place, tmp_path / "on")
        await until(lambda: is_(place, SendState.FAILED, "object-missing"))
        assert not device.taken
        place.objects.put_new([(one.object_key, [raw])])
        await ask_to_send(place)
        await until(lambda: is_(place, SendState.DONE))
    assert len(device.taken) == 1


def _pixels(raw: bytes) -> bytes:
    return bytes(pydicom.dcmread(io.BytesIO(raw)).PixelData)
