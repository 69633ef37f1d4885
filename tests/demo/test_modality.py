"""A modality at both nodes of a running county: worklist, procedure steps, storage commitment."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.pdu import P_DATA_TF

from gateway.dimse.sop_classes import (
    PERFORMED_PROCEDURE_STEP,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
)
from tests.demo.running import RunningDemo
from tests.dimse.samples import small_ct
from tests.dimse.test_mpps_scp import as_dataset
from tests.dimse.wire_bytes import CT, EXPLICIT_LE
from tests.procedure_steps.steps import COMPLETION, CREATION

FINDSCU = shutil.which("findscu")
pytestmark = pytest.mark.timeout(240)
NODES = ["qingshan", "county"]
_REPORT_S = 60.0


@contextmanager
def device(
    demo: RunningDemo, node: str, *sop_classes: str, told: "Told | None" = None
) -> Iterator[Association]:
    door = demo.door(node)
    ae = AE(ae_title="CT1")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = _REPORT_S
    for sop_class in sop_classes:
        ae.add_requested_context(sop_class, EXPLICIT_LE)
    handlers = told.handlers if told else []
    assoc = ae.associate(
        door["host"], door["port"], ae_title=door["ae_title"], evt_handlers=handlers
    )
    assert assoc.is_established
    try:
        yield assoc
    finally:
        assoc.release()


class Told:
    """The report a device got; it came once the device's answer to it has gone out."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.handlers: list[Any] = [
            (evt.EVT_N_EVENT_REPORT, self.handle),
            (evt.EVT_PDU_SENT, self.answered),
        ]
        self.kind: int | None = None
        self.failed: dict[str, int] = {}
        self.committed: set[str] = set()

    def handle(self, event: evt.Event) -> tuple[int, None]:
        ds, self.kind = event.event_information, event.event_type
        self.committed = {
            str(item.ReferencedSOPInstanceUID) for item in ds.get("ReferencedSOPSequence", [])
        }
        self.failed = {
            str(item.ReferencedSOPInstanceUID): int(item.FailureReason)
            for item in ds.get("FailedSOPSequence", [])
        }
        return 0, None

    def answered(self, event: evt.Event) -> None:
        # A release asked for before the answer has gone out is a fault of the device.
        if self.kind is not None and isinstance(event.pdu, P_DATA_TF):
            self.came.set()


def question(transaction: str, *instances: tuple[str, str]) -> Dataset:
    ds = Dataset()
    ds.TransactionUID = transaction
    ds.ReferencedSOPSequence = []
    for sop_class, instance in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        ds.ReferencedSOPSequence.append(item)
    return ds


@pytest.mark.parametrize("node", NODES)
def test_what_was_sent_is_committed_and_what_was_not_is_no_such_instance(
    demo: RunningDemo, node: str
) -> None:
    number = 70 + NODES.index(node)
    sent, told = small_ct(number), Told()
    other = "1.2.840.10008.5.1.4.1.1.4"
    asked = question(f"2.25.9901{number}", (CT, sent.SOPInstanceUID), (CT, "2.25.99009999"))
    with device(demo, node, CT, STORAGE_COMMITMENT, told=told) as assoc:
        assert assoc.send_c_store(sent).Status == 0
        answer, _ = assoc.send_n_action(asked, 1, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE)
        assert answer.Status == 0
        assert told.came.wait(_REPORT_S)
    assert told.kind == 2
    assert told.committed == {sent.SOPInstanceUID}
    assert told.failed == {"2.25.99009999": 0x0112}
    again = Told()
    with device(demo, node, STORAGE_COMMITMENT, told=again) as assoc:
        wrong = question(f"2.25.9902{number}", (other, sent.SOPInstanceUID))
        assoc.send_n_action(wrong, 1, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE)
        assert again.came.wait(_REPORT_S)
    assert again.failed == {sent.SOPInstanceUID: 0x0119}


@pytest.mark.parametrize("node", NODES)
def test_a_step_is_reported_and_is_over_when_it_is_over(demo: RunningDemo, node: str) -> None:
    uid = f"2.25.99008{NODES.index(node)}"
    with device(demo, node, PERFORMED_PROCEDURE_STEP) as assoc:
        created, _ = assoc.send_n_create(
            as_dataset(CREATION, "GB18030"), PERFORMED_PROCEDURE_STEP, uid
        )
        ended, _ = assoc.send_n_set(as_dataset(COMPLETION), PERFORMED_PROCEDURE_STEP, uid)
        late, _ = assoc.send_n_set(as_dataset(COMPLETION), PERFORMED_PROCEDURE_STEP, uid)
    assert [created.Status, ended.Status, late.Status] == [0, 0, 0x0110]
    assert late.ErrorID == 0xA710


@pytest.mark.skipif(FINDSCU is None, reason="needs DCMTK (findscu)")
@pytest.mark.parametrize("node", NODES)
def test_the_worklist_is_open_to_a_device(demo: RunningDemo, node: str) -> None:
    door = demo.door(node)
    found = subprocess.run(
        [
            *(FINDSCU or "", "-v", "-W", "-aet", "CT1", "-aec", door["ae_title"]),
            *("-k", "SpecificCharacterSet=GB18030", "-k", "PatientName"),
            *("-k", "(0040,0100)[0].Modality=CT", door["host"], str(door["port"])),
        ],
        capture_output=True,
        encoding="gb18030",
        timeout=60,
        check=True,
    )
    assert "Success" in found.stdout + found.stderr


@contextmanager
def county_away(demo: RunningDemo) -> Iterator[Callable[[], None]]:
    """Freeze the county, as a line that is down does; gives what lets it go on earlier."""
    pids = demo.pids("yilian county")
    assert pids

    def go_on() -> None:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield go_on
    finally:
        go_on()


def test_with_the_county_away_a_device_works_on_and_commitment_waits_for_its_receipt(
    demo: RunningDemo,
) -> None:
    sent, told = small_ct(79), Told()
    services = (CT, STORAGE_COMMITMENT, PERFORMED_PROCEDURE_STEP)
    with (
        county_away(demo) as come_back,
        device(demo, "qingshan", *services, told=told) as assoc,
    ):
        assert assoc.send_c_store(sent).Status == 0
        created, _ = assoc.send_n_create(
            as_dataset(CREATION, "GB18030"), PERFORMED_PROCEDURE_STEP, "2.25.990089"
        )
        assert created.Status == 0
        asked = question("2.25.990179", (CT, sent.SOPInstanceUID))
        answer, _ = assoc.send_n_action(asked, 1, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE)
        assert answer.Status == 0
        assert not told.came.wait(4)
        come_back()
        assert told.came.wait(_REPORT_S)
    assert told.kind == 1
    assert told.committed == {sent.SOPInstanceUID}
