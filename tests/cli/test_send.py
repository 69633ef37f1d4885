"""``yilian send`` says what it could not send and why, in a line, and its exit code is true."""

import datetime as dt
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import self_signed
from yilian.cli import main
from yilian.samples.studies import STUDIES, files_of

SendTo = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("YILIAN_TOKEN", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "study"
    place.mkdir()
    study = next(s for s in STUDIES if s.key == "liu-knee")
    for number, file in enumerate(files_of(study, today=dt.date(2026, 11, 22))):
        (place / f"{number}.dcm").write_bytes(file)
    return place


@pytest.fixture
def send_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> SendTo:
    def send(to: str, *words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["send", str(folder), "--to", to, *words])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return send


def said_once(shown: tuple[int, str, str], *words: str) -> None:
    """Assert that a failed run said *words* in one line of few, without a traceback."""
    code, out, err = shown
    every = out + err
    assert code == 1
    assert "Traceback" not in every
    assert len(every.splitlines()) <= 3, every
    for word in words:
        assert every.count(word) == 1, every


class _NoDicomWeb(http.server.BaseHTTPRequestHandler):
    """A web server that is no DICOMweb."""

    timeout = 2.0

    def do_GET(self) -> None:
        self._answer(404)

    def do_POST(self) -> None:
        self._answer(405)

    def _answer(self, status: int) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as the library says
        del format, args


@contextmanager
def web_server(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _NoDicomWeb) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        running = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        running.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            running.join(10)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of 127.0.0.1, with its key in one file."""
    return self_signed(tmp_path)


def server_tls(certificate: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(certificate)
    return made


def test_a_broken_image_is_named_and_the_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = next(s for s in STUDIES if s.key == "wu-chest")
    (whole,) = files_of(study, today=dt.date(2026, 11, 22))
    folder = tmp_path / "cd"
    folder.mkdir()
    (folder / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    (folder / "readme.txt").write_text("not an image")
    assert main(["send", str(folder), "--to", "127.0.0.1:1", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["refused"] == [{"path": str(folder / "cut.dcm"), "reason": "truncated"}]
    assert told["skipped"] == {"not-dicom": 1}
    assert told["found"] == 1
    assert main(["send", str(folder), "--to", "127.0.0.1:1"]) == 1
    assert f"refused: {folder / 'cut.dcm'}: The object ends too early" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", str(tmp_path / "none"), "--to", "127.0.0.1:1"]) == 1
    assert "no-such-folder" in capsys.readouterr().err


def test_a_refused_connection_is_said_once_and_the_totals_add_up(
    send_to: SendTo, folder: Path, closed_port: int
) -> None:
    shown = send_to(f"127.0.0.1:{closed_port}")
    said_once(shown, "connection refused", "2 not sent", "Run the same command again")
    code, out, _ = send_to(f"127.0.0.1:{closed_port}", "--json")
    told = json.loads(out)
    assert code == 1
    sums = told["sent"] + told["already_there"] + len(told["refused"]) + len(told["not_sent"])
    assert sums == told["found"] == len(list(folder.iterdir()))


def test_a_folder_named_twice_is_sent_once(
    folder: Path, capsys: pytest.CaptureFixture[str], closed_port: int
) -> None:
    main(["send", str(folder), str(folder), "--to", f"127.0.0.1:{closed_port}", "--json"])
    assert json.loads(capsys.readouterr().out)["found"] == len(list(folder.iterdir()))


def test_a_port_that_speaks_something_else_is_said(send_to: SendTo) -> None:
    with web_server() as port:
        said_once(send_to(f"127.0.0.1:{port}"), "DICOM port")


def test_web_mistakes_are_one_line_that_says_what_to_do(
    send_to: SendTo, certificate: Path, closed_port: int
) -> None:
    said_once(send_to(f"http://127.0.0.1:{closed_port}"), "connection refused", "again")
    with web_server() as port:
        for path in ("", "/", "/dicom-web", "/elsewhere"):
            shown = send_to(f"http://127.0.0.1:{port}{path}")
            said_once(shown, "there is no DICOMweb")
            assert "again" not in shown[2]
        said_once(send_to(f"https://127.0.0.1:{port}"), "http://?")
    with web_server(server_tls(certificate)) as port:
        said_once(send_to(f"https://127.0.0.1:{port}"), "--ca-file")
        known = send_to(f"https://127.0.0.1:{port}", "--ca-file", str(certificate))
        said_once(known, "there is no DICOMweb")
        said_once(send_to(f"http://127.0.0.1:{port}"), "https://")


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("nowhere", ()),
        ("127.0.0.1:99999", ()),
        ("127.0.0.1:dicom", ()),
        ("[::1", ()),
        ("ftp://127.0.0.1/x", ()),
        ("http://", ()),
        ("http://127.0.0.1:99999/dicom-web", ()),
        ("http://127.0.0.1:1", ("--token-file", "/nonexistent/token")),
        ("https://127.0.0.1:1", ("--ca-file", "/nonexistent/ca.pem")),
        ("https://127.0.0.1:1", ("--ca-file", __file__)),
        ("127.0.0.1:1", ("--calling", "LONGER-THAN-SIXTEEN")),
    ],
)
def test_a_wrong_command_is_one_line(send_to: SendTo, to: str, words: tuple[str, ...]) -> None:
    code, out, err = send_to(to, *words)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert err.startswith("yilian send: ")


def test_a_token_that_is_no_header_is_refused(
    send_to: SendTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YILIAN_TOKEN", "two words")
    said_once(send_to("http://127.0.0.1:1"), "bad-token")


def test_ctrl_c_while_the_program_loads_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import yilian.cli  # noqa: PLC0415

    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(yilian.cli, "import_module", interrupted)
    assert main(["send", ".", "--to", "127.0.0.1:1"]) == 130
    assert capsys.readouterr().err == ""
