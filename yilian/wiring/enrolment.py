"""Enrolling: what a township asks of its county, and who answers there."""

import asyncio
import ssl
from typing import Final

import aiohttp
import msgspec
import yarl

from gateway.exchange.codes import normal_code
from gateway.exchange.county_link import CountyUnreachable, body_of, decoded
from gateway.exchange.enrolment import CountyFacts, Enrolment, NodeRevoked
from gateway.exchange.model import Enrolled
from gateway.exchange.proof import public_hex, seal_secret
from kernel.clock import Clock
from kernel.errors import Category, Conflict, Forbidden, Invalid, PlatformError
from kernel.identity import find_institution
from kernel.settings import Settings, is_loopback
from kernel.sql.db import Database
from yilian.wiring.homes import Home
from yilian.wiring.pairing import Pairing, pair

_CREATED: Final = 201
_WITHIN_S: Final = 30.0


class EnrolRefused(PlatformError):
    """The county does not take the code; its own code and words say why."""

    code = "enrol-refused"
    category = Category.CONFLICT


def check_url(url: str, *, unencrypted: bool) -> str:
    """Return *url* without its last slash.

    Raises:
        Invalid: no address of a county (``county-url``).
        Forbidden: code and passwords would cross a network in clear (``needs-tls``).
    """
    found = yarl.URL(url.rstrip("/"))
    if found.scheme not in {"http", "https"} or not found.host:
        raise Invalid("--county is http://… or https://…", code="county-url")
    if found.scheme == "http" and not is_loopback(found.host) and not unencrypted:
        raise Forbidden("use https://, or say --allow-unencrypted", code="needs-tls")
    return str(found)


async def enrol(home: Home, settings: Settings, code: str, url: str, ca_file: str) -> Pairing:
    """Make the node at *home* one of the county's, and keep what it says.

    Safe to repeat until it succeeds: the same code with the same key gets the same answer. A box
    the county has let go gets another key: it comes back as a node of its own.

    Raises:
        EnrolRefused: the county's reason, with its code.
        CountyUnreachable: try again.
        Conflict: the settings say another institution (``other-institution``).
    """
    mine = settings.node.institution
    asked = {"code": normal_code(code), "institution": mine}
    try:
        told = await _ask_to_enrol(home, asked, url, ca_file)
    except EnrolRefused as exc:
        if exc.code != NodeRevoked.code:
            raise
        await asyncio.to_thread(home.new_signing_key)
        told = await _ask_to_enrol(home, asked, url, ca_file)
    # A county of before that question used the code up all the same.
    if mine and mine != told.institution:
        raise Conflict(
            f"the code is for {told.institution}, but {home.settings_file} says {mine}",
            code="other-institution",
        )
    pairing = Pairing(county_url=url, county_ca_file=ca_file, enrolled=told)
    pair(home, pairing)
    return pairing


async def _ask_to_enrol(home: Home, asked: dict[str, str], url: str, ca_file: str) -> Enrolled:
    body = {**asked, "public_key": public_hex(home.signing_key())}
    tls = ssl.create_default_context(cafile=ca_file) if ca_file else True
    try:
        async with (
            asyncio.timeout(_WITHIN_S),
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session,
            session.post(f"{url}/api/v1/nodes/enrol", json=body) as answer,
        ):
            raw = await body_of(answer)
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise CountyUnreachable(f"{url}: {_why(exc)}") from exc
    if answer.status != _CREATED:
        said = _problem(raw)
        otherwise = f"{url} answered {answer.status}: is this the county's address?"
        raise EnrolRefused(said.detail or otherwise, code=said.code)
    return decoded(raw, Enrolled)


def _why(exc: Exception) -> str:
    match exc:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not one this box trusts; name its authority with --ca-file"
        case aiohttp.ClientConnectorSSLError():
            return "it does not speak TLS there; look at the address and the port"
        case TimeoutError():
            return f"no answer within {_WITHIN_S:g} s; look at the line, and try again"
        case aiohttp.ClientConnectorDNSError():
            return "nobody knows that name; look at the address"
        case _:
            return "nobody answers there; look at the address and the line, and try again"


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    code: str = EnrolRefused.code
    detail: str = ""


def _problem(raw: bytes) -> _Problem:
    try:
        return msgspec.json.decode(raw, type=_Problem)
    except msgspec.MsgspecError:
        return _Problem()


async def county_enrolment(
    home: Home, settings: Settings, database: Database, clock: Clock, *, chain: str
) -> Enrolment:
    """Return the county's side of it."""
    code = settings.node.institution or "county"
    known = await database.read(lambda conn: find_institution(conn, code))
    key = await asyncio.to_thread(home.signing_key)
    facts = CountyFacts(
        institution=code,
        name=settings.node.name or (known.name if known else code),
        phone=settings.node.phone or (known.phone if known else ""),
        public_key=public_hex(key),
    )
    return Enrolment(database, clock, facts, seal_secret(key), chain=chain)
