"""A line for whoever looks at the queue while the county lets this node not in."""

import sys

import sqlalchemy as sa

from gateway.township.line import LineState
from gateway.township.line_told import line_told
from gateway.township.parcel_queue import line_hold
from kernel.clock import Clock
from kernel.settings import Settings
from yilian.doctor.refusals import explained


def tell_refusal(conn: sa.Connection, settings: Settings) -> None:
    """Say on standard error why nothing goes out until a person acts, where that is so.

    What passes by itself (a line that is down, a county that is busy) is not told here.
    """
    note = _note(conn, settings)
    if note:
        print(f"yilian spool: {note}", file=sys.stderr)


def tell_hold(conn: sa.Connection, clock: Clock) -> None:
    """Say on standard error until when a person lets no images go, who, and how to end it."""
    held = line_hold(conn, now=clock.now())
    if held is None:
        return
    until, by = held
    told = until.astimezone().isoformat(timespec="minutes")
    who = f" by {by}" if by else ""
    print(
        f"yilian spool: all images are held until {told}{who}, emergencies included; "
        "yilian spool resume lets it go",
        file=sys.stderr,
    )


def _note(conn: sa.Connection, settings: Settings) -> str:
    if not settings.township.county_url:
        return "nothing is sent, for no county is named: yilian township enrol CODE --county URL"
    told = line_told(conn)
    if told is None or told[0].state is not LineState.DOWN:
        return ""
    line, at = told
    refusal = explained(line.code)
    if refusal is None:
        return ""
    since = (line.since or at).astimezone().isoformat(timespec="minutes")
    what, mend = refusal
    return f"nothing goes out since {since}: {what} [{line.code}]. What to do: {mend}"
