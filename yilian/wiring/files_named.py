"""The files that settings name: found from the home folder, and looked at before anything starts.

A role that meets a missing file can only crash and be started again; here it is one line.
"""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from gateway.routing.rules_file import read_rules
from gateway.routing.toml_lines import RulesFileError
from kernel.dicom.dictionary import keywords
from kernel.settings import Settings, SettingsRefused
from yilian.wiring.homes import Home

_FILES: Final = {
    ("tls", "cert_file"): "the node's certificate and what signed it, PEM",
    ("tls", "key_file"): "the key of tls.cert_file, PEM without a password",
    ("tls", "client_ca_file"): "the authority of DICOM peers, PEM",
    ("routing", "rules"): "routing rules (docs/reference/routing.md); without the key the centre "
    "reads everything",
    ("township", "token_file"): "this node's token, as `yilian admin token add` prints it at the "
    "county",
    ("township", "county_ca_file"): "the authority of the county's certificate, PEM",
    ("objects", "access_key_file"): "the access key of the object store",
    ("objects", "secret_key_file"): "the secret key of the object store",
    ("redis", "server"): "a Redis or Valkey server program",
}
_PUBLIC_KEY_BYTES: Final = 32


def with_absolute_files(home: Home, settings: Settings) -> Settings:
    """Return *settings* with every file name made absolute: relative ones begin at the home."""
    changed: dict[str, dict[str, str]] = {}
    for section, key in _FILES:
        name = getattr(getattr(settings, section), key)
        if name:
            changed.setdefault(section, {})[key] = str(home.root / name)
    sections = {
        section: msgspec.structs.replace(getattr(settings, section), **keys)
        for section, keys in changed.items()
    }
    return msgspec.structs.replace(settings, **sections)


def files_named(home: Home, settings: Settings) -> Iterator[tuple[str, Path, str]]:
    """Yield setting, path and what belongs there of every file *settings* name."""
    for (section, key), meaning in _FILES.items():
        name = getattr(getattr(settings, section), key)
        if name:
            yield f"{section}.{key}", home.root / name, meaning


def check_files(home: Home, settings: Settings) -> None:
    """Return if everything *settings* name is there and can be used.

    Raises:
        SettingsRefused: names the setting, the path, and what to do.
    """
    for setting, path, meaning in files_named(home, settings):
        why = _unusable(path)
        if why:
            raise SettingsRefused(
                f"{setting}: {path} {why}: put there {meaning}; or take the key out of "
                f"{home.settings_file}"
            )
    _check_pair(home, settings)
    _check_authorities(home, settings)
    if settings.routing.rules:
        path = home.root / settings.routing.rules
        try:
            read_rules(path.read_text("utf-8"), keywords=keywords())
        except (RulesFileError, UnicodeDecodeError) as exc:
            raise SettingsRefused(f"routing.rules: {path}: {exc}") from exc
    _check_public_key(settings.township.county_public_key)


def _unusable(path: Path) -> str:
    if not path.exists():
        return "is not there"
    if not path.is_file():
        return "is no file"
    return "" if os.access(path, os.R_OK) else f"cannot be read by user {os.getuid()}"


def _check_pair(home: Home, settings: Settings) -> None:
    if not settings.tls.on:
        return
    certificate, key = home.root / settings.tls.cert_file, home.root / settings.tls.key_file
    try:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as exc:
        raise SettingsRefused(
            f"tls.key_file: {key} is not the key of tls.cert_file {certificate}, one of them is "
            f"no PEM, or the key needs a password ({exc})"
        ) from exc


def _no_password() -> str:
    # Asked only for a sealed key; a node that starts by itself has nobody to ask.
    return ""


def _check_authorities(home: Home, settings: Settings) -> None:
    named = {
        "tls.client_ca_file": settings.tls.client_ca_file,
        "township.county_ca_file": settings.township.county_ca_file,
    }
    for setting, name in named.items():
        if name:
            try:
                ssl.create_default_context(cafile=home.root / name)
            except OSError as exc:
                raise SettingsRefused(
                    f"{setting}: {home.root / name} holds no PEM certificate"
                ) from exc


def _check_public_key(written: str) -> None:
    try:
        right = not written or len(bytes.fromhex(written)) == _PUBLIC_KEY_BYTES
    except ValueError:
        right = False
    if not right:
        raise SettingsRefused(
            "township.county_public_key: put there the 64 hex digits that `yilian admin key` "
            "prints at the county"
        )
