"""Whether the county still takes an enrolled node for what it was enrolled as: one sign-in."""

from collections.abc import Iterator
from typing import Any, Final

from gateway.exchange.proof import sign_nonce
from kernel.errors import PlatformError
from kernel.settings import Settings
from yilian.doctor.county_door import NO_ANSWER, CountyRefused, ask
from yilian.doctor.finding import Finding
from yilian.doctor.refusals import explained
from yilian.wiring.homes import Home
from yilian.wiring.pairing import Pairing

_WHAT: Final = "county enrolment"
_NODES: Final = "/api/v1/nodes"


def enrolment(home: Home, settings: Settings, pairing: Pairing) -> Iterator[Finding]:
    """Yield whether the county lets the node in, for which institution, and whose key it has.

    The node signs in as it does at work, with its key over the county's nonce; no instant of its
    clock goes into that, so a clock that is wrong is not taken for a refusal.
    """
    node, mine = pairing.enrolled.node, settings.node.institution
    try:
        opened = _sign_in(home, settings, node)
        said = ask(home, settings, "/api/v1/session", token=str(opened.get("token", "")))
    except CountyRefused as exc:
        yield refused(_WHAT, exc)
        return
    except PlatformError as exc:
        yield Finding(_WHAT, good=False, found=f"not tried: {exc.detail}", mend="mend that first")
        return
    except NO_ANSWER as exc:
        yield Finding(_WHAT, good=False, found=f"not tried: {exc}", mend="mend the line first")
        return
    theirs = str(opened.get("institution", ""))
    wrong = explained("other-institution")
    yield Finding(
        _WHAT,
        good=theirs == mine and bool(said.get("authenticated")),
        found=f"node {node} of {theirs}" + (f", but here it is {mine}" if theirs != mine else ""),
        mend=wrong[1] if wrong else "",
    )
    yield from receipt_key(settings, said)


def refused(what: str, exc: CountyRefused) -> Finding:
    """Return the county's refusal in words, with what to do."""
    found, mend = explained(exc.code) or (str(exc), "try again; the county's log says more")
    return Finding(what, good=False, found=f"{found} [{exc.code}]", mend=mend)


def receipt_key(settings: Settings, said: dict[str, Any]) -> Iterator[Finding]:
    """Yield whether what the county signs receipts with is what is trusted here."""
    key, trusted = str(said.get("receipt_key", "")), settings.township.county_public_key
    if key:
        yield Finding(
            "county key",
            good=key == trusted.lower(),
            found=f"{key[:8]}... there, {trusted[:8] or 'none'}... here",
            mend="receipts do not count until it is mended: write what `yilian admin key` prints "
            "at the county into township.county_public_key",
        )


def _sign_in(home: Home, settings: Settings, node: str) -> dict[str, Any]:
    given = ask(home, settings, f"{_NODES}/challenge", body={"node": node})
    nonce = str(given.get("nonce", ""))
    signature = sign_nonce(home.signing_key(), node, nonce)
    body = {"node": node, "nonce": nonce, "signature": signature}
    return ask(home, settings, f"{_NODES}/session", body=body)
