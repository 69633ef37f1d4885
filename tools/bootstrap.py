"""Make ``.venv`` from the lock files, with nothing but a Python 3.11+ and its standard library.

A fresh Debian has neither pip nor ensurepip, so uv is fetched as a wheel by its digest from the
package index this machine is set up for; uv then makes the environment and installs the locked,
hashed wheels. Run again with nothing changed it only reads a stamp.

    python3 -S -I tools/bootstrap.py           what Yilian runs on
    python3 -S -I tools/bootstrap.py --test    that, and what checks and tests need
    python3 -S -I tools/bootstrap.py --uv      only uv; prints its path
    python3 -S -I tools/bootstrap.py --adopt VENV   take another checkout's, made from the same lock
"""

from __future__ import annotations  # so that an older Python gets as far as the message

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SETUP: Final = ROOT / ".setup"
VENV: Final = ROOT / ".venv"
LOCKS: Final = {"runtime": "requirements.lock", "test": "requirements-test.lock"}
OLDEST: Final = (3, 11)
LOCK_WAIT_NOTICE: Final = "another make is at work in this folder, waiting for it"

LAUNCHER: Final = """\
#!/bin/sh
# The program, run from its checkout. Made by tools/bootstrap.py.
# Never from modules that lie where somebody happens to stand.
export PYTHONSAFEPATH=1
exec "$(dirname "$(readlink -f "$0")")/python" -m yilian "$@"
"""


def say(message: str) -> None:
    """Tell the person at the terminal what happens; never part of a verb's own output."""
    print(f"setup: {message}", file=sys.stderr, flush=True)


def newer_python() -> str | None:
    """The newest Python on the path that is new enough, for a start under an older one."""
    for minor in range(20, OLDEST[1] - 1, -1):
        if found := shutil.which(f"python3.{minor}"):
            return found
    return None


@contextlib.contextmanager
def only_one(name: str) -> Iterator[None]:
    """Hold this checkout's lock *name*: two makes at once take turns instead of colliding."""
    SETUP.mkdir(exist_ok=True)
    with (SETUP / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(LOCK_WAIT_NOTICE)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def digest(*names: str) -> str:
    """One digest over the named files of the checkout."""
    total = hashlib.sha256()
    for name in names:
        total.update(hashlib.sha256((ROOT / name).read_bytes()).digest())
    return total.hexdigest()


def wanted_stamp(level: str) -> dict[str, str]:
    """What the stamp must say when the environment is right for *level*."""
    stamp = {
        "root": str(ROOT),
        "bootstrap": digest("tools/bootstrap.py"),
        "runtime": digest(LOCKS["runtime"]),
    }
    if level == "test":
        stamp["test"] = digest(LOCKS["test"])
    return stamp


def found_stamp(venv: Path = VENV) -> dict[str, str]:
    """What the last set-up of *venv* left; empty when there was none, or when it broke."""
    try:
        stamp = json.loads((venv / "yilian-stamp.json").read_text("utf-8"))
        python = str((venv / "bin" / "python").resolve(strict=True))
    except (OSError, ValueError):
        return {}
    # A system upgrade may have replaced the interpreter under the environment.
    return stamp if isinstance(stamp, dict) and stamp.get("python") == python else {}


def uv_environment(index: str) -> Mapping[str, str]:
    """The environment for uv: this machine's index and certificates, no other environment."""
    from_outside = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    made = {
        "UV_DEFAULT_INDEX": index,
        "UV_PYTHON_DOWNLOADS": "never",
        # The system's certificates: hospitals and companies often bring their own authority.
        "UV_SYSTEM_CERTS": "1",
        "UV_NO_PROGRESS": "1",
        # A thin line is no reason to give up.
        "UV_HTTP_TIMEOUT": "180",
        "UV_HTTP_RETRIES": "8",
    }
    home = Path(os.environ.get("HOME", "/nonexistent"))
    if not os.access(home, os.W_OK):
        made["UV_CACHE_DIR"] = str(SETUP / "cache")
    return made | from_outside


def run(command: list[str], environment: Mapping[str, str]) -> None:
    """Run *command* in the checkout; end with its message when it fails."""
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), check=False)
    if done.returncode:
        raise SystemExit(f"setup: {' '.join(command)} failed ({done.returncode})")


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Put *text* at *path* whole, or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as part:
        part.write(text)
    Path(part.name).chmod(mode)
    Path(part.name).replace(path)


