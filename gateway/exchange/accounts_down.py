"""The county's side of accounts at its nodes: each state of an account becomes one letter.

People of a village house order in the register of the township it belongs to, so that township's
node knows them too.

What an account is now is held against what was told last, so that no way of changing one can be
forgotten: pages, command line, or a password its owner gave it.
"""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from gateway.accounts.store import Kept, people_of
from gateway.exchange.feed import send_down
from gateway.exchange.model import Kind
from gateway.exchange.nodes import all_nodes
from gateway.exchange.tables import account_letters
from kernel.clock import Clock
from kernel.identity import Institution, InstitutionKind, all_institutions
from kernel.letter import Letter
from kernel.sql.db import Database

_LOOK_S: Final = 5.0


def account_letter(kept: Kept, house: Institution, told_to: Institution, version: int) -> Letter:
    """Return what a node needs to let this person in while the line is down.

    Args:
        kept: the account.
        house: where they work.
        told_to: the institution of the node: *house*, or what that village house belongs to.
        version: of the account's states told.
    """
    kind = Kind.ACCOUNT if house.code == told_to.code else Kind.VILLAGE_ACCOUNT
    return Letter(kind.value, kept.account.id, version, _body(kept, house, told_to))


def _body(kept: Kept, house: Institution, told_to: Institution) -> dict[str, Any]:
    one = kept.account
    changed = kept.password_changed_at
    body: dict[str, Any] = {
        "id": one.id,
        "username": one.username,
        "display_name": one.display_name,
        "institution": told_to.code,
        "house": _house(house),
        "roles": sorted(one.roles),
        "disabled": one.disabled,
        "must_change_password": one.must_change_password,
        "password_hash": kept.password_hash,
        "password_changed_at": None if changed is None else changed.isoformat(),
        "created_at": one.created_at.isoformat(),
    }
    if house.code != told_to.code:
        body |= {"village": house.code, "belongs_to": _house(told_to)}
    return body


def _house(house: Institution) -> dict[str, str]:
    return {"name": house.name, "kind": house.kind.value, "phone": house.phone}


@dataclass(frozen=True, slots=True)
class _Told:
    institution: str
    """Code of the institution whose node was told."""
    version: int
    digest: str


_LEFT: Final = "left"
"""Digest of an account that is closed at a node its house no longer belongs to."""


def publish_accounts(conn: sa.Connection, *, at: dt.datetime) -> int:
    """Write a letter for each account that is not as was told last; returns how many.

    Only people, and only those of institutions that have a node, and of the village houses that
    belong to one. A node a village house no longer belongs to is told that its people are closed.
    """
    known = {each.code: each for each in all_institutions(conn)}
    told_to = _told_to(conn, known)
    told = _told(conn)
    by_house: dict[str, list[Letter]] = {}
    villages = {code for code, house in known.items() if house.kind is InstitutionKind.VILLAGE}
    for kept in people_of(conn, told_to.keys() | villages):
        house, before = known[kept.account.institution], told.get(kept.account.id)
        node_of = told_to.get(house.code)
        if before is not None and before.digest != _LEFT:
            left = known.get(before.institution)
            if left is not None and left != node_of and house.kind is InstitutionKind.VILLAGE:
                before = _Told(left.code, before.version + 1, _LEFT)
                _note(conn, kept, before, known=True)
                closed = replace(kept, account=replace(kept.account, disabled=True))
                letter = account_letter(closed, house, left, before.version)
                by_house.setdefault(left.code, []).append(letter)
        if node_of is None:
            continue
        digest = _digest(_body(kept, house, node_of))
        if before is not None and before.digest == digest:
            continue
        version = 1 if before is None else before.version + 1
        _note(conn, kept, _Told(node_of.code, version, digest), known=before is not None)
        letter = account_letter(kept, house, node_of, version)
        by_house.setdefault(node_of.code, []).append(letter)
    for code, letters in by_house.items():
        send_down(conn, letters, institution=code, at=at)
    return sum(map(len, by_house.values()))


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()


def _told_to(conn: sa.Connection, known: Mapping[str, Institution]) -> dict[str, Institution]:
    """Return by house the institution whose node is told of its people."""
    own = {node.institution for node in all_nodes(conn) if node.revoked_at is None}
    villages = {
        code: known[house.parent]
        for code, house in known.items()
        if house.kind is InstitutionKind.VILLAGE and house.parent in own and code not in own
    }
    return {code: known[code] for code in own & known.keys()} | villages


def _told(conn: sa.Connection) -> Mapping[str, _Told]:
    columns = account_letters.c
    query = sa.select(columns.account_id, columns.institution, columns.version, columns.digest)
    return {
        row.account_id: _Told(row.institution, row.version, row.digest)
        for row in conn.execute(query)
    }


def _note(conn: sa.Connection, kept: Kept, told: _Told, *, known: bool) -> None:
    table, account_id = account_letters, kept.account.id
    values = {
        "institution": told.institution,
        "version": told.version,
        "digest": told.digest,
    }
    if known:
        conn.execute(sa.update(table).where(table.c.account_id == account_id).values(values))
    else:
        conn.execute(sa.insert(table).values(account_id=account_id, **values))


@dataclass(frozen=True, slots=True)
class AccountsDown:
    """Keeps the nodes' accounts as the county's; one process of the county runs it."""

    database: Database
    clock: Clock

    async def run(self) -> None:
        """Look every five seconds until cancelled."""
        while True:
            await self.database.write(partial(publish_accounts, at=self.clock.now()))
            await asyncio.sleep(_LOOK_S)
