"""Fetch uv, pinned by digest, from the package index this machine is set up for.

Standard library only, and no pip: this is the first step on a machine that has neither.
"""

import base64
import configparser
import hashlib
import html.parser
import io
import json
import os
import platform
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Final

VERSION: Final = "0.13.9"
WHEELS: Final = {
    "x86_64": (
        f"uv-{VERSION}-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    "aarch64": (
        f"uv-{VERSION}-py3-none-manylinux_2_28_aarch64.whl",
        "ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375",
    ),
}
# PEP 503's ordinary index. Which mirror serves it is the machine's business, so no address of a
# host stands in this repository as such.
PUBLIC_INDEX: Final = "https://" + ".".join(("pypi", "org")) + "/simple"
PAGE_TYPES: Final = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
TIMEOUT_S: Final = 60
ATTEMPTS: Final = 4


class _Links(html.parser.HTMLParser):
    """The addresses a PEP 503 page names."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the target of every link."""
        self.addresses += [
            value for name, value in attrs if tag == "a" and name == "href" and value
        ]


def _pip_files() -> Iterator[Path]:
    """The files pip reads, the one that wins first."""
    if named := os.environ.get("PIP_CONFIG_FILE"):
        yield Path(named)
    home = Path(os.environ.get("HOME", "/nonexistent"))
    yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield home / ".pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    for folder in (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"):
        yield Path(folder) / "pip" / "pip.conf"


def configured_index() -> str:
    """The package index this machine is set up for, without a trailing slash.

    uv's variable, then pip's, then pip's files, then the ordinary public one.
    """
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if value := os.environ.get(variable):
            return value.rstrip("/")
    for path in _pip_files():
        config = configparser.RawConfigParser()
        try:
            config.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in ("install", "global"):
            if value := config.get(section, "index-url", fallback=""):
                return value.strip().rstrip("/")
    return PUBLIC_INDEX


def _get(address: str, accept: str = "*/*") -> tuple[bytes, str]:
    """Fetch *address*; the body and its content type. Tries again when the line breaks."""
    parts = urllib.parse.urlsplit(address)
    headers = {"Accept": accept, "User-Agent": "yilian-setup"}
    if parts.username is not None:
        pair = (
            f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        )
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            request = urllib.request.Request(address, headers=headers)
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return answer.read(), answer.headers.get_content_type()
        except OSError as exc:
            refused = (
                isinstance(exc, urllib.error.HTTPError)
                and exc.code < HTTPStatus.INTERNAL_SERVER_ERROR
            )
            if refused or attempt == ATTEMPTS:
                raise SystemExit(f"setup: the package index does not answer: {exc}") from exc
            time.sleep(attempt)
    raise AssertionError("unreachable")


def _wheel_address(index: str, name: str) -> str:
    """Where *index* keeps the wheel *name*; ends with a message when it has none."""
    page = f"{index}/uv/"
    body, kind = _get(page, PAGE_TYPES)
    if kind.endswith("json"):
        addresses = [str(entry["url"]) for entry in json.loads(body)["files"]]
    else:
        links = _Links()
        links.feed(body.decode("utf-8", "replace"))
        addresses = links.addresses
    for address in addresses:
        whole = urllib.parse.urljoin(page, address)
        if urllib.parse.unquote(urllib.parse.urlsplit(whole).path).rpartition("/")[2] == name:
            return whole
    raise SystemExit(f"setup: the package index has no {name}")


def fetch_uv(folder: Path, index: str, say: Callable[[str], None]) -> Path:
    """Return the path of the pinned uv under *folder*, fetched and proven if it is not there.

    Raises:
        SystemExit: This machine has no wheel of uv, the index does not answer, or what came is
            not what is pinned here.
    """
    program = folder / f"uv-{VERSION}"
    if program.exists():
        return program
    machine = platform.machine()
    if machine not in WHEELS:
        raise SystemExit(f"setup: no locked wheels for {machine}; x86_64 and aarch64 are served")
    name, sha256 = WHEELS[machine]
    say(f"fetching uv {VERSION}")
    wheel, _ = _get(_wheel_address(index, name))
    if hashlib.sha256(wheel).hexdigest() != sha256:
        raise SystemExit(f"setup: {name} is not the file that is pinned; nothing was installed")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        content = archive.read(f"uv-{VERSION}.data/scripts/uv")
    part = folder / "uv.part"
    part.write_bytes(content)
    part.chmod(0o755)
    part.replace(program)
    return program