def install(level: str, uv: Path, index: str) -> None:
    """Bring the environment to the lock of *level*, and let it find the checkout."""
    environment = uv_environment(index)
    stamp = found_stamp()
    if not stamp or stamp.get("root") != str(ROOT):
        base = os.path.realpath(sys.executable)
        say(f"making .venv with Python {sys.version.split()[0]}")
        run([str(uv), "venv", "--quiet", "--clear", "--python", base, str(VENV)], environment)
    (VENV / "yilian-stamp.json").unlink(missing_ok=True)
    say(f"installing {LOCKS[level]}")
    python = VENV / "bin" / "python"
    sync = [str(uv), "pip", "sync", "--quiet", "--python", str(python), "--require-hashes"]
    run([*sync, "--only-binary", ":all:", "--compile-bytecode", LOCKS[level]], environment)

    join(level)


def join(level: str) -> None:
    """Let the environment find this checkout, and say what it is."""
    for site_packages in VENV.glob("lib/python3*/site-packages"):
        write_atomically(site_packages / "yilian_checkout.pth", f"{ROOT}\n")
    write_atomically(VENV / "bin" / "yilian", LAUNCHER, 0o755)
    python = (VENV / "bin" / "python").resolve()
    made = {**wanted_stamp(level), "python": str(python)}
    write_atomically(VENV / "yilian-stamp.json", json.dumps(made, indent=1) + "\n")


def adopt(other: Path) -> bool:
    """Take over the environment *other*; False where it is none made from this very lock.

    Files of our own are linked and take no room; those of others are copied, so that nobody else
    can change them here.
    """
    stamp = found_stamp(other)
    if stamp.get("runtime") != wanted_stamp("runtime")["runtime"]:
        return False

    def take(source: str, target: str) -> str:
        if os.stat(source).st_uid == os.geteuid():
            with contextlib.suppress(OSError):
                os.link(source, target)
                return target
        return shutil.copy2(source, target)

    say(f"taking the packages of {other}")
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    own = shutil.ignore_patterns("yilian-stamp.json", "yilian_checkout.pth")
    for part in other.iterdir():
        if part.name in ("bin", "include", "lib", "lib64", "pyvenv.cfg"):
            target = VENV / part.name
            if part.is_symlink() or part.is_file():
                shutil.copy2(part, target, follow_symlinks=False)
            else:
                shutil.copytree(part, target, symlinks=True, ignore=own, copy_function=take)
    join("runtime")
    return True


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Make .venv from the lock files.",
        epilog="example: python3 -S -I tools/bootstrap.py --test",
    )
    parser.add_argument("--test", action="store_true", help="also what checks and tests need")
    parser.add_argument("--uv", action="store_true", help="only fetch uv and print its path")
    parser.add_argument(
        "--adopt", type=Path, metavar="VENV", help="take these packages where the lock is the same"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Set the checkout up; fast and silent when it already is."""
    if sys.version_info < OLDEST:
        if python := newer_python():
            os.execv(python, [python, "-S", "-I", __file__, *arguments])  # noqa: S606  # no shell wanted
        raise SystemExit("setup: Yilian needs Python 3.11 or newer on the path")
    options = parse(arguments)
    level = "test" if options.test else "runtime"
    if not options.uv and wanted_stamp(level).items() <= found_stamp().items():
        return 0
    # Under -I the script's own folder is not on the path.
    sys.path.insert(0, str(ROOT / "tools"))
    from uv_wheel import configured_index, fetch_uv  # noqa: PLC0415  # only when work is to do

    with only_one("python"):
        if options.adopt:
            if adopt(options.adopt):
                return 0
            say(f"{options.adopt} was made from another lock")
            return 1
        index = configured_index()
        uv = fetch_uv(SETUP, index, say)
        if options.uv:
            print(uv)
            return 0
        stamp = found_stamp()
        if wanted_stamp(level).items() <= stamp.items():
            return 0
        # An environment that once had the test packages keeps them.
        install("test" if "test" in stamp else level, uv, index)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
