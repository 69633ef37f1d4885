"""The release before may start again where a newer one only added, and not where it did more."""

import ast
import re
from pathlib import Path

import pytest

from kernel.sql import migrate as migrating
from kernel.sql.migrate import MigrationFailed, migrate, pending

SCRIPT = """
import sqlalchemy as sa
from alembic import op

revision = "{number:04}"
down_revision = {before}
{mark}

def upgrade() -> None:
    op.create_table("house_{number}", sa.Column("id", sa.Integer, primary_key=True))
"""
# Before the first release there is no release to go back to.
LAST_UNRELEASED = 12
ADDS = {"create_table", "create_index", "add_column", "batch_alter_table", "execute", "f"}
VERSIONS = Path(migrating.__file__).parent / "migrations" / "versions"


def script(folder: Path, number: int, mark: str = "") -> Path:
    before = f'"{number - 1:04}"' if number > 1 else "None"
    path = folder / f"{number:04}_change.py"
    path.write_text(SCRIPT.format(number=number, before=before, mark=mark))
    return path


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    folder = tmp_path / "versions"
    folder.mkdir()
    script(folder, 1)
    return folder


async def test_the_release_before_lives_with_what_was_added(
    database_url: str, versions: Path
) -> None:
    await migrate(database_url, versions=versions)
    newer = [script(versions, number) for number in (2, 3)]
    assert await migrate(database_url, versions=versions) == ["0002", "0003"]
    for path in newer:
        path.unlink()
    assert await pending(database_url, versions=versions) == []
    assert await migrate(database_url, versions=versions) == []


async def test_the_newer_release_goes_on_where_it_was(database_url: str, versions: Path) -> None:
    await migrate(database_url, versions=versions)
    newer = script(versions, 2)
    await migrate(database_url, versions=versions)
    newer.unlink()
    await migrate(database_url, versions=versions)
    for number in (2, 3):
        script(versions, number)
    assert await migrate(database_url, versions=versions) == ["0003"]


async def test_one_change_of_more_than_adding_shuts_the_release_before_out(
    database_url: str, versions: Path
) -> None:
    await migrate(database_url, versions=versions)
    newer = [script(versions, 2, "ONE_WAY = True"), script(versions, 3)]
    await migrate(database_url, versions=versions)
    for path in newer:
        path.unlink()
    with pytest.raises(MigrationFailed) as refused:
        await migrate(database_url, versions=versions)
    assert refused.value.code == "database-newer"


async def test_a_database_of_another_line_is_left_alone(database_url: str, versions: Path) -> None:
    await migrate(database_url, versions=versions)
    script(versions, 1).write_text(
        SCRIPT.format(number=7, before="None", mark="").replace('"0007"', '"other"')
    )
    with pytest.raises(MigrationFailed) as refused:
        await migrate(database_url, versions=versions)
    assert refused.value.code == "database-newer"


def more_than_adding(source: str) -> list[str]:
    """What a script does that the release before could not live with; ONE_WAY excuses all."""
    tree = ast.parse(source)
    if re.search(r"^ONE_WAY = True$", source, re.MULTILINE):
        return []
    upgrade = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"
    )
    found = []
    for node in ast.walk(upgrade):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner, name = ast.unparse(node.func.value), node.func.attr
        if owner in {"op", "batch", "batch_op"} and name not in ADDS | {"get_bind"}:
            found.append(f"{owner}.{name}")
        if name == "add_column":
            text = ast.unparse(node)
            if "nullable=False" in text and "server_default" not in text:
                found.append("a column that must be given")
    return found


def test_each_released_script_only_adds_or_says_that_it_does_not() -> None:
    scripts = [path for path in VERSIONS.glob("0*.py") if int(path.name[:4]) > LAST_UNRELEASED]
    assert {path.name: more_than_adding(path.read_text("utf-8")) for path in scripts} == {
        path.name: [] for path in scripts
    }


@pytest.mark.parametrize(
    "line",
    [
        'op.drop_table("study")',
        'batch_op.alter_column("name", nullable=False)',
        'op.add_column("study", sa.Column("x", sa.Text(), nullable=False))',
    ],
)
def test_a_change_of_more_than_adding_is_found(line: str) -> None:
    assert more_than_adding(f"def upgrade():\n    {line}\n")
    assert not more_than_adding(f"ONE_WAY = True\ndef upgrade():\n    {line}\n")
