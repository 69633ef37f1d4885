"""The checkout as the house's rules see it: which files are ours."""

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CODE: Final = frozenset({".py", ".ts", ".tsx"})
MADE: Final = frozenset(
    {".git", ".venv", ".setup", "node_modules", "dist", "__pycache__", ".hypothesis"}
)


def _walked() -> list[str]:
    """Every file of an unpacked release, where git knows nothing."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in MADE and not name.endswith("_cache")]
        found += [str(Path(folder, name).relative_to(ROOT)) for name in files]
    return found


@cache
def files() -> tuple[Path, ...]:
    """The files of this checkout, relative to it, committed or about to be."""
    names = _walked()
    if (ROOT / ".git").exists():
        asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(asked, cwd=ROOT, capture_output=True, check=True)
        names = [name for name in listed.stdout.decode().split("\0") if name]
    return tuple(sorted(Path(name) for name in set(names) if (ROOT / name).is_file()))


def code() -> list[Path]:
    """The sources people write, Python and TypeScript."""
    return [path for path in files() if path.suffix in CODE and not path.name.endswith(".d.ts")]


def python() -> list[Path]:
    """The Python sources."""
    return [path for path in files() if path.suffix == ".py"]


def text(path: Path) -> str:
    """The file's text; empty for one that is not text."""
    try:
        return (ROOT / path).read_text("utf-8")
    except UnicodeDecodeError:
        return ""
