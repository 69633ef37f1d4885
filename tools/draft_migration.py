"""Draft the script that brings the last release's tables to what the rooms declare now.

.venv/bin/python tools/draft_migration.py "Keep the phone of an institution"

Read what it wrote, mend it, and split it: what the old release can live with first (new nullable
columns, new tables, indexes), what it cannot in a release after. Triggers, checks and row changes
are never drafted.
"""

import argparse
import asyncio
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
    """Write one new file into kernel/migrations/versions and say which."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("message", help="what changes, as a sentence")
    message = parser.parse_args().message
    sys.path.insert(0, str(ROOT))
    from kernel.migrate import migrate  # noqa: PLC0415  # the checkout is on the path only now
    from yilian.wiring import tables  # noqa: PLC0415

    tables.load()
    scripts = ROOT / "kernel" / "migrations"
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(scripts / "versions"))
    count = len(list(ScriptDirectory.from_config(config).walk_revisions()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "draft.sqlite"
        asyncio.run(migrate(f"sqlite:///{path}"))
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.connect() as conn:
            config.attributes["connection"] = conn
            command.revision(config, message, autogenerate=True, rev_id=f"{count + 1:04}")
        engine.dispose()


if __name__ == "__main__":
    main()
