"""Tells a peer that has left: finds it in the table of peers and calls it."""

import asyncio
import ssl
from collections.abc import Callable

from gateway.commitment.model import NO_ADDRESS
from gateway.dimse.ports import CommitmentResult
from kernel.errors import Unavailable
from kernel.identity import ApplicationEntity, ae_table
from kernel.sql.db import Database


class PeerCallback:
    """Calls peers at the host and port the table of peers gives (``ports.Callback``)."""

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

    async def report(
        self, ae_title: str, called_ae_title: str, address: str, result: CommitmentResult
    ) -> int:
        """Report *result* and return the peer's status.

        Raises:
            Unavailable: the table names no port of the peer (``no-callback-address``), or it
                wants TLS and there is none (``no-tls``).
            PeerUnavailable: it cannot be reached, or did not answer.
        """
        table = await self._database.read(ae_table)
        entity = next((one for one in table if one.ae_title == ae_title), None)
        if entity is None or not entity.port:
            raise Unavailable("no port to call back at", code=NO_ADDRESS)
        tls = None
        if entity.tls_required:
            if self._tls is None:
                raise Unavailable("the peer wants TLS", code="no-tls")
            tls = self._tls()
        return await asyncio.to_thread(_call, entity, address, called_ae_title, result, tls)


def _call(
    entity: ApplicationEntity,
    address: str,
    our_title: str,
    result: CommitmentResult,
    tls: ssl.SSLContext | None,
) -> int:
    # Twenty megabytes, which a door that calls nobody back does without.
    from gateway.commitment.calling import call  # noqa: PLC0415

    return call(entity, address, our_title, result, tls)
