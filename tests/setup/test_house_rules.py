"""Rules of the house that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.setup import checkout
from tests.setup.checkout import ROOT

LONGEST_LINES = 450
# In pieces, so that this file keeps its own rule.
REGISTRY_HOSTS = [
    ".".join(pieces)
    for pieces in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("npmmirror", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
]
MACHINE_PATHS = [
    "/" + "/".join(pieces) for pieces in (("work", ""), ("root", ""), ("tmp", "brief"))
]
BANNED_STEMS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
SHORTEST_BANNED_SLEEP_S = 0.1


def lines_with(words: list[str], *, starting: bool) -> Iterator[str]:
    """Places where one of *words* stands; *starting* ones must not continue another word."""
    one = "|".join(re.escape(word) for word in words)
    pattern = re.compile(rf"(?<![\w./~}}*-])(?:{one})" if starting else rf"(?:{one})")
    for path in checkout.files():
        for number, line in enumerate(checkout.text(path).splitlines(), 1):
            if pattern.search(line):
                yield f"{path}:{number}"


def test_no_registry_host_is_named() -> None:
    assert list(lines_with(REGISTRY_HOSTS, starting=False)) == []


def test_no_path_of_one_machine_is_named() -> None:
    assert list(lines_with(MACHINE_PATHS, starting=True)) == []


def is_made(path: Path) -> bool:
    """Whether *path* is a table that a tool of the house makes, and that says so."""
    maker = re.search(r"^Made by (tools/\w+\.py); do not edit", checkout.text(path), re.MULTILINE)
    return maker is not None and (ROOT / maker[1]).exists()


def test_a_source_file_holds_one_idea() -> None:
    lengths = {path: len(checkout.text(path).splitlines()) for path in checkout.code()}
    long = [path for path, length in lengths.items() if length > LONGEST_LINES]
    assert [path for path in long if not is_made(path)] == []


def test_no_file_is_named_for_a_drawer() -> None:
    named = [
        path for path in checkout.code() if BANNED_STEMS & {part.lower() for part in parts(path)}
    ]
    assert named == []


def parts(path: Path) -> tuple[str, ...]:
    return (*path.parent.parts, path.name.partition(".")[0])


def test_a_package_file_holds_one_docstring_and_no_code() -> None:
    for path in checkout.python():
        if path.name == "__init__.py":
            body = ast.parse(checkout.text(path)).body
            assert len(body) == 1, path
            assert isinstance(body[0], ast.Expr), path
            assert isinstance(body[0].value, ast.Constant), path
            assert isinstance(body[0].value.value, str), path


def test_every_folder_of_code_is_a_package() -> None:
    """Import-linter and mypy pass over a folder that is none, and say nothing."""
    packages = {path.parts[0] for path in checkout.python() if path.name == "__init__.py"}
    folders = {path.parent for path in checkout.python() if path.parts[0] in packages}
    assert [
        folder for folder in sorted(folders) if not (ROOT / folder / "__init__.py").exists()
    ] == []


def sleeps(path: Path) -> Iterator[str]:
    """Calls in *path* that wait for a time instead of for something."""
    for node in ast.walk(ast.parse(checkout.text(path))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called, first = ast.unparse(node.func), node.args[0]
        long = not isinstance(first, ast.Constant) or (
            isinstance(first.value, int | float) and first.value >= SHORTEST_BANNED_SLEEP_S
        )
        if called == "time.sleep" or (called == "asyncio.sleep" and long):
            yield f"{path}:{node.lineno}"


def test_tests_wait_for_things_and_not_for_time() -> None:
    tests = [path for path in checkout.python() if path.parts[0] == "tests"]
    assert [place for path in tests for place in sleeps(path)] == []


def test_every_todo_has_an_issue() -> None:
    todo = re.compile(r"\bTODO\b(?!.*#\d+)|\bFIX" + r"ME\b|\bX{3}\b")
    found = [
        f"{path}:{number}"
        for path in checkout.code()
        for number, line in enumerate(checkout.text(path).splitlines(), 1)
        if todo.search(line) and path != Path("tests/setup/test_house_rules.py")
    ]
    assert found == []
