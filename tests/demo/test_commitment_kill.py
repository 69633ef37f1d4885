"""A commitment request that was answered outlives kill -9, and the device is called back."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pynetdicom import AE

from gateway.dimse.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from tests.demo.running import ROOT, RunningDemo
from tests.demo.test_modality import Told, question
from tests.dimse.samples import small_ct
from tests.dimse.wire_bytes import CT, EXPLICIT_LE

HERE = "qingshan"
pytestmark = pytest.mark.timeout(240)


def _known(home: Path, port: int) -> None:
    """Write the device into the township's table of peers."""
    subprocess.run(
        [
            *(sys.executable, "-m", "yilian", "admin", "--home", str(home / HERE)),
            *("ae", "add", "CT9", HERE, "--host", "127.0.0.1", "--port", str(port)),
        ],
        check=True,
        cwd=ROOT,
        timeout=60,
    )


def test_a_request_that_was_answered_is_reported_after_a_kill(mortal: RunningDemo) -> None:
    told = Told()
    listener = AE(ae_title="CT9")
    listener.add_supported_context(STORAGE_COMMITMENT, scu_role=False, scp_role=True)
    server = listener.start_server(("127.0.0.1", 0), block=False, evt_handlers=told.handlers)
    assert server is not None
    sent = small_ct(81)
    asked = question("2.25.990181", (CT, sent.SOPInstanceUID), (CT, "2.25.99009998"))
    try:
        _known(mortal.home, server.server_address[1])
        door = mortal.door(HERE)
        ae = AE(ae_title="CT9")
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
        ae.add_requested_context(CT, EXPLICIT_LE)
        ae.add_requested_context(STORAGE_COMMITMENT)
        assoc = ae.associate(door["host"], door["port"], ae_title=door["ae_title"])
        assert assoc.is_established
        assert assoc.send_c_store(sent).Status == 0
        answer, _ = assoc.send_n_action(asked, 1, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE)
        assert answer.Status == 0
        ended = threading.Thread(target=assoc.abort)
        mortal.kill()
        ended.start()
        ended.join(30)
        mortal.start()
        assert told.came.wait(90)
    finally:
        server.shutdown()
    assert told.committed == {sent.SOPInstanceUID}
    assert told.failed == {"2.25.99009998": 0x0112}
