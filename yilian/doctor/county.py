"""The county as this township sees it: whether it answers and knows us, whose key it has."""

import datetime as dt
import http.client
import ssl
import urllib.error
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final

from kernel.errors import PlatformError
from kernel.identity import Role
from kernel.settings import Settings
from yilian.doctor.county_door import NO_ANSWER, WITHIN_S, CountyRefused, ask, opener
from yilian.doctor.enrolment import enrolment, receipt_key, refused
from yilian.doctor.finding import Finding
from yilian.wiring.homes import Home
from yilian.wiring.pairing import pairing_of

_APART: Final = dt.timedelta(seconds=30)


def county(home: Home, settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """Yield what the county's HTTP door says, and whether it knows us; waits some seconds."""
    found, answers = _line(home, settings, now)
    yield found
    if not answers:
        return
    try:
        pairing = pairing_of(home)
    except PlatformError as exc:
        yield Finding("county enrolment", good=False, found="damaged", mend=exc.detail)
        return
    if pairing is not None:
        yield from enrolment(home, settings, pairing)
    elif settings.township.token_file:
        yield from _known_there(home, settings)


def _known_there(home: Home, settings: Settings) -> Iterator[Finding]:
    """Yield whether the county takes our token, and whether its key is the one we trust."""
    what, township = "county token", settings.township
    try:
        token = (home.root / township.token_file).read_text("ascii").strip()
        session = ask(home, settings, "/api/v1/session", token=token)
    except CountyRefused as exc:
        yield refused(what, exc)
        return
    except NO_ANSWER as exc:
        mend = "mend what is said above first"
        yield Finding(what, good=False, found=f"not tried: {exc}", mend=mend)
        return
    user = session.get("user") or {}
    roles = set(user.get("roles", ()))
    yield Finding(
        what,
        good=bool(session.get("authenticated")) and Role.TECHNICIAN in roles,
        found=f"accepted as {user.get('username')}" if user else "refused",
        mend="nothing goes out until it is mended: at the county `yilian admin token add` for an "
        f"account of this institution with --role technician, here into {township.token_file}",
    )
    yield from receipt_key(settings, session)


def _line(home: Home, settings: Settings, now: dt.datetime) -> tuple[Finding, bool]:
    """Return what is found of the line and the clocks, and whether anybody answers at all."""
    what, url = "county", settings.township.county_url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        mend = "set township.county_url to the county's address"
        return Finding(what, good=False, found=url or "none", mend=mend), False
    try:
        stated = _date(home, settings, f"{url}/health/live")
    except ssl.SSLError as exc:
        mend = "name the county's authority in township.county_ca_file"
        return Finding(what, good=False, found=f"{url}: {exc}", mend=mend), False
    except (OSError, ValueError, http.client.HTTPException) as exc:
        mend = "the line is down or the address is wrong; images wait here until it is mended"
        return Finding(what, good=False, found=f"{url}: {exc}", mend=mend), False
    apart = abs(now - stated)
    finding = Finding(
        what,
        good=apart <= _APART,
        found=f"{url} answers, clocks {apart.total_seconds():.0f} s apart",
        mend="set this clock or the county's, best both by NTP: times of receipt must agree",
    )
    return finding, True


def _date(home: Home, settings: Settings, url: str) -> dt.datetime:
    """Return the time in the answer's Date header.

    Raises:
        OSError, ValueError, HTTPException: there is no answer, or it has none.
    """
    try:
        with opener(home, settings).open(url, timeout=WITHIN_S) as answer:
            header = answer.headers["Date"]
    except urllib.error.HTTPError as answered:
        with answered:
            header = answered.headers["Date"]
    except urllib.error.URLError as exc:
        raise exc.reason if isinstance(exc.reason, OSError) else exc from exc
    if header is None:
        raise ValueError("something else than a county answers there")
    return parsedate_to_datetime(header)
