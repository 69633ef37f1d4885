"""What a command made or found, shown to a person or to a script."""

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

_WIDE: Final = 240


def show(made: object, *, as_json: bool) -> None:
    """Print *made*: None, a dictionary, one value or a list of them."""
    if made is None:
        print("{}" if as_json else "done")
    elif as_json:
        print(json.dumps(made, default=_plain, ensure_ascii=False))
    elif isinstance(made, dict):
        for name, value in made.items():
            print(f"{name}: {_read(value)}")
    else:
        _table(made if isinstance(made, list) else [made])


def _table(rows: Sequence[object]) -> None:
    shown = [_fields(row) for row in rows]
    if not shown:
        print("none")
        return
    table = Table(box=None, pad_edge=False)
    for name in shown[0]:
        table.add_column(name, no_wrap=True)
    for row in shown:
        table.add_row(*map(_read, row.values()))
    Console(width=_WIDE).print(table)


def _read(value: object) -> str:
    """Return *value* for a person: a time as the clock on the wall has it."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.astimezone().isoformat(" ", "minutes")
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    if isinstance(value, dt.datetime | Path):
        return str(value)
    return _fields(value)


def _fields(row: Any) -> dict[str, Any]:
    slots = {name: getattr(row, name) for name in row.__dataclass_fields__}
    return {k: ",".join(sorted(v)) if isinstance(v, frozenset) else v for k, v in slots.items()}
