"""Whether the node that should run answers, with all its parts, and which release it is."""

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from typing import Any, Final

from kernel.settings import Settings
from yilian.doctor.finding import Finding

_ONCE_WITHIN_S: Final = 5.0
_ASKED_AGAIN_S: Final = 0.25
_DOWN: Final = "role-down"
_HERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # compared with, not bound


def running(settings: Settings, *, version: str, within_s: float) -> Finding:
    """Return whether ``/health/ready`` says yes and the API is of *version*.

    Asks again until *within_s* seconds are over. It goes over this machine itself, so that the
    door's certificate proves nothing and is not looked at.
    """
    scheme = "https" if settings.tls.on else "http"
    host = settings.http.host
    door = f"{scheme}://{_HERE.get(host, host)}:{settings.http.port}"
    last = time.monotonic() + within_s
    while True:
        good, found = _asked(door, version)
        if good or time.monotonic() >= last:
            mend = "start the node, or look into its log"
            return Finding("running node", good=good, found=found, mend=mend)
        time.sleep(_ASKED_AGAIN_S)


def _asked(door: str, version: str) -> tuple[bool, str]:
    try:
        said = _get(f"{door}/health/ready")
        if said.get("code") == _DOWN:
            return False, f"{door}: it cannot start now, and says so at all its doors"
        checks = said.get("checks", {})
        bad = [name for name, answer in checks.items() if answer != "ok"]
        info = _get(f"{door}/api/openapi.json").get("info", {})
    except (OSError, ValueError, AttributeError, http.client.HTTPException) as exc:
        return False, f"{door}: {type(exc).__name__}"
    if bad:
        return False, f"{door}: not well: {', '.join(bad)}"
    if info.get("version") != version:
        return False, f"{door}: release {info.get('version')} runs, not {version}"
    return True, f"{door}: release {version}, all parts answer"


def _get(url: str) -> dict[str, Any]:
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    # By no proxy of the environment: it is this machine.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
    )
    try:
        with opener.open(url, timeout=_ONCE_WITHIN_S) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            found = json.load(refused)
    if not isinstance(found, dict):
        raise ValueError("something else than a node answers there")  # noqa: TRY004
    return found
