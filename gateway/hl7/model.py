"""Who may send messages here, and what becomes of a message, as values. Pure."""

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kernel.errors import Invalid

Location = tuple[str, int, int, int]
"""A segment's name, which of them from 1 on, the field, the component; 0 where it is all of it."""
KEY_SIGN: Final = "|"
PROCESSING: Final = "PTD"
"""Production, training, debugging: MSH-11, HL7 table 0103."""
_PORT_MAX: Final = 65535
_NAME_MAX: Final = 180


class AckMode(StrEnum):
    """How a peer is answered."""

    MESSAGE = "message"
    """As each message asks in MSH-15 and MSH-16: enhanced where one is filled, else original."""
    ORIGINAL = "original"
    """Always in original mode, whatever stands there."""


class State(StrEnum):
    """How far a message is."""

    RECEIVED = "received"
    """Durable, and its sender told so (enhanced mode); nothing has been done yet."""
    DONE = "done"
    """What it asked for is done; it is never done again."""
    REFUSED = "refused"
    """Nothing was done; the same may be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A system that may send messages here."""

    application: str
    """MSH-3, its first component."""
    facility: str = ""
    """MSH-4, its first component; empty for any."""
    institution: str
    """Code of the institution whose patients and orders its messages are about."""
    networks: tuple[str, ...]
    """Addresses it sends from, and from nowhere else."""
    charset: str = ""
    """What its text really is where MSH-18 is empty or wrong, such as GB18030."""
    mode: AckMode = AckMode.MESSAGE
    processing: str = "P"
    """Which of MSH-11's P, T and D are taken from it."""
    host: str = ""
    """Where application acknowledgements of enhanced mode go; empty for the same connection."""
    port: int = 0
    tls: bool = False
    """Whether it is called over TLS."""

    @property
    def key(self) -> str:
        """What names it."""
        return f"{self.application}{KEY_SIGN}{self.facility}"

    def checked(self) -> "Peer":
        """Return it as it is kept.

        Raises:
            Invalid: no name or a sign in one that separates (``invalid-name``), no address or one
                that is none (``invalid-address``), processing ids other than P, T and D
                (``invalid-processing-id``), or half a return address (``invalid-port``).
        """
        for name in (self.application, self.facility):
            if len(name) > _NAME_MAX or not name.isprintable() or set(name) & set("|^~\\&"):
                raise Invalid("a name without | ^ ~ \\ &", code="invalid-name")
        if not self.application.strip():
            raise Invalid("MSH-3 of its messages", code="invalid-name")
        if not self.networks:
            raise Invalid("one address or network at least", code="invalid-address")
        try:
            for network in self.networks:
                ipaddress.ip_network(network)
        except ValueError as exc:
            raise Invalid(
                "an address, or a network such as 10.1.2.0/24", code="invalid-address"
            ) from exc
        if not self.processing or set(self.processing) - set(PROCESSING):
            raise Invalid("of P, T and D", code="invalid-processing-id")
        if bool(self.host) != bool(self.port) or not 0 <= self.port <= _PORT_MAX:
            raise Invalid("a host and a port of 1 to 65535, or neither", code="invalid-port")
        return self

    def sends_from(self, address: str) -> bool:
        """Return whether *address* is one it sends from."""
        try:
            asking = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(asking, "ipv4_mapped", None) or asking
        return any(mapped in ipaddress.ip_network(network) for network in self.networks)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a message: a peer, at an address, under the names its message says."""

    peer: Peer
    application: str
    facility: str
    address: str

    @property
    def key(self) -> str:
        """Whose control ids are told apart: MSH-3 and MSH-4 as they stand."""
        return f"{self.application}{KEY_SIGN}{self.facility}"


@dataclass(frozen=True, slots=True)
class Handled:
    """What a department did with a message."""

    patient: str = ""
    """Number of the patient it was about."""
    subject: str = ""
    """What was done, such as ``patient:01J…``."""
    response: tuple[str, str, str] | None = None
    """Message type, event and structure of the answer, where it is more than ACK."""
    segments: tuple[str, ...] = ()
    """What the answer says besides, composed already."""


class PeerTable:
    """Who may send, as it was read last."""

    def __init__(self, peers: list[Peer], *, loopback: str = "") -> None:
        """Know *peers*.

        Args:
            peers: all rows.
            loopback: code of the institution for which anything on this machine may send, under
                any name; empty for nothing. For demonstrations.
        """
        self._loopback = loopback
        self._peers: dict[str, Peer] = {}
        self.replace(peers)

    def replace(self, peers: list[Peer]) -> None:
        """Know *peers* from now on."""
        self._peers = {peer.key: peer for peer in peers}

    def sender(self, application: str, facility: str, address: str) -> Sender | None:
        """Return who sends under these names from *address*, None where nobody may."""
        for key in (f"{application}{KEY_SIGN}{facility}", f"{application}{KEY_SIGN}"):
            peer = self._peers.get(key)
            if peer is not None and peer.sends_from(address):
                return Sender(peer, application, facility, address)
        if not self._loopback:
            return None
        anybody = Peer(
            application=application,
            institution=self._loopback,
            networks=("127.0.0.0/8", "::1/128"),
            processing=PROCESSING,
        )
        if anybody.sends_from(address):
            return Sender(anybody, application, facility, address)
        return None
