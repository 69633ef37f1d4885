"""The nginx configuration that install.sh wrote, run by a real nginx on loopback."""

import datetime as dt
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.demo.running import until
from tests.deploy.trial import Trial
from tests.ports import free_port

NAME = "yilian.example"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running nginx."""

    http_port: int
    https_port: int
    certificate: Path
    log: Path


def nginx() -> str:
    """The program; skips where it is not installed."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if found is None:
        pytest.skip("nginx is not installed")
    return found


def make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2120, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(private)


def written(trial: Trial, folder: Path, changes: dict[str, str]) -> Proxy:
    """Write what nginx needs around the installed file, which moves to free ports of loopback."""
    proxy = Proxy(free_port(), free_port(), folder / "cert.pem", folder / "log/yilian-county.log")
    (folder / "log").mkdir(parents=True)
    make_certificate(folder)
    installed = (trial.root / f"etc/yilian/{trial.role}-nginx.conf").read_text("utf-8")
    kept = [line for line in installed.splitlines() if "listen [::]" not in line]
    text = "\n".join(kept)
    moved = {
        "listen 80;": f"listen 127.0.0.1:{proxy.http_port};",
        "listen 443 ": f"listen 127.0.0.1:{proxy.https_port} ",
        "/var/log/nginx": f"{folder}/log",
        "ssl_certificate /etc/yilian/cert.pem": f"ssl_certificate {folder}/cert.pem",
        "/etc/yilian/key.pem": f"{folder}/key.pem",
        **changes,
    }
    for old, new in moved.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "site.conf").write_text(text, "utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/log/error;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{places}include {folder}/site.conf;\n}}\n",
        "utf-8",
    )
    return proxy


@contextmanager
def behind_nginx(
    trial: Trial, folder: Path, changes: dict[str, str] | None = None
) -> Iterator[Proxy]:
    """Run nginx before *trial*'s node; *changes* replace texts of its configuration."""
    program = nginx()
    proxy = written(trial, folder, changes or {})
    words = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    tested = subprocess.run([*words, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr
    with (folder / "out").open("wb") as out, subprocess.Popen(words, stderr=out) as process:
        try:
            until(lambda: answers(proxy.https_port), 20, "nginx to listen")
            yield proxy
        finally:
            process.terminate()
            process.wait(20)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
