"""What a DICOM peer of the table may be told to be."""

import ipaddress
import re
from dataclasses import replace
from typing import Final

from kernel.dicom.charset import is_known
from kernel.errors import Invalid
from kernel.identifiers import AETitle
from kernel.identity import ApplicationEntity

_PORT_MAX: Final = 65535
_ASSOCIATIONS_MAX: Final = 256
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
# Its last label is no number: a mistyped address is not a name.
_HOST_NAME: Final = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*(?!\d+$){_LABEL}", re.ASCII)


def checked_peer(peer: ApplicationEntity) -> ApplicationEntity:
    """Return *peer* with its title as it is kept.

    Raises:
        InvalidIdentifier: the title is not one.
        Invalid: port or quota out of range (``invalid-port``, ``invalid-quota``), a host that is
            neither address, network nor name (``invalid-host``), or a character set nobody knows
            (``invalid-charset``). Both would else be as if they were not given.
    """
    clean = replace(peer, ae_title=str(AETitle.parse(peer.ae_title)))
    if not 0 <= peer.port <= _PORT_MAX:
        raise Invalid("0 to 65535", code="invalid-port")
    if not 1 <= peer.max_associations <= _ASSOCIATIONS_MAX:
        raise Invalid(f"1 to {_ASSOCIATIONS_MAX}", code="invalid-quota")
    if peer.host and not (_is_network(peer.host) or _HOST_NAME.fullmatch(peer.host)):
        raise Invalid("an address, a network or a host name", code="invalid-host")
    if peer.charset_hint and not is_known(peer.charset_hint):
        raise Invalid("such as GB18030, GBK or ISO_IR 192", code="invalid-charset")
    return clean


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
