"""No text from outside ever becomes a command, code or an object of Python."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kernel", "imaging", "gateway", "realtime", "referrals", "yilian")
CALLS = {
    *("os.system", "os.popen", "eval", "exec", "compile", "__import__"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "marshal.loads", "marshal.load"),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell"),
}
MODULES = {"pickle", "cPickle", "dill", "shelve", "marshal", "commands", "pty"}


def faults(source: str) -> Iterator[str]:
    """Yield line and name of what no part of the program may do."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found = [each.name for each in names if each.name.partition(".")[0] in MODULES]
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                found = [module]
            case ast.Call(func=func, keywords=keywords):
                found = [ast.unparse(func)] if ast.unparse(func) in CALLS else []
                found += ["shell" for each in keywords if each.arg == "shell"]
            case _:
                found = []
        line = getattr(node, "lineno", 0)
        yield from (f"{line}: {name}" for name in found)


def test_the_program_runs_no_shell_and_evaluates_nothing() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{fault}"
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if "node_modules" not in path.parts
        for fault in faults(path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "subprocess.run(line, shell=True)",
        "os.system(line)",
        "eval(text)",
        "import pickle",
        "from pickle import loads",
        "yaml.load(text)",
        "await_(asyncio.create_subprocess_shell(line))",
    ],
)
def test_a_forbidden_line_is_found(line: str) -> None:
    assert list(faults(line))


def test_an_ordinary_line_is_left_alone() -> None:
    assert not list(faults("subprocess.run(['true'], check=True)\nre.compile('x')"))
