"""The county behind a real nginx: one origin over TLS, and nothing held back on the way."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.uploads.tus_headers import format_metadata
from tests.demo.running import until
from tests.deploy.proxy import NAME, Proxy, behind_nginx, nginx
from tests.deploy.trial import Trial, printed

pytestmark = pytest.mark.timeout(150)

SENT = 1 << 20
# The node writes in pieces, and what nginx holds at the moment of a cut goes with it.
WRITTEN = SENT - (1 << 18)
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"


@pytest.fixture
def running(county: Trial) -> tuple[Trial, str]:
    """The node, and its first administrator's password."""
    nginx()
    password = printed(county.yilian("county", "--prepare"), "password")
    county.started()
    return county, password


@contextmanager
def connected(proxy: Proxy) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=str(proxy.certificate))
    with (
        socket.create_connection(("127.0.0.1", proxy.https_port), 20) as line,
        context.wrap_socket(line, server_hostname=NAME) as secured,
    ):
        yield secured


def ask(
    proxy: Proxy, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> http.client.HTTPResponse:
    """Ask over TLS; the answer's body is read already where it has a length."""
    with connected(proxy) as line:
        asked = http.client.HTTPConnection(NAME)
        asked.sock = line
        asked.request(method, path, body, {"Connection": "close", **headers})
        answer = asked.getresponse()
        answer.said = answer.read()  # type: ignore[attr-defined]
        return answer


def token(trial: Trial) -> dict[str, str]:
    user = ("admin", "user", "add", "node", "机器", "--institution", "county-hospital")
    trial.yilian(*user, "--role", "technician", "--machine")
    said = trial.yilian("admin", "token", "add", "node", "--label", "t")
    return {"Authorization": f"Bearer {printed(said, 'token')}"}


def signs_in_safely(proxy: Proxy, password: str) -> None:
    body = json.dumps({"username": "admin", "password": password}).encode()
    told = {"Content-Type": "application/json", "Origin": f"https://{NAME}"}
    answer = ask(proxy, "POST", "/api/v1/session", told, body)
    assert answer.status == 200
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-")
    assert "Secure" in cookie
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    foreign = ask(proxy, "POST", "/api/v1/session", told | {"Origin": "https://x.example"}, body)
    assert foreign.status == 403


def goes_to_tls(proxy: Proxy) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.http_port, timeout=20)) as line:
        line.request("GET", "/x?y=1", headers={"Host": NAME})
        answer = line.getresponse()
        assert (answer.status, answer.headers["Location"]) == (308, f"https://{NAME}/x?y=1")
        assert answer.headers["Set-Cookie"] is None


def refuses_old_tls(proxy: Proxy) -> None:
    context = ssl.create_default_context(cafile=str(proxy.certificate))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", proxy.https_port), 20) as line,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(line, server_hostname=NAME)


