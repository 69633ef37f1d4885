"""The command line: which verbs there are, and what each is asked.

Every verb's own module has ``add(subparsers)`` and a function that returns the exit code.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from yilian.loading import loading
from yilian.parsers import finish

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130


def program_version() -> str:
    """Return the version of the release this is, or of the installed package or the checkout."""
    try:
        # deploy/install.sh writes it into each release folder.
        return (Path(__file__).resolve().parents[1] / "VERSION").read_text("ascii").strip()
    except OSError:
        pass
    try:
        return version("yilian")
    except PackageNotFoundError:
        return "0.1.0"


_MODULES: Final = {
    "demo": "nodes",
    "county": "nodes",
    "township": "nodes",
    "send": "send",
    "admin": "admin",
    "db": "db",
    "audit": "audit",
    "spool": "spool",
    "doctor": "doctor",
}
"""Which module of ``yilian.commands`` declares each verb."""


def parser(verb: str = "") -> argparse.ArgumentParser:
    """Return the parser of the whole program, or of *verb* alone, whose rooms load faster."""
    whole = argparse.ArgumentParser(
        prog="yilian",
        description="The open platform of a county medical community.",
        epilog="Each verb has --help with an example.",
    )
    whole.add_argument("--version", action="version", version=program_version())
    verbs = whole.add_subparsers(dest="verb", metavar="VERB", required=True)
    names = [_MODULES[verb]] if verb in _MODULES else dict.fromkeys(_MODULES.values())
    with loading():
        for name in names:
            import_module(f"yilian.commands.{name}").add(verbs)
    finish(whole)
    return whole


def _main(words: list[str]) -> int:
    # Imported here, where a Ctrl-C while modules load is met.
    from kernel.errors import PlatformError  # noqa: PLC0415
    from kernel.process.child import EX_CONFIG  # noqa: PLC0415
    from kernel.settings import SettingsRefused  # noqa: PLC0415

    arguments = parser(words[0] if words else "").parse_args(words)
    try:
        return int(arguments.run(arguments))
    except PlatformError as exc:
        print(f"yilian {arguments.verb}: {exc.detail or exc.code} [{exc.code}]", file=sys.stderr)
        return EX_CONFIG if isinstance(exc, SettingsRefused) else EXIT_FAILED


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; an error made on purpose is one line and exit code 1, never a traceback."""
    try:
        return _main(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as exc:
        if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"yilian: no room on the disk: {exc.filename or ''} [disk-full]", file=sys.stderr)
        return EXIT_FAILED
