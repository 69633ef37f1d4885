"""The peers that may be named as Move Destination: those of the table, with a host and a port."""

import ssl
from collections.abc import Callable

from gateway.dimse.outgoing import Peer
from gateway.dimse.retrieve_ports import Destination
from kernel.errors import Unavailable
from kernel.identifiers import AETitle, InstitutionCode
from kernel.identity import ae_table
from kernel.sql.db import Database


class TableDestinations:
    """Finds destinations in the table of peers, read anew each time (``retrieve_ports``).

    No address ever comes from a request: a peer without a host of its own, or with a network
    instead of one, is no destination, wherever it called from.
    """

    def __init__(
        self, database: Database, *, tls: Callable[[], ssl.SSLContext] | None = None
    ) -> None:
        """Find peers in *database*.

        Args:
            database: with the table of peers.
            tls: makes the context for peers that ask for TLS; None where there is none.
        """
        self._database = database
        self._tls = tls

    async def find(self, title: AETitle, our_title: AETitle) -> Destination | None:
        """Return the peer called *title*, None where there is none or the table has no address.

        Raises:
            Unavailable: it wants TLS and there is none (``no-tls``), or the table cannot be read.
        """
        table = await self._database.read(ae_table)
        found = next((one for one in table if one.ae_title == title.value), None)
        if found is None or not found.port or not found.host or "/" in found.host:
            return None
        tls = None
        if found.tls_required:
            if self._tls is None:
                raise Unavailable("the peer wants TLS", code="no-tls")
            tls = self._tls()
        peer = Peer(found.host, found.port, title, our_title, tls=tls)
        return Destination(peer, InstitutionCode.parse(found.institution))
