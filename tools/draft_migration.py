"""Draft the script that brings the last release's tables to what the rooms declare now.

.venv/bin/python tools/draft_migration.py "Keep the phone of an institution"

Read what it wrote, mend it, and split it: what the old release can live with first (new nullable
columns, new tables, indexes), what it cannot in a release after. Triggers, checks and row changes
are never drafted.
"""

import argparse
import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

ROOT: Final = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write one new file into kernel/sql/migrations/versions and say which."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("message", help="what changes, as a sentence")
    parser.add_argument(
        "--first", action="store_true", help="write 0001 anew, until the first release keeps it"
    )
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from kernel.sql.migrate import migrate  # noqa: PLC0415  # the checkout is on the path only now
    from yilian.wiring import tables  # noqa: PLC0415

    tables.load()
    scripts = ROOT / "kernel" / "sql" / "migrations"
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(scripts / "versions"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "draft.sqlite"
        number, into = 1, scripts / "versions"
        if asked.first:
            for old in into.glob("0001_*.py"):
                old.unlink()
            # The later scripts need the first; it is drafted where they are not.
            into = Path(folder) / "versions"
            into.mkdir()
            config.set_main_option("version_locations", str(into))
        else:
            number = 1 + len(list(ScriptDirectory.from_config(config).walk_revisions()))
            asyncio.run(migrate(f"sqlite:///{path}"))
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.connect() as conn:
            config.attributes["connection"] = conn
            command.revision(config, asked.message, autogenerate=True, rev_id=f"{number:04}")
        engine.dispose()
        made = next(into.glob(f"{number:04}_*.py"))
        # Alembic writes a bare column as a string, which no compiler takes.
        text = re.sub(r"(_where=)('\w+')", r"\1sa.text(\2)", made.read_text())
        if asked.first:
            text = text.replace(", then read.", "; do not edit.")
        (scripts / "versions" / made.name).write_text(text)


if __name__ == "__main__":
    main()
