"""A node started on a full disk answers 503 at its door, and comes up by itself once it can."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.demo.running import free_offset, until
from tests.dimse.wire_bytes import associate_rq

A_ASSOCIATE_RJ = 3
REJECTION_BYTES = 10
REJECTED_TRANSIENT = (2, 3, 1)
REJECTED_UNKNOWN = (1, 1, 3)
ROOT = Path(__file__).resolve().parents[2]
# Room for a home and its keys, not for a database.
_MOUNT_AND_RUN = (
    'mount -t tmpfs -o size=96m,mode=700 tmpfs "$1" && '
    'head -c $((96*1024*1024 - 400*1024)) /dev/zero > "$1/ballast" && shift 1 && exec "$@"'
)


def _cannot() -> str:
    unshare = shutil.which("unshare")
    if unshare is None:
        return "unshare is not installed"
    tried = subprocess.run([unshare, "-rm", "true"], capture_output=True, timeout=20, check=False)
    return "" if tried.returncode == 0 else "no mount namespace of one's own on this machine"


pytestmark = [pytest.mark.skipif(bool(_cannot()), reason=_cannot()), pytest.mark.timeout(120)]


def answered(url: str) -> tuple[int, bytes]:
    """Return status and body; (0, b"") where nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()
    except OSError:
        return 0, b""


def test_the_door_answers_503_until_there_is_room(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    offset = free_offset()
    argv = [sys.executable, "-m", "yilian", "township", "--home", str(home)]
    argv += ["--port-offset", str(offset)]
    environment = {**os.environ, "YILIAN_JOURNAL_RESERVE_BYTES": "1048576"}
    log = tmp_path / "log"
    with log.open("wb") as out:
        node = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", _MOUNT_AND_RUN, "sh", str(home), *argv],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=out,
        )
    try:
        url = f"http://127.0.0.1:{8090 + offset}/health/live"
        until(lambda: answered(url)[0] == 503, 60, "an answer", alive=node)
        assert json.loads(answered(url)[1])["code"] == "role-down"
        assert "node.disk-full" in log.read_text("utf-8")
        # Who asks while the role tries itself again is answered after that.
        until(lambda: association(11113 + offset) == REJECTED_TRANSIENT, 60, "the DICOM door's no")
        assert "password" not in log.read_text("utf-8")
        (Path(f"/proc/{node.pid}/root{home}") / "ballast").unlink()
        until(lambda: answered(url)[0] == 200, 60, "the node to come up", alive=node)
        assert "password" in log.read_text("utf-8")
        # Nobody is told of a peer it does not know before it is the door itself that answers.
        until(lambda: association(11113 + offset) == REJECTED_UNKNOWN, 60, "the DICOM door")
    finally:
        node.send_signal(signal.SIGTERM)
        try:
            assert node.wait(20) == 0
        finally:
            node.kill()


def association(port: int) -> tuple[int, ...]:
    """Return what an A-ASSOCIATE-RJ at *port* says: result, source and reason; else nothing.

    Asked over a plain socket: pynetdicom leaves its own open where the peer is gone first.
    """
    asked = associate_rq(called="YILIAN-TWP", calling="CT-TEST")
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
            peer.sendall(asked)
            said = peer.recv(64)
    except OSError:
        return ()
    return tuple(said[7:]) if len(said) == REJECTION_BYTES and said[0] == A_ASSOCIATE_RJ else ()


def test_whoever_says_nothing_holds_nobody_up() -> None:
    import asyncio  # noqa: PLC0415

    from kernel.process.stand_in import answering_503  # noqa: PLC0415

    async def run() -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as door:
            async with answering_503(door):
                _, silent = await asyncio.open_connection(*door.getsockname())
                reader, writer = await asyncio.open_connection(*door.getsockname())
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                said = await reader.read()
                writer.close()
                silent.close()
        return said

    assert asyncio.run(run()).startswith(b"HTTP/1.1 503 ")
