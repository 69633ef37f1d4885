"""The county as this township sees it: whether it answers, and whether the clocks agree."""

import datetime as dt
import http.client
import ssl
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import Final

from kernel.settings import Settings
from yilian.doctor.finding import Finding
from yilian.wiring.homes import Home

_WITHIN_S: Final = 5.0
_APART: Final = dt.timedelta(seconds=30)


def county(home: Home, settings: Settings, now: dt.datetime) -> Finding:
    """Return what the county's HTTP door says; waits at most some seconds."""
    what, url = "county", settings.township.county_url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        mend = "set township.county_url to the county's address"
        return Finding(what, good=False, found=url or "none", mend=mend)
    try:
        stated = _date(home, settings, f"{url}/health/live")
    except ssl.SSLError as exc:
        mend = "name the county's authority in township.county_ca_file"
        return Finding(what, good=False, found=f"{url}: {exc}", mend=mend)
    except (OSError, ValueError, http.client.HTTPException) as exc:
        mend = "the line is down or the address is wrong; images wait here until it is mended"
        return Finding(what, good=False, found=f"{url}: {exc}", mend=mend)
    apart = abs(now - stated)
    return Finding(
        what,
        good=apart <= _APART,
        found=f"{url} answers, clocks {apart.total_seconds():.0f} s apart",
        mend="set this clock or the county's, best both by NTP: times of receipt must agree",
    )


def _date(home: Home, settings: Settings, url: str) -> dt.datetime:
    """Return the time in the answer's Date header.

    Raises:
        OSError, ValueError, HTTPException: there is no answer, or it has none.
    """
    ca_file = settings.township.county_ca_file
    tls = ssl.create_default_context(cafile=str(home.root / ca_file) if ca_file else None)
    # As the forwarder goes: by no proxy of the environment.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
    )
    try:
        with opener.open(url, timeout=_WITHIN_S) as answer:
            header = answer.headers["Date"]
    except urllib.error.HTTPError as refused:
        with refused:
            header = refused.headers["Date"]
    except urllib.error.URLError as exc:
        raise exc.reason if isinstance(exc.reason, OSError) else exc from exc
    if header is None:
        raise ValueError("something else than a county answers there")
    return parsedate_to_datetime(header)
