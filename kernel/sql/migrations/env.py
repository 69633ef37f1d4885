"""What Alembic runs: the pending scripts on the one connection ``kernel.sql.migrate`` hands in.

The caller has imported the rooms' tables, begun the transaction, and commits it.
"""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.sql.elements import False_, True_

from kernel.sql import columns

_OWN_TYPES = {"JsonDocument": columns.JsonDocument, "RowId": columns.RowId}


def _render(kind: str, value: Any, drafted: AutogenContext) -> str | Literal[False]:
    """Write what means different things per database by its name, not as SQLite says it."""
    if kind == "server_default" and isinstance(value.arg, False_ | True_):
        return "sa.false()" if isinstance(value.arg, False_) else "sa.true()"
    if kind != "type":
        return False
    for name, own in _OWN_TYPES.items():
        if value is own:
            drafted.imports.add(f"from kernel.sql.columns import {name}")
            return name
    if isinstance(value, columns.UtcDateTime):
        drafted.imports.add("from kernel.sql.columns import UtcDateTime")
        return "UtcDateTime()"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=columns.metadata,
    # SQLite can only change a table by copying it.
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=_render,
    compare_type=True,
)
context.run_migrations()
