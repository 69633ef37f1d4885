"""A county sends on what came to it, through every end of its processes."""

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import CTImageStorage
from pynetdicom import AE, evt

from tests.demo.acknowledged import Modality, images
from tests.demo.running import RunningDemo, running_demo, until

_IMAGES = 40


class _Receiver:
    """Counts what comes; every object waits until it may be answered."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.may_answer = threading.Semaphore(0)

    def take(self, event: evt.Event) -> int:
        request: Any = event.request
        self.came.append(str(request.AffectedSOPInstanceUID))
        self.may_answer.acquire(timeout=60)
        return 0


@contextmanager
def _listening(receiver: _Receiver) -> Iterator[int]:
    ae = AE(ae_title="ARCHIVE2")
    ae.add_supported_context(CTImageStorage)
    server = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, receiver.take)]
    )
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        receiver.may_answer.release(10_000)
        server.shutdown()


def _ask(demo: RunningDemo, method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        demo.http("county-hospital") + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {demo.account('system-administrator')['token']}",
            "Content-Type": "application/json",
        },
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        raw = answer.read()
    return json.loads(raw) if raw else None


def _line(demo: RunningDemo) -> dict[str, Any]:
    lines = _ask(demo, "GET", "/api/v1/destinations")
    found: dict[str, Any] = next(one for one in lines if one["destination"] == "dicom:ARCHIVE2")
    return found


def _survive(demo: RunningDemo, kills: int) -> None:
    receiver = _Receiver()
    sent = images(_IMAGES, series=1, run="deliveries")
    study = sent[0].study_instance_uid
    act = {"destination": "dicom:ARCHIVE2", "study_instance_uid": study}
    with _listening(receiver) as port:
        peer = {"institution": "county-hospital", "host": "127.0.0.1", "port": port}
        _ask(demo, "PUT", "/api/v1/admin/application-entities/ARCHIVE2", peer)
        modality = Modality(demo.door("county-hospital"), sent)
        modality.start()
        modality.wait_for(_IMAGES)
        modality.finish()
        until(lambda: len(demo.get(modality.study_path)) == _IMAGES, 60, "all to be filed")
        assert _ask(demo, "POST", "/api/v1/destinations/send", act)["instances"] == _IMAGES
        assert _ask(demo, "POST", "/api/v1/destinations/send", act)["instances"] == 0
        for kill in range(1, kills + 1):
            enough = kill * _IMAGES // (kills + 2)
            while len(receiver.came) <= enough:
                receiver.may_answer.release()
                threading.Event().wait(0.01)
            demo.kill()
            demo.start()
        receiver.may_answer.release(10_000)
        until(lambda: _line(demo)["done"] == _IMAGES, 90, "all to be sent")
    came = Counter(receiver.came)
    assert set(came) == {image.sop_instance_uid for image in sent}
    assert sum(came.values()) - len(came) <= kills
    assert _line(demo)["pending"] == 0


@pytest.mark.timeout(200)
def test_a_sudden_end_of_the_county_loses_nothing_on_its_way_elsewhere(mortal: RunningDemo) -> None:
    _survive(mortal, kills=1)
    unknown = {"destination": "dicom:NOBODY", "study_instance_uid": "1.2"}
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _ask(mortal, "POST", "/api/v1/destinations/send", unknown)


@pytest.mark.torture
@pytest.mark.timeout(0)
def test_twenty_sudden_ends_lose_nothing_on_its_way_elsewhere(tmp_path: Path) -> None:
    with running_demo(tmp_path / "home") as demo:
        _survive(demo, kills=20)
