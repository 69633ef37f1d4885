"""The table of peers as administrators see and change it; each change is in the audit trail."""

from collections.abc import Callable

import sqlalchemy as sa

from gateway.hl7 import store
from gateway.hl7.characters import is_charset
from gateway.hl7.model import Peer
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import Clock
from kernel.errors import Invalid, Missing
from kernel.identity import Principal, find_institution
from kernel.sql.db import Database


class PeerBook:
    """Who may send messages to this node."""

    def __init__(self, database: Database, clock: Clock, *, chain: str) -> None:
        self._database = database
        self._clock = clock
        self._chain = chain

    async def peers(self) -> list[Peer]:
        """Return every peer, by name."""
        return await self._database.read(store.all_peers)

    async def waiting(self) -> list[store.Outgoing]:
        """Return what waits to go to peers, and what they refused."""
        return await self._database.read(store.all_out)

    async def put(self, by: Principal, peer: Peer) -> None:
        """Add *peer*, or change the one of those names to it.

        Raises:
            Invalid: as ``Peer.checked``; or a character set nobody knows (``invalid-charset``).
            Missing: its institution does not exist (``no-such-institution``).
        """
        clean = peer.checked()
        if clean.charset and not is_charset(clean.charset):
            raise Invalid("such as GB18030 or UNICODE UTF-8", code="invalid-charset")

        def write(conn: sa.Connection) -> None:
            if find_institution(conn, clean.institution) is None:
                raise Missing("no institution of that code", code="no-such-institution")
            store.put_peer(conn, clean, at=self._clock.now())

        await self._change(by, clean.key, write)

    async def remove(self, by: Principal, application: str, facility: str) -> None:
        """Forget a peer and what waits for it; raises ``Missing`` when there is none."""

        def write(conn: sa.Connection) -> None:
            if not store.remove_peer(conn, application, facility):
                raise Missing("no peer of these names", code="no-such-peer")

        await self._change(by, f"{application}|{facility}", write)

    async def _change(self, by: Principal, key: str, act: Callable[[sa.Connection], None]) -> None:
        entry = AuditEntry(
            at=self._clock.now(),
            event=AuditEvent.NETWORK_CHANGED,
            user_id=by.user_id,
            username=by.username,
            institution=by.institution,
            subject=f"hl7:{key}",
        )

        def run(conn: sa.Connection) -> None:
            act(conn)
            record(conn, self._chain, entry)

        await self._database.write(run)
