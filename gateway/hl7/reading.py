"""From the bytes of a frame to a message that may be done: decoded, parsed, its sender known."""

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Final

from gateway.hl7.ack import LOCATION, asks_enhanced, is_version
from gateway.hl7.characters import UnreadableCharacters, decode
from gateway.hl7.codec import MalformedMessage, Message, Segment, parse, parse_header
from gateway.hl7.model import AckMode, Location, PeerTable, Sender
from gateway.hl7.ports import Handlers, MessageHandler
from kernel.errors import Forbidden, Invalid, PlatformError, Unsupported

_CONTROL_ID_MAX: Final = 199
_HEADER_BYTES: Final = 4096
_LINE_END: Final = re.compile(rb"[\r\n]")
_SENT_AT: Final = 7


class UnknownSender(Forbidden):
    """Nobody of these names may send from this address."""

    code = "unknown-sender"


@dataclass(frozen=True, slots=True)
class Header:
    """What could be read of a message's MSH without knowing its sender."""

    segment: Segment | None
    codec: str


@dataclass(frozen=True, slots=True)
class Read:
    """A message that may be done."""

    message: Message
    sender: Sender
    handler: MessageHandler
    type: str
    """Such as ``ADT^A01``."""
    control_id: str
    digest: str
    """SHA-256 of what it says, but for the moment it was sent."""
    codec: str
    raw: bytes

    @property
    def enhanced(self) -> bool:
        """Whether it is answered in enhanced mode."""
        follows = self.sender.peer.mode is AckMode.MESSAGE
        return follows and asks_enhanced(self.message.header)


def read_header(raw: bytes) -> Header:
    """Return what can be read of the header of *raw*, however broken the rest is."""
    start = raw.lstrip()[:_HEADER_BYTES]
    line = _LINE_END.split(start, maxsplit=1)[0]
    try:
        decoded = decode(line)
    except UnreadableCharacters:
        return Header(_header(line.decode("latin-1")), "utf-8")
    return Header(_header(decoded.text, decoded.codec), decoded.codec)


def _header(text: str, codec: str = "utf-8") -> Segment | None:
    try:
        return parse_header(text, codec=codec)
    except MalformedMessage:
        return None


def read(raw: bytes, address: str, header: Header, *, peers: PeerTable, known: Handlers) -> Read:
    """Return *raw* as a message that may be done.

    Args:
        raw: what stood in a frame.
        address: where it came from.
        header: of it (``read_header``).
        peers: who may send.
        known: what is done here, by message type and event.

    Raises:
        MalformedMessage, UnreadableCharacters: it is no message.
        UnknownSender: nobody of these names may send from *address*.
        Invalid: a field of the header that must be there is not (``required-field-missing``).
        Unsupported: another version, processing id, type or event than is taken here.
    """
    if header.segment is None:
        parse_header(raw[:_HEADER_BYTES].decode("latin-1"))
        raise MalformedMessage("a message begins with MSH", code="no-header")
    first = header.segment
    sender = peers.sender(first.text(3), first.text(4), address)
    if sender is None:
        raise located(UnknownSender("no sender of this name at this address"), ("MSH", 1, 3, 0))
    decoded = decode(raw, hint=sender.peer.charset)
    message = parse(decoded.text, codec=decoded.codec)
    said = message.header
    # A hint may have changed how its own names are read.
    sender = replace(sender, application=said.text(3), facility=said.text(4))
    kind = _checked_kind(message, sender, known)
    return Read(
        message=message,
        sender=sender,
        handler=known[kind],
        type=kind,
        control_id=said.text(10),
        digest=_digest(message),
        codec=decoded.codec,
        raw=raw,
    )


def _checked_kind(message: Message, sender: Sender, known: Handlers) -> str:
    """Return type and event of a message that is taken here; raises as ``read``."""
    header = message.header
    for number in (9, 10, 12):
        if not header.text(number):
            missing = Invalid(f"MSH-{number} is empty", code="required-field-missing")
            raise located(missing, ("MSH", 1, number, 0))
    if len(header.text(10)) > _CONTROL_ID_MAX or not header.text(10).isprintable():
        wrong = Invalid(f"MSH-10 has up to {_CONTROL_ID_MAX} characters", code="invalid-control-id")
        raise located(wrong, ("MSH", 1, 10, 0))
    if not is_version(header.text(12)):
        other = Unsupported("HL7 2.1 to 2.9", code="unsupported-version")
        raise located(other, ("MSH", 1, 12, 1))
    if (header.text(11) or "P") not in set(sender.peer.processing):
        other = Unsupported(f"taken: {sender.peer.processing}", code="unsupported-processing-id")
        raise located(other, ("MSH", 1, 11, 1))
    event_segment = message.first("EVN")
    event = header.text(9, 2) or (event_segment.text(1) if event_segment else "")
    kind = f"{header.text(9)}^{event}"
    if kind not in known:
        same_type = any(one.startswith(f"{header.text(9)}^") for one in known)
        code = "unsupported-event" if same_type else "unsupported-type"
        other = Unsupported(f"taken: {', '.join(known)}", code=code)
        raise located(other, ("MSH", 1, 9, 2 if same_type else 1))
    return kind


def _digest(message: Message) -> str:
    header = message.header
    fields = header.line.split(header.signs.field)
    # MSH-1 is the separator itself.
    fields[_SENT_AT - 1 : _SENT_AT] = [""]
    lines = [header.signs.field.join(fields), *(one.line for one in message.segments[1:])]
    return hashlib.sha256("\r".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def located(error: PlatformError, where: Location) -> PlatformError:
    """Return *error* with the place that its answer names."""
    error.members = {**error.members, LOCATION: where}
    return error
