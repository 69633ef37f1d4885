"""What Alembic runs: the pending scripts on the one connection ``kernel.migrate`` hands in.

The caller has imported the rooms' tables, begun the transaction, and commits it.
"""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from kernel import columns

_OWN_TYPES = {"JsonDocument": columns.JsonDocument, "RowId": columns.RowId}


def _render(kind: str, value: Any, drafted: AutogenContext) -> str | Literal[False]:
    """Write our own column types by their names, for they mean different things per database."""
    if kind != "type":
        return False
    for name, own in _OWN_TYPES.items():
        if value is own:
            drafted.imports.add(f"from kernel.columns import {name}")
            return name
    if isinstance(value, columns.UtcDateTime):
        drafted.imports.add("from kernel.columns import UtcDateTime")
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
