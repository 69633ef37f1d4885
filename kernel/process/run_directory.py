"""Where Unix sockets go: their paths may have 107 bytes, home folders may lie deeper."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kernel.errors import Unavailable

_PATH_BYTES: Final = 107
_LONGEST_NAME: Final = "/wake-0123456789abcdef.sock"


def run_directory(home: Path, environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder for sockets of the node in *home*, made and ours alone.

    ``home/run`` where that is short enough, else a folder named after *home* under
    ``XDG_RUNTIME_DIR`` or the folder for temporary files; the same for every process and start.

    Raises:
        Unavailable: somebody else made that folder (``run-directory``).
    """
    environ = os.environ if environ is None else environ
    directory = home.absolute() / "run"
    if len(os.fsencode(f"{directory}{_LONGEST_NAME}")) > _PATH_BYTES:
        digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]
        above = Path(environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        directory = above / f"yilian-{os.getuid()}-{digest}"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Unavailable(f"{directory} belongs to somebody else", code="run-directory")
    directory.chmod(0o700)
    return directory
