"""Who is at the other end, when a proxy may stand between."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_FORWARDED_FOR: Final = "X-Forwarded-For"
_FORWARDED_PROTO: Final = "X-Forwarded-Proto"


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a request comes from."""

    address: str
    secure: bool
    """Whether TLS protects it up to us or to a proxy we trust."""
    loopback: bool
    """Whether it came to this machine's own loopback address."""


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks in *texts*; raises ``ValueError`` for anything else."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _trusted(text: str, proxies: Sequence[Network]) -> bool:
    parsed = _address(text)
    return parsed is not None and any(parsed in network for network in proxies)


def peer_of(request: web.Request, proxies: Sequence[Network]) -> Peer:
    """Return who sent *request*; what a proxy says counts only from one of *proxies*.

    Of X-Forwarded-For the last address that is no trusted proxy counts: what stands before it came
    from the client and may say anything.
    """
    transport = request.transport
    name = transport.get_extra_info("peername") if transport is not None else None
    own = transport.get_extra_info("sockname") if transport is not None else None
    direct = str(name[0]) if isinstance(name, tuple) else ""
    here = _address(str(own[0])) if isinstance(own, tuple) else None
    secure = transport is not None and transport.get_extra_info("sslcontext") is not None
    # A unix socket is this machine's own, too.
    loopback = here is None or here.is_loopback
    address = direct
    if _trusted(direct, proxies):
        hops = [
            hop.strip() for hop in ",".join(request.headers.getall(_FORWARDED_FOR, [])).split(",")
        ]
        address = next(
            (hop for hop in reversed(hops) if hop and not _trusted(hop, proxies)), direct
        )
        if _FORWARDED_PROTO in request.headers:
            secure = request.headers[_FORWARDED_PROTO].strip().lower() == "https"
            loopback = False
    return Peer(address, secure, loopback)
