"""Certificates that end, keys that do not fit, secrets that others can read."""

import datetime as dt
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509

from kernel.settings import Settings
from yilian.doctor.finding import Finding
from yilian.wiring.homes import Home

_SOON: Final = dt.timedelta(days=30)
_OTHERS: Final = 0o027
"""A key outside the home may be read by a group (ssl-cert), written by its owner alone."""
_NOT_THE_OWNER: Final = 0o077


def certificates(home: Home, settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """Yield one finding for each certificate the settings name that can be read."""
    named = {
        "tls.cert_file": settings.tls.cert_file,
        "tls.client_ca_file": settings.tls.client_ca_file,
        "township.county_ca_file": settings.township.county_ca_file,
    }
    for key, name in named.items():
        if name and (path := home.root / name).is_file():
            yield _validity(f"{key} validity", path, now)
    if settings.tls.on:
        pair = (home.root / settings.tls.cert_file, home.root / settings.tls.key_file)
        if all(path.is_file() for path in pair):
            yield _fit(*pair)


def key_files(home: Home, settings: Settings) -> Iterator[Finding]:
    """Yield one finding for each key or token that others could read or change."""
    inside = sorted(home.secret("x").parent.glob("*"))
    named = [settings.tls.key_file, settings.township.token_file]
    outside = [home.root / name for name in named if name]
    loose = [
        *((path, 0o600) for path in inside if path.is_file() and _mode(path) & _NOT_THE_OWNER),
        *(
            (path, 0o640)
            for path in outside
            if path not in inside and path.is_file() and _mode(path) & _OTHERS
        ),
    ]
    for path, wanted in loose:
        yield Finding(
            "key file mode",
            good=False,
            found=f"{path}: {_mode(path):04o}",
            mend=f"others can read or change it: chmod {wanted:o} {path}",
        )
    if not loose:
        count = len({*inside, *(path for path in outside if path.is_file())})
        yield Finding("key file modes", good=True, found=f"{count} files, closed to others")


def _validity(what: str, path: Path, now: dt.datetime) -> Finding:
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as exc:
        return Finding(what, good=False, found=f"{path}: {exc}", mend="name a PEM certificate")
    ends = min(one.not_valid_after_utc for one in chain)
    begins = max(one.not_valid_before_utc for one in chain)
    if begins > now:
        found = f"{path}: valid from {begins:%Y-%m-%d %H:%M} UTC on"
        return Finding(what, good=False, found=found, mend="set the clock, or wait until then")
    left = ends - now
    return Finding(
        what,
        good=left > _SOON,
        found=f"{path}: until {ends:%Y-%m-%d}, {max(left.days, 0)} days",
        mend="get a new one: with an ended certificate no browser, modality or township comes in",
    )


def _fit(certificate: Path, key: Path) -> Finding:
    what = "tls key"
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ValueError) as exc:
        return Finding(
            what,
            good=False,
            found=f"{key}: {exc}",
            mend="tls.key_file is not the key of tls.cert_file, or needs a password",
        )
    return Finding(what, good=True, found="fits the certificate")


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777
