"""The county's side of who is a node: invited by a code, known by its key, let go at once.

A code is good for a day and makes one node. The answer to it may be lost on the line, so the same
code with the same key is answered alike; with another key it is used up.
"""

import datetime as dt
import os
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa

from gateway.accounts.model import NODE_TOKEN_PREFIX, SignIn, digest, new_secret
from gateway.exchange import nodes
from gateway.exchange.codes import code_digest, new_code
from gateway.exchange.model import Challenge, Enrolled, Session
from gateway.exchange.node_status import draft_of
from gateway.exchange.nodes import Invitation, Node
from gateway.exchange.proof import NonceRefused, check_nonce, check_proof, make_nonce, parse_key
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import Clock
from kernel.errors import Conflict, Forbidden, Invalid, Missing, Unauthenticated
from kernel.events import publish_all
from kernel.identifiers import new_id
from kernel.identity import Principal, PrincipalKind, Role, find_institution
from kernel.sql.db import Database

CODE_VALID: Final = dt.timedelta(hours=24)
SESSION_VALID: Final = dt.timedelta(minutes=15)
_RANDOM_BYTES: Final = 16


class CodeUnknown(Missing):
    """Nobody was invited with that code here."""

    code = "enrol-code-unknown"


class CodeUsed(Conflict):
    """The code has made a node already; ask the county for another."""

    code = "enrol-code-used"


class CodeLate(Conflict):
    """The code's day is over; ask the county for another."""

    code = "enrol-code-late"


class CodeWithdrawn(Conflict):
    """The county took the code back; ask it for another."""

    code = "enrol-code-withdrawn"


class InvitationUnknown(Missing):
    """No code that was given out has that id."""

    code = "invitation-unknown"


class OtherInstitution(Conflict):
    """The code was made for another institution than the node is set up for."""

    code = "other-institution"


class NodeRevoked(Forbidden):
    """The county has let this node go; it must be enrolled again."""

    code = "node-revoked"


class NodeUnknown(Missing):
    """No node has that id."""

    code = "node-unknown"


@dataclass(frozen=True, slots=True)
class CountyFacts:
    """What a new node learns of the county."""

    institution: str
    name: str
    phone: str
    public_key: str


@dataclass(frozen=True, slots=True)
class Invited:
    """A code, shown this once and kept nowhere."""

    id: str
    """Names it where the code may not be said."""
    code: str
    institution: str
    expires_at: dt.datetime


def _require_good(invited: Invitation, institution: str, at: dt.datetime) -> None:
    if institution and institution != invited.institution:
        raise OtherInstitution(
            f"the code is for {invited.institution}, and this node for {institution}; "
            "ask the county for a code of its own"
        )
    if invited.withdrawn_at is not None:
        raise CodeWithdrawn("the county took this code back; ask it for another")
    if at >= invited.expires_at:
        raise CodeLate("a code is good for 24 hours; ask the county for another")


