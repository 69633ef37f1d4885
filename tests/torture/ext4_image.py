"""An ext4 file system in a file, whose power can be cut."""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.demo.running import until

_FS_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSHING = 2
_LEAVING_S = 20
TOOLS = ("mkfs.ext4", "mount", "umount")


def missing() -> str:
    """Return why no power can be cut here, or an empty text."""
    if os.geteuid() != 0:
        return "cutting the power of a file system needs root"
    absent = [name for name in TOOLS if shutil.which(name, path=_path()) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _run(*command: str) -> None:
    subprocess.run(  # fixed commands on our own files
        command, check=True, capture_output=True, timeout=30, env={**os.environ, "PATH": _path()}
    )


class Ext4Image:
    """A file system in *folder*; mounted only inside ``mounted``."""

    def __init__(self, folder: Path, *, size: int = 96 << 20) -> None:
        self._image = folder / "image"
        self.root = folder / "mounted"
        self._cut = False
        self.root.mkdir(parents=True)
        with self._image.open("wb") as image:
            image.truncate(size)
        _run("mkfs.ext4", "-q", "-F", str(self._image))

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Return the root of the mounted file system."""
        if self._cut:
            # A mount namespace made meanwhile keeps the file system of the cut alive on this very
            # image, and the kernel would give that one back; a copy is what a new start finds.
            after = self._image.with_name("image.after")
            _run("cp", "--sparse=always", str(self._image), str(after))
            after.replace(self._image)
            self._cut = False
        _run("mount", "-o", "loop", str(self._image), str(self.root))
        try:
            yield self.root
        finally:
            try:
                # Whoever was killed a moment ago may still be leaving.
                until(self._is_unmounted, _LEAVING_S, f"{self.root} to be free")
            except BaseException:
                with contextlib.suppress(subprocess.CalledProcessError):
                    _run("umount", "-l", str(self.root))
                raise

    def _is_unmounted(self) -> bool:
        tried = subprocess.run(["umount", str(self.root)], check=False, capture_output=True)
        return tried.returncode == 0

    def cut_power(self) -> None:
        """Let nothing reach the image any more, as if the plug was pulled now."""
        self._cut = True
        fd = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _FS_IOC_SHUTDOWN, struct.pack("I", _WITHOUT_FLUSHING))
        finally:
            os.close(fd)
