"""SQL of the HL7 door: its peers, the messages that came, what waits to go out."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from gateway.hl7.model import AckMode, Peer, State
from gateway.hl7.tables import messages, outbox, peers

_ERROR_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as it came, before anything is done."""

    sender: str
    control_id: str
    digest: str
    institution: str
    address: str
    type: str
    raw: bytes
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a message that came."""

    state: State
    code: str
    """MSA-1 of the answer."""
    answer: bytes | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that is kept and not yet done."""

    id: int
    address: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that waits to go to a peer."""

    id: int
    peer: Peer
    message: bytes
    failures: int
    reason: str = ""
    set_aside: bool = False


def _values(peer: Peer) -> dict[str, Any]:
    return {
        "institution": peer.institution,
        "networks": " ".join(peer.networks),
        "charset": peer.charset,
        "mode": peer.mode.value,
        "processing": peer.processing,
        "host": peer.host,
        "port": peer.port,
        "tls": peer.tls,
    }


def _peer(row: Mapping[Any, Any]) -> Peer:
    return Peer(
        application=row["application"],
        facility=row["facility"],
        institution=row["institution"],
        networks=tuple(row["networks"].split()),
        charset=row["charset"],
        mode=AckMode(row["mode"]),
        processing=row["processing"],
        host=row["host"],
        port=row["port"],
        tls=row["tls"],
    )


def all_peers(conn: sa.Connection) -> list[Peer]:
    """Return every peer, by name."""
    query = sa.select(peers).order_by(peers.c.application, peers.c.facility)
    return [_peer(row) for row in conn.execute(query).mappings()]


def put_peer(conn: sa.Connection, peer: Peer, *, at: dt.datetime) -> None:
    """Add *peer*, or change the one of those names to it."""
    here = (peers.c.application == peer.application) & (peers.c.facility == peer.facility)
    changed = conn.execute(sa.update(peers).where(here).values(_values(peer)))
    if changed.rowcount == 0:
        names = {"application": peer.application, "facility": peer.facility}
        conn.execute(sa.insert(peers).values(**names, **_values(peer), created_at=at))


def remove_peer(conn: sa.Connection, application: str, facility: str) -> bool:
    """Forget a peer and what waits for it; returns whether there was one."""
    names = {"application": application, "facility": facility}
    found = 0
    for table in (outbox, peers):
        gone = sa.delete(table)
        for column, value in names.items():
            gone = gone.where(table.c[column] == value)
        found = conn.execute(gone).rowcount
    return found > 0


def find(conn: sa.Connection, sender: str, control_id: str, digest: str) -> Kept | None:
    """Return what is known of a sender's message, None where it never came.

    Another content under the same control id is another message: senders begin to count anew.
    """
    columns = messages.c
    query = sa.select(columns.state, columns.code, columns.answer).where(
        columns.sender == sender, columns.control_id == control_id, columns.digest == digest
    )
    row = conn.execute(query).one_or_none()
    return None if row is None else Kept(State(row.state), row.code, row.answer)


def keep(  # a message and what became of it
    conn: sa.Connection,
    received: Received,
    state: State,
    *,
    code: str = "",
    error: str = "",
    answer: bytes | None = None,
) -> None:
    """Keep a message and what became of it, in place of what was known of it before."""
    values = {
        "institution": received.institution,
        "address": received.address,
        "type": received.type,
        "state": state.value,
        "code": code,
        "error": error[:_ERROR_MAX],
        "answer": answer,
        "raw": received.raw,
        "received_at": received.at,
    }
    columns = messages.c
    changed = conn.execute(
        sa.update(messages)
        .where(
            columns.sender == received.sender,
            columns.control_id == received.control_id,
            columns.digest == received.digest,
        )
        .values(values)
    )
    if changed.rowcount == 0:
        names = {
            "sender": received.sender,
            "control_id": received.control_id,
            "digest": received.digest,
        }
        conn.execute(sa.insert(messages).values(**names, **values))


def give_up(conn: sa.Connection, message: int, *, error: str) -> None:
    """Do nothing more for a message that is kept and can no longer be done."""
    columns = messages.c
    conn.execute(
        sa.update(messages)
        .where(columns.id == message)
        .values(state=State.REFUSED.value, error=error[:_ERROR_MAX])
    )


def waiting(conn: sa.Connection, *, limit: int, sender: str | None = None) -> list[Waiting]:
    """Return the oldest messages kept and not yet done, of one *sender* or of all."""
    columns = messages.c
    query = sa.select(columns.id, columns.address, columns.raw).where(
        columns.state == State.RECEIVED.value
    )
    if sender is not None:
        query = query.where(columns.sender == sender)
    rows = conn.execute(query.order_by(columns.id).limit(limit))
    return [Waiting(row.id, row.address, row.raw) for row in rows]


def forget(conn: sa.Connection, *, before: dt.datetime) -> int:
    """Drop what was received before *before* and is ended; returns how many."""
    columns = messages.c
    ended = (State.DONE.value, State.REFUSED.value)
    gone = sa.delete(messages).where(columns.received_at < before, columns.state.in_(ended))
    return conn.execute(gone).rowcount


def put_out(conn: sa.Connection, peer: Peer, message: bytes, *, at: dt.datetime) -> None:
    """Let *message* wait to go to *peer*."""
    conn.execute(
        sa.insert(outbox).values(
            application=peer.application,
            facility=peer.facility,
            message=message,
            failures=0,
            reason="",
            set_aside=False,
            due_at=at,
            made_at=at,
        )
    )


def due(conn: sa.Connection, *, now: dt.datetime) -> list[Outgoing]:
    """Return the oldest message for each peer, where it is due: a peer's go in their order."""
    columns = outbox.c
    oldest = (
        sa.select(sa.func.min(columns.id))
        .where(~columns.set_aside)
        .group_by(columns.application, columns.facility)
    )
    return _outgoing(conn, columns.id.in_(oldest) & (columns.due_at <= now))


def all_out(conn: sa.Connection) -> list[Outgoing]:
    """Return what waits to go out or was set aside, oldest first."""
    return _outgoing(conn, sa.true())


def _outgoing(conn: sa.Connection, which: sa.ColumnElement[bool]) -> list[Outgoing]:
    columns = outbox.c
    query = (
        sa.select(
            columns.id, columns.message, columns.failures, columns.reason, columns.set_aside, peers
        )
        .join(
            peers,
            (peers.c.application == columns.application) & (peers.c.facility == columns.facility),
        )
        .where(which)
        .order_by(columns.id)
    )
    return [
        Outgoing(
            row["id"],
            _peer(row),
            row["message"],
            row["failures"],
            row["reason"],
            row["set_aside"],
        )
        for row in conn.execute(query).mappings()
    ]


def gone(conn: sa.Connection, out: int) -> None:
    """Forget a message that its peer has taken."""
    conn.execute(sa.delete(outbox).where(outbox.c.id == out))


def put_off(conn: sa.Connection, out: int, *, reason: str, due_at: dt.datetime) -> None:
    """Try a message again at *due_at*; *reason* says why it did not go."""
    columns = outbox.c
    conn.execute(
        sa.update(outbox)
        .where(columns.id == out)
        .values(failures=columns.failures + 1, reason=reason[:_ERROR_MAX], due_at=due_at)
    )


def set_aside(conn: sa.Connection, out: int, *, reason: str) -> None:
    """Try a message no more; *reason* says what its peer answered."""
    conn.execute(
        sa.update(outbox)
        .where(outbox.c.id == out)
        .values(set_aside=True, reason=reason[:_ERROR_MAX])
    )
