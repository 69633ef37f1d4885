"""A rule that matches no file checks nothing: every configured pattern finds something."""

import tomllib
from fnmatch import fnmatch
from importlib.util import find_spec
from typing import Any

import grimp
import pytest

from tests.setup import checkout
from tests.setup.checkout import ROOT

TOOL: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
NAMES = [str(path) for path in checkout.files()]


def import_patterns() -> list[str]:
    keys = ("source_modules", "forbidden_modules")
    contracts = TOOL["importlinter"]["contracts"]
    return sorted(
        {name for contract in contracts for key in keys for name in contract.get(key, [])}
    )


@pytest.mark.parametrize("pattern", sorted(TOOL["ruff"]["lint"]["per-file-ignores"]))
def test_every_exception_of_the_linter_is_for_files_that_exist(pattern: str) -> None:
    assert any(fnmatch(name, pattern) for name in NAMES)


@pytest.mark.parametrize("folder", TOOL["ruff"]["extend-exclude"])
def test_everything_kept_from_the_linter_exists(folder: str) -> None:
    assert any(name.startswith(f"{folder}/") for name in NAMES)


@pytest.mark.parametrize("package", TOOL["mypy"]["packages"])
def test_every_package_that_is_typed_exists(package: str) -> None:
    assert f"{package}/__init__.py" in NAMES


def test_every_package_of_the_house_is_typed() -> None:
    packages = {name.partition("/")[0] for name in NAMES if name.count("/") == 1}
    ours = {name for name in packages if f"{name}/__init__.py" in NAMES}
    assert ours <= set(TOOL["mypy"]["packages"])


@pytest.mark.parametrize(
    "module", sorted(name for part in TOOL["mypy"]["overrides"] for name in part["module"])
)
def test_every_untyped_library_is_used_and_still_untyped(module: str) -> None:
    name = module.removesuffix(".*")
    spec = find_spec(name)
    assert spec is not None
    assert any(f"import {name}" in checkout.text(path) for path in checkout.python())
    for folder in spec.submodule_search_locations or []:
        assert not (ROOT / folder / "py.typed").exists()


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    roots = TOOL["importlinter"]["root_packages"]
    return grimp.build_graph(*roots, include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("pattern", import_patterns())
def test_every_module_an_import_rule_names_exists(graph: grimp.ImportGraph, pattern: str) -> None:
    """A rule may be ahead of its room, but not of a module in a room that is there."""
    if "*" not in pattern:
        assert find_spec(pattern) is not None
        return
    room, _, name = pattern.rpartition(".")
    if room == "*.*" and not graph.find_matching_modules(pattern):
        pytest.skip(f"no room has a {name} yet")
    if not graph.find_matching_modules(f"{room}.*"):
        pytest.skip(f"no room {room} yet")
    assert graph.find_matching_modules(pattern)
