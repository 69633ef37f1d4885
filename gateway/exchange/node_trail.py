"""What came up of a node's audit trail, as auditors at the county read it: newest first."""

import datetime as dt
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import msgspec
import sqlalchemy as sa

from gateway.exchange.tables import node_audit, nodes
from kernel.errors import Invalid
from kernel.identity import institutions
from kernel.policy import masked_id

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_PLACE: Final = re.compile(r"(\d{1,16})\.(\d{1,18})\.([\w.-]{1,64})", re.ASCII)


class NodeTrailLine(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the node's trail; the patient's number masked."""

    chain: str
    number: int
    at: dt.datetime
    """By the node's clock."""
    event: str
    outcome: int
    username: str
    institution: str
    address: str
    subject: str
    patient: str
    reason: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TrailPlace:
    """Where in a node's trail a row stands."""

    at: dt.datetime
    number: int
    chain: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the place that ``text`` names; raises ``Invalid`` (``invalid-query``)."""
        found = _PLACE.fullmatch(text)
        if found is None:
            raise Invalid("cursor is what an answer gave as next_cursor", code="invalid-query")
        return cls(_EPOCH + int(found[1]) * _MICROSECOND, int(found[2]), found[3])

    @classmethod
    def of(cls, line: NodeTrailLine) -> Self:
        """Return the place of *line*."""
        return cls(line.at, line.number, line.chain)

    @property
    def text(self) -> str:
        """As an answer names it."""
        return f"{(self.at - _EPOCH) // _MICROSECOND}.{self.number}.{self.chain}"


def read_node_trail(
    conn: sa.Connection, node: str, *, before: TrailPlace | None, limit: int
) -> list[NodeTrailLine]:
    """Return at most *limit* rows of the node's trail below *before*, newest first."""
    columns = node_audit.c
    query = (
        sa.select(columns.entry, columns.at, columns.chain, columns.number)
        .where(columns.node == node)
        .order_by(columns.at.desc(), columns.chain.desc(), columns.number.desc())
        .limit(limit)
    )
    if before is not None:
        same = columns.at == before.at
        lower = sa.and_(same, columns.chain < before.chain)
        beside = sa.and_(same, columns.chain == before.chain, columns.number < before.number)
        query = query.where(sa.or_(columns.at < before.at, lower, beside))
    found = []
    for row in conn.execute(query):
        line = msgspec.convert(
            {**row.entry, "at": row.at, "chain": row.chain, "number": row.number}, NodeTrailLine
        )
        found.append(msgspec.structs.replace(line, patient=masked_id(line.patient)))
    return found


def looks_up(
    conn: sa.Connection, whose: Collection[tuple[str, str]], *, limit: int
) -> list[tuple[str, NodeTrailLine]]:
    """Return at most *limit* rows about patients, newest first, of the machines of their houses.

    Args:
        conn: a connection to read from.
        whose: code of a house and the Patient ID it gave, of each patient.
        limit: most rows to return.

    Returns:
        The name of the house whose machine it was, and the row.
    """
    columns, found = node_audit.c, list[tuple[str, NodeTrailLine]]()
    for institution, number in sorted(whose):
        query = (
            sa.select(
                columns.entry,
                columns.at,
                columns.chain,
                columns.number,
                institutions.c.name.label("house"),
            )
            .join(nodes, nodes.c.id == columns.node)
            .outerjoin(institutions, institutions.c.code == nodes.c.institution)
            .where(columns.patient == number, nodes.c.institution == institution)
            .order_by(columns.at.desc())
            .limit(limit)
        )
        for row in conn.execute(query):
            told = {**row.entry, "at": row.at, "chain": row.chain, "number": row.number}
            line = msgspec.convert(told, NodeTrailLine)
            shown = msgspec.structs.replace(line, patient=masked_id(line.patient))
            found.append((row.house or institution, shown))
    return sorted(found, key=lambda one: one[1].at, reverse=True)[:limit]