class Enrolment:
    """Invites, enrols, signs in and revokes."""

    def __init__(
        self, database: Database, clock: Clock, county: CountyFacts, secret: bytes, *, chain: str
    ) -> None:
        self._database = database
        self._clock = clock
        self._county = county
        self._secret = secret
        self._chain = chain

    async def invite(self, by: Principal, institution: str, *, address: str = "") -> Invited:
        """Make a code for *institution*; *address* is where *by* asks from.

        Raises:
            Missing: no such institution (``no-such-institution``).
            Invalid: it is the county's own (``own-institution``).
        """
        if institution == self._county.institution:
            raise Invalid("the county is no node of its own", code="own-institution")
        code, at = new_code(), self._clock.now()
        kept = code_digest(code)
        which = nodes.invitation_id(kept)
        made = Invitation(which, institution, by.username, at, at + CODE_VALID, None, None)

        def add(conn: sa.Connection) -> None:
            if find_institution(conn, institution) is None:
                raise Missing("no institution of that code", code="no-such-institution")
            nodes.add_invitation(conn, kept, made)
            self._audit(conn, by, f"node-invitation:{institution}", act="invite", address=address)

        await self._database.write(add)
        return Invited(which, code, institution, made.expires_at)

    async def withdraw(self, by: Principal, which: str, *, address: str = "") -> Invitation:
        """Take a code back that nobody has used; from then on it makes no node.

        Safe to repeat; of a code whose day is over nothing is changed.

        Raises:
            InvitationUnknown: no code has that id.
            CodeUsed: it made a node, which can be let go.
        """
        at = self._clock.now()

        def act(conn: sa.Connection) -> Invitation:
            found = nodes.find_invitation_by_id(conn, which)
            if found is None:
                raise InvitationUnknown("see `yilian admin township list --invitations`")
            if found.used_at is not None:
                raise CodeUsed("it made a node already; let that one go")
            if found.withdrawn_at is not None or at >= found.expires_at:
                return found
            nodes.withdraw_invitation(conn, which, by.username, at=at)
            subject = f"node-invitation:{found.institution}"
            self._audit(conn, by, subject, act="withdraw", address=address)
            return replace(found, withdrawn_at=at, expires_at=at)

        return await self._database.write(act)

    async def enrol(self, code: str, public_key: str, *, institution: str = "") -> Enrolled:
        """Make the node whose key is *public_key*, or answer again for the one it made.

        Args:
            code: as it was typed.
            public_key: of the node.
            institution: for which the node was set up; empty takes what the code says.

        Raises:
            InvalidCode, InvalidKey: not of their shape.
            OtherInstitution: the code is for another one, and stays good for that.
            CodeUnknown, CodeUsed, CodeLate, CodeWithdrawn: see there.
            NodeRevoked: this very key was let go; a new one is needed.
        """
        parse_key(public_key)
        kept, key, at = code_digest(code), public_key.lower(), self._clock.now()

        def make(conn: sa.Connection) -> Node:
            invited = nodes.find_invitation(conn, kept)
            if invited is None:
                raise CodeUnknown("ask the county for a code")
            known = nodes.find_key(conn, key)
            if known is not None and known.revoked_at is not None:
                raise NodeRevoked("this node's key was revoked")
            if invited.used_at is not None:
                if known is not None and invited.node == known.id:
                    return known
                raise CodeUsed("a code makes one node; ask the county for another")
            _require_good(invited, institution, at)
            if known is not None:
                # Enrolled before; one key is one node, whatever code it comes with.
                if known.institution != invited.institution:
                    raise Conflict("this node speaks for another institution", code="other-node")
                nodes.use_invitation(conn, kept, known.id, at=at)
                return known
            found = find_institution(conn, invited.institution)
            name = found.name if found else invited.institution
            node = Node(new_id(), invited.institution, name, key, at, None)
            nodes.add_node(conn, node)
            nodes.use_invitation(conn, kept, node.id, at=at)
            self._audit(conn, principal_of(node), f"node:{node.id}")
            self._tell(conn, node, at)
            return node

        node = await self._database.write(make)
        return Enrolled(
            node=node.id,
            institution=node.institution,
            institution_name=node.institution_name,
            county_public_key=self._county.public_key,
            county_institution=self._county.institution,
            county_name=self._county.name,
            county_phone=self._county.phone,
        )

    def challenge(self, node: str) -> Challenge:
        """Return a nonce for *node*, whether there is such a node or not."""
        nonce = make_nonce(self._secret, node, self._clock.now(), os.urandom(_RANDOM_BYTES))
        return Challenge(nonce=nonce)

    async def open_session(self, node_id: str, nonce: str, signature: str) -> Session:
        """Open a session for the node that signed *nonce*.

        Raises:
            NonceRefused: too old, used, or not ours.
            ProofRefused, NodeRevoked: see there; an unknown node is answered as a wrong proof.
        """
        at = self._clock.now()
        ends = check_nonce(self._secret, node_id, nonce, at)
        node = await self._database.read(lambda conn: nodes.find_node(conn, node_id))
        # The same work and the same answer for a node nobody knows.
        key = node.public_key if node is not None else self._county.public_key
        check_proof(key, node_id, nonce, signature)
        if node is None or node.revoked_at is not None:
            raise NodeRevoked("the county has let this node go")
        token = NODE_TOKEN_PREFIX + new_secret()

        def open_(conn: sa.Connection) -> None:
            if not nodes.use_nonce(conn, digest(nonce), expires_at=ends, at=at):
                raise NonceRefused("the nonce was used")
            nodes.add_session(conn, digest(token), node_id, expires_at=at + SESSION_VALID, at=at)

        await self._database.write(open_)
        return Session(
            token=token,
            expires_in_s=SESSION_VALID.total_seconds(),
            institution=node.institution,
        )

    async def by_token(self, token: str) -> SignIn:
        """Return the node whose session *token* is (``gateway.accounts.service.NodeTokens``).

        Raises:
            Unauthenticated: it ended, or its node was let go (``bad-token``).
        """
        key, at = digest(token), self._clock.now()
        node = await self._database.read(lambda conn: nodes.node_of_session(conn, key, at=at))
        if node is None:
            raise Unauthenticated("the session has ended", code="bad-token")
        return SignIn(principal_of(node), key[:16], by_token=True)

    async def revoked_among(self, ids: set[str]) -> set[str]:
        """Return which of *ids* are nodes that were let go."""
        return await self._database.read(lambda conn: nodes.revoked_among(conn, ids))

    async def revoke(self, by: Principal, node_id: str, *, address: str = "") -> Node:
        """Let a node go, and tell the pages; it is out with its next request.

        Safe to repeat: one that was let go before stays as it is.

        Raises:
            NodeUnknown: no node has that id.
        """
        at = self._clock.now()

        def act(conn: sa.Connection) -> Node:
            found = nodes.find_node(conn, node_id)
            if found is None:
                raise NodeUnknown("see `yilian admin township list`")
            if found.revoked_at is not None:
                return found
            nodes.revoke(conn, node_id, by.username, at=at)
            self._audit(conn, by, f"node:{node_id}", act="revoke", address=address)
            self._tell(conn, found, at)
            return replace(found, revoked_at=at)

        return await self._database.write(act)

    async def nodes(self) -> list[Node]:
        """Return every node."""
        return await self._database.read(nodes.all_nodes)

    async def invitations(self) -> list[Invitation]:
        """Return every invitation remembered, newest first."""
        return await self._database.read(nodes.all_invitations)

    def _tell(self, conn: sa.Connection, node: Node, at: dt.datetime) -> None:
        """Tell the pages that there is something new of *node*; last in its transaction."""
        draft = draft_of(node, "node.updated", {}, self._county.institution)
        publish_all(conn, [draft], at=at)

    def _audit(
        self,
        conn: sa.Connection,
        by: Principal,
        subject: str,
        *,
        act: str = "enrol",
        address: str = "",
    ) -> None:
        entry = AuditEntry(
            at=self._clock.now(),
            event=AuditEvent.NETWORK_CHANGED,
            user_id=by.user_id,
            username=by.username,
            institution=by.institution,
            address=address,
            subject=subject,
            detail={"act": act},
        )
        record(conn, self._chain, entry)


def principal_of(node: Node) -> Principal:
    """Return who a node is at the county's doors: a machine of its institution."""
    return Principal(
        node.id,
        f"node-{node.institution}",
        node.institution_name,
        frozenset({Role.TECHNICIAN}),
        node.institution,
        PrincipalKind.MACHINE,
    )
