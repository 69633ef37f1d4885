"""What every table is made of: one ``MetaData``, and column types that mean the same everywhere.

SQLite keeps whatever it is given and forgets offsets; PostgreSQL does not. These types make a row
read back as it was written on both.
"""

import datetime as dt
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

# Alembic can only drop or alter a constraint it can name, on SQLite not even that without it.
_NAMES: Final = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata: Final = sa.MetaData(naming_convention=_NAMES)
"""Every room's tables stand on this one."""


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An instant: timezone-aware in Python, UTC in the database, microseconds kept.

    Raises:
        ValueError: on binding a naive value, which names no instant.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Return *value* in UTC; SQLite stores it without the offset, so that it sorts as text."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "a column of instants takes timezone-aware values only"
            raise ValueError(msg)
        utc = value.astimezone(dt.UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self, value: dt.datetime | None, dialect: Dialect
    ) -> dt.datetime | None:
        """Return the stored instant with UTC as its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


# The binary form on PostgreSQL can be indexed and costs no parse; SQLite keeps text.
JsonDocument: Final = sa.JSON().with_variant(JSONB(), "postgresql")
"""A JSON value; SQL NULL and JSON null are both ``None``."""

Code: Final = sa.String().with_variant(postgresql.VARCHAR(collation="C"), "postgresql")
"""Text compared by code point, so that prefixes are ranges and both databases agree."""

RowId: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number the database counts up; only INTEGER does so on SQLite, and it has 64 bits there."""
