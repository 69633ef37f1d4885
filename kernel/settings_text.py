"""Settings as they are written: entries with where each stands, for errors a person can mend."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PREFIX: Final = "YILIAN_"
RESERVED: Final = frozenset(
    f"{PREFIX}{name}" for name in ("SUPERVISOR", "READY_FD", "SOCKETS", "HOME", "TOKEN", "UI_PORT")
)
"""Variables that are no settings: what a supervisor hands its children, and what tools read."""

_TABLE: Final = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_KEY: Final = re.compile(
    r"""\s*((?:["']?[A-Za-z0-9_-]+["']?\s*\.\s*)*["']?[A-Za-z0-9_-]+["']?)\s*="""
)
_PATH: Final = re.compile(r" - at `\$\.([a-z0-9_]+)(?:\.([a-z0-9_]+))?.*`$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value that was set."""

    section: str
    key: str
    value: object
    origin: str
    """Where it was written: file and line, or the variable."""


def read_file(path: Path | None) -> Iterator[Entry]:
    """Return what the TOML file at *path* sets; nothing where there is none.

    Raises:
        ValueError: it is not TOML, or a key stands outside any table; with file and line.
    """
    if path is None or not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ValueError(f"{path}: {exc}") from exc
    lines = _lines(text)
    for section, table in tables.items():
        if not isinstance(table, dict):
            line = lines.get(("", section), 1)
            raise ValueError(f"{path}:{line}: {section} stands outside any [table]")  # noqa: TRY004
        if not table:
            yield Entry(section, "", None, f"{path}:{lines.get((section, ''), 1)}")
        for key, value in table.items():
            line = lines.get((section, key), lines.get((section, ""), 1))
            yield Entry(section, key, value, f"{path}:{line}")


def _lines(text: str) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if table := _TABLE.match(line):
            section = table[1].strip("\"'")
            found.setdefault((section, ""), number)
        elif key := _KEY.match(line):
            path = re.sub(r"[\s\"']", "", key[1])
            table_name, _, name = f"{section}.{path}".lstrip(".").rpartition(".")
            found.setdefault((table_name, name), number)
    return found


def read_environment(
    environ: Mapping[str, str], known: Mapping[str, Sequence[str]]
) -> Iterator[Entry]:
    """Return what variables set; a list is written with commas."""
    names = {
        f"{PREFIX}{section}_{key}".upper(): (section, key)
        for section, keys in known.items()
        for key in keys
    }
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        if name not in names:
            nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            raise ValueError(f"unknown variable {name}{_did_you_mean(nearest)}")
        section, key = names[name]
        yield Entry(section, key, value, name)


def refuse_unknown(entry: Entry, known: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError, with the nearest key there is, if nobody knows *entry*."""
    if entry.section not in known:
        nearest = difflib.get_close_matches(entry.section, known, n=1, cutoff=0.5)
        tables = [f"[{name}]" for name in nearest]
        raise ValueError(f"{entry.origin}: unknown [{entry.section}]{_did_you_mean(tables)}")
    if entry.key and entry.key not in known[entry.section]:
        every = [f"{section}.{key}" for section, keys in known.items() for key in keys]
        name = f"{entry.section}.{entry.key}"
        raise ValueError(
            f"{entry.origin}: unknown key {name}"
            f"{_did_you_mean(difflib.get_close_matches(name, every, n=1, cutoff=0.5))}"
        )


def _did_you_mean(nearest: Sequence[str]) -> str:
    return f", did you mean {nearest[0]}?" if nearest else ""


def at_key(message: str, origins: Mapping[tuple[str, str], str]) -> str:
    """Return msgspec's *message* with where the value was written instead of its JSON path."""
    path = _PATH.search(message)
    if path is None:
        return message
    section, key = path[1], path[2] or ""
    origin = origins.get((section, key))
    return f"{f'{origin}: ' if origin else ''}{section}.{key}: {message[: path.start()]}"
