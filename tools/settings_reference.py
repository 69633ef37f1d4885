"""Write docs/reference/settings.md from kernel/settings.py, which says what each key means.

Run ``.venv/bin/python tools/settings_reference.py`` after a setting was added or changed.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, get_args, get_origin, get_type_hints

import msgspec

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kernel import settings  # noqa: E402
from kernel.settings import NodeKind, Settings  # noqa: E402
from kernel.settings_text import PREFIX  # noqa: E402

TARGET: Final = ROOT / "docs/reference/settings.md"
_UNITS: Final = {
    "_bits_per_s": "bit/s",
    "_bytes": "bytes",
    "_days": "days",
    "_s": "seconds",
}
_HEAD: Final = """# Settings

Made from `kernel/settings.py` by `tools/settings_reference.py`; do not edit by hand.

A node reads `yilian.toml` in its home folder and, above it, variables of the environment:
`[township] keep_days = 30` is `YILIAN_TOWNSHIP_KEEP_DAYS=30`; lists have commas there. Unknown
keys, impossible values and files that are not there refuse the start (exit code 78) and say where.
A file or folder name that does not begin with `/` begins at the home folder. Changes count from the
next start; a rules file is read again by itself.
"""


def _units(key: str) -> str:
    return next((unit for ending, unit in _UNITS.items() if key.endswith(ending)), "")


def _kind(annotation: object) -> tuple[str, str]:
    """Return the type of a value as an operator writes it, and what bounds it."""
    bounds = ""
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        for meta in more:
            if isinstance(meta, msgspec.Meta):
                bounds = _bounds(meta)
    if get_origin(annotation) is tuple:
        return "list of texts", bounds
    names: dict[object, str] = {
        str: "text", int: "whole number", float: "number", bool: "true or false",
    }  # fmt: skip
    return names[annotation], bounds


def _bounds(meta: msgspec.Meta) -> str:
    told = [
        f"{sign} {value:g}"
        for sign, value in ((">", meta.gt), (">=", meta.ge), ("<=", meta.le))
        if value is not None
    ]
    if meta.max_length is not None:
        told.append(f"{meta.min_length or 0} to {meta.max_length} characters")
    if meta.pattern is not None:
        told.append(meta.pattern.strip("^$()").replace("|", ", "))
    return ", ".join(told)


def meanings(section: type) -> dict[str, str]:
    """Return what stands in quotes below each key of *section* and of what it is made from."""
    found: dict[str, str] = {}
    for each in reversed(section.__mro__):
        if each.__module__ != settings.__name__:
            continue
        body = ast.parse(inspect.getsource(each)).body[0]
        assert isinstance(body, ast.ClassDef)  # noqa: S101  # that is what getsource returns
        for before, after in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(before, ast.AnnAssign)
                and isinstance(before.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                found[before.target.id] = " ".join(str(after.value.value).split())
    return found


def rows() -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield section, key, type, default, unit and meaning of every setting."""
    at = {kind: Settings.load(kind, environ={}) for kind in NodeKind}
    for section in Settings.__struct_fields__:
        told = type(getattr(Settings(), section))
        hints = get_type_hints(told, include_extras=True)
        meaning = meanings(told)
        for key in told.__struct_fields__:
            kind, bounds = _kind(hints[key])
            defaults = {name: getattr(getattr(found, section), key) for name, found in at.items()}
            shown = {name: _shown(value) for name, value in defaults.items()}
            default = (
                shown[NodeKind.COUNTY]
                if len(set(shown.values())) == 1
                else " · ".join(f"{name} {value}" for name, value in shown.items())
            )
            text = f"{kind} ({bounds})" if bounds else kind
            yield section, key, text, default, _units(key), meaning.get(key, "")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[]`" if not value else f"`{list(value)}`"
    return (
        f'`"{value}"`'
        if isinstance(value, str)
        else f"`{value:g}`"
        if isinstance(value, float)
        else f"`{value}`"
    )


def written() -> str:
    """Return the whole page."""
    lines = [_HEAD]
    section = ""
    for found, key, kind, default, unit, meaning in rows():
        if found != section:
            section = found
            about = inspect.getdoc(type(getattr(Settings(), section))) or ""
            lines.append(f"\n## [{section}]\n\n{' '.join(about.split())}\n")
            lines.append("| Key | Type | Default | Unit | What |\n|---|---|---|---|---|")
        lines.append(f"| `{key}` | {kind} | {default} | {unit} | {meaning} |")
    names = f"\nVariables begin with `{PREFIX}`, then section and key in capitals.\n"
    return "\n".join(lines) + "\n" + names


if __name__ == "__main__":
    TARGET.write_text(written(), "utf-8")
