"""Whether a database has its newest shape, told without loading what could change it.

Every command and every process of a node asks; almost always there is nothing to do, and Alembic
takes longer to load than all the rest of a process that starts.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from kernel.sql.db import parse_url

_VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"


def newest_revision() -> str:
    """Return the revision of this program's last script: the number its file name begins with."""
    return max(path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*_*.py"))


def is_newest(url: str) -> bool:
    """Tell whether the database at *url* is at this program's last script.

    False also where only ``kernel.sql.migrate`` can tell: on PostgreSQL, in a file that is not
    there or cannot be read, behind a newer release.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        return False
    address = f"{Path(parsed.database or '').as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as raw:
            at = raw.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    return at == [(newest_revision(),)]
