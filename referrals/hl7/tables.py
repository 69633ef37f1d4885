"""By which numbers other systems know the orders they placed here."""

from typing import Final

import sqlalchemy as sa

from kernel.sql.columns import Code, UtcDateTime, metadata

placed: Final = sa.Table(
    "hl7_placed_orders",
    metadata,
    sa.Column("institution", sa.String(64), primary_key=True),
    # MSH-3 of who placed it: two systems may count alike.
    sa.Column("application", Code, primary_key=True),
    # ORC-2.
    sa.Column("placer_number", Code, primary_key=True),
    sa.Column("order", sa.String(26), nullable=False, index=True),
    sa.Column("placed_at", UtcDateTime, nullable=False),
)