def kept_of_a_cut_upload(proxy: Proxy, trial: Trial, credentials: dict[str, str]) -> int:
    """Send half of an upload in one request that is never finished; how much the node has of it.

    Asked at the node itself, while the sender's connection is still open.
    """
    content = b"x" * 2 * SENT
    tus = {**credentials, "Tus-Resumable": "1.0.0"}
    named = format_metadata({"kind": "parcel", "parcel": "0" * 26})
    made = {"Upload-Length": str(len(content)), "Upload-Metadata": named}
    begun = ask(proxy, "POST", "/uploads/", tus | made)
    assert begun.status == 201, begun.said  # type: ignore[attr-defined]
    where = begun.headers["Location"]
    sent = {
        **tus,
        "Host": NAME,
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(len(content)),
        "Upload-Offset": "0",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    with connected(proxy) as line:
        line.sendall(f"PATCH {where} HTTP/1.1\r\n{head}\r\n".encode() + content[:SENT])
        files = trial.home / "uploads"

        def taken() -> int:
            sizes = [path.stat().st_size for path in files.rglob("*") if path.is_file()]
            return max(sizes, default=0)

        try:
            until(lambda: taken() >= WRITTEN, 5, "the half to be there")
        except AssertionError:
            return 0
    status = ask(proxy, "HEAD", where, tus)
    return int(status.headers["Upload-Offset"])


def tells_events_at_once(proxy: Proxy, credentials: dict[str, str]) -> None:
    with connected(proxy) as line:
        head = "".join(f"{name}: {value}\r\n" for name, value in credentials.items())
        line.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: {NAME}\r\n{head}\r\n".encode())
        heard = b""
        while b"retry: 2000\n\n" not in heard:
            piece = line.recv(4096)
            assert piece, heard
            heard += piece
    assert b"text/event-stream" in heard


def joins_the_web_socket(proxy: Proxy, port: int) -> None:
    """The door of consultations is played by a socket that looks at how it was asked."""
    asked: list[bytes] = []

    def play(door: socket.socket) -> None:
        line, _ = door.accept()
        with line:
            line.settimeout(20)
            head = b""
            while b"\r\n\r\n" not in head:
                head += line.recv(4096)
            asked.append(head)
            line.sendall(ACCEPTED + b"frames")
            asked.append(line.recv(100))

    with socket.create_server(("127.0.0.1", port)) as door:
        player = threading.Thread(target=play, args=(door,))
        player.start()
        with connected(proxy) as line:
            wanted = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            protocol = "Sec-WebSocket-Protocol: yilian.rt.v1+json\r\nSec-WebSocket-Key: eA==\r\n"
            line.sendall(f"GET /ws HTTP/1.1\r\nHost: {NAME}\r\n{wanted}{protocol}\r\n".encode())
            heard = b""
            while b"frames" not in heard:
                heard += line.recv(4096)
            line.sendall(b"back")
            player.join(20)
    assert heard.startswith(b"HTTP/1.1 101")
    head = asked[0].lower()
    assert b"\r\nconnection: upgrade\r\n" in head
    assert b"\r\nupgrade: websocket\r\n" in head
    assert b"\r\nsec-websocket-protocol: yilian.rt.v1+json\r\n" in head
    assert b"\r\nx-forwarded-proto: https\r\n" in head
    assert asked[1] == b"back"


def test_a_county_behind_nginx_is_one_origin_over_tls(
    running: tuple[Trial, str], tmp_path: Path
) -> None:
    county, password = running
    credentials = token(county)
    with behind_nginx(county, tmp_path / "nginx") as proxy:
        goes_to_tls(proxy)
        refuses_old_tls(proxy)
        signs_in_safely(proxy, password)
        assert WRITTEN <= kept_of_a_cut_upload(proxy, county, credentials) <= SENT
        tells_events_at_once(proxy, credentials)
        joins_the_web_socket(proxy, county.offset + 8081)
        assert ask(proxy, "GET", "/metrics", {}).status == 404
        ask(proxy, "GET", "/dicom-web/studies?PatientName=zhang", credentials)
    logged = proxy.log.read_text("utf-8")
    assert "/dicom-web/studies" in logged
    assert "zhang" not in logged


def test_an_nginx_that_waits_for_the_whole_request_is_found(
    running: tuple[Trial, str], tmp_path: Path
) -> None:
    """The negative control: what the buffering in the configuration is switched off for."""
    county, _ = running
    credentials = token(county)
    changed = {"proxy_request_buffering off": "proxy_request_buffering on"}
    with behind_nginx(county, tmp_path / "nginx", changed) as proxy:
        assert kept_of_a_cut_upload(proxy, county, credentials) == 0


@pytest.mark.parametrize("role", ["county", "township"])
def test_nginx_understands_what_is_installed(
    role: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    nginx()
    with behind_nginx(request.getfixturevalue(role), tmp_path / "nginx") as proxy:
        # Nobody is behind it: nginx says so, and does not wait.
        assert ask(proxy, "GET", "/health/live", {}).status == 502
