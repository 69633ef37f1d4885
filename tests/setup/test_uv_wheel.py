"""The first step on a bare machine: which index is asked, and what is taken from it."""

import hashlib
import http.server
import io
import json
import platform
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import uv_wheel

NAME = "uv-0-py3-none-any.whl"
own_pip_files = uv_wheel._pip_files
VARIABLES = ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "PIP_CONFIG_FILE"]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine where nobody set an index; its home."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))
    return tmp_path


class Index:
    """A small package index on loopback, with one page and one wheel."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.failures = 0
        self.authorizations: list[str | None] = []
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.authorizations.append(self.headers["Authorization"])
                if index.failures:
                    index.failures -= 1
                    self.send_error(503)
                    return
                if self.path not in index.pages:
                    self.send_error(404)
                    return
                kind, body = index.pages[self.path]
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"

    def holds(self, wheel: bytes, *, page: str) -> None:
        link = f"../../files/{NAME}"
        self.pages["/files/" + NAME] = ("application/octet-stream", wheel)
        self.pages["/simple/uv/"] = {
            "json": (
                "application/vnd.pypi.simple.v1+json",
                json.dumps({"files": [{"url": "../../files/other.whl"}, {"url": link}]}).encode(),
            ),
            "html": ("text/html", f'<a href="{link}#sha256=0">{NAME}</a>'.encode()),
        }[page]


@pytest.fixture
def index() -> Iterator[Index]:
    made = Index()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def wheel() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"uv-{uv_wheel.VERSION}.data/scripts/uv", "#!/bin/sh\necho uv\n")
    return content.getvalue()


def pin(monkeypatch: pytest.MonkeyPatch, sha256: str) -> None:
    machines = dict.fromkeys(uv_wheel.WHEELS, (NAME, sha256))
    monkeypatch.setattr(uv_wheel, "WHEELS", machines)
    monkeypatch.setattr(time, "sleep", lambda _: None)


def quiet(_: str) -> None:
    pass


def test_a_machine_nobody_set_up_asks_the_ordinary_index(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etc = Path("/etc/pip.conf")
    monkeypatch.setattr(
        uv_wheel, "_pip_files", lambda: [path for path in own_pip_files() if path != etc]
    )
    assert list(bare.iterdir()) == []
    assert uv_wheel.configured_index() == uv_wheel.PUBLIC_INDEX


def test_a_variable_wins_over_pips_file(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / ".pip").mkdir()
    (bare / ".pip" / "pip.conf").write_text("[global]\nindex-url = https://mirror.example/a/\n")
    assert uv_wheel.configured_index() == "https://mirror.example/a"
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/b/")
    assert uv_wheel.configured_index() == "https://mirror.example/b"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mirror.example/c/")
    assert uv_wheel.configured_index() == "https://mirror.example/c"


def test_a_damaged_pip_file_is_passed_over(bare: Path) -> None:
    (bare / "config" / "pip").mkdir(parents=True)
    (bare / "config" / "pip" / "pip.conf").write_text("index-url without a section\n")
    (bare / ".pip").mkdir()
    (bare / ".pip" / "pip.conf").write_text("[install]\nindex-url = https://mirror.example/d\n")
    assert uv_wheel.configured_index() == "https://mirror.example/d"


@pytest.mark.parametrize("page", ["json", "html"])
def test_the_pinned_wheel_is_fetched_once(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: str
) -> None:
    index.holds(wheel(), page=page)
    pin(monkeypatch, hashlib.sha256(wheel()).hexdigest())
    program = uv_wheel.fetch_uv(tmp_path, f"http://{index.address}/simple", quiet)
    assert program.read_text("utf-8").startswith("#!/bin/sh")
    assert program.stat().st_mode & 0o111
    asked = len(index.authorizations)
    assert uv_wheel.fetch_uv(tmp_path, f"http://{index.address}/simple", quiet) == program
    assert len(index.authorizations) == asked


def test_another_file_under_the_pinned_name_is_refused(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    index.holds(wheel(), page="json")
    pin(monkeypatch, "0" * 64)
    with pytest.raises(SystemExit, match="not the file that is pinned"):
        uv_wheel.fetch_uv(tmp_path, f"http://{index.address}/simple", quiet)
    assert list(tmp_path.iterdir()) == []


def test_an_index_that_stumbles_is_asked_again(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    index.holds(wheel(), page="json")
    index.failures = 2
    pin(monkeypatch, hashlib.sha256(wheel()).hexdigest())
    assert uv_wheel.fetch_uv(tmp_path, f"http://{index.address}/simple", quiet).exists()


def test_an_index_without_the_wheel_is_a_plain_message(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pin(monkeypatch, "0" * 64)
    with pytest.raises(SystemExit, match="does not answer: HTTP Error 404"):
        uv_wheel.fetch_uv(tmp_path, f"http://{index.address}/simple", quiet)


def test_a_name_and_password_in_the_index_are_sent_as_such(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    index.holds(wheel(), page="json")
    pin(monkeypatch, hashlib.sha256(wheel()).hexdigest())
    uv_wheel.fetch_uv(tmp_path, f"http://reader:p%40ss@{index.address}/simple", quiet)
    assert index.authorizations[0] == "Basic cmVhZGVyOnBAc3M="


def test_a_machine_without_wheels_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(SystemExit, match="riscv64"):
        uv_wheel.fetch_uv(tmp_path, "https://mirror.example/simple", quiet)
